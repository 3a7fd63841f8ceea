// Products of a tile with few rows of activations: what is unpacked goes from
// register to register, without a panel. Each sum has the order of operations
// of gemm_q8, so that a row's result does not depend on its company.
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")
#include "blocks_avx512.h"

INLINE __m512i four(const int8_t *p) {
  int32_t v;
  memcpy(&v, p, 4);
  return _mm512_set1_epi32(v);
}

// add adds to total the products of words columns/4 of one group with n rows.
// b is that of an encoding with minima, else shift is taken.
INLINE void add(__m512 *total, const __m512i *word, __m512 s, __m512 b, const int shift, struct activations x, int cols, int c, const int n,
                const int group) {
  const float *sums = group == 32 ? x.m32 : x.m16;
  const int32_t *minus = group == 32 ? x.minus32 : x.minus16;
#pragma GCC unroll 8
  for (int i = 0; i < n; i++) {
    const int8_t *q = x.q + (size_t)i * cols + c;
    size_t at = (size_t)i * (cols / group) + c / group;
    __m512i even = _mm512_setzero_si512(), odd = even; // two sums, so that one waits less for the other
    if (shift >= 0) even = _mm512_slli_epi32(_mm512_set1_epi32(minus[at]), (unsigned)shift);
#pragma GCC unroll 4
    for (int j = 0; j < group / 4; j += 2) {
      even = _mm512_dpbusd_epi32(even, word[j], four(q + j * 4));
      odd = _mm512_dpbusd_epi32(odd, word[j + 1], four(q + j * 4 + 4));
    }
    __m512 scale = _mm512_mul_ps(s, _mm512_set1_ps(x.d[(size_t)i * (cols / 32) + c / 32]));
    total[i] = _mm512_fmadd_ps(scale, _mm512_cvtepi32_ps(_mm512_add_epi32(even, odd)), total[i]);
    if (shift < 0) total[i] = _mm512_fmadd_ps(b, _mm512_set1_ps(sums[at]), total[i]);
  }
}

// AHEAD is how far before its use a packed tile is asked for, in bytes.
enum { AHEAD = 8192 };

// ahead asks for sixteen packed blocks like the one at offset block, for the
// outer caches: what waits for memory on its way into the innermost one holds
// one of the few places there, and two threads then read 15 GB/s where the
// memory gives 28 (Xeon 6). Left alone the processor does no better, as it only
// sees what was missed.
INLINE void ahead(struct tile w, size_t block, const size_t bytes) {
  if (!w.packed) return;
  for (size_t i = 0; i < bytes * TILE; i += 64) __builtin_prefetch(w.row[0] + block * TILE + AHEAD + i, 0, 1);
}

// BLOCKS32 makes the product with an encoding whose blocks are one group.
#define BLOCKS32(type, encoding, bytes)                                                                                \
  INLINE void type(struct tile w, int first, int count, struct activations x, int cols, __m512 *total, const int n) { \
    for (int c = 0; c < count; c += 32) {                                                                              \
      size_t block = (size_t)((first + c) / 32) * (bytes);                                                             \
      ahead(w, block, bytes);                                                                                          \
      struct group g = group_##type(w, block);                                                                         \
      add(total, g.word, g.s, g.b, shift_of(encoding), x, cols, c, n, 32);                                             \
    }                                                                                                                  \
  }
BLOCKS32(q4_0, ENC_Q4_0, BYTES_Q4_0)
BLOCKS32(q4_1, ENC_Q4_1, BYTES_Q4_1)
BLOCKS32(q5_0, ENC_Q5_0, BYTES_Q5_0)
BLOCKS32(q5_1, ENC_Q5_1, BYTES_Q5_1)
BLOCKS32(q8_0, ENC_Q8_0, BYTES_Q8_0)
BLOCKS32(iq4_nl, ENC_IQ4_NL, BYTES_IQ4_NL)

INLINE void q4_k(struct tile w, int first, int count, struct activations x, int cols, __m512 *total, const int n) {
  for (int c = 0; c < count; c += 256) {
    size_t block = (size_t)((first + c) / 256) * BYTES_Q4_K;
    ahead(w, block, BYTES_Q4_K);
    _Alignas(64) float s[8 * TILE], b[8 * TILE];
    scales_k45(w, block, s, b);
    for (int pair = 0; pair < 4; pair++) {
      __m512i low[8], high[8];
      pair_q4_k(w, block, pair, low, high);
      const float *sp = s + pair * 2 * TILE, *bp = b + pair * 2 * TILE;
      add(total, low, _mm512_load_ps(sp), _mm512_load_ps(bp), -1, x, cols, c + pair * 64, n, 32);
      add(total, high, _mm512_load_ps(sp + TILE), _mm512_load_ps(bp + TILE), -1, x, cols, c + pair * 64 + 32, n, 32);
    }
  }
}

// The groups of 16 are added in the order of their columns, so two quarters
// are unpacked before the first is used.
INLINE void q6_k(struct tile w, int first, int count, struct activations x, int cols, __m512 *total, const int n) {
  for (int c = 0; c < count; c += 256) {
    size_t block = (size_t)((first + c) / 256) * BYTES_Q6_K;
    ahead(w, block, BYTES_Q6_K);
    _Alignas(64) float s[16 * TILE];
    scales_q6_k(w, block, s);
    for (int half = 0; half < 2; half++) {
      __m512i q[2][16];
      quarter_q6_k(w, block, half, 0, q[0]);
      quarter_q6_k(w, block, half, 1, q[1]);
#pragma GCC unroll 8
      for (int g = 0; g < 8; g++) {
        int at = half * 8 + g;
        add(total, q[g % 2] + g / 2 * 4, _mm512_load_ps(s + at * TILE), _mm512_setzero_ps(), shift_of(ENC_Q6_K), x, cols, c + at * 16, n, 16);
      }
    }
  }
}

// Q5_K is Q4_K with a fifth bit: bit g of byte i of the high bits belongs to
// value i of group g.
INLINE void q5_k(struct tile w, int first, int count, struct activations x, int cols, __m512 *total, const int n) {
  for (int c = 0; c < count; c += 256) {
    size_t block = (size_t)((first + c) / 256) * BYTES_Q5_K;
    ahead(w, block, BYTES_Q5_K);
    _Alignas(64) float s[8 * TILE], b[8 * TILE];
    scales_k45(w, block, s, b);
    for (int pair = 0; pair < 4; pair++) {
      __m512i low[8], high[8];
      pair_q5_k(w, block, pair, low, high);
      const float *sp = s + pair * 2 * TILE, *bp = b + pair * 2 * TILE;
      add(total, low, _mm512_load_ps(sp), _mm512_load_ps(bp), -1, x, cols, c + pair * 64, n, 32);
      add(total, high, _mm512_load_ps(sp + TILE), _mm512_load_ps(bp + TILE), -1, x, cols, c + pair * 64 + 32, n, 32);
    }
  }
}

// SUMS runs type over blocks of rows: of a packed tile eight, or what is left up
// to four; of rows as the file has them, which are never more than MOST_FEW, four,
// two or one.
#define SUMS(type, packed)                                                                         \
  const struct tile w = {row, packed};                                                             \
  for (int i = 0, n; i < t; i += n) {                                                              \
    n = packed && t - i >= 8 ? 8 : t - i >= 4 ? 4 : !packed && t - i == 3 ? 2 : t - i;             \
    struct activations part = activations_from(x, i, cols);                                        \
    float *sums = acc + i * TILE;                                                                  \
    __m512 total[8];                                                                               \
    for (int j = 0; j < n; j++) total[j] = _mm512_loadu_ps(sums + j * TILE);                       \
    switch (n) {                                                                                   \
    case 1: type(w, first, count, part, cols, total, 1); break;                                    \
    case 2: type(w, first, count, part, cols, total, 2); break;                                    \
    case 3: if (packed) type(w, first, count, part, cols, total, 3); break;                        \
    case 4: type(w, first, count, part, cols, total, 4); break;                                    \
    case 8: if (packed) type(w, first, count, part, cols, total, 8); break;                        \
    }                                                                                              \
    for (int j = 0; j < n; j++) _mm512_storeu_ps(sums + j * TILE, total[j]);                       \
  }
#define FEW(type)                                                                                                           \
  void few_##type##_avx512vnni(const uint8_t *const row[TILE], int first, int count, struct activations x, int cols, int t, \
                               float *acc) {                                                                                \
    SUMS(type, 0)                                                                                                           \
  }                                                                                                                         \
  void few_packed_##type##_avx512vnni(const uint8_t *const row[TILE], int first, int count, struct activations x, int cols, \
                                      int t, float *acc) {                                                                  \
    SUMS(type, 1)                                                                                                           \
  }
FEW(q4_0)
FEW(q4_1)
FEW(q5_0)
FEW(q5_1)
FEW(q8_0)
FEW(iq4_nl)
FEW(q4_k)
FEW(q5_k)
FEW(q6_k)
