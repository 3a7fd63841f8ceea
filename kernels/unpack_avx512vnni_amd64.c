// Unpacking of a tile with AVX-512: sixteen rows side by side.
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")
#include "blocks_avx512.h"

INLINE void store(struct panel to, int g, struct group x) {
  uint8_t *q = to.q + g * 32 * TILE;
#pragma GCC unroll 8
  for (int j = 0; j < 8; j++) _mm512_store_si512(q + j * 64, x.word[j]);
  _mm512_store_ps(to.s + g * TILE, x.s);
  _mm512_store_ps(to.b + g * TILE, x.b);
}

void unpack_q4_0_avx512vnni(const uint8_t *const row[TILE], int first, int count, struct panel to) {
  for (int g = 0; g < count / 32; g++) store(to, g, group_q4_0(row, (size_t)(first / 32 + g) * BYTES_Q4_0));
}

void unpack_q8_0_avx512vnni(const uint8_t *const row[TILE], int first, int count, struct panel to) {
  for (int g = 0; g < count / 32; g++) store(to, g, group_q8_0(row, (size_t)(first / 32 + g) * BYTES_Q8_0));
}

void unpack_q4_k_avx512vnni(const uint8_t *const row[TILE], int first, int count, struct panel to) {
  for (int c = 0; c < count; c += 256) {
    size_t block = (size_t)((first + c) / 256) * BYTES_Q4_K;
    scales_k45(row, block, to.s + c / 32 * TILE, to.b + c / 32 * TILE);
    for (int pair = 0; pair < 4; pair++) {
      __m512i low[8], high[8];
      pair_q4_k(row, block, pair, low, high);
      uint8_t *q = to.q + (c + pair * 64) * TILE;
#pragma GCC unroll 8
      for (int j = 0; j < 8; j++) {
        _mm512_store_si512(q + j * 64, low[j]);
        _mm512_store_si512(q + (8 + j) * 64, high[j]);
      }
    }
  }
}

void unpack_q5_k_avx512vnni(const uint8_t *const row[TILE], int first, int count, struct panel to) {
  for (int c = 0; c < count; c += 256) {
    size_t block = (size_t)((first + c) / 256) * BYTES_Q5_K;
    scales_k45(row, block, to.s + c / 32 * TILE, to.b + c / 32 * TILE);
    __m512i high[8];
    rows16(row, block + 16, high);
    rows16(row, block + 32, high + 4);
    for (int pair = 0; pair < 4; pair++) {
      __m512i word[8];
      rows16(row, block + 48 + pair * 32, word);
      rows16(row, block + 64 + pair * 32, word + 4);
      uint8_t *q = to.q + (c + pair * 64) * TILE;
#pragma GCC unroll 8
      for (int j = 0; j < 8; j++) {
        __m512i low5 = _mm512_slli_epi32(bits(high[j], pair * 2, 1), 4), high5 = _mm512_slli_epi32(bits(high[j], pair * 2 + 1, 1), 4);
        _mm512_store_si512(q + j * 64, _mm512_or_si512(bits(word[j], 0, 15), low5));
        _mm512_store_si512(q + (8 + j) * 64, _mm512_or_si512(bits(word[j], 4, 15), high5));
      }
    }
  }
}

void unpack_q6_k_avx512vnni(const uint8_t *const row[TILE], int first, int count, struct panel to) {
  for (int c = 0; c < count; c += 256) {
    size_t block = (size_t)((first + c) / 256) * BYTES_Q6_K;
    scales_q6_k(row, block, to.s + c / 16 * TILE, to.b + c / 16 * TILE);
    for (int piece = 0; piece < 4; piece++) {
      int half = piece / 2, part = piece % 2;
      __m512i q[16];
      quarter_q6_k(row, block, half, part, q);
#pragma GCC unroll 4
      for (int g = 0; g < 4; g++)
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) _mm512_store_si512(to.q + (c + half * 128 + g * 32 + part * 16) * TILE + j * 64, q[g * 4 + j]);
    }
  }
}

void unpack_f32_avx512vnni(const uint8_t *const row[TILE], int first, int count, float *w) {
  int c = 0;
  for (; c + 4 <= count; c += 4) {
    __m512i word[4];
    rows16(row, (size_t)(first + c) * 4, word);
    for (int j = 0; j < 4; j++) _mm512_store_si512(w + (c + j) * TILE, word[j]);
  }
  for (; c < count; c++)
    for (int r = 0; r < TILE; r++) memcpy(w + c * TILE + r, row[r] + (size_t)(first + c) * 4, 4);
}

void unpack_f16_avx512vnni(const uint8_t *const row[TILE], int first, int count, float *w) {
  int c = 0;
  for (; c + 8 <= count; c += 8) {
    __m512i word[4];
    rows16(row, (size_t)(first + c) * 2, word);
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
      _mm512_store_ps(w + (c + 2 * j) * TILE, _mm512_cvtph_ps(_mm512_cvtepi32_epi16(word[j])));
      _mm512_store_ps(w + (c + 2 * j + 1) * TILE, _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(word[j], 16))));
    }
  }
  for (; c < count; c++) _mm512_store_ps(w + c * TILE, halves16(row, (size_t)(first + c) * 2));
}

void unpack_bf16_avx512vnni(const uint8_t *const row[TILE], int first, int count, float *w) {
  int c = 0;
  for (; c + 8 <= count; c += 8) {
    __m512i word[4];
    rows16(row, (size_t)(first + c) * 2, word);
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
