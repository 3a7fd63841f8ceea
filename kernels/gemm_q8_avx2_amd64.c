// Products of an unpacked panel with int8 activations on AVX2: vpmaddubsw
// multiplies unsigned with signed bytes and adds pairs into 16 bits.
#pragma GCC target("avx2,fma,f16c")
#include <immintrin.h>
#include <string.h>

#include "kernels.h"

static inline __m256i four(const int8_t *p) {
  int32_t v;
  memcpy(&v, p, 4);
  return _mm256_set1_epi32(v);
}

enum mode {
  MINIMA, // as SMALL, with minima
  SMALL,  // unsigned weights up to 63: two pair sums fit 16 bits (4 * 63 * 127 = 32004)
  SIGNED, // signed weights: the activation takes the weight's sign (2 * 128 * 127 = 32512)
};

// columns multiplies rows 8*half .. 8*half+7 of the panel with n rows of
// activations.
static inline __attribute__((always_inline)) void columns(struct panel w, int half, int count, struct activations x, int cols, float *acc,
                                                          const int n, const int group, const enum mode mode) {
  const __m256i ones = _mm256_set1_epi16(1);
  const float *sums = group == 32 ? x.m32 : x.m16;
  const int32_t *minus = group == 32 ? x.minus32 : x.minus16;
  const __m128i shift = _mm_cvtsi32_si128(w.shift);
  __m256 total[4];
#pragma GCC unroll 4
  for (int i = 0; i < n; i++) total[i] = _mm256_loadu_ps(acc + i * TILE + half * 8);
  for (int g = 0; g < count / group; g++) {
    __m256i dot[4];
#pragma GCC unroll 4
    for (int i = 0; i < n; i++)
      dot[i] = mode == SMALL ? _mm256_sll_epi32(_mm256_set1_epi32(minus[(size_t)i * (cols / group) + g]), shift) : _mm256_setzero_si256();
    const uint8_t *q = w.q + (size_t)g * group * TILE + half * 32;
    const int8_t *xq = x.q + g * group;
#pragma GCC unroll 4
    for (int j = 0; j < group / 4; j += 2) {
      __m256i w0 = _mm256_load_si256((const __m256i *)(q + j * 64)), w1 = _mm256_load_si256((const __m256i *)(q + j * 64 + 64));
      __m256i a0 = _mm256_abs_epi8(w0), a1 = _mm256_abs_epi8(w1);
#pragma GCC unroll 4
      for (int i = 0; i < n; i++) {
        __m256i x0 = four(xq + (size_t)i * cols + j * 4), x1 = four(xq + (size_t)i * cols + j * 4 + 4);
        if (mode != SIGNED) {
          __m256i pairs = _mm256_add_epi16(_mm256_maddubs_epi16(w0, x0), _mm256_maddubs_epi16(w1, x1));
          dot[i] = _mm256_add_epi32(dot[i], _mm256_madd_epi16(pairs, ones));
        } else {
          __m256i p0 = _mm256_maddubs_epi16(a0, _mm256_sign_epi8(x0, w0)), p1 = _mm256_maddubs_epi16(a1, _mm256_sign_epi8(x1, w1));
          dot[i] = _mm256_add_epi32(dot[i], _mm256_add_epi32(_mm256_madd_epi16(p0, ones), _mm256_madd_epi16(p1, ones)));
        }
      }
    }
    __m256 s = _mm256_load_ps(w.s + g * TILE + half * 8);
#pragma GCC unroll 4
    for (int i = 0; i < n; i++) {
      __m256 scale = _mm256_mul_ps(s, _mm256_set1_ps(x.d[(size_t)i * (cols / 32) + g * group / 32]));
      total[i] = _mm256_fmadd_ps(scale, _mm256_cvtepi32_ps(dot[i]), total[i]);
      if (mode == MINIMA)
        total[i] = _mm256_fmadd_ps(_mm256_load_ps(w.b + g * TILE + half * 8), _mm256_set1_ps(sums[(size_t)i * (cols / group) + g]), total[i]);
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < n; i++) _mm256_storeu_ps(acc + i * TILE + half * 8, total[i]);
}

static inline __attribute__((always_inline)) void gemm(struct panel w, int count, struct activations x, int cols, int t, float *acc,
                                                       const int group, const enum mode mode) {
  for (int half = 0; half < 2; half++) {
    int i = 0;
    for (; i + 4 <= t; i += 4) columns(w, half, count, activations_from(x, i, cols), cols, acc + i * TILE, 4, group, mode);
    for (; i < t; i++) columns(w, half, count, activations_from(x, i, cols), cols, acc + i * TILE, 1, group, mode);
  }
}

GEMM_GROUPS(avx2, MINIMA, SMALL)

void gemm_signed32_avx2(struct panel w, int count, struct activations x, int cols, int t, float *acc) {
  gemm(w, count, x, cols, t, acc, 32, SIGNED);
}
