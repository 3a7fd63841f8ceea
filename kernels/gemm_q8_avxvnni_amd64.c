// Products of an unpacked panel with int8 activations: one vpdpbusd multiplies
// four columns of eight rows. This is the 256-bit form of processors that have
// no AVX-512.
#pragma GCC target("avx2,fma,f16c,avxvnni")
#include <immintrin.h>
#include <string.h>

#include "kernels.h"

static inline __m256i four(const int8_t *p) {
  int32_t v;
  memcpy(&v, p, 4);
  return _mm256_set1_epi32(v);
}

enum mode {
  MINIMA, // unsigned weights with minima
  OFFSET, // unsigned weights with an offset: sums begin with what it would add
  SIGNED, // signed weights: they get an offset of 128 on the way
};

// columns multiplies the panel with n rows of activations.
static inline __attribute__((always_inline)) void columns(struct panel w, int count, struct activations x, int cols, float *acc,
                                                          const int n, const int group, const enum mode mode) {
  const __m256i sign = _mm256_set1_epi8((char)0x80);
  const float *sums = group == 32 ? x.m32 : x.m16;
  const int32_t *minus = group == 32 ? x.minus32 : x.minus16;
  const __m128i shift = _mm_cvtsi32_si128(mode == SIGNED ? 7 : w.shift);
  for (int g = 0; g < count / group; g++) {
    __m256i dot[4][2];
#pragma GCC unroll 4
    for (int i = 0; i < n; i++)
      dot[i][0] = dot[i][1] =
          mode == MINIMA ? _mm256_setzero_si256() : _mm256_sll_epi32(_mm256_set1_epi32(minus[(size_t)i * (cols / group) + g]), shift);
    const uint8_t *q = w.q + (size_t)g * group * TILE;
    const int8_t *xq = x.q + g * group;
#pragma GCC unroll 8
    for (int j = 0; j < group / 4; j++) {
      __m256i low = _mm256_load_si256((const __m256i *)(q + j * 64)), high = _mm256_load_si256((const __m256i *)(q + j * 64 + 32));
      if (mode == SIGNED) low = _mm256_xor_si256(low, sign), high = _mm256_xor_si256(high, sign);
#pragma GCC unroll 4
      for (int i = 0; i < n; i++) {
        __m256i values = four(xq + (size_t)i * cols + j * 4);
        dot[i][0] = _mm256_dpbusd_avx_epi32(dot[i][0], low, values);
        dot[i][1] = _mm256_dpbusd_avx_epi32(dot[i][1], high, values);
      }
    }
#pragma GCC unroll 4
    for (int i = 0; i < n; i++) {
      __m256 d = _mm256_set1_ps(x.d[(size_t)i * (cols / 32) + g * group / 32]);
#pragma GCC unroll 2
      for (int half = 0; half < 2; half++) {
        float *to = acc + i * TILE + half * 8;
        __m256 scale = _mm256_mul_ps(_mm256_load_ps(w.s + g * TILE + half * 8), d);
        __m256 total = _mm256_fmadd_ps(scale, _mm256_cvtepi32_ps(dot[i][half]), _mm256_loadu_ps(to));
        if (mode == MINIMA)
          total = _mm256_fmadd_ps(_mm256_load_ps(w.b + g * TILE + half * 8), _mm256_set1_ps(sums[(size_t)i * (cols / group) + g]), total);
        _mm256_storeu_ps(to, total);
      }
    }
  }
}

static inline __attribute__((always_inline)) void gemm(struct panel w, int count, struct activations x, int cols, int t, float *acc,
                                                       const int group, const enum mode mode) {
  int i = 0;
  for (; i + 4 <= t; i += 4) columns(w, count, activations_from(x, i, cols), cols, acc + i * TILE, 4, group, mode);
  for (; i < t; i++) columns(w, count, activations_from(x, i, cols), cols, acc + i * TILE, 1, group, mode);
}

GEMM_GROUPS(avxvnni, MINIMA, OFFSET)

void gemm_signed32_avxvnni(struct panel w, int count, struct activations x, int cols, int t, float *acc) {
  gemm(w, count, x, cols, t, acc, 32, SIGNED);
}
