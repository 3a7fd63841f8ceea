// Unpacking of a tile with AVX-512: sixteen rows side by side.
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")
#include "blocks_avx512.h"

INLINE void store(struct panel to, int g, struct group x) {
  uint8_t *q = to.q + g * 32 * TILE;
#pragma GCC unroll 8
  for (int j = 0; j < 8; j++) _mm512_store_si512(q + j * 64, x.word[j]);
  _mm512_store_ps(to.s + g * TILE, x.s);
  if (to.b) _mm512_store_ps(to.b + g * TILE, x.b);
}

// UNPACK makes the functions for sixteen rows and for a packed tile.
#define UNPACK(type)                                                                                               \
  void unpack_##type##_avx512vnni(const uint8_t *const row[TILE], int first, int count, struct panel to) {         \
    type((struct tile){row, 0}, first, count, to);                                                                 \
  }                                                                                                                \
  void unpack_packed_##type##_avx512vnni(const uint8_t *const row[TILE], int first, int count, struct panel to) {  \
    type((struct tile){row, 1}, first, count, to);                                                                 \
  }

// BLOCKS32 is UNPACK for an encoding whose blocks are one group.
#define BLOCKS32(type, bytes)                                                                                         \
  INLINE void type(struct tile t, int first, int count, struct panel to) {                                            \
    for (int g = 0; g < count / 32; g++) store(to, g, group_##type(t, (size_t)(first / 32 + g) * (bytes)));           \
  }                                                                                                                   \
  UNPACK(type)
BLOCKS32(q4_0, BYTES_Q4_0)
BLOCKS32(q4_1, BYTES_Q4_1)
BLOCKS32(q5_0, BYTES_Q5_0)
BLOCKS32(q5_1, BYTES_Q5_1)
BLOCKS32(q8_0, BYTES_Q8_0)
BLOCKS32(iq4_nl, BYTES_IQ4_NL)

// PAIRS is UNPACK for Q4_K and Q5_K.
#define PAIRS(type, bytes)                                                            \
  INLINE void type(struct tile t, int first, int count, struct panel to) {            \
    for (int c = 0; c < count; c += 256) {                                            \
      size_t block = (size_t)((first + c) / 256) * (bytes);                           \
      scales_k45(t, block, to.s + c / 32 * TILE, to.b + c / 32 * TILE);               \
      for (int pair = 0; pair < 4; pair++) {                                          \
        __m512i low[8], high[8];                                                      \
        pair_##type(t, block, pair, low, high);                                       \
        uint8_t *q = to.q + (c + pair * 64) * TILE;                                   \
        _Pragma("GCC unroll 8") for (int j = 0; j < 8; j++) {                         \
          _mm512_store_si512(q + j * 64, low[j]);                                     \
          _mm512_store_si512(q + (8 + j) * 64, high[j]);                              \
        }                                                                             \
      }                                                                               \
    }                                                                                 \
  }                                                                                   \
  UNPACK(type)
PAIRS(q4_k, BYTES_Q4_K)
PAIRS(q5_k, BYTES_Q5_K)

INLINE void q6_k(struct tile t, int first, int count, struct panel to) {
  for (int c = 0; c < count; c += 256) {
    size_t block = (size_t)((first + c) / 256) * BYTES_Q6_K;
    scales_q6_k(t, block, to.s + c / 16 * TILE);
    for (int piece = 0; piece < 4; piece++) {
      int half = piece / 2, part = piece % 2;
      __m512i q[16];
      quarter_q6_k(t, block, half, part, q);
#pragma GCC unroll 4
      for (int g = 0; g < 4; g++)
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) _mm512_store_si512(to.q + (c + half * 128 + g * 32 + part * 16) * TILE + j * 64, q[g * 4 + j]);
    }
  }
}
UNPACK(q6_k)

void unpack_f32_avx512vnni(const uint8_t *const row[TILE], int first, int count, float *w) {
  int c = 0;
  for (; c + 4 <= count; c += 4) {
    __m512i word[4];
    rows16((struct tile){row, 0}, (size_t)(first + c) * 4, word);
    for (int j = 0; j < 4; j++) _mm512_store_si512(w + (c + j) * TILE, word[j]);
  }
  for (; c < count; c++)
    for (int r = 0; r < TILE; r++) memcpy(w + c * TILE + r, row[r] + (size_t)(first + c) * 4, 4);
}

void unpack_f16_avx512vnni(const uint8_t *const row[TILE], int first, int count, float *w) {
  int c = 0;
  for (; c + 8 <= count; c += 8) {
    __m512i word[4];
    rows16((struct tile){row, 0}, (size_t)(first + c) * 2, word);
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
      _mm512_store_ps(w + (c + 2 * j) * TILE, low_halves(word[j]));
      _mm512_store_ps(w + (c + 2 * j + 1) * TILE, low_halves(_mm512_srli_epi32(word[j], 16)));
    }
  }
  for (; c < count; c++) _mm512_store_ps(w + c * TILE, halves16((struct tile){row, 0}, (size_t)(first + c) * 2));
}

void unpack_bf16_avx512vnni(const uint8_t *const row[TILE], int first, int count, float *w) {
  int c = 0;
  for (; c + 8 <= count; c += 8) {
    __m512i word[4];
    rows16((struct tile){row, 0}, (size_t)(first + c) * 2, word);
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
      _mm512_store_si512(w + (c + 2 * j) * TILE, _mm512_slli_epi32(word[j], 16));
      _mm512_store_si512(w + (c + 2 * j + 1) * TILE, _mm512_and_si512(word[j], _mm512_set1_epi32((int)0xffff0000)));
    }
  }
  for (; c < count; c++)
    for (int r = 0; r < TILE; r++) {
      uint32_t v = 0;
      memcpy((char *)&v + 2, row[r] + (size_t)(first + c) * 2, 2);
      memcpy(w + c * TILE + r, &v, 4);
    }
}
