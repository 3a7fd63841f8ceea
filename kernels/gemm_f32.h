// Template: products of a float panel with float rows. VL divides 16.
#include "kernels.h"

#define PANEL_VECTORS (TILE / VL)

static inline __attribute__((always_inline)) void float_columns(const float *w, int count, const float *x, int cols, float *acc,
                                                                const int n) {
  vf sum[n][PANEL_VECTORS];
#pragma GCC unroll 16
  for (int i = 0; i < n; i++)
#pragma GCC unroll 16
    for (int v = 0; v < PANEL_VECTORS; v++) sum[i][v] = v_load(acc + i * TILE + v * VL);
  for (int c = 0; c < count; c++) {
    vf column[PANEL_VECTORS];
#pragma GCC unroll 16
    for (int v = 0; v < PANEL_VECTORS; v++) column[v] = v_load(w + c * TILE + v * VL);
#pragma GCC unroll 16
    for (int i = 0; i < n; i++) {
      vf b = v_set1(x[(size_t)i * cols + c]);
#pragma GCC unroll 16
      for (int v = 0; v < PANEL_VECTORS; v++) sum[i][v] = v_fma(column[v], b, sum[i][v]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < n; i++)
#pragma GCC unroll 16
    for (int v = 0; v < PANEL_VECTORS; v++) v_store(acc + i * TILE + v * VL, sum[i][v]);
}

void ISA(float_gemm)(const float *w, int count, const float *x, int cols, int t, float *acc) {
  int i = 0;
#if VL == 16
  for (; i + 8 <= t; i += 8) float_columns(w, count, x + (size_t)i * cols, cols, acc + i * TILE, 8);
#endif
  for (; i + 4 <= t; i += 4) float_columns(w, count, x + (size_t)i * cols, cols, acc + i * TILE, 4);
  for (; i < t; i++) float_columns(w, count, x + (size_t)i * cols, cols, acc + i * TILE, 1);
}
