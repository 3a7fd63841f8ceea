// Products of an unpacked panel with int8 activations: one vpdpbusd multiplies
// four columns of sixteen rows.
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")
#include <immintrin.h>
#include <string.h>

#include "kernels.h"

static inline __m512i four(const int8_t *p) {
  int32_t v;
  memcpy(&v, p, 4);
  return _mm512_set1_epi32(v);
}

// columns multiplies the panel with n rows of activations. group is 32 or 16;
// minima says whether there are any, else sums begin with what the offset of
// the weights would add. Few rows leave the multiplier waiting for its own
// sums, so they get two sums each.
static inline __attribute__((always_inline)) void columns(struct panel w, int count, struct activations x, int cols, float *acc,
                                                          const int n, const int group, const int minima) {
  const int split = n <= 2 ? 2 : 1, steps = group / 4;
  const float *sums = group == 32 ? x.m32 : x.m16;
  const int32_t *minus = group == 32 ? x.minus32 : x.minus16;
  const __m128i shift = _mm_cvtsi32_si128(w.shift);
  __m512 total[8];
#pragma GCC unroll 8
  for (int i = 0; i < n; i++) total[i] = _mm512_loadu_ps(acc + i * TILE);
  for (int g = 0; g < count / group; g++) {
    __m512i dot[8][2];
#pragma GCC unroll 8
    for (int i = 0; i < n; i++) {
      dot[i][0] = dot[i][1] = _mm512_setzero_si512();
      if (!minima) dot[i][0] = _mm512_sll_epi32(_mm512_set1_epi32(minus[(size_t)i * (cols / group) + g]), shift);
    }
    const uint8_t *q = w.q + (size_t)g * group * TILE;
    const int8_t *xq = x.q + g * group;
#pragma GCC unroll 8
    for (int j = 0; j < steps; j++) {
      __m512i weights = _mm512_load_si512(q + j * 64);
#pragma GCC unroll 8
      for (int i = 0; i < n; i++)
        dot[i][j % split] = _mm512_dpbusd_epi32(dot[i][j % split], weights, four(xq + (size_t)i * cols + j * 4));
    }
    __m512 s = _mm512_load_ps(w.s + g * TILE);
#pragma GCC unroll 8
    for (int i = 0; i < n; i++) {
      __m512i d = split == 2 ? _mm512_add_epi32(dot[i][0], dot[i][1]) : dot[i][0];
      __m512 scale = _mm512_mul_ps(s, _mm512_set1_ps(x.d[(size_t)i * (cols / 32) + g * group / 32]));
      total[i] = _mm512_fmadd_ps(scale, _mm512_cvtepi32_ps(d), total[i]);
      if (minima) total[i] = _mm512_fmadd_ps(_mm512_load_ps(w.b + g * TILE), _mm512_set1_ps(sums[(size_t)i * (cols / group) + g]), total[i]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < n; i++) _mm512_storeu_ps(acc + i * TILE, total[i]);
}

static inline __attribute__((always_inline)) void gemm(struct panel w, int count, struct activations x, int cols, int t, float *acc,
                                                       const int group, const int minima) {
  int i = 0;
  for (; i + 8 <= t; i += 8) columns(w, count, activations_from(x, i, cols), cols, acc + i * TILE, 8, group, minima);
  for (; i + 4 <= t; i += 4) columns(w, count, activations_from(x, i, cols), cols, acc + i * TILE, 4, group, minima);
  for (; i < t; i++) columns(w, count, activations_from(x, i, cols), cols, acc + i * TILE, 1, group, minima);
}

GEMM_GROUPS(avx512vnni, 1, 0)
