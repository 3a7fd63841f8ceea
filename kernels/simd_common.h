// Template: what every vector type shares, on top of simd_*.h.
#ifndef SENSED_SIMD_COMMON_H
#define SENSED_SIMD_COMMON_H

#include <string.h>

// v_part loads k < VL values and fills the rest; v_keep stores k of them.
static inline vf v_part(const float *p, int k, float fill) {
  float lane[VL];
  for (int i = 0; i < VL; i++) lane[i] = i < k ? p[i] : fill;
  return v_load(lane);
}
static inline vf v_take(const float *p, int k, float fill) { return k >= VL ? v_load(p) : v_part(p, k, fill); }
static inline void v_keep(float *p, vf x, int k) {
  if (k >= VL) {
    v_store(p, x);
    return;
  }
  float lane[VL];
  v_store(lane, x);
  memcpy(p, lane, (size_t)k * sizeof *p);
}

// v_exp: e^x = 2^n e^r with |r| <= ln2/2, where a Taylor polynomial of degree
// 6 is exact to a unit in the last place. ln2 in two parts keeps r exact.
// Arguments below -87 give 0 up to 1e-38, above 88 the largest power.
static inline vf v_exp(vf x) {
  x = v_max(v_min(x, v_set1(88.0f)), v_set1(-87.0f));
  vf n = v_round(v_mul(x, v_set1(1.44269504f)));
  vf r = v_fma(n, v_set1(-0.693359375f), x);
  r = v_fma(n, v_set1(2.12194440e-4f), r);
  vf p = v_set1(1.0f / 720);
  p = v_fma(p, r, v_set1(1.0f / 120));
  p = v_fma(p, r, v_set1(1.0f / 24));
  p = v_fma(p, r, v_set1(1.0f / 6));
  p = v_fma(p, r, v_set1(0.5f));
  p = v_fma(p, r, v_set1(1.0f));
  p = v_fma(p, r, v_set1(1.0f));
  return v_mul(p, v_exp2i(n));
}
static inline vf v_sigmoid(vf x) {
  vf one = v_set1(1);
  return v_div(one, v_add(one, v_exp(v_sub(v_set1(0), x))));
}

#endif
