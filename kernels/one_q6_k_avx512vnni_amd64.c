// The product of a Q6_K tile with one row of activations, row by row in the
// order of memory. These are the rows of the output head, which every written
// token reads; unpacking six bits across rows costs more than it saves here.
//
// A first pass leaves the integer product of every group of every row, a second
// one turns sixteen rows by sixteen groups around and adds the groups up with
// one row to a lane, in the order of operations of gemm_q8. So a row's result
// does not depend on its company.
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")
#include <immintrin.h>
#include <string.h>

#include "kernels.h"

#define INLINE static inline __attribute__((always_inline))

// turn transposes 16 by 16 words: to[j] holds word j of each of the rows.
INLINE void turn(const void *from, __m512i to[16]) {
  const uint8_t *p = from;
  __m512i a[16], b[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) a[i] = _mm512_load_si512(p + (size_t)i * 64);
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) { // a[i+k]: word k of rows i..i+3 in each lane
    a[i] = _mm512_unpacklo_epi64(b[i], b[i + 2]);
    a[i + 1] = _mm512_unpackhi_epi64(b[i], b[i + 2]);
    a[i + 2] = _mm512_unpacklo_epi64(b[i + 1], b[i + 3]);
    a[i + 3] = _mm512_unpackhi_epi64(b[i + 1], b[i + 3]);
  }
#pragma GCC unroll 4
  for (int k = 0; k < 4; k++) {
    __m512i lo = _mm512_shuffle_i32x4(a[k], a[k + 4], 0x88), hi = _mm512_shuffle_i32x4(a[k], a[k + 4], 0xdd);
    __m512i lo2 = _mm512_shuffle_i32x4(a[k + 8], a[k + 12], 0x88), hi2 = _mm512_shuffle_i32x4(a[k + 8], a[k + 12], 0xdd);
    to[k] = _mm512_shuffle_i32x4(lo, lo2, 0x88);
    to[k + 8] = _mm512_shuffle_i32x4(lo, lo2, 0xdd);
    to[k + 4] = _mm512_shuffle_i32x4(hi, hi2, 0x88);
    to[k + 12] = _mm512_shuffle_i32x4(hi, hi2, 0xdd);
  }
}

// lanes4 adds up the four words of each lane of four vectors: lane k of a, b, c
// and d gives words k, 4+k, 8+k and 12+k.
INLINE __m512i lanes4(__m512i a, __m512i b, __m512i c, __m512i d) {
  __m512i x = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  __m512i y = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  __m512i z = _mm512_add_epi32(_mm512_unpacklo_epi64(x, y), _mm512_unpackhi_epi64(x, y));
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, z);
}

static inline float half(const uint8_t *p) {
  uint16_t h;
  memcpy(&h, p, 2);
  return _cvtsh_ss(h);
}

// AHEAD is how far ahead of its use the matrix is asked for, in bytes.
enum { AHEAD = 4096 };

// superblock leaves the scales and the integer products of the sixteen groups
// of a row's superblock.
INLINE void superblock(const uint8_t *block, const int8_t *x, float *s, int32_t *dot) {
  const __m512i two = _mm512_setr_epi64(0, 0, 0, 0, 0x0002000200020002, 0x0002000200020002, 0x0002000200020002, 0x0002000200020002);
  const __m512i low4 = _mm512_set1_epi8(15), high2 = _mm512_set1_epi8(0x30);
  for (int i = 0; i < BYTES_Q6_K; i += 64) __builtin_prefetch(block + AHEAD + i, 0, 2);
  __m512i d[4]; // 64 values each
#pragma GCC unroll 2
  for (int k = 0; k < 2; k++) {
    __m512i low = _mm512_loadu_si512(block + k * 64);
    __m512i high = _mm512_srlv_epi16(_mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)(block + 128 + k * 32))), two);
    __m512i a = _mm512_or_si512(_mm512_and_si512(low, low4), _mm512_and_si512(_mm512_slli_epi16(high, 4), high2));
    __m512i b = _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi16(low, 4), low4), _mm512_and_si512(high, high2));
    d[2 * k] = _mm512_dpbusd_epi32(_mm512_setzero_si512(), a, _mm512_loadu_si512(x + k * 128));
    d[2 * k + 1] = _mm512_dpbusd_epi32(_mm512_setzero_si512(), b, _mm512_loadu_si512(x + k * 128 + 64));
  }
  _mm512_store_si512(dot, lanes4(d[0], d[1], d[2], d[3]));
  __m512i scale = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(block + 192)));
  _mm512_store_ps(s, _mm512_mul_ps(_mm512_set1_ps(half(block + 208)), _mm512_cvtepi32_ps(scale)));
}

void one_q6_k_avx512vnni(const uint8_t *const row[TILE], int first, int count, struct activations x, float *acc) {
  _Alignas(64) float s[FEW_CHUNK / 256][TILE * 16];
  _Alignas(64) int32_t dot[FEW_CHUNK / 256][TILE * 16];
  for (int r = 0; r < TILE; r++)
    for (int c = 0; c < count; c += 256)
      superblock(row[r] + (size_t)((first + c) / 256) * BYTES_Q6_K, x.q + c, s[c / 256] + r * 16, dot[c / 256] + r * 16);
  __m512 total = _mm512_loadu_ps(acc);
  for (int c = 0; c < count; c += 256) {
    __m512i st[16], dt[16];
    turn(s[c / 256], st);
    turn(dot[c / 256], dt);
#pragma GCC unroll 16
    for (int g = 0; g < 16; g++) {
      __m512 scale = _mm512_mul_ps(_mm512_castsi512_ps(st[g]), _mm512_set1_ps(x.d[(c + g * 16) / 32]));
      __m512i minus = _mm512_slli_epi32(_mm512_set1_epi32(x.minus16[c / 16 + g]), 5);
      total = _mm512_fmadd_ps(scale, _mm512_cvtepi32_ps(_mm512_add_epi32(dt[g], minus)), total);
    }
  }
  _mm512_storeu_ps(acc, total);
}
