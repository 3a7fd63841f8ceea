// Sixteen lanes of AVX-512 (F, BW, VL, DQ and VNNI, which arrived together).
#include <immintrin.h>
#include <stdint.h>

#define ISA(name) name##_avx512vnni
#define VL 16
typedef __m512 vf;
static inline vf v_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void v_store(float *p, vf x) { _mm512_storeu_ps(p, x); }
static inline vf v_set1(float x) { return _mm512_set1_ps(x); }
static inline vf v_add(vf a, vf b) { return _mm512_add_ps(a, b); }
static inline vf v_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
static inline vf v_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
static inline vf v_div(vf a, vf b) { return _mm512_div_ps(a, b); }
static inline vf v_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
static inline vf v_max(vf a, vf b) { return _mm512_max_ps(a, b); }
static inline vf v_min(vf a, vf b) { return _mm512_min_ps(a, b); }
static inline vf v_abs(vf a) { return _mm512_abs_ps(a); }
static inline vf v_round(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
// v_exp2i returns 2^n for whole n.
static inline vf v_exp2i(vf n) { return _mm512_scalef_ps(_mm512_set1_ps(1), n); }
static inline float v_sum(vf a) { return _mm512_reduce_add_ps(a); }
static inline float v_top(vf a) { return _mm512_reduce_max_ps(a); }
static inline void v_store_int8(int8_t *p, vf a) {
  _mm_storeu_si128((__m128i *)p, _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(a)));
}
static inline vf v_load_half(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
static inline void v_store_half(uint16_t *p, vf x) {
  _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
// v_store_quads rounds four vectors to bytes, adds offset (0 or 128) and stores
// the four of each lane side by side. The values are within -127..127.
static inline void v_store_quads(uint8_t *p, vf a, vf b, vf c, vf d, int offset) {
  const __m512i byte = _mm512_set1_epi32(255);
  __m512i ab = _mm512_or_si512(_mm512_and_si512(_mm512_cvtps_epi32(a), byte), _mm512_slli_epi32(_mm512_and_si512(_mm512_cvtps_epi32(b), byte), 8));
  __m512i cd = _mm512_or_si512(_mm512_slli_epi32(_mm512_and_si512(_mm512_cvtps_epi32(c), byte), 16), _mm512_slli_epi32(_mm512_cvtps_epi32(d), 24));
  _mm512_storeu_si512(p, _mm512_xor_si512(_mm512_or_si512(ab, cd), _mm512_set1_epi8((char)offset)));
}
