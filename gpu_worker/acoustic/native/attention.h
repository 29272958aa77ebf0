// Attention over the frames of one window in float32, head by head, for processors with AVX-512.
//
// A tile of keys or values is read from the first cache for some dozens of frames that attend to
// it. A frame's sums run over all that it attends to in their order, whoever is computed beside it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>

#include "wide.h"

namespace acoustic {

// Positions as angles (Su et al., 2021, arXiv 2104.09864): what a head's numbers are multiplied by,
// and what their neighbours are that are added to them, (frames, head) each; or null.
struct Angles {
  const float* own = nullptr;
  const float* neighbour = nullptr;
};

#if defined(__x86_64__)

class Attention {
 public:
  Attention(std::size_t width, std::size_t heads)
      : width_(width), heads_(heads), head_(width / heads), padded_(whole_lanes(head_)) {}

  std::size_t head() const { return head_; }

  // `projected` holds (frames, 3 * width): queries, keys and values. Frames from `begin` to before
  // `end` attend to those in `attended`, `count` numbers of frames; their mixtures go to `out`,
  // (end - begin, width).
  void run(const float* projected, const std::size_t* attended, std::size_t count, Angles angles,
           std::size_t begin, std::size_t end, float* out) const {
    Memory& memory = this_threads_memory();
    memory.count = count;
    memory.stride = whole_lanes(count);
    room(memory.keys, padded_ * (memory.stride + kTile));
    room(memory.values, count * padded_);
    room(memory.queries, kTogether * padded_);
    room(memory.shares, kTogether * memory.stride);
    room(memory.mixed, kTogether * padded_);
    for (std::size_t head = 0; head < heads_; ++head) {
      const float* from = projected + head * head_;
      turn_keys(from + width_, attended, angles, memory);
      copy_values(from + 2 * width_, attended, memory);
      for (std::size_t frame = begin; frame < end; frame += kTogether) {
        attend(from, frame, std::min(kTogether, end - frame), angles, memory,
               out + (frame - begin) * width_ + head * head_);
      }
    }
  }

 private:
  static constexpr std::size_t kRows = 6;       // frames whose sums are in registers,
  static constexpr std::size_t kRegisters = 4;  // so many each: 24 of 32 registers
  static constexpr std::size_t kTile = kRegisters * kLanes;
  static constexpr std::size_t kTogether = 6 * kRows;  // frames that a tile is read for

  struct Memory {
    std::size_t count = 0;   // frames that are attended to,
    std::size_t stride = 0;  // in whole registers
    Floats keys;             // (tiles, head, kTile of those that are attended to)
    Floats values;           // (attended, head), whole registers of a head
    Floats queries;          // (frames, head), whole registers
    Floats shares;           // (frames, attended), whole registers
    Floats mixed;            // (frames, head), whole registers
  };

  static Memory& this_threads_memory() {
    thread_local Memory memory;
    return memory;
  }

  // 16 numbers of a head at a frame, turned.
  WIDE static __m512 turned(__m512 x, Angles angles, std::size_t at, __mmask16 some) {
    if (angles.own == nullptr) return x;
    const __m512 swapped = _mm512_permute_ps(x, 0xB1);
    const __m512 own = _mm512_maskz_loadu_ps(some, angles.own + at);
    const __m512 neighbour = _mm512_maskz_loadu_ps(some, angles.neighbour + at);
    return _mm512_add_ps(_mm512_mul_ps(x, own), _mm512_mul_ps(swapped, neighbour));
  }

  // The keys of frames that are attended to, turned, 16 of them times 16 of a head at once.
  WIDE void turn_keys(const float* from, const std::size_t* attended, Angles angles,
                      Memory& memory) const {
    for (std::size_t t = 0; t < memory.count; t += kLanes) {
      const std::size_t frames = std::min(kLanes, memory.count - t);
      float* to = memory.keys.data() + t / kTile * kTile * padded_ + t % kTile;
      for (std::size_t i = 0; i < head_; i += kLanes) {
        const __mmask16 some = first(head_ - i);
        __m512 lines[kLanes];
        for (std::size_t k = 0; k < kLanes; ++k) {
          lines[k] = _mm512_setzero_ps();
          if (k >= frames) continue;
          const std::size_t frame = attended[t + k];
          const __m512 key = _mm512_maskz_loadu_ps(some, from + frame * 3 * width_ + i);
          lines[k] = turned(key, angles, frame * head_ + i, some);
        }
        transpose(lines);
        for (std::size_t k = 0; k < kLanes; ++k) _mm512_store_ps(to + (i + k) * kTile, lines[k]);
      }
    }
  }

  // 16 lines of 16: neighbours first, then pairs, then fours and eights.
  WIDE static inline __attribute__((always_inline)) void transpose(__m512* lines) {
    __m512 pairs[kLanes], fours[kLanes];
#pragma GCC unroll 8
    for (std::size_t k = 0; k < kLanes; k += 2) {
      pairs[k] = _mm512_unpacklo_ps(lines[k], lines[k + 1]);
      pairs[k + 1] = _mm512_unpackhi_ps(lines[k], lines[k + 1]);
    }
#pragma GCC unroll 4
    for (std::size_t k = 0; k < kLanes; k += 4) {
#pragma GCC unroll 2
      for (std::size_t j = 0; j < 2; ++j) {
        const __m512d low = _mm512_castps_pd(pairs[k + j]);
        const __m512d high = _mm512_castps_pd(pairs[k + 2 + j]);
        fours[k + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
        fours[k + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
      }
    }
    // `fours[4 q + j]` holds of lines 4 q to 4 q + 3 the numbers j, 4 + j, 8 + j and 12 + j.
#pragma GCC unroll 4
    for (std::size_t j = 0; j < 4; ++j) {
      const __m512 even_low = _mm512_shuffle_f32x4(fours[j], fours[4 + j], 0x88);
      const __m512 odd_low = _mm512_shuffle_f32x4(fours[j], fours[4 + j], 0xDD);
      const __m512 even_high = _mm512_shuffle_f32x4(fours[8 + j], fours[12 + j], 0x88);
      const __m512 odd_high = _mm512_shuffle_f32x4(fours[8 + j], fours[12 + j], 0xDD);
      lines[j] = _mm512_shuffle_f32x4(even_low, even_high, 0x88);
      lines[4 + j] = _mm512_shuffle_f32x4(odd_low, odd_high, 0x88);
      lines[8 + j] = _mm512_shuffle_f32x4(even_low, even_high, 0xDD);
      lines[12 + j] = _mm512_shuffle_f32x4(odd_low, odd_high, 0xDD);
    }
  }

  WIDE void copy_values(const float* from, const std::size_t* attended, Memory& memory) const {
    for (std::size_t t = 0; t < memory.count; ++t) {
      const float* value = from + attended[t] * 3 * width_;
      for (std::size_t i = 0; i < head_; i += kLanes) {
        _mm512_store_ps(memory.values.data() + t * padded_ + i,
                        _mm512_maskz_loadu_ps(first(head_ - i), value + i));
      }
    }
  }

  // One head of `frames` frames from `frame` on, at most `kTogether`.
  WIDE void attend(const float* from, std::size_t frame, std::size_t frames, Angles angles,
                   Memory& memory, float* out) const {
    // Scores are divided by the root of a head's width, and are exponents of 2, not of e.
    const __m512 scale = _mm512_set1_ps(1.44269504F / std::sqrt(static_cast<float>(head_)));
    for (std::size_t row = 0; row < frames; ++row) {
      for (std::size_t i = 0; i < head_; i += kLanes) {
        const __mmask16 some = first(head_ - i);
        const __m512 query = _mm512_maskz_loadu_ps(some, from + (frame + row) * 3 * width_ + i);
        const __m512 at_its_place = turned(query, angles, (frame + row) * head_ + i, some);
        _mm512_store_ps(memory.queries.data() + row * padded_ + i,
                        _mm512_mul_ps(at_its_place, scale));
      }
    }
    for (std::size_t t = 0; t < memory.stride; t += kTile) {
      const std::size_t registers = std::min(kTile, memory.stride - t) / kLanes;
      for (std::size_t row = 0; row < frames; row += kRows) {
        score<kRows, kRegisters>(std::min(kRows, frames - row), registers, row, t, memory);
      }
    }
    __m512 inverse[kTogether];
    for (std::size_t row = 0; row < frames; ++row) {
      inverse[row] = share(memory.shares.data() + row * memory.stride, memory.count);
    }
    for (std::size_t t = 0; t < memory.count; t += kTile) {
      for (std::size_t i = 0; i < padded_; i += kTile) {
        const std::size_t registers = std::min(kTile, padded_ - i) / kLanes;
        for (std::size_t row = 0; row < frames; row += kRows) {
          mix<kRows, kRegisters>(std::min(kRows, frames - row), registers, row, t, i, memory);
        }
      }
    }
    for (std::size_t row = 0; row < frames; ++row) {
      for (std::size_t i = 0; i < head_; i += kLanes) {
        const __m512 mixed = _mm512_load_ps(memory.mixed.data() + row * padded_ + i);
        _mm512_mask_storeu_ps(out + row * width_ + i, first(head_ - i),
                              _mm512_mul_ps(mixed, inverse[row]));
      }
    }
  }

  // As many rows and registers as there are, as constants.
  template <int Rows, int Registers>
  void score(std::size_t rows, std::size_t registers, std::size_t row, std::size_t t,
             Memory& memory) const {
    if (rows == Rows && registers == Registers) return score<Rows, Registers>(row, t, memory);
    if constexpr (Rows > 1) {
      if (rows < Rows) return score<Rows - 1, Registers>(rows, registers, row, t, memory);
    }
    if constexpr (Registers > 1) score<Rows, Registers - 1>(rows, registers, row, t, memory);
  }

  template <int Rows, int Registers>
  void mix(std::size_t rows, std::size_t registers, std::size_t row, std::size_t t, std::size_t i,
           Memory& memory) const {
    if (rows == Rows && registers == Registers) return mix<Rows, Registers>(row, t, i, memory);
    if constexpr (Rows > 1) {
      if (rows < Rows) return mix<Rows - 1, Registers>(rows, registers, row, t, i, memory);
    }
    if constexpr (Registers > 1) mix<Rows, Registers - 1>(rows, registers, row, t, i, memory);
  }

  // Queries from `first_row` on times the tile of keys at `t`.
  template <int Rows, int Registers>
  WIDE void score(std::size_t first_row, std::size_t t, Memory& memory) const {
    const float* queries = memory.queries.data() + first_row * padded_;
    const float* keys = memory.keys.data() + t * padded_;
    __m512 sums[Rows][Registers];
#pragma GCC unroll 6
    for (int row = 0; row < Rows; ++row) {
#pragma GCC unroll 4
      for (int k = 0; k < Registers; ++k) sums[row][k] = _mm512_setzero_ps();
    }
    for (std::size_t i = 0; i < head_; ++i) {
      __m512 key[Registers];
#pragma GCC unroll 4
      for (int k = 0; k < Registers; ++k) key[k] = _mm512_load_ps(keys + i * kTile + k * kLanes);
#pragma GCC unroll 6
      for (int row = 0; row < Rows; ++row) {
        const __m512 query = _mm512_set1_ps(queries[row * padded_ + i]);
#pragma GCC unroll 4
        for (int k = 0; k < Registers; ++k) {
          sums[row][k] = _mm512_fmadd_ps(query, key[k], sums[row][k]);
        }
      }
    }
    float* scores = memory.shares.data() + first_row * memory.stride + t;
#pragma GCC unroll 6
    for (int row = 0; row < Rows; ++row) {
#pragma GCC unroll 4
      for (int k = 0; k < Registers; ++k) {
        _mm512_store_ps(scores + row * memory.stride + k * kLanes, sums[row][k]);
      }
    }
  }

  // Scores to shares, that have to be multiplied by what is returned.
  WIDE static __m512 share(float* scores, std::size_t count) {
    __m512 highest = _mm512_set1_ps(-INFINITY);
    for (std::size_t t = 0; t < count; t += kLanes) {
      highest = _mm512_mask_max_ps(highest, first(count - t), highest, _mm512_load_ps(scores + t));
    }
    const __m512 most = _mm512_set1_ps(_mm512_reduce_max_ps(highest));
    const __m512 least = _mm512_set1_ps(-100.0F);  // so that nothing gets tinier than floats are
    __m512 sum = _mm512_setzero_ps();
    for (std::size_t t = 0; t < count; t += kLanes) {
      const __m512 below = _mm512_max_ps(_mm512_sub_ps(_mm512_load_ps(scores + t), most), least);
      const __m512 share = _mm512_maskz_mov_ps(first(count - t), power_of_two(below));
      _mm512_store_ps(scores + t, share);
      sum = _mm512_add_ps(sum, share);
    }
    return _mm512_set1_ps(1.0F / _mm512_reduce_add_ps(sum));
  }

  // Shares from `t` on times the values' numbers from `i` on, on top of those before `t`.
  template <int Rows, int Registers>
  WIDE void mix(std::size_t first_row, std::size_t t, std::size_t i, Memory& memory) const {
    const std::size_t stride = memory.stride, count = std::min(kTile, memory.count - t);
    const float* shares = memory.shares.data() + first_row * stride + t;
    const float* values = memory.values.data() + t * padded_ + i;
    float* mixed = memory.mixed.data() + first_row * padded_ + i;
    __m512 sums[Rows][Registers];
#pragma GCC unroll 6
    for (int row = 0; row < Rows; ++row) {
#pragma GCC unroll 4
      for (int k = 0; k < Registers; ++k) {
        sums[row][k] =
            t == 0 ? _mm512_setzero_ps() : _mm512_load_ps(mixed + row * padded_ + k * kLanes);
      }
    }
    for (std::size_t frame = 0; frame < count; ++frame) {
      __m512 value[Registers];
#pragma GCC unroll 4
      for (int k = 0; k < Registers; ++k) {
        value[k] = _mm512_load_ps(values + frame * padded_ + k * kLanes);
      }
#pragma GCC unroll 6
      for (int row = 0; row < Rows; ++row) {
        const __m512 share = _mm512_set1_ps(shares[row * stride + frame]);
#pragma GCC unroll 4
        for (int k = 0; k < Registers; ++k) {
          sums[row][k] = _mm512_fmadd_ps(share, value[k], sums[row][k]);
        }
      }
    }
#pragma GCC unroll 6
    for (int row = 0; row < Rows; ++row) {
#pragma GCC unroll 4
      for (int k = 0; k < Registers; ++k) {
        _mm512_store_ps(mixed + row * padded_ + k * kLanes, sums[row][k]);
      }
    }
  }

  std::size_t width_;
  std::size_t heads_;
  std::size_t head_;
  std::size_t padded_;  // a head's numbers in whole registers
};

#else

class Attention {
 public:
  Attention(std::size_t, std::size_t) {}
  std::size_t head() const { return 0; }
  void run(const float*, const std::size_t*, std::size_t, Angles, std::size_t, std::size_t,
           float*) const {}
};

#endif

}  // namespace acoustic
