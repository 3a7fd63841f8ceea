// Unpacking of a tile with AVX2: two times eight rows side by side.
#pragma GCC target("avx2,fma,f16c")
#include <immintrin.h>
#include <string.h>

#include "kernels.h"
#include "unpack_scalar.h"

// rows8 loads 16 bytes at offset at of eight rows and transposes them: to[j]
// holds the j-th 32-bit word of each.
static inline void rows8(const uint8_t *const *row, size_t at, __m256i to[4]) {
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
static inline __m256 halves8(const uint8_t *const *row, size_t at) {
  uint16_t h[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) memcpy(h + i, row[i] + at, 2);
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)h));
}

// low_halves converts the low 16 bits of each word.
static inline __m256 low_halves(__m256i x) {
  x = _mm256_and_si256(x, _mm256_set1_epi32(0xffff));
  __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(x, x), 0x08);
  return _mm256_cvtph_ps(_mm256_castsi256_si128(packed));
}

static inline __m256i bits(__m256i x, int shift, int mask) {
  return _mm256_and_si256(_mm256_srli_epi32(x, shift), _mm256_set1_epi8((char)mask));
}

static inline void put(uint8_t *q, int word, __m256i x) { _mm256_store_si256((__m256i *)(q + word * 64), x); }

// BOTH_HALVES makes an unpacking function from one of eight rows, whose panel
// is shifted to them.
#define BOTH_HALVES(type)                                                                                   \
  void unpack_##type##_avx2(const uint8_t *const row[TILE], int first, int count, struct panel to) {        \
    for (int half = 0; half < 2; half++)                                                                    \
      type##_half(row + half * 8, first, count, (struct panel){to.q + half * 32, to.s + half * 8, to.b + half * 8}); \
  }

static void q4_0_half(const uint8_t *const *row, int first, int count, struct panel to) {
  for (int g = 0; g < count / 32; g++) {
    size_t block = (size_t)(first / 32 + g) * BYTES_Q4_0;
    __m256i word[4];
    rows8(row, block + 2, word);
    uint8_t *q = to.q + g * 32 * TILE;
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
      put(q, j, bits(word[j], 0, 15));
      put(q, 4 + j, bits(word[j], 4, 15));
    }
    __m256 d = halves8(row, block);
    _mm256_store_ps(to.s + g * TILE, d);
    _mm256_store_ps(to.b + g * TILE, _mm256_mul_ps(d, _mm256_set1_ps(-8)));
  }
}
BOTH_HALVES(q4_0)

// Signed: see kernel_table.signed_encodings.
static void q8_0_half(const uint8_t *const *row, int first, int count, struct panel to) {
  for (int g = 0; g < count / 32; g++) {
    size_t block = (size_t)(first / 32 + g) * BYTES_Q8_0;
    __m256i word[8];
    rows8(row, block + 2, word);
    rows8(row, block + 18, word + 4);
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) put(to.q + g * 32 * TILE, j, word[j]);
    _mm256_store_ps(to.s + g * TILE, halves8(row, block));
    _mm256_store_ps(to.b + g * TILE, _mm256_setzero_ps());
  }
}
BOTH_HALVES(q8_0)

// center makes an unsigned panel with offset 128 signed.
static void center(int count, struct panel to) {
  for (int i = 0; i < count * TILE; i++) to.q[i] ^= 0x80;
  memset(to.b, 0, (size_t)(count / 32) * TILE * sizeof *to.b);
}

void unpack_iq4_nl_avx2(const uint8_t *const row[TILE], int first, int count, struct panel to) {
  unpack_iq4_nl_scalar(row, first, count, to);
  center(count, to);
}

void unpack_iq4_xs_avx2(const uint8_t *const row[TILE], int first, int count, struct panel to) {
  unpack_iq4_xs_scalar(row, first, count, to);
  center(count, to);
}

// scales_k45 writes the eight scales and minima of a superblock of Q4_K or
// Q5_K, whose first 16 bytes are d, dmin and twelve bytes of 6-bit numbers.
static inline void scales_k45(const uint8_t *const *row, size_t block, float *s, float *b) {
  __m256i head[4];
  rows8(row, block, head);
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

static void q4_k_half(const uint8_t *const *row, int first, int count, struct panel to) {
  for (int c = 0; c < count; c += 256) {
    size_t block = (size_t)((first + c) / 256) * BYTES_Q4_K;
    scales_k45(row, block, to.s + c / 32 * TILE, to.b + c / 32 * TILE);
    for (int pair = 0; pair < 4; pair++) {
      __m256i word[8];
      rows8(row, block + 16 + pair * 32, word);
      rows8(row, block + 32 + pair * 32, word + 4);
      uint8_t *q = to.q + (c + pair * 64) * TILE;
#pragma GCC unroll 8
      for (int j = 0; j < 8; j++) {
        put(q, j, bits(word[j], 0, 15));
        put(q, 8 + j, bits(word[j], 4, 15));
      }
    }
  }
}
BOTH_HALVES(q4_k)

static void q5_k_half(const uint8_t *const *row, int first, int count, struct panel to) {
  for (int c = 0; c < count; c += 256) {
    size_t block = (size_t)((first + c) / 256) * BYTES_Q5_K;
    scales_k45(row, block, to.s + c / 32 * TILE, to.b + c / 32 * TILE);
    __m256i high[8];
    rows8(row, block + 16, high);
    rows8(row, block + 32, high + 4);
    for (int pair = 0; pair < 4; pair++) {
      __m256i word[8];
      rows8(row, block + 48 + pair * 32, word);
      rows8(row, block + 64 + pair * 32, word + 4);
      uint8_t *q = to.q + (c + pair * 64) * TILE;
      for (int j = 0; j < 8; j++) {
        put(q, j, _mm256_or_si256(bits(word[j], 0, 15), _mm256_slli_epi32(bits(high[j], pair * 2, 1), 4)));
        put(q, 8 + j, _mm256_or_si256(bits(word[j], 4, 15), _mm256_slli_epi32(bits(high[j], pair * 2 + 1, 1), 4)));
      }
    }
  }
}
BOTH_HALVES(q5_k)

static void q6_k_half(const uint8_t *const *row, int first, int count, struct panel to) {
  for (int c = 0; c < count; c += 256) {
    size_t block = (size_t)((first + c) / 256) * BYTES_Q6_K;
    __m256 d = halves8(row, block + 208);
    __m256i scale[4];
    rows8(row, block + 192, scale);
#pragma GCC unroll 16
    for (int g = 0; g < 16; g++) {
      __m256i sc = _mm256_srai_epi32(_mm256_slli_epi32(scale[g / 4], 24 - g % 4 * 8), 24);
      __m256 s = _mm256_mul_ps(d, _mm256_cvtepi32_ps(sc));
      _mm256_store_ps(to.s + (c / 16 + g) * TILE, s);
      _mm256_store_ps(to.b + (c / 16 + g) * TILE, _mm256_mul_ps(s, _mm256_set1_ps(-32)));
    }
    for (int piece = 0; piece < 4; piece++) { // each half of the values: words 0..3 and 4..7 of each 32
      int side = piece / 2, part = piece % 2;
      __m256i high[4], low[4], more[4];
      rows8(row, block + 128 + side * 32 + part * 16, high);
      rows8(row, block + side * 64 + part * 16, low);
      rows8(row, block + side * 64 + 32 + part * 16, more);
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
BOTH_HALVES(q6_k)

void unpack_f16_avx2(const uint8_t *const row[TILE], int first, int count, float *w) {
  for (int half = 0; half < 2; half++) {
    const uint8_t *const *half8 = row + half * 8;
    float *to = w + half * 8;
    int c = 0;
    for (; c + 8 <= count; c += 8) {
      __m256i word[4];
      rows8(half8, (size_t)(first + c) * 2, word);
#pragma GCC unroll 4
      for (int j = 0; j < 4; j++) {
        _mm256_store_ps(to + (c + 2 * j) * TILE, low_halves(word[j]));
        _mm256_store_ps(to + (c + 2 * j + 1) * TILE, low_halves(_mm256_srli_epi32(word[j], 16)));
      }
    }
    for (; c < count; c++) _mm256_store_ps(to + c * TILE, halves8(half8, (size_t)(first + c) * 2));
  }
}
