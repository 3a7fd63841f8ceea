// Products of an unpacked panel with int8 activations on Advanced SIMD without
// dotprod (Cortex-A72): smull and smlal into 16 bits, two products deep, then
// pairwise into 32.
#include <arm_neon.h>
#include <string.h>

#include "kernels.h"

static inline int8x8_t four(const int8_t *p) {
  int32_t v;
  memcpy(&v, p, 4);
  return vreinterpret_s8_s32(vdup_n_s32(v));
}

// columns multiplies rows 4*quarter .. 4*quarter+3 of the panel with n rows of
// activations. A 16-bit lane holds two products: 2 * 128 * 127 = 32512.
static inline __attribute__((always_inline)) void columns(struct panel w, int quarter, int count, struct activations x, int cols, float *acc,
                                                          const int n, const int group, const int minima) {
  const float *sums = group == 32 ? x.m32 : x.m16;
  const int32_t *minus = group == 32 ? x.minus32 : x.minus16;
  const int offset = offset_of(w);
  float32x4_t total[4];
#pragma GCC unroll 4
  for (int i = 0; i < n; i++) total[i] = vld1q_f32(acc + i * TILE + quarter * 4);
  for (int g = 0; g < count / group; g++) {
    int32x4_t low[4], high[4]; // rows 0, 1 and rows 2, 3, two partial sums each
#pragma GCC unroll 4
    for (int i = 0; i < n; i++) low[i] = high[i] = vdupq_n_s32(0);
    const int8_t *q = (const int8_t *)w.q + (size_t)g * group * TILE + quarter * 16;
#pragma GCC unroll 4
    for (int j = 0; j < group / 4; j += 2) {
      int8x16_t w0 = vld1q_s8(q + j * 64), w1 = vld1q_s8(q + j * 64 + 64);
#pragma GCC unroll 4
      for (int i = 0; i < n; i++) {
        const int8_t *xq = x.q + (size_t)i * cols + g * group + j * 4;
        int8x8_t x0 = four(xq), x1 = four(xq + 4);
        int16x8_t a = vmlal_s8(vmull_s8(vget_low_s8(w0), x0), vget_low_s8(w1), x1);
        int16x8_t b = vmlal_s8(vmull_s8(vget_high_s8(w0), x0), vget_high_s8(w1), x1);
        low[i] = vpadalq_s16(low[i], a);
        high[i] = vpadalq_s16(high[i], b);
      }
    }
    float32x4_t s = vld1q_f32(w.s + g * TILE + quarter * 4);
#pragma GCC unroll 4
    for (int i = 0; i < n; i++) {
      size_t at = (size_t)i * (cols / group) + g;
      int32x4_t dot = vpaddq_s32(low[i], high[i]);
      if (!minima) dot = vaddq_s32(dot, vdupq_n_s32(minus[at] * offset));
      total[i] = vfmaq_f32(total[i], vmulq_n_f32(s, x.d[(size_t)i * (cols / 32) + g * group / 32]), vcvtq_f32_s32(dot));
      if (minima) total[i] = vfmaq_n_f32(total[i], vld1q_f32(w.b + g * TILE + quarter * 4), sums[at]);
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < n; i++) vst1q_f32(acc + i * TILE + quarter * 4, total[i]);
}

static inline __attribute__((always_inline)) void gemm(struct panel w, int count, struct activations x, int cols, int t, float *acc,
                                                       const int group, const int minima) {
  for (int quarter = 0; quarter < 4; quarter++) {
    int i = 0;
    for (; i + 4 <= t; i += 4) columns(w, quarter, count, activations_from(x, i, cols), cols, acc + i * TILE, 4, group, minima);
    for (; i < t; i++) columns(w, quarter, count, activations_from(x, i, cols), cols, acc + i * TILE, 1, group, minima);
  }
}

GEMM_GROUPS(neon, 1, 0)
