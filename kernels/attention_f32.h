// Template: attention of a block of query rows over one KV head, one pass over
// the keys with a running softmax (Milakov and Gimelshein,
// https://arxiv.org/abs/1805.02867; Dao et al., https://arxiv.org/abs/2205.14135).
//
// Keys are taken in tiles that start at multiples of KEYS, so a row's result
// does not depend on the block it was computed in.
#include <string.h>

#include "half.h"
#include "kernels.h"
#include "simd_common.h"

enum { ROWS = 8 };

#define HIDDEN (-3.4e38f)

// scores writes s[i][j] = scale * q_i . k_j for ROWS rows and KEYS packed keys.
static inline void scores(const float *const q[ROWS], const float *keys, int dim, float scale, float s[ROWS][KEYS]) {
  for (int v = 0; v < KEYS; v += VL) {
    vf sum[ROWS];
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; i++) sum[i] = v_set1(0);
    for (int d = 0; d < dim; d++) {
      vf k = v_load(keys + d * KEYS + v);
#pragma GCC unroll 8
      for (int i = 0; i < ROWS; i++) sum[i] = v_fma(k, v_set1(q[i][d]), sum[i]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; i++) v_store(s[i] + v, v_mul(sum[i], v_set1(scale)));
  }
}

// weigh turns the visible scores [from, to) into weights and returns the factor
// by which earlier sums shrink; top and total are the row's running state.
static inline float weigh(float s[KEYS], int from, int to, float *top, float *total) {
  for (int j = 0; j < from; j++) s[j] = HIDDEN;
  for (int j = to; j < KEYS; j++) s[j] = HIDDEN;
  vf highest = v_set1(*top);
  for (int v = 0; v < KEYS; v += VL) highest = v_max(highest, v_load(s + v));
  float now = v_top(highest), shrink[VL];
  v_store(shrink, v_exp(v_set1(*top - now)));
  vf sum = v_set1(0);
  for (int v = 0; v < KEYS; v += VL) {
    vf e = v_exp(v_sub(v_load(s + v), v_set1(now)));
    v_store(s + v, e);
  }
  for (int j = 0; j < from; j++) s[j] = 0;
  for (int j = to; j < KEYS; j++) s[j] = 0;
  for (int v = 0; v < KEYS; v += VL) sum = v_add(sum, v_load(s + v));
  *top = now;
  *total = *total * shrink[0] + v_sum(sum);
  return shrink[0];
}

// gather computes sum_i = shrink_i * sum_i + weights_i V for the n values of a tile.
static inline void gather(float *const sum[ROWS], float s[ROWS][KEYS], const float shrink[ROWS], const float *v, int stride, int n,
                          int dim) {
  for (int d = 0; d < dim; d += VL) {
    int left = dim - d;
    vf acc[ROWS];
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; i++) acc[i] = v_mul(v_load(sum[i] + d), v_set1(shrink[i]));
    for (int j = 0; j < n; j++) {
      vf value = v_take(v + (size_t)j * stride + d, left, 0);
#pragma GCC unroll 8
      for (int i = 0; i < ROWS; i++) acc[i] = v_fma(value, v_set1(s[i][j]), acc[i]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; i++) v_store(sum[i] + d, acc[i]);
  }
}

static inline void widen(float *out, const uint16_t *x, int n) {
  int i = 0;
  for (; i + VL <= n; i += VL) v_store(out + i, v_load_half(x + i));
  for (; i < n; i++) out[i] = half_to_float(x[i]);
}

// row_of returns n floats at offset at of keys or values, widened into room if need be.
static inline const float *row_of(const void *base, int half, size_t at, int n, float *room) {
  if (!half) return (const float *)base + at;
  widen(room, (const uint16_t *)base + at, n);
  return room;
}

void ISA(attention)(const struct attention_task *a, float *scratch) {
  int dim = a->dim, wide = (dim + 15) / 16 * 16, padded = (a->rows + 15) / 16 * 16;
  float *sums = scratch, *packed = sums + (size_t)padded * wide, *values = packed + (size_t)KEYS * wide, *top = values + (size_t)KEYS * wide, *total = top + padded;
  memset(sums, 0, sizeof(float) * (size_t)padded * wide);
  for (int i = 0; i < padded; i++) {
    top[i] = HIDDEN;
    total[i] = 0;
  }
  int last = a->first + (a->rows - 1) / a->group;
  int to = a->causal ? last + 1 : a->keys;
  int from = a->causal && a->window && a->first - a->window + 1 > 0 ? a->first - a->window + 1 : 0;

  for (int tile = from / KEYS * KEYS; tile < to; tile += KEYS) {
    int n = to - tile < KEYS ? to - tile : KEYS;
    size_t base = (size_t)(a->pages ? a->pages[tile / KEYS] * KEYS : tile) * a->kv_stride;
    for (int j = 0; j < n; j++) {
      const float *k = row_of(a->k, a->half, base + (size_t)j * a->kv_stride, dim, values);
      for (int d = 0; d < dim; d++) packed[d * KEYS + j] = k[d];
    }
    for (int j = n; j < KEYS; j++)
      for (int d = 0; d < dim; d++) packed[d * KEYS + j] = 0;
    const float *v = row_of(a->v, a->half, base, dim, values);
    int v_stride = a->kv_stride;
    if (a->half) {
      for (int j = 1; j < n; j++) widen(values + (size_t)j * wide, (const uint16_t *)a->v + base + (size_t)j * a->kv_stride, dim);
      v_stride = wide;
    }

    for (int block = 0; block < a->rows; block += ROWS) {
      const float *q[ROWS];
      float *sum[ROWS], s[ROWS][KEYS], shrink[ROWS];
      for (int i = 0; i < ROWS; i++) {
        int r = block + i < a->rows ? block + i : a->rows - 1;
        q[i] = a->q + (size_t)(r / a->group) * a->q_stride + r % a->group * dim;
        sum[i] = sums + (size_t)(block + i) * wide;
      }
      scores(q, packed, dim, a->scale, s);
      for (int i = 0; i < ROWS; i++) {
        int lo = 0, hi = n;
        if (a->causal) {
          int r = block + i < a->rows ? block + i : a->rows - 1, position = a->first + r / a->group;
          if (position + 1 - tile < hi) hi = position + 1 - tile;
          if (a->window && position - a->window + 1 - tile > lo) lo = position - a->window + 1 - tile;
        }
        if (lo >= hi) { // the row sees nothing of this tile
          memset(s[i], 0, sizeof s[i]);
          shrink[i] = 1;
        } else {
          shrink[i] = weigh(s[i], lo, hi, top + block + i, total + block + i);
        }
      }
      gather(sum, s, shrink, v, v_stride, n, dim);
    }
  }
  for (int r = 0; r < a->rows; r++) {
    float *out = a->out + (size_t)(r / a->group) * a->q_stride + r % a->group * dim;
    vf scale = v_set1(1 / total[r]);
    for (int d = 0; d < dim; d += VL) v_keep(out + d, v_mul(v_load(sums + (size_t)r * wide + d), scale), dim - d);
  }
}
