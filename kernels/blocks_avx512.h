// Blocks of sixteen rows, unpacked into registers: word[j] holds columns 4j ..
// 4j+3 of a group, s and b its scales and minima as in struct panel.
#ifndef SENSED_BLOCKS_AVX512_H
#define SENSED_BLOCKS_AVX512_H

#include <immintrin.h>
#include <string.h>

#include "kernels.h"

#define INLINE static inline __attribute__((always_inline))

// tile is sixteen rows, or the packed tile at row[0]. Functions are instances
// for either, as packed is a constant wherever they are called.
struct tile {
  const uint8_t *const *row;
  int packed;
};

// rows16 loads 16 bytes at offset at of each row and transposes them: to[j]
// holds the j-th 32-bit word of rows 0..15.
INLINE void rows16(struct tile t, size_t at, __m512i to[4]) {
  if (t.packed) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) to[j] = _mm512_loadu_si512(t.row[0] + at * TILE + j * 64);
    return;
  }
  __m512i lane[4]; // a broadcast under a mask costs no shuffle, as an insertion would
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    __m512i x = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(t.row[i] + at)));
    x = _mm512_mask_broadcast_i32x4(x, 0x00f0, _mm_loadu_si128((const __m128i *)(t.row[4 + i] + at)));
    x = _mm512_mask_broadcast_i32x4(x, 0x0f00, _mm_loadu_si128((const __m128i *)(t.row[8 + i] + at)));
    lane[i] = _mm512_mask_broadcast_i32x4(x, 0xf000, _mm_loadu_si128((const __m128i *)(t.row[12 + i] + at)));
  }
  __m512i a = _mm512_unpacklo_epi32(lane[0], lane[1]), b = _mm512_unpackhi_epi32(lane[0], lane[1]);
  __m512i c = _mm512_unpacklo_epi32(lane[2], lane[3]), d = _mm512_unpackhi_epi32(lane[2], lane[3]);
  to[0] = _mm512_unpacklo_epi64(a, c);
  to[1] = _mm512_unpackhi_epi64(a, c);
  to[2] = _mm512_unpacklo_epi64(b, d);
  to[3] = _mm512_unpackhi_epi64(b, d);
}

INLINE int half_at(const uint8_t *p) {
  uint16_t h;
  memcpy(&h, p, 2);
  return h;
}

// halves8 collects one binary16 at offset at of eight rows. Inserting into a
// register avoids a load that would wait for sixteen small stores.
INLINE __m128i halves8(const uint8_t *const *row, size_t at) {
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
INLINE __m512 halves16(struct tile t, size_t at) {
  if (t.packed) return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(t.row[0] + at * TILE)));
  return _mm512_cvtph_ps(_mm256_inserti128_si256(_mm256_castsi128_si256(halves8(t.row, at)), halves8(t.row + 8, at), 1));
}

// low_halves converts the low 16 bits of each word.
INLINE __m512 low_halves(__m512i x) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(x)); }

INLINE __m512i bits(__m512i x, int shift, int mask) {
  return _mm512_and_si512(_mm512_srli_epi32(x, (unsigned)shift), _mm512_set1_epi8((char)mask));
}

// group is 32 columns, or 16 of which only half the words count.
struct group {
  __m512i word[8];
  __m512 s, b; // b of encodings with minima only
};

INLINE struct group group_q4_0(struct tile t, size_t block) {
  struct group g;
  __m512i packed[4];
  rows16(t, block + 2, packed);
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) {
    g.word[j] = bits(packed[j], 0, 15);
    g.word[4 + j] = bits(packed[j], 4, 15);
  }
  g.s = halves16(t, block);
  g.b = _mm512_setzero_ps();
  return g;
}

INLINE struct group group_q4_1(struct tile t, size_t block) {
  struct group g;
  __m512i head[4], packed[4];
  rows16(t, block, head);
  rows16(t, block + 4, packed);
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) {
    g.word[j] = bits(packed[j], 0, 15);
    g.word[4 + j] = bits(packed[j], 4, 15);
  }
  g.s = low_halves(head[0]);
  g.b = low_halves(_mm512_srli_epi32(head[0], 16));
  return g;
}

// fifth puts the fifth bits of 32 values, bit i that of value i, on top of
// their lower four.
INLINE void fifth(__m512i high, __m512i word[8]) {
#pragma GCC unroll 8
  for (int j = 0; j < 8; j++) {
    __m512i copies = _mm512_shuffle_epi8(high, _mm512_set4_epi32(0x0c0c0c0c + j / 2 * 0x01010101, 0x08080808 + j / 2 * 0x01010101,
                                                                0x04040404 + j / 2 * 0x01010101, j / 2 * 0x01010101));
    __mmask64 set = _mm512_test_epi8_mask(copies, _mm512_set1_epi32(j % 2 ? (int)0x80402010 : 0x08040201));
    word[j] = _mm512_mask_add_epi8(word[j], set, word[j], _mm512_set1_epi8(16));
  }
}

INLINE struct group group_q5_0(struct tile t, size_t block) {
  struct group g;
  __m512i high[4], packed[4];
  rows16(t, block + 2, high);
  rows16(t, block + 6, packed);
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) {
    g.word[j] = bits(packed[j], 0, 15);
    g.word[4 + j] = bits(packed[j], 4, 15);
  }
  fifth(high[0], g.word);
  g.s = halves16(t, block);
  g.b = _mm512_setzero_ps();
  return g;
}

INLINE struct group group_q5_1(struct tile t, size_t block) {
  struct group g;
  __m512i head[4], packed[4];
  rows16(t, block, head);
  rows16(t, block + 8, packed);
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) {
    g.word[j] = bits(packed[j], 0, 15);
    g.word[4 + j] = bits(packed[j], 4, 15);
  }
  fifth(head[1], g.word);
  g.s = low_halves(head[0]);
  g.b = low_halves(_mm512_srli_epi32(head[0], 16));
  return g;
}

INLINE struct group group_iq4_nl(struct tile t, size_t block) {
  // The sixteen levels, 128 above themselves.
  const __m512i levels = _mm512_broadcast_i32x4(_mm_setr_epi8(1, 24, 45, 63, 79, 93, 106, 118, (char)129, (char)141, (char)153, (char)166, (char)181,
                                                              (char)197, (char)217, (char)241));
  struct group g;
  __m512i packed[4];
  rows16(t, block + 2, packed);
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) {
    g.word[j] = _mm512_shuffle_epi8(levels, bits(packed[j], 0, 15));
    g.word[4 + j] = _mm512_shuffle_epi8(levels, bits(packed[j], 4, 15));
  }
  g.s = halves16(t, block);
  g.b = _mm512_setzero_ps();
  return g;
}

INLINE struct group group_q8_0(struct tile t, size_t block) {
  struct group g;
  rows16(t, block + 2, g.word);
  rows16(t, block + 18, g.word + 4);
#pragma GCC unroll 8
  for (int j = 0; j < 8; j++) g.word[j] = _mm512_xor_si512(g.word[j], _mm512_set1_epi8((char)0x80));
  g.s = halves16(t, block);
  g.b = _mm512_setzero_ps();
  return g;
}

// scales_k45 writes the eight scales and minima of a superblock of Q4_K or
// Q5_K, whose first 16 bytes are d, dmin and twelve bytes of 6-bit numbers.
INLINE void scales_k45(struct tile t, size_t block, float *s, float *b) {
  __m512i head[4];
  rows16(t, block, head);
  __m512 d = low_halves(head[0]);
  __m512 dmin = _mm512_sub_ps(_mm512_setzero_ps(), low_halves(_mm512_srli_epi32(head[0], 16)));
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

// pair_q4_k unpacks groups 2*pair and 2*pair+1 of a superblock, without scales.
INLINE void pair_q4_k(struct tile t, size_t block, int pair, __m512i low[8], __m512i high[8]) {
  __m512i packed[8];
  rows16(t, block + 16 + (size_t)pair * 32, packed);
  rows16(t, block + 32 + (size_t)pair * 32, packed + 4);
#pragma GCC unroll 8
  for (int j = 0; j < 8; j++) {
    low[j] = bits(packed[j], 0, 15);
    high[j] = bits(packed[j], 4, 15);
  }
}

// pair_q5_k is pair_q4_k for Q5_K, whose 32 bytes of fifth bits lie before.
INLINE void pair_q5_k(struct tile t, size_t block, int pair, __m512i low[8], __m512i high[8]) {
  __m512i packed[8], fifths[8];
  rows16(t, block + 16, fifths);
  rows16(t, block + 32, fifths + 4);
  rows16(t, block + 48 + (size_t)pair * 32, packed);
  rows16(t, block + 64 + (size_t)pair * 32, packed + 4);
  const __m128i shift = _mm_cvtsi32_si128(pair * 2);
#pragma GCC unroll 8
  for (int j = 0; j < 8; j++) {
    __m512i two = _mm512_srl_epi32(fifths[j], shift); // garbage above bit 1 of each byte
    low[j] = _mm512_or_si512(bits(packed[j], 0, 15), _mm512_slli_epi32(bits(two, 0, 1), 4));
    high[j] = _mm512_or_si512(bits(packed[j], 4, 15), _mm512_slli_epi32(bits(two, 1, 1), 4));
  }
}

// scales_q6_k writes the sixteen scales of a superblock.
INLINE void scales_q6_k(struct tile t, size_t block, float *s) {
  __m512 d = halves16(t, block + q6_k_parts(t.packed, 0, 0).d);
  __m512i scale[4];
  rows16(t, block + q6_k_parts(t.packed, 0, 0).scales, scale);
#pragma GCC unroll 16
  for (int g = 0; g < 16; g++) {
    __m512i sc = _mm512_srai_epi32(_mm512_slli_epi32(scale[g / 4], 24 - g % 4 * 8), 24);
    _mm512_store_ps(s + g * TILE, _mm512_mul_ps(d, _mm512_cvtepi32_ps(sc)));
  }
}

// quarter_q6_k unpacks, of 128 values (half 0 or 1), the groups of 16 number
// part, 2+part, 4+part and 6+part: their words are q[0..3], q[4..7] and so on.
INLINE void quarter_q6_k(struct tile t, size_t block, int half, int part, __m512i q[16]) {
  __m512i high[4], low[4], more[4];
  const struct q6_k_parts in = q6_k_parts(t.packed, half, part);
  rows16(t, block + in.high, high);
  rows16(t, block + in.low, low);
  rows16(t, block + in.more, more);
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) {
    q[j] = _mm512_or_si512(bits(low[j], 0, 15), _mm512_slli_epi32(bits(high[j], 0, 3), 4));
    q[4 + j] = _mm512_or_si512(bits(more[j], 0, 15), _mm512_slli_epi32(bits(high[j], 2, 3), 4));
    q[8 + j] = _mm512_or_si512(bits(low[j], 4, 15), _mm512_slli_epi32(bits(high[j], 4, 3), 4));
    q[12 + j] = _mm512_or_si512(bits(more[j], 4, 15), _mm512_slli_epi32(bits(high[j], 6, 3), 4));
  }
}

#endif
