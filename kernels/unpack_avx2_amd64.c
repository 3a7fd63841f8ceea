// Unpacking of a tile with AVX2: two times eight rows side by side.
#pragma GCC target("avx2,fma,f16c")
#include <immintrin.h>
#include <string.h>

#include "kernels.h"
#include "unpack_scalar.h"

#define INLINE static inline __attribute__((always_inline))

// eight is rows 8*part .. 8*part+7 of sixteen, or of the packed tile at row[0].
// Functions are instances for either, as packed is a constant wherever they are
// called.
struct eight {
  const uint8_t *const *row;
  int part, packed;
};

// rows8 loads 16 bytes at offset at of eight rows and transposes them: to[j]
// holds the j-th 32-bit word of each.
INLINE void rows8(struct eight t, size_t at, __m256i to[4]) {
  if (t.packed) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) to[j] = _mm256_loadu_si256((const __m256i *)(t.row[0] + at * TILE + j * 64 + t.part * 32));
    return;
  }
  const uint8_t *const *row = t.row + t.part * 8;
  __m256i lane[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++)
    lane[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(row[i] + at))),
                                      _mm_loadu_si128((const __m128i *)(row[4 + i] + at)), 1);
  __m256i a = _mm256_unpacklo_epi32(lane[0], lane[1]), b = _mm256_unpackhi_epi32(lane[0], lane[1]);
  __m256i c = _mm256_unpacklo_epi32(lane[2], lane[3]), d = _mm256_unpackhi_epi32(lane[2], lane[3]);
  to[0] = _mm256_unpacklo_epi64(a, c);
  to[1] = _mm256_unpackhi_epi64(a, c);
  to[2] = _mm256_unpacklo_epi64(b, d);
  to[3] = _mm256_unpackhi_epi64(b, d);
}

// halves8 loads one binary16 at offset at of each row.
INLINE __m256 halves8(struct eight t, size_t at) {
  if (t.packed) return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(t.row[0] + at * TILE + t.part * 16)));
  uint16_t h[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) memcpy(h + i, t.row[t.part * 8 + i] + at, 2);
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)h));
}

// low_halves converts the low 16 bits of each word.
INLINE __m256 low_halves(__m256i x) {
  x = _mm256_and_si256(x, _mm256_set1_epi32(0xffff));
  __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(x, x), 0x08);
  return _mm256_cvtph_ps(_mm256_castsi256_si128(packed));
}

INLINE __m256i bits(__m256i x, int shift, int mask) {
  return _mm256_and_si256(_mm256_srli_epi32(x, shift), _mm256_set1_epi8((char)mask));
}

INLINE void put(uint8_t *q, int word, __m256i x) { _mm256_store_si256((__m256i *)(q + word * 64), x); }

// part_of is the panel from row 8*part on.
INLINE struct panel part_of(struct panel to, int part) {
  return (struct panel){to.q + part * 32, to.s + part * 8, to.b ? to.b + part * 8 : 0, to.shift};
}

// UNPACK makes the functions for sixteen rows and for a packed tile from one
// for eight rows, whose panel is shifted to them.
#define UNPACK(type)                                                                                                              \
  void unpack_##type##_avx2(const uint8_t *const row[TILE], int first, int count, struct panel to) {                              \
    for (int i = 0; i < 2; i++) type((struct eight){row, i, 0}, first, count, part_of(to, i)); \
  }                                                                                                                               \
  void unpack_packed_##type##_avx2(const uint8_t *const row[TILE], int first, int count, struct panel to) {                       \
    for (int i = 0; i < 2; i++) type((struct eight){row, i, 1}, first, count, part_of(to, i)); \
  }

// group stores a group of 32 columns: word j holds columns 4j .. 4j+3.
INLINE void group(struct panel to, int g, const __m256i word[8], __m256 s) {
#pragma GCC unroll 8
  for (int j = 0; j < 8; j++) put(to.q + g * 32 * TILE, j, word[j]);
  _mm256_store_ps(to.s + g * TILE, s);
}

// nibbles loads 32 values of four bits.
INLINE void nibbles(struct eight t, size_t at, __m256i word[8]) {
  __m256i packed[4];
  rows8(t, at, packed);
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) {
    word[j] = bits(packed[j], 0, 15);
    word[4 + j] = bits(packed[j], 4, 15);
  }
}

// fifth puts the fifth bits of 32 values, bit i that of value i, on top of
// their lower four.
INLINE void fifth(__m256i high, __m256i word[8]) {
#pragma GCC unroll 8
  for (int j = 0; j < 8; j++) {
    __m256i spread = _mm256_add_epi8(_mm256_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c, 0, 0x04040404, 0x08080808, 0x0c0c0c0c),
                                     _mm256_set1_epi8((char)(j / 2)));
    __m256i bit = _mm256_set1_epi32(j % 2 ? (int)0x80402010 : 0x08040201);
    __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(_mm256_shuffle_epi8(high, spread), bit), bit);
    word[j] = _mm256_or_si256(word[j], _mm256_and_si256(set, _mm256_set1_epi8(16)));
  }
}

INLINE void q4_0(struct eight t, int first, int count, struct panel to) {
  for (int g = 0; g < count / 32; g++) {
    size_t block = (size_t)(first / 32 + g) * BYTES_Q4_0;
    __m256i word[8];
    nibbles(t, block + 2, word);
    group(to, g, word, halves8(t, block));
  }
}
UNPACK(q4_0)

INLINE void q4_1(struct eight t, int first, int count, struct panel to) {
  for (int g = 0; g < count / 32; g++) {
    size_t block = (size_t)(first / 32 + g) * BYTES_Q4_1;
    __m256i head[4], word[8];
    rows8(t, block, head);
    nibbles(t, block + 4, word);
    group(to, g, word, low_halves(head[0]));
    _mm256_store_ps(to.b + g * TILE, low_halves(_mm256_srli_epi32(head[0], 16)));
  }
}
UNPACK(q4_1)

INLINE void q5_0(struct eight t, int first, int count, struct panel to) {
  for (int g = 0; g < count / 32; g++) {
    size_t block = (size_t)(first / 32 + g) * BYTES_Q5_0;
    __m256i high[4], word[8];
    rows8(t, block + 2, high);
    nibbles(t, block + 6, word);
    fifth(high[0], word);
    group(to, g, word, halves8(t, block));
  }
}
UNPACK(q5_0)

INLINE void q5_1(struct eight t, int first, int count, struct panel to) {
  for (int g = 0; g < count / 32; g++) {
    size_t block = (size_t)(first / 32 + g) * BYTES_Q5_1;
    __m256i head[4], word[8];
    rows8(t, block, head);
    nibbles(t, block + 8, word);
    fifth(head[1], word);
    group(to, g, word, low_halves(head[0]));
    _mm256_store_ps(to.b + g * TILE, low_halves(_mm256_srli_epi32(head[0], 16)));
  }
}
UNPACK(q5_1)

// Signed: see kernel_table.signed_encodings.
INLINE void iq4_nl(struct eight t, int first, int count, struct panel to) {
  const __m256i levels = _mm256_broadcastsi128_si256(_mm_setr_epi8(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113));
  for (int g = 0; g < count / 32; g++) {
    size_t block = (size_t)(first / 32 + g) * BYTES_IQ4_NL;
    __m256i word[8];
    nibbles(t, block + 2, word);
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) word[j] = _mm256_shuffle_epi8(levels, word[j]);
    group(to, g, word, halves8(t, block));
  }
}
UNPACK(iq4_nl)

// Signed too.
INLINE void q8_0(struct eight t, int first, int count, struct panel to) {
  for (int g = 0; g < count / 32; g++) {
    size_t block = (size_t)(first / 32 + g) * BYTES_Q8_0;
    __m256i word[8];
    rows8(t, block + 2, word);
    rows8(t, block + 18, word + 4);
    group(to, g, word, halves8(t, block));
  }
}
UNPACK(q8_0)

// center makes an unsigned panel with shift 7 signed.
static void center(int count, struct panel to) {
  for (int i = 0; i < count * TILE; i++) to.q[i] ^= 0x80;
}

void unpack_iq4_xs_avx2(const uint8_t *const row[TILE], int first, int count, struct panel to) {
  unpack_iq4_xs_scalar(row, first, count, to);
  center(count, to);
}

// scales_k45 writes the eight scales and minima of a superblock of Q4_K or
// Q5_K, whose first 16 bytes are d, dmin and twelve bytes of 6-bit numbers.
INLINE void scales_k45(struct eight t, size_t block, float *s, float *b) {
  __m256i head[4];
  rows8(t, block, head);
  __m256 d = low_halves(head[0]), dmin = _mm256_sub_ps(_mm256_setzero_ps(), low_halves(_mm256_srli_epi32(head[0], 16)));
  __m256i scale[2] = {bits(head[1], 0, 63), _mm256_or_si256(bits(head[3], 0, 15), _mm256_slli_epi32(bits(head[1], 6, 3), 4))};
  __m256i min[2] = {bits(head[2], 0, 63), _mm256_or_si256(bits(head[3], 4, 15), _mm256_slli_epi32(bits(head[2], 6, 3), 4))};
  const __m256i byte = _mm256_set1_epi32(255);
#pragma GCC unroll 8
  for (int g = 0; g < 8; g++) {
    __m256i sc = _mm256_and_si256(_mm256_srli_epi32(scale[g / 4], g % 4 * 8), byte);
    __m256i mn = _mm256_and_si256(_mm256_srli_epi32(min[g / 4], g % 4 * 8), byte);
    _mm256_store_ps(s + g * TILE, _mm256_mul_ps(d, _mm256_cvtepi32_ps(sc)));
    _mm256_store_ps(b + g * TILE, _mm256_mul_ps(dmin, _mm256_cvtepi32_ps(mn)));
  }
}

INLINE void q4_k(struct eight t, int first, int count, struct panel to) {
  for (int c = 0; c < count; c += 256) {
    size_t block = (size_t)((first + c) / 256) * BYTES_Q4_K;
    scales_k45(t, block, to.s + c / 32 * TILE, to.b + c / 32 * TILE);
    for (int pair = 0; pair < 4; pair++) {
      __m256i word[8];
      rows8(t, block + 16 + pair * 32, word);
      rows8(t, block + 32 + pair * 32, word + 4);
      uint8_t *q = to.q + (c + pair * 64) * TILE;
#pragma GCC unroll 8
      for (int j = 0; j < 8; j++) {
        put(q, j, bits(word[j], 0, 15));
        put(q, 8 + j, bits(word[j], 4, 15));
      }
    }
  }
}
UNPACK(q4_k)

INLINE void q5_k(struct eight t, int first, int count, struct panel to) {
  for (int c = 0; c < count; c += 256) {
    size_t block = (size_t)((first + c) / 256) * BYTES_Q5_K;
    scales_k45(t, block, to.s + c / 32 * TILE, to.b + c / 32 * TILE);
    __m256i high[8];
    rows8(t, block + 16, high);
    rows8(t, block + 32, high + 4);
    for (int pair = 0; pair < 4; pair++) {
      __m256i word[8];
      rows8(t, block + 48 + pair * 32, word);
      rows8(t, block + 64 + pair * 32, word + 4);
      uint8_t *q = to.q + (c + pair * 64) * TILE;
      for (int j = 0; j < 8; j++) {
        put(q, j, _mm256_or_si256(bits(word[j], 0, 15), _mm256_slli_epi32(bits(high[j], pair * 2, 1), 4)));
        put(q, 8 + j, _mm256_or_si256(bits(word[j], 4, 15), _mm256_slli_epi32(bits(high[j], pair * 2 + 1, 1), 4)));
      }
    }
  }
}
UNPACK(q5_k)

INLINE void q6_k(struct eight t, int first, int count, struct panel to) {
  for (int c = 0; c < count; c += 256) {
    size_t block = (size_t)((first + c) / 256) * BYTES_Q6_K;
    __m256 d = halves8(t, block + q6_k_parts(t.packed, 0, 0).d);
    __m256i scale[4];
    rows8(t, block + q6_k_parts(t.packed, 0, 0).scales, scale);
#pragma GCC unroll 16
    for (int g = 0; g < 16; g++) {
      __m256i sc = _mm256_srai_epi32(_mm256_slli_epi32(scale[g / 4], 24 - g % 4 * 8), 24);
      _mm256_store_ps(to.s + (c / 16 + g) * TILE, _mm256_mul_ps(d, _mm256_cvtepi32_ps(sc)));
    }
    for (int piece = 0; piece < 4; piece++) { // each half of the values: words 0..3 and 4..7 of each 32
      int side = piece / 2, part = piece % 2;
      __m256i high[4], low[4], more[4];
      const struct q6_k_parts in = q6_k_parts(t.packed, side, part);
      rows8(t, block + in.high, high);
      rows8(t, block + in.low, low);
      rows8(t, block + in.more, more);
      uint8_t *q = to.q + (c + side * 128 + part * 16) * TILE;
#pragma GCC unroll 4
      for (int j = 0; j < 4; j++) {
        put(q, j, _mm256_or_si256(bits(low[j], 0, 15), _mm256_slli_epi32(bits(high[j], 0, 3), 4)));
        put(q, j + 8, _mm256_or_si256(bits(more[j], 0, 15), _mm256_slli_epi32(bits(high[j], 2, 3), 4)));
        put(q, j + 16, _mm256_or_si256(bits(low[j], 4, 15), _mm256_slli_epi32(bits(high[j], 4, 3), 4)));
        put(q, j + 24, _mm256_or_si256(bits(more[j], 4, 15), _mm256_slli_epi32(bits(high[j], 6, 3), 4)));
      }
    }
  }
}
UNPACK(q6_k)

void unpack_f16_avx2(const uint8_t *const row[TILE], int first, int count, float *w) {
  for (int half = 0; half < 2; half++) {
    struct eight t = {row, half, 0};
    float *to = w + half * 8;
    int c = 0;
    for (; c + 8 <= count; c += 8) {
      __m256i word[4];
      rows8(t, (size_t)(first + c) * 2, word);
#pragma GCC unroll 4
      for (int j = 0; j < 4; j++) {
        _mm256_store_ps(to + (c + 2 * j) * TILE, low_halves(word[j]));
        _mm256_store_ps(to + (c + 2 * j + 1) * TILE, low_halves(_mm256_srli_epi32(word[j], 16)));
      }
    }
    for (; c < count; c++) _mm256_store_ps(to + c * TILE, halves8(t, (size_t)(first + c) * 2));
  }
}
