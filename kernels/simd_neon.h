// Four lanes of Advanced SIMD, which every 64-bit ARM has.
#include <arm_neon.h>
#include <stdint.h>

#define ISA(name) name##_neon
#define VL 4
typedef float32x4_t vf;
static inline vf v_load(const float *p) { return vld1q_f32(p); }
static inline void v_store(float *p, vf x) { vst1q_f32(p, x); }
static inline vf v_set1(float x) { return vdupq_n_f32(x); }
static inline vf v_add(vf a, vf b) { return vaddq_f32(a, b); }
static inline vf v_sub(vf a, vf b) { return vsubq_f32(a, b); }
static inline vf v_mul(vf a, vf b) { return vmulq_f32(a, b); }
static inline vf v_div(vf a, vf b) { return vdivq_f32(a, b); }
static inline vf v_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
static inline vf v_max(vf a, vf b) { return vmaxq_f32(a, b); }
static inline vf v_min(vf a, vf b) { return vminq_f32(a, b); }
static inline vf v_abs(vf a) { return vabsq_f32(a); }
static inline vf v_round(vf a) { return vrndnq_f32(a); }
// v_exp2i returns 2^n for whole n in -126..127.
static inline vf v_exp2i(vf n) {
  return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127)), 23));
}
static inline float v_sum(vf a) { return vaddvq_f32(a); }
static inline float v_top(vf a) { return vmaxvq_f32(a); }
static inline void v_store_int8(int8_t *p, vf a) {
  int16x4_t x = vqmovn_s32(vcvtnq_s32_f32(a));
  int8x8_t y = vqmovn_s16(vcombine_s16(x, x));
  vst1_lane_s32((int32_t *)(void *)p, vreinterpret_s32_s8(y), 0);
}
static inline vf v_load_half(const uint16_t *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
static inline void v_store_half(uint16_t *p, vf x) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(x))); }
// v_store_quads rounds four vectors to bytes, adds offset (0 or 128) and stores
// the four of each lane side by side. The values are within -127..127.
static inline void v_store_quads(uint8_t *p, vf a, vf b, vf c, vf d, int offset) {
  const int32x4_t byte = vdupq_n_s32(255);
  int32x4_t ab = vorrq_s32(vandq_s32(vcvtnq_s32_f32(a), byte), vshlq_n_s32(vandq_s32(vcvtnq_s32_f32(b), byte), 8));
  int32x4_t cd = vorrq_s32(vshlq_n_s32(vandq_s32(vcvtnq_s32_f32(c), byte), 16), vshlq_n_s32(vcvtnq_s32_f32(d), 24));
  vst1q_u8(p, veorq_u8(vreinterpretq_u8_s32(vorrq_s32(ab, cd)), vdupq_n_u8((uint8_t)offset)));
}
