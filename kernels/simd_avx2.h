// Eight lanes of AVX2 with FMA.
#include <immintrin.h>
#include <stdint.h>

#define ISA(name) name##_avx2
#define VL 8
typedef __m256 vf;
static inline vf v_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void v_store(float *p, vf x) { _mm256_storeu_ps(p, x); }
static inline vf v_set1(float x) { return _mm256_set1_ps(x); }
static inline vf v_add(vf a, vf b) { return _mm256_add_ps(a, b); }
static inline vf v_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
static inline vf v_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
static inline vf v_div(vf a, vf b) { return _mm256_div_ps(a, b); }
static inline vf v_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
static inline vf v_max(vf a, vf b) { return _mm256_max_ps(a, b); }
static inline vf v_min(vf a, vf b) { return _mm256_min_ps(a, b); }
static inline vf v_abs(vf a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
static inline vf v_round(vf a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
// v_exp2i returns 2^n for whole n in -126..127.
static inline vf v_exp2i(vf n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
static inline float v_sum(vf a) {
  __m128 x = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  x = _mm_add_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}
static inline float v_top(vf a) {
  __m128 x = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  x = _mm_max_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
}
static inline void v_store_int8(int8_t *p, vf a) {
  __m256i x = _mm256_cvtps_epi32(a);
  __m128i y = _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  _mm_storel_epi64((__m128i *)p, _mm_packs_epi16(y, y));
}
static inline vf v_load_half(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
static inline void v_store_half(uint16_t *p, vf x) { _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT)); }
// v_store_quads rounds four vectors to bytes, adds offset (0 or 128) and stores
// the four of each lane side by side. The values are within -127..127.
static inline void v_store_quads(uint8_t *p, vf a, vf b, vf c, vf d, int offset) {
  const __m256i byte = _mm256_set1_epi32(255);
  __m256i ab = _mm256_or_si256(_mm256_and_si256(_mm256_cvtps_epi32(a), byte), _mm256_slli_epi32(_mm256_and_si256(_mm256_cvtps_epi32(b), byte), 8));
  __m256i cd = _mm256_or_si256(_mm256_slli_epi32(_mm256_and_si256(_mm256_cvtps_epi32(c), byte), 16), _mm256_slli_epi32(_mm256_cvtps_epi32(d), 24));
  _mm256_storeu_si256((__m256i *)p, _mm256_xor_si256(_mm256_or_si256(ab, cd), _mm256_set1_epi8((char)offset)));
}
