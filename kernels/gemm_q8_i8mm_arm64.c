// Products of an unpacked panel with int8 activations on ARMv8.6 i8mm: one smmla
// multiplies eight columns of two rows with those of two rows of activations.
#pragma GCC target("arch=armv8.2-a+dotprod+i8mm")
#include <arm_neon.h>

#include "kernels.h"

// eight returns eight columns of two rows of activations, of which only the
// first is there when n is 1.
static inline int8x16_t eight(const int8_t *first, int cols, int n) {
  return vcombine_s8(vld1_s8(first), n > 1 ? vld1_s8(first + cols) : vdup_n_s8(0));
}

// columns multiplies rows 8*half .. 8*half+7 of the panel with n rows of
// activations, two at a time.
static inline __attribute__((always_inline)) void columns(struct panel w, int half, int count, struct activations x, int cols, float *acc,
                                                          const int n, const int group, const int minima) {
  const float *sums = group == 32 ? x.m32 : x.m16;
  const int32_t *minus = group == 32 ? x.minus32 : x.minus16;
  const int offset = offset_of(w), pairs = (n + 1) / 2;
  float32x4_t total[4][2];
#pragma GCC unroll 4
  for (int i = 0; i < n; i++) {
    total[i][0] = vld1q_f32(acc + i * TILE + half * 8);
    total[i][1] = vld1q_f32(acc + i * TILE + half * 8 + 4);
  }
  for (int g = 0; g < count / group; g++) {
    // square[p][r] has two rows of the panel, 2r and 2r+1, for activations 2p,
    // and then the same for 2p+1.
    int32x4_t square[2][4];
#pragma GCC unroll 2
    for (int p = 0; p < pairs; p++) {
      int32_t a = minima ? 0 : minus[(size_t)(2 * p) * (cols / group) + g] * offset;
      int32_t b = minima || 2 * p + 1 >= n ? 0 : minus[(size_t)(2 * p + 1) * (cols / group) + g] * offset;
      square[p][0] = square[p][1] = square[p][2] = square[p][3] = vcombine_s32(vdup_n_s32(a), vdup_n_s32(b));
    }
    const int8_t *q = (const int8_t *)w.q + (size_t)g * group * TILE + half * 32;
#pragma GCC unroll 4
    for (int k = 0; k < group; k += 8) {
      // Four columns of eight rows, and the next four: beside each other they are
      // eight columns of two rows.
      const int8_t *at = q + k * TILE;
      int32x4_t near0 = vreinterpretq_s32_s8(vld1q_s8(at)), near1 = vreinterpretq_s32_s8(vld1q_s8(at + 16));
      int32x4_t far0 = vreinterpretq_s32_s8(vld1q_s8(at + 64)), far1 = vreinterpretq_s32_s8(vld1q_s8(at + 80));
      int8x16_t rows[4] = {
          vreinterpretq_s8_s32(vzip1q_s32(near0, far0)), vreinterpretq_s8_s32(vzip2q_s32(near0, far0)),
          vreinterpretq_s8_s32(vzip1q_s32(near1, far1)), vreinterpretq_s8_s32(vzip2q_s32(near1, far1)),
      };
#pragma GCC unroll 2
      for (int p = 0; p < pairs; p++) {
        int8x16_t values = eight(x.q + (size_t)(2 * p) * cols + g * group + k, cols, n - 2 * p);
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++) square[p][r] = vmmlaq_s32(square[p][r], values, rows[r]);
      }
    }
    const float *s = w.s + g * TILE + half * 8;
#pragma GCC unroll 4
    for (int i = 0; i < n; i++) {
      float d = x.d[(size_t)i * (cols / 32) + g * group / 32];
#pragma GCC unroll 2
      for (int j = 0; j < 2; j++) {
        int64x2_t a = vreinterpretq_s64_s32(square[i / 2][2 * j]), b = vreinterpretq_s64_s32(square[i / 2][2 * j + 1]);
        int32x4_t dot = vreinterpretq_s32_s64(i % 2 ? vzip2q_s64(a, b) : vzip1q_s64(a, b));
        total[i][j] = vfmaq_f32(total[i][j], vmulq_n_f32(vld1q_f32(s + 4 * j), d), vcvtq_f32_s32(dot));
        if (minima)
          total[i][j] = vfmaq_n_f32(total[i][j], vld1q_f32(w.b + g * TILE + half * 8 + 4 * j), sums[(size_t)i * (cols / group) + g]);
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

GEMM_GROUPS(i8mm, 1, 0)
