// One-lane vectors: the templates in plain C.
#include <math.h>
#include <stdint.h>

#include "half.h"

#define ISA(name) name##_scalar
#define VL 1
typedef float vf;
static inline vf v_load(const float *p) { return *p; }
static inline void v_store(float *p, vf x) { *p = x; }
static inline vf v_set1(float x) { return x; }
static inline vf v_add(vf a, vf b) { return a + b; }
static inline vf v_sub(vf a, vf b) { return a - b; }
static inline vf v_mul(vf a, vf b) { return a * b; }
static inline vf v_div(vf a, vf b) { return a / b; }
static inline vf v_fma(vf a, vf b, vf c) { return a * b + c; }
static inline vf v_max(vf a, vf b) { return a > b ? a : b; }
static inline vf v_min(vf a, vf b) { return a < b ? a : b; }
static inline vf v_abs(vf a) { return fabsf(a); }
static inline vf v_round(vf a) { return nearbyintf(a); }
static inline vf v_exp2i(vf n) { return ldexpf(1.0f, (int)n); }
static inline float v_sum(vf a) { return a; }
static inline float v_top(vf a) { return a; }
static inline void v_store_int8(int8_t *p, vf a) { *p = (int8_t)nearbyintf(a); }
static inline vf v_load_half(const uint16_t *p) { return half_to_float(*p); }
static inline void v_store_half(uint16_t *p, vf x) { *p = float_to_half(x); }
// v_store_quads rounds four vectors to bytes, adds offset (0 or 128) and stores
// the four of each lane side by side. The values are within -127..127.
static inline void v_store_quads(uint8_t *p, vf a, vf b, vf c, vf d, int offset) {
  p[0] = (uint8_t)((int)nearbyintf(a) + offset);
  p[1] = (uint8_t)((int)nearbyintf(b) + offset);
  p[2] = (uint8_t)((int)nearbyintf(c) + offset);
  p[3] = (uint8_t)((int)nearbyintf(d) + offset);
}
