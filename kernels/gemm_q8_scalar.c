// Products of an unpacked panel with int8 activations, in plain C.
#include "kernels.h"

static void gemm(struct panel w, int count, struct activations x, int cols, int t, float *acc, int group, const float *sums, const int32_t *minus) {
  for (int i = 0; i < t; i++) {
    const int8_t *q = x.q + (size_t)i * cols;
    for (int g = 0; g < count / group; g++) {
      float d = x.d[(size_t)i * (cols / 32) + g * group / 32], m = sums[(size_t)i * (cols / group) + g];
      for (int r = 0; r < TILE; r++) {
        int dot = 0;
        for (int c = g * group; c < (g + 1) * group; c++) dot += w.q[(c >> 2) * 64 + r * 4 + (c & 3)] * q[c];
        if (w.b) {
          acc[i * TILE + r] += w.s[g * TILE + r] * d * (float)dot + w.b[g * TILE + r] * m;
        } else {
          acc[i * TILE + r] += w.s[g * TILE + r] * d * (float)(dot + minus[(size_t)i * (cols / group) + g] * offset_of(w));
        }
      }
    }
  }
}

void gemm_group32_scalar(struct panel w, int count, struct activations x, int cols, int t, float *acc) {
  gemm(w, count, x, cols, t, acc, 32, x.m32, x.minus32);
}

void gemm_group16_scalar(struct panel w, int count, struct activations x, int cols, int t, float *acc) {
  gemm(w, count, x, cols, t, acc, 16, x.m16, x.minus16);
}
