// A linear layer in 8-bit integers, for processors with AVX-512 VNNI, and faster with AMX besides.
//
// Weights are rounded once, with a scale for each output; inputs for each row as they come, with a
// scale for each row (dynamic quantisation, as CTranslate2 and others do it), so that a row's
// outputs depend on that row alone. The sums are exact in 32 bits: 8 bits times 8 bits over up to
// 2^16 inputs; so both kinds of instructions give the same bits. One call is one thread's.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "wide.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#define VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#define AMX __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni,amx-tile,amx-int8")))
#endif

namespace acoustic {

inline constexpr std::size_t kDepth = 4;   // products that one instruction adds to each
inline constexpr std::size_t kPanels = 3;  // registers of outputs that are computed together
inline constexpr std::size_t kRows = 8;    // rows that are: 24 sums of 32 registers
inline constexpr std::size_t kMaxInputs = 1 << 16;

// AMX multiplies a tile of 16 rows by 64 inputs with one of 64 inputs by 16 outputs.
inline constexpr std::size_t kTileRows = 16;
inline constexpr std::size_t kTileGroups = 16;  // of `kDepth` inputs
inline constexpr std::size_t kFewRows = 8;      // up to so many are no faster in tiles

inline bool int8_is_supported() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

// Whether there is AMX, and the kernel lets this process use it: it must be asked once.
inline bool amx_is_supported() {
#if defined(__x86_64__)
  static const bool supported = [] {
    constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
    constexpr long kTileData = 18;
    constexpr unsigned kTilesAndInt8 = 3U << 24;
    unsigned a = 0, b = 0, c = 0, d = 0;
    return int8_is_supported() && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 &&
           (d & kTilesAndInt8) == kTilesAndInt8 &&
           syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  }();
  return supported;
#else
  return false;
#endif
}

class Int8Linear {
 public:
  // `weight` is (outputs, inputs), row by row; `bias` is (outputs,). Without `may_use_amx` it is
  // computed as where there is none.
  Int8Linear(const float* weight, const float* bias, std::size_t outputs, std::size_t inputs,
             bool may_use_amx = true)
      : outputs_(outputs),
        inputs_(inputs),
        groups_((inputs + kDepth - 1) / kDepth),
        stride_((groups_ + kTileGroups - 1) / kTileGroups * kTileGroups * kLanes * kDepth),
        panels_((outputs + kLanes - 1) / kLanes),
        uses_amx_(may_use_amx && amx_is_supported()) {
    if (!int8_is_supported()) throw std::runtime_error("this processor has no AVX-512 VNNI");
    if (outputs == 0 || inputs == 0 || inputs > kMaxInputs) {
      throw std::invalid_argument("a layer needs outputs, and 1 to 65536 inputs");
    }
    weights_.assign(panels_ * stride_, kZero);
    scales_.assign(panels_ * kLanes, 0.0F);
    bias_.assign(panels_ * kLanes, 0.0F);
    std::copy(bias, bias + outputs, bias_.begin());
    for (std::size_t output = 0; output < outputs; ++output) {
      pack(weight + output * inputs, output);
    }
  }

  std::size_t outputs() const { return outputs_; }
  std::size_t inputs() const { return inputs_; }

  // Where outputs go: to rows that are `stride` apart, or on top of what is there.
  struct Target {
    float* rows;
    std::size_t stride;
    bool adds = false;
  };

  // (rows, inputs) -> (rows, outputs). May be called by several threads at once.
  void run(const float* in, std::size_t rows, float* out) const {
    run(rows, [=](std::size_t row) { return in + row * inputs_; }, {out, outputs_});
  }

  // `row_of(i)` says where row i lies: it is asked in order, and each row is read before the next.
  template <typename RowOf>
  void run(std::size_t rows, const RowOf& row_of, const Target& out) const {
    const bool in_tiles = uses_amx_ && rows > kFewRows;
    Rounded& rounded = this_threads_rounded();
    rounded.hold(rows, stride_ / kLanes, in_tiles ? kTileRows : 1);
    for (std::size_t row = 0; row < rows; ++row) round(row_of(row), row, rounded);
    multiply(rounded, in_tiles, out);
  }

 private:
  static constexpr std::uint8_t kZero = 128;  // weights are stored unsigned

  // Inputs in 8 bits, each row with zeros up to whole tiles. A thread's memory for them is kept
  // from call to call; rows that only fill a tile hold whatever was there.
  struct Rounded {
    void hold(std::size_t new_rows, std::size_t new_width, std::size_t multiple) {
      rows = new_rows;
      width = new_width;
      const std::size_t bytes = (rows + multiple - 1) / multiple * multiple * width;
      if (values.size() < bytes) values.resize(bytes);
      if (scales.size() < rows) scales.resize(rows);
      if (excess.size() < rows) excess.resize(rows);
    }

    std::size_t rows = 0;
    std::size_t width = 0;
    std::vector<std::int8_t, LineAllocator<std::int8_t>> values;
    std::vector<float> scales;
    std::vector<std::int32_t> excess;  // what `kZero` adds to the sums of a row
  };

  static Rounded& this_threads_rounded() {
    thread_local Rounded rounded;
    return rounded;
  }

  void multiply(const Rounded& rounded, bool in_tiles, const Target& out) const {
    if (in_tiles) return multiply_tiles(rounded, out);
    for (std::size_t panel = 0; panel < panels_; panel += kPanels) {
      switch (std::min(kPanels, panels_ - panel)) {
        case 1:
          multiply<1>(rounded, panel, out);
          break;
        case 2:
          multiply<2>(rounded, panel, out);
          break;
        default:
          multiply<3>(rounded, panel, out);
      }
    }
  }

  // What to multiply values with that are at most `highest`; nothing is left of the tiniest.
  static float inverse_of(float highest) { return highest > 1e-30F ? 127 / highest : 0.0F; }

  // One output's weights to where `multiply` reads them: 16 outputs side by side, 4 inputs each.
  void pack(const float* weight, std::size_t output) {
    float highest = 0.0F;
    for (std::size_t i = 0; i < inputs_; ++i) highest = std::max(highest, std::fabs(weight[i]));
    scales_[output] = highest / 127;
    const float inverse = inverse_of(highest);
    std::uint8_t* panel = weights_.data() + (output / kLanes) * stride_;
    for (std::size_t i = 0; i < inputs_; ++i) {
      const auto rounded = static_cast<int>(std::nearbyint(weight[i] * inverse));
      panel[((i / kDepth) * kLanes + output % kLanes) * kDepth + i % kDepth] =
          static_cast<std::uint8_t>(rounded + kZero);
    }
  }

#if defined(__x86_64__)
  VNNI void round(const float* in, std::size_t row, Rounded& rounded) const {
    constexpr std::size_t kFour = 4 * kLanes;
    const std::size_t in_fours = inputs_ / kFour * kFour;
    __m512 highest[4] = {};
    for (std::size_t i = 0; i < in_fours; i += kFour) {
#pragma GCC unroll 4
      for (std::size_t k = 0; k < 4; ++k) {
        highest[k] = _mm512_max_ps(highest[k], _mm512_abs_ps(_mm512_loadu_ps(in + i + k * kLanes)));
      }
    }
    for (std::size_t i = in_fours; i < inputs_; i += kLanes) {
      highest[0] = _mm512_max_ps(highest[0], _mm512_abs_ps(load(in + i, inputs_ - i)));
    }
    const float most = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_max_ps(highest[0], highest[1]),
                                                          _mm512_max_ps(highest[2], highest[3])));
    const __m512 inverse = _mm512_set1_ps(inverse_of(most));
    const __m512i ones = _mm512_set1_epi8(1);
    // 16-byte quarters of four registers that were packed together, to their places.
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    std::int8_t* values = rounded.values.data() + row * rounded.width;
    __m512i sum = _mm512_setzero_si512();
    for (std::size_t i = 0; i < in_fours; i += kFour) {
      __m512i whole[4];
#pragma GCC unroll 4
      for (std::size_t k = 0; k < 4; ++k) {
        whole[k] = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(in + i + k * kLanes), inverse));
      }
      const __m512i bytes = _mm512_permutexvar_epi32(
          order, _mm512_packs_epi16(_mm512_packs_epi32(whole[0], whole[1]),
                                    _mm512_packs_epi32(whole[2], whole[3])));
      sum = add_products(sum, ones, bytes);
      _mm512_storeu_si512(values + i, bytes);
    }
    for (std::size_t i = in_fours; i < inputs_; i += kLanes) {
      const __m512i whole = _mm512_cvtps_epi32(_mm512_mul_ps(load(in + i, inputs_ - i), inverse));
      sum = _mm512_add_epi32(sum, whole);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(values + i), _mm512_cvtsepi32_epi8(whole));
    }
    const std::size_t written = whole_lanes(inputs_);
    std::memset(values + written, 0, rounded.width - written);
    rounded.scales[row] = most / 127;
    rounded.excess[row] = kZero * _mm512_reduce_add_epi32(sum);
  }

  VNNI static __m512 load(const float* from, std::size_t left) {
    return _mm512_maskz_loadu_ps(first(left), from);
  }

  // All rows times `Panels` panels of outputs, whose weights stay in the first cache.
  template <int Panels>
  void multiply(const Rounded& rounded, std::size_t panel, const Target& out) const {
    std::size_t row = 0;
    for (; row + kRows <= rounded.rows; row += kRows) tile<Panels, kRows>(rounded, row, panel, out);
    rest<Panels, kRows - 1>(rounded, row, panel, out);
  }

  // The last rows, at most `Rows`, together too: a beam search has no more than these.
  template <int Panels, int Rows>
  void rest(const Rounded& rounded, std::size_t row, std::size_t panel, const Target& out) const {
    if (rounded.rows - row == Rows) {
      tile<Panels, Rows>(rounded, row, panel, out);
    } else if constexpr (Rows > 1) {
      rest<Panels, Rows - 1>(rounded, row, panel, out);
    }
  }

  // In assembly because GCC 12 copies the sums of the intrinsic from register to register.
  VNNI static __m512i add_products(__m512i sums, __m512i weights, __m512i inputs) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(weights), "v"(inputs));
    return sums;
  }

  // `Rows` rows times `Panels` panels of outputs.
  template <int Panels, int Rows>
  VNNI void tile(const Rounded& rounded, std::size_t first_row, std::size_t panel,
                 const Target& out) const {
    const std::uint8_t* weights = weights_.data() + panel * stride_;
    const std::int8_t* in = rounded.values.data() + first_row * rounded.width;
    __m512i sums[Rows][Panels];
#pragma GCC unroll 8
    for (int row = 0; row < Rows; ++row) {
#pragma GCC unroll 3
      for (int p = 0; p < Panels; ++p) sums[row][p] = _mm512_setzero_si512();
    }
    for (std::size_t group = 0; group < groups_; ++group) {
      __m512i weight[Panels];
#pragma GCC unroll 3
      for (int p = 0; p < Panels; ++p) weight[p] = _mm512_loadu_si512(weights + p * stride_);
      weights += kLanes * kDepth;
#pragma GCC unroll 8
      for (int row = 0; row < Rows; ++row) {
        std::int32_t four;
        std::memcpy(&four, in + row * rounded.width, sizeof four);
        const __m512i inputs = _mm512_set1_epi32(four);
#pragma GCC unroll 3
        for (int p = 0; p < Panels; ++p) {
          sums[row][p] = add_products(sums[row][p], weight[p], inputs);
        }
      }
      in += kDepth;
    }
#pragma GCC unroll 3
    for (int p = 0; p < Panels; ++p) {
      const Finish finish(*this, panel + p);
#pragma GCC unroll 8
      for (int row = 0; row < Rows; ++row) finish(sums[row][p], rounded, first_row + row, out);
    }
  }

  // Sums of a row and a panel to 16 outputs: what `kZero` added is taken off, scales and bias on.
  struct Finish {
    VNNI Finish(const Int8Linear& layer, std::size_t panel)
        : output(panel * kLanes),
          some(first(layer.outputs_ - output)),
          scale(_mm512_loadu_ps(layer.scales_.data() + output)),
          bias(_mm512_loadu_ps(layer.bias_.data() + output)) {}

    VNNI inline __attribute__((always_inline)) void operator()(__m512i sums, const Rounded& rounded,
                                                               std::size_t row,
                                                               const Target& out) const {
      const __m512i excess = _mm512_set1_epi32(rounded.excess[row]);
      const __m512 row_scale = _mm512_set1_ps(rounded.scales[row]);
      const __m512 sum = _mm512_cvtepi32_ps(_mm512_sub_epi32(sums, excess));
      __m512 result = _mm512_add_ps(_mm512_mul_ps(sum, _mm512_mul_ps(scale, row_scale)), bias);
      float* to = out.rows + row * out.stride + output;
      if (out.adds) result = _mm512_add_ps(_mm512_maskz_loadu_ps(some, to), result);
      _mm512_mask_storeu_ps(to, some, result);
    }

    std::size_t output;
    __mmask16 some;
    __m512 scale, bias;
  };

  // What the tile registers hold: all 8 of them whole tiles.
  struct TileShapes {
    std::uint8_t palette = 1;
    std::uint8_t start_row = 0;
    std::uint8_t reserved[14] = {};
    std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  };

  // Two tiles of rows times two panels at a time, so that each load serves two products; one of
  // either at the ends.
  AMX void multiply_tiles(const Rounded& rounded, const Target& out) const {
    alignas(64) const TileShapes shapes;
    _tile_loadconfig(&shapes);
    for (std::size_t row = 0; row < rounded.rows; row += 2 * kTileRows) {
      for (std::size_t panel = 0; panel < panels_; panel += 2) {
        const bool two_panels = panel + 1 < panels_;
        if (row + kTileRows >= rounded.rows) {
          two_panels ? block<1, 2>(rounded, row, panel, out)
                     : block<1, 1>(rounded, row, panel, out);
        } else {
          two_panels ? block<2, 2>(rounded, row, panel, out)
                     : block<2, 1>(rounded, row, panel, out);
        }
      }
    }
    _tile_release();
  }

  // Registers 0 to 3 are sums, 4 and 5 inputs, 6 and 7 weights.
  template <int Tiles, int Panels>
  AMX void block(const Rounded& rounded, std::size_t row, std::size_t panel,
                 const Target& out) const {
    const std::size_t width = rounded.width;
    const std::int8_t* in = rounded.values.data() + row * width;
    const std::uint8_t* weights = weights_.data() + panel * stride_;
    _tile_zero(0);
    if constexpr (Panels > 1) _tile_zero(1);
    if constexpr (Tiles > 1) _tile_zero(2);
    if constexpr (Tiles > 1 && Panels > 1) _tile_zero(3);
    for (std::size_t i = 0; i < width; i += kTileGroups * kDepth) {
      _tile_loadd(4, in + i, width);
      _tile_loadd(6, weights + i * kLanes, kLanes * kDepth);
      _tile_dpbsud(0, 4, 6);
      if constexpr (Panels > 1) {
        _tile_loadd(7, weights + stride_ + i * kLanes, kLanes * kDepth);
        _tile_dpbsud(1, 4, 7);
      }
      if constexpr (Tiles > 1) {
        _tile_loadd(5, in + kTileRows * width + i, width);
        _tile_dpbsud(2, 5, 6);
      }
      if constexpr (Tiles > 1 && Panels > 1) _tile_dpbsud(3, 5, 7);
    }
    alignas(64) std::int32_t sums[4][kTileRows][kLanes];
    _tile_stored(0, sums[0], kLanes * sizeof(std::int32_t));
    if constexpr (Panels > 1) _tile_stored(1, sums[1], kLanes * sizeof(std::int32_t));
    if constexpr (Tiles > 1) _tile_stored(2, sums[2], kLanes * sizeof(std::int32_t));
    if constexpr (Tiles > 1 && Panels > 1) {
      _tile_stored(3, sums[3], kLanes * sizeof(std::int32_t));
    }
    for (std::size_t tile = 0; tile < Tiles; ++tile) {
      const std::size_t first_row = row + tile * kTileRows;
      const std::size_t rows = std::min(kTileRows, rounded.rows - first_row);
      for (std::size_t p = 0; p < Panels; ++p) {
        const Finish finish(*this, panel + p);
        for (std::size_t r = 0; r < rows; ++r) {
          finish(_mm512_load_si512(sums[2 * tile + p][r]), rounded, first_row + r, out);
        }
      }
    }
  }
#else
  void round(const float*, std::size_t, Rounded&) const {}

  void multiply_tiles(const Rounded&, const Target&) const {}

  template <int Panels>
  void multiply(const Rounded&, std::size_t, const Target&) const {}
#endif

  std::size_t outputs_;
  std::size_t inputs_;
  std::size_t groups_;  // of `kDepth` inputs
  std::size_t stride_;  // bytes of a panel's weights: whole tiles
  std::size_t panels_;  // of `kLanes` outputs
  bool uses_amx_;
  std::vector<std::uint8_t, LineAllocator<std::uint8_t>> weights_;
  std::vector<float> scales_;
  std::vector<float> bias_;
};

}  // namespace acoustic
