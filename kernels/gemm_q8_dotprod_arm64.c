// Products of an unpacked panel with int8 activations on ARMv8.2 dotprod: one
// sdot multiplies four columns of four rows.
#pragma GCC target("arch=armv8.2-a+dotprod")
#include <arm_neon.h>

#include "kernels.h"

// columns multiplies rows 8*half .. 8*half+7 of the panel with n rows of
// activations: 4n vectors of sums and totals, in registers up to n = 4.
static inline __attribute__((always_inline)) void columns(struct panel w, int half, int count, struct activations x, int cols, float *acc,
                                                          const int n, const int group, const int minima) {
  const float *sums = group == 32 ? x.m32 : x.m16;
  const int32_t *minus = group == 32 ? x.minus32 : x.minus16;
  const int offset = offset_of(w);
  float32x4_t total[4][2];
#pragma GCC unroll 4
  for (int i = 0; i < n; i++) {
    total[i][0] = vld1q_f32(acc + i * TILE + half * 8);
    total[i][1] = vld1q_f32(acc + i * TILE + half * 8 + 4);
  }
  for (int g = 0; g < count / group; g++) {
    int32x4_t dot[4][2];
#pragma GCC unroll 4
    for (int i = 0; i < n; i++) dot[i][0] = dot[i][1] = vdupq_n_s32(minima ? 0 : minus[(size_t)i * (cols / group) + g] * offset);
    const int8_t *q = (const int8_t *)w.q + (size_t)g * group * TILE + half * 32;
#pragma GCC unroll 2
    for (int k = 0; k < group; k += 16) {
      int8x16_t rows[4];
#pragma GCC unroll 4
      for (int i = 0; i < n; i++) rows[i] = vld1q_s8(x.q + (size_t)i * cols + g * group + k);
      const int8_t *at = q + k * TILE;
#define STEP(j)                                                       \
  {                                                                   \
    int8x16_t w0 = vld1q_s8(at + j * 64), w1 = vld1q_s8(at + j * 64 + 16); \
    _Pragma("GCC unroll 4") for (int i = 0; i < n; i++) {             \
      dot[i][0] = vdotq_laneq_s32(dot[i][0], w0, rows[i], j);         \
      dot[i][1] = vdotq_laneq_s32(dot[i][1], w1, rows[i], j);         \
    }                                                                 \
  }
      STEP(0) STEP(1) STEP(2) STEP(3)
#undef STEP
    }
    const float *s = w.s + g * TILE + half * 8;
    float32x4_t s0 = vld1q_f32(s), s1 = vld1q_f32(s + 4);
#pragma GCC unroll 4
    for (int i = 0; i < n; i++) {
      float d = x.d[(size_t)i * (cols / 32) + g * group / 32];
      total[i][0] = vfmaq_f32(total[i][0], vmulq_n_f32(s0, d), vcvtq_f32_s32(dot[i][0]));
      total[i][1] = vfmaq_f32(total[i][1], vmulq_n_f32(s1, d), vcvtq_f32_s32(dot[i][1]));
      if (minima) {
        const float *b = w.b + g * TILE + half * 8;
        float m = sums[(size_t)i * (cols / group) + g];
        total[i][0] = vfmaq_n_f32(total[i][0], vld1q_f32(b), m);
        total[i][1] = vfmaq_n_f32(total[i][1], vld1q_f32(b + 4), m);
      }
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < n; i++) {
    vst1q_f32(acc + i * TILE + half * 8, total[i][0]);
    vst1q_f32(acc + i * TILE + half * 8 + 4, total[i][1]);
  }
}

static inline __attribute__((always_inline)) void gemm(struct panel w, int count, struct activations x, int cols, int t, float *acc,
                                                       const int group, const int minima) {
  for (int half = 0; half < 2; half++) {
    int i = 0;
    for (; i + 4 <= t; i += 4) columns(w, half, count, activations_from(x, i, cols), cols, acc + i * TILE, 4, group, minima);
    for (; i < t; i++) columns(w, half, count, activations_from(x, i, cols), cols, acc + i * TILE, 1, group, minima);
  }
}

GEMM_GROUPS(dotprod, 1, 0)
