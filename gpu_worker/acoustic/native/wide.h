// Rows of float32 numbers, 16 at a time: what compiled networks are made of beside their products.
// For processors with AVX-512.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#define WIDE __attribute__((target("avx512f,avx512bw,avx512vl")))
#endif

namespace acoustic {

inline constexpr std::size_t kLanes = 16;  // numbers of 32 bits in a register
inline constexpr float kNormEpsilon = 1e-5F;

// Memory that begins with a cache line: a tile's rows are lines.
template <typename T>
struct LineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kLine{64};

  LineAllocator() = default;
  template <typename U>
  explicit LineAllocator(const LineAllocator<U>&) {}

  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), kLine)); }
  void deallocate(T* memory, std::size_t) { ::operator delete(memory, kLine); }
  bool operator==(const LineAllocator&) const { return true; }
  bool operator!=(const LineAllocator&) const { return false; }
};

using Floats = std::vector<float, LineAllocator<float>>;

inline constexpr std::size_t whole_lanes(std::size_t n) {
  return (n + kLanes - 1) / kLanes * kLanes;
}

// The first `left` of 16, at most all.
inline constexpr std::uint16_t first(std::size_t left) {
  return left >= kLanes ? 0xFFFF : static_cast<std::uint16_t>((1U << left) - 1);
}

// Room for at least `count` numbers, which are not kept.
inline float* room(Floats& memory, std::size_t count) {
  if (memory.size() < count) memory.resize(count);
  return memory.data();
}

#if defined(__x86_64__)

// Of x up to 0 (or a little above): 2^n times a polynomial over half of ln 2 to either side.
WIDE inline __m512 exponential(__m512 x) {
  x = _mm512_max_ps(x, _mm512_set1_ps(-87.0F));
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504F)),
                                        _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375F), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4F), r);
  __m512 sum = _mm512_set1_ps(1.0F / 720);
  for (const float factor : {1.0F / 120, 1.0F / 24, 1.0F / 6, 0.5F, 1.0F, 1.0F}) {
    sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(factor));
  }
  return _mm512_scalef_ps(sum, n);
}

// 2^x of x from -126 to 127, to 2e-7 of it: 2^n times a polynomial that was fitted for r.
WIDE inline __m512 power_of_two(__m512 x) {
  const __m512 n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 r = _mm512_sub_ps(x, n);
  __m512 sum = _mm512_set1_ps(1.3276471e-3F);
  for (const float factor : {9.675541e-3F, 5.550713e-2F, 0.2402212F, 0.69314694F, 1.0000001F}) {
    sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(factor));
  }
  return _mm512_scalef_ps(sum, n);
}

// x times the normal distribution's share below x (Hendrycks and Gimpel, 2016), to 1e-7: that share
// is 2 to the power of a polynomial in -|x|, which was fitted for |x| up to 6; there nothing is
// left.
WIDE inline __m512 gelu(__m512 x) {
  const __m512 size = _mm512_min_ps(_mm512_abs_ps(x), _mm512_set1_ps(6.0F));
  __m512 power = _mm512_set1_ps(3.3098153e-05F);
  for (const float factor :
       {-7.6926086e-4F, 8.080835e-3F, -5.3412266e-2F, -0.45877087F, -1.1512017F, -0.9999931F}) {
    power = _mm512_fmadd_ps(power, size, _mm512_set1_ps(factor));
  }
  return _mm512_fnmadd_ps(size, power_of_two(power), _mm512_max_ps(x, _mm512_setzero_ps()));
}

// x / (1 + e^-x), by an exponent that is not above 0, so that nothing overflows.
WIDE inline __m512 silu(__m512 x) {
  const __m512 small = exponential(_mm512_sub_ps(_mm512_setzero_ps(), _mm512_abs_ps(x)));
  const __m512 one = _mm512_set1_ps(1.0F);
  const __mmask16 negative = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ);
  const __m512 above = _mm512_mask_mov_ps(one, negative, small);
  return _mm512_div_ps(_mm512_mul_ps(x, above), _mm512_add_ps(one, small));
}

WIDE inline void gelu(float* row, std::size_t count) {
  for (std::size_t i = 0; i < count; i += kLanes) {
    const __mmask16 some = first(count - i);
    _mm512_mask_storeu_ps(row + i, some, gelu(_mm512_maskz_loadu_ps(some, row + i)));
  }
}

WIDE inline void silu(float* row, std::size_t count) {
  for (std::size_t i = 0; i < count; i += kLanes) {
    const __mmask16 some = first(count - i);
    _mm512_mask_storeu_ps(row + i, some, silu(_mm512_maskz_loadu_ps(some, row + i)));
  }
}

// A layer norm of one row, maybe in place: mean 0 and variance 1, times `weight`, plus `bias` if
// there is one.
WIDE inline void normalise(const float* x, std::size_t width, const float* weight,
                           const float* bias, float* to) {
  const __m512 share = _mm512_set1_ps(1.0F / static_cast<float>(width));
  __m512 sum = _mm512_setzero_ps();
  for (std::size_t i = 0; i < width; i += kLanes) {
    sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(first(width - i), x + i));
  }
  const __m512 mean = _mm512_mul_ps(_mm512_set1_ps(_mm512_reduce_add_ps(sum)), share);
  __m512 squares = _mm512_setzero_ps();
  for (std::size_t i = 0; i < width; i += kLanes) {
    const __mmask16 some = first(width - i);
    const __m512 apart = _mm512_maskz_sub_ps(some, _mm512_maskz_loadu_ps(some, x + i), mean);
    squares = _mm512_fmadd_ps(apart, apart, squares);
  }
  const float variance = _mm512_reduce_add_ps(squares) / static_cast<float>(width);
  const __m512 scale = _mm512_set1_ps(1.0F / std::sqrt(variance + kNormEpsilon));
  for (std::size_t i = 0; i < width; i += kLanes) {
    const __mmask16 some = first(width - i);
    const __m512 apart = _mm512_sub_ps(_mm512_maskz_loadu_ps(some, x + i), mean);
    const __m512 scaled = _mm512_mul_ps(apart, scale);
    __m512 out = _mm512_mul_ps(scaled, _mm512_maskz_loadu_ps(some, weight + i));
    if (bias != nullptr) out = _mm512_add_ps(out, _mm512_maskz_loadu_ps(some, bias + i));
    _mm512_mask_storeu_ps(to + i, some, out);
  }
}

#else

// Never called: `int8_is_supported` says no first.
inline void gelu(float*, std::size_t) {}
inline void silu(float*, std::size_t) {}
inline void normalise(const float*, std::size_t, const float*, const float*, float*) {}

#endif

}  // namespace acoustic
