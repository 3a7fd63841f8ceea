// Unpacking of a tile with AVX-512: sixteen rows side by side.
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")
#include <immintrin.h>
#include <string.h>

#include "kernels.h"

// rows16 loads 16 bytes at offset at of each row and transposes them: to[j]
// holds the j-th 32-bit word of rows 0..15.
static inline void rows16(const uint8_t *const row[TILE], size_t at, __m512i to[4]) {
  __m512i lane[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    __m512i x = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(row[i] + at)));
    x = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(row[4 + i] + at)), 1);
    x = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(row[8 + i] + at)), 2);
    lane[i] = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(row[12 + i] + at)), 3);
  }
  __m512i a = _mm512_unpacklo_epi32(lane[0], lane[1]), b = _mm512_unpackhi_epi32(lane[0], lane[1]);
  __m512i c = _mm512_unpacklo_epi32(lane[2], lane[3]), d = _mm512_unpackhi_epi32(lane[2], lane[3]);
  to[0] = _mm512_unpacklo_epi64(a, c);
  to[1] = _mm512_unpackhi_epi64(a, c);
  to[2] = _mm512_unpacklo_epi64(b, d);
  to[3] = _mm512_unpackhi_epi64(b, d);
}

static inline int half_at(const uint8_t *p) {
  uint16_t h;
  memcpy(&h, p, 2);
  return h;
}

// halves8 collects one binary16 at offset at of eight rows. Inserting into a
// register avoids a load that would wait for sixteen small stores.
static inline __m128i halves8(const uint8_t *const *row, size_t at) {
  __m128i x = _mm_cvtsi32_si128(half_at(row[0] + at)), y = _mm_cvtsi32_si128(half_at(row[4] + at));
  x = _mm_insert_epi16(x, half_at(row[1] + at), 1);
  y = _mm_insert_epi16(y, half_at(row[5] + at), 1);
  x = _mm_insert_epi16(x, half_at(row[2] + at), 2);
  y = _mm_insert_epi16(y, half_at(row[6] + at), 2);
  x = _mm_insert_epi16(x, half_at(row[3] + at), 3);
  y = _mm_insert_epi16(y, half_at(row[7] + at), 3);
  return _mm_unpacklo_epi64(x, y);
}

// halves16 loads one binary16 at offset at of each row.
static inline __m512 halves16(const uint8_t *const row[TILE], size_t at) {
  return _mm512_cvtph_ps(_mm256_inserti128_si256(_mm256_castsi128_si256(halves8(row, at)), halves8(row + 8, at), 1));
}

static inline __m512i bits(__m512i x, int shift, int mask) {
  return _mm512_and_si512(_mm512_srli_epi32(x, (unsigned)shift), _mm512_set1_epi8((char)mask));
}

void unpack_q4_0_avx512vnni(const uint8_t *const row[TILE], int first, int count, struct panel to) {
  for (int g = 0; g < count / 32; g++) {
    size_t block = (size_t)(first / 32 + g) * BYTES_Q4_0;
    __m512i word[4];
    rows16(row, block + 2, word);
    uint8_t *q = to.q + g * 32 * TILE;
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
      _mm512_store_si512(q + j * 64, bits(word[j], 0, 15));
      _mm512_store_si512(q + (4 + j) * 64, bits(word[j], 4, 15));
    }
    __m512 d = halves16(row, block);
    _mm512_store_ps(to.s + g * TILE, d);
    _mm512_store_ps(to.b + g * TILE, _mm512_mul_ps(d, _mm512_set1_ps(-8)));
  }
}

void unpack_q8_0_avx512vnni(const uint8_t *const row[TILE], int first, int count, struct panel to) {
  for (int g = 0; g < count / 32; g++) {
    size_t block = (size_t)(first / 32 + g) * BYTES_Q8_0;
    __m512i word[8];
    rows16(row, block + 2, word);
    rows16(row, block + 18, word + 4);
    uint8_t *q = to.q + g * 32 * TILE;
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) _mm512_store_si512(q + j * 64, _mm512_xor_si512(word[j], _mm512_set1_epi8((char)0x80)));
    __m512 d = halves16(row, block);
    _mm512_store_ps(to.s + g * TILE, d);
    _mm512_store_ps(to.b + g * TILE, _mm512_mul_ps(d, _mm512_set1_ps(-128)));
  }
}

// scales_k45 writes the eight scales and minima of a superblock of Q4_K or
// Q5_K, whose first 16 bytes are d, dmin and twelve bytes of 6-bit numbers.
static inline void scales_k45(const uint8_t *const row[TILE], size_t block, float *s, float *b) {
  __m512i head[4];
  rows16(row, block, head);
  __m512 d = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(head[0]));
  __m512 dmin = _mm512_sub_ps(_mm512_setzero_ps(), _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(head[0], 16))));
  __m512i scale[2] = {bits(head[1], 0, 63), _mm512_or_si512(bits(head[3], 0, 15), _mm512_slli_epi32(bits(head[1], 6, 3), 4))};
  __m512i min[2] = {bits(head[2], 0, 63), _mm512_or_si512(bits(head[3], 4, 15), _mm512_slli_epi32(bits(head[2], 6, 3), 4))};
  const __m512i byte = _mm512_set1_epi32(255);
#pragma GCC unroll 8
  for (int g = 0; g < 8; g++) {
    __m512i sc = _mm512_and_si512(_mm512_srli_epi32(scale[g / 4], g % 4 * 8), byte);
    __m512i mn = _mm512_and_si512(_mm512_srli_epi32(min[g / 4], g % 4 * 8), byte);
    _mm512_store_ps(s + g * TILE, _mm512_mul_ps(d, _mm512_cvtepi32_ps(sc)));
    _mm512_store_ps(b + g * TILE, _mm512_mul_ps(dmin, _mm512_cvtepi32_ps(mn)));
  }
}

void unpack_q4_k_avx512vnni(const uint8_t *const row[TILE], int first, int count, struct panel to) {
  for (int c = 0; c < count; c += 256) {
    size_t block = (size_t)((first + c) / 256) * BYTES_Q4_K;
    scales_k45(row, block, to.s + c / 32 * TILE, to.b + c / 32 * TILE);
    for (int pair = 0; pair < 4; pair++) {
      __m512i word[8];
      rows16(row, block + 16 + pair * 32, word);
      rows16(row, block + 32 + pair * 32, word + 4);
      uint8_t *q = to.q + (c + pair * 64) * TILE;
#pragma GCC unroll 8
      for (int j = 0; j < 8; j++) {
        _mm512_store_si512(q + j * 64, bits(word[j], 0, 15));
        _mm512_store_si512(q + (8 + j) * 64, bits(word[j], 4, 15));
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
    __m512 d = halves16(row, block + 208);
    __m512i scale[4];
    rows16(row, block + 192, scale);
#pragma GCC unroll 16
    for (int g = 0; g < 16; g++) {
      __m512i sc = _mm512_srai_epi32(_mm512_slli_epi32(scale[g / 4], 24 - g % 4 * 8), 24);
      __m512 s = _mm512_mul_ps(d, _mm512_cvtepi32_ps(sc));
      _mm512_store_ps(to.s + (c / 16 + g) * TILE, s);
      _mm512_store_ps(to.b + (c / 16 + g) * TILE, _mm512_mul_ps(s, _mm512_set1_ps(-32)));
    }
    for (int half = 0; half < 2; half++) {
      uint8_t *q = to.q + (c + half * 128) * TILE;
      for (int part = 0; part < 2; part++) { // words 0..3 and 4..7 of each 32 values
        __m512i high[4], low[4], more[4];
        rows16(row, block + 128 + half * 32 + part * 16, high);
        rows16(row, block + half * 64 + part * 16, low);
        rows16(row, block + half * 64 + 32 + part * 16, more);
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
          uint8_t *at = q + (part * 4 + j) * 64;
          _mm512_store_si512(at, _mm512_or_si512(bits(low[j], 0, 15), _mm512_slli_epi32(bits(high[j], 0, 3), 4)));
          _mm512_store_si512(at + 8 * 64, _mm512_or_si512(bits(more[j], 0, 15), _mm512_slli_epi32(bits(high[j], 2, 3), 4)));
          _mm512_store_si512(at + 16 * 64, _mm512_or_si512(bits(low[j], 4, 15), _mm512_slli_epi32(bits(high[j], 4, 3), 4)));
          _mm512_store_si512(at + 24 * 64, _mm512_or_si512(bits(more[j], 4, 15), _mm512_slli_epi32(bits(high[j], 6, 3), 4)));
        }
      }
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
