// A linear layer in 8-bit integers, for processors with AVX-512 VNNI.
//
// Weights are rounded once, with a scale for each output; inputs for each row as they come, with a
// scale for each row (dynamic quantisation, as CTranslate2 and others do it), so that a row's
// outputs depend on that row alone. The sums are exact in 32 bits: 8 bits times 8 bits over up to
// 2^16 inputs. One call is one thread's.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#define VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#endif

namespace acoustic {

inline constexpr std::size_t kLanes = 16;  // 32-bit sums in a register
inline constexpr std::size_t kDepth = 4;   // products that one instruction adds to each
inline constexpr std::size_t kPanels = 3;  // registers of outputs that are computed together
inline constexpr std::size_t kRows = 8;    // rows that are: 24 sums of 32 registers
inline constexpr std::size_t kMaxInputs = 1 << 16;

inline bool int8_is_supported() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

class Int8Linear {
 public:
  // `weight` is (outputs, inputs), row by row; `bias` is (outputs,).
  Int8Linear(const float* weight, const float* bias, std::size_t outputs, std::size_t inputs)
      : outputs_(outputs),
        inputs_(inputs),
        groups_((inputs + kDepth - 1) / kDepth),
        panels_((outputs + kLanes - 1) / kLanes) {
    if (!int8_is_supported()) throw std::runtime_error("this processor has no AVX-512 VNNI");
    if (outputs == 0 || inputs == 0 || inputs > kMaxInputs) {
      throw std::invalid_argument("a layer needs outputs, and 1 to 65536 inputs");
    }
    weights_.assign(panels_ * groups_ * kLanes * kDepth, kZero);
    scales_.assign(panels_ * kLanes, 0.0F);
    bias_.assign(panels_ * kLanes, 0.0F);
    std::copy(bias, bias + outputs, bias_.begin());
    for (std::size_t output = 0; output < outputs; ++output) {
      pack(weight + output * inputs, output);
    }
  }

  std::size_t outputs() const { return outputs_; }
  std::size_t inputs() const { return inputs_; }

  // (rows, inputs) -> (rows, outputs). May be called by several threads at once.
  void run(const float* in, std::size_t rows, float* out) const {
    Rounded rounded(rows, groups_ * kDepth);
    for (std::size_t row = 0; row < rows; ++row) round(in + row * inputs_, row, rounded);
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

 private:
  static constexpr std::uint8_t kZero = 128;  // weights are stored unsigned

  // Inputs in 8 bits.
  struct Rounded {
    Rounded(std::size_t rows, std::size_t width)
        : rows(rows), width(width), values(rows * width), scales(rows), excess(rows) {}

    std::size_t rows;
    std::size_t width;
    std::vector<std::int8_t> values;
    std::vector<float> scales;
    std::vector<std::int32_t> excess;  // what `kZero` adds to the sums of a row
  };

  // What to multiply values with that are at most `highest`; nothing is left of the tiniest.
  static float inverse_of(float highest) { return highest > 1e-30F ? 127 / highest : 0.0F; }

  // One output's weights to where `multiply` reads them: 16 outputs side by side, 4 inputs each.
  void pack(const float* weight, std::size_t output) {
    float highest = 0.0F;
    for (std::size_t i = 0; i < inputs_; ++i) highest = std::max(highest, std::fabs(weight[i]));
    scales_[output] = highest / 127;
    const float inverse = inverse_of(highest);
    std::uint8_t* panel = weights_.data() + (output / kLanes) * groups_ * kLanes * kDepth;
    for (std::size_t i = 0; i < inputs_; ++i) {
      const auto rounded = static_cast<int>(std::nearbyint(weight[i] * inverse));
      panel[((i / kDepth) * kLanes + output % kLanes) * kDepth + i % kDepth] =
          static_cast<std::uint8_t>(rounded + kZero);
    }
  }

#if defined(__x86_64__)
  VNNI void round(const float* in, std::size_t row, Rounded& rounded) const {
    __m512 highest = _mm512_setzero_ps();
    for (std::size_t i = 0; i < inputs_; i += kLanes) {
      highest = _mm512_max_ps(highest, _mm512_abs_ps(load(in + i, inputs_ - i)));
    }
    const float most = _mm512_reduce_max_ps(highest);
    const __m512 inverse = _mm512_set1_ps(inverse_of(most));
    std::int8_t* values = rounded.values.data() + row * rounded.width;
    __m512i sum = _mm512_setzero_si512();
    for (std::size_t i = 0; i < inputs_; i += kLanes) {
      const __m512i whole = _mm512_cvtps_epi32(_mm512_mul_ps(load(in + i, inputs_ - i), inverse));
      sum = _mm512_add_epi32(sum, whole);
      _mm_mask_storeu_epi8(values + i, first(inputs_ - i), _mm512_cvtsepi32_epi8(whole));
    }
    rounded.scales[row] = most / 127;
    rounded.excess[row] = kZero * _mm512_reduce_add_epi32(sum);
  }

  // The first `left` of 16, at most all.
  static std::uint16_t first(std::size_t left) {
    return left >= kLanes ? 0xFFFF : static_cast<std::uint16_t>((1U << left) - 1);
  }

  VNNI static __m512 load(const float* from, std::size_t left) {
    return _mm512_maskz_loadu_ps(first(left), from);
  }

  // All rows times `Panels` panels of outputs, whose weights stay in the first cache.
  template <int Panels>
  void multiply(const Rounded& rounded, std::size_t panel, float* out) const {
    std::size_t row = 0;
    for (; row + kRows <= rounded.rows; row += kRows) tile<Panels, kRows>(rounded, row, panel, out);
    rest<Panels, kRows - 1>(rounded, row, panel, out);
  }

  // The last rows, at most `Rows`, together too: a beam search has no more than these.
  template <int Panels, int Rows>
  void rest(const Rounded& rounded, std::size_t row, std::size_t panel, float* out) const {
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
                 float* out) const {
    const std::size_t stride = groups_ * kLanes * kDepth;
    const std::uint8_t* weights = weights_.data() + panel * stride;
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
      for (int p = 0; p < Panels; ++p) weight[p] = _mm512_loadu_si512(weights + p * stride);
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
#pragma GCC unroll 8
    for (int row = 0; row < Rows; ++row) {
      const std::size_t number = first_row + row;
      const __m512i excess = _mm512_set1_epi32(rounded.excess[number]);
      const __m512 row_scale = _mm512_set1_ps(rounded.scales[number]);
#pragma GCC unroll 3
      for (int p = 0; p < Panels; ++p) {
        const std::size_t output = (panel + p) * kLanes;
        const __m512 sum = _mm512_cvtepi32_ps(_mm512_sub_epi32(sums[row][p], excess));
        const __m512 scale = _mm512_mul_ps(_mm512_loadu_ps(scales_.data() + output), row_scale);
        const __m512 result =
            _mm512_add_ps(_mm512_mul_ps(sum, scale), _mm512_loadu_ps(bias_.data() + output));
        _mm512_mask_storeu_ps(out + number * outputs_ + output, first(outputs_ - output), result);
      }
    }
  }
#else
  void round(const float*, std::size_t, Rounded&) const {}

  template <int Panels>
  void multiply(const Rounded&, std::size_t, float*) const {}
#endif

  std::size_t outputs_;
  std::size_t inputs_;
  std::size_t groups_;  // of `kDepth` inputs
  std::size_t panels_;  // of `kLanes` outputs
  std::vector<std::uint8_t> weights_;
  std::vector<float> scales_;
  std::vector<float> bias_;
};

}  // namespace acoustic
