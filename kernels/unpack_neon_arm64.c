// Unpacking of a tile with Advanced SIMD: four times four rows side by side.
#include <arm_neon.h>
#include <string.h>

#include "kernels.h"
#include "unpack_scalar.h"

#define INLINE static inline __attribute__((always_inline))

// four is rows 4*part .. 4*part+3 of sixteen, or of the packed tile at row[0].
// Functions are instances for either, as packed is a constant wherever they are
// called.
struct four {
  const uint8_t *const *row;
  int part, packed;
};

// rows4 loads 16 bytes at offset at of four rows and transposes them: to[j]
// holds the j-th 32-bit word of each.
INLINE void rows4(struct four t, size_t at, uint8x16_t to[4]) {
  if (t.packed) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) to[j] = vld1q_u8(t.row[0] + at * TILE + j * 64 + t.part * 16);
    return;
  }
  uint32x4_t lane[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) lane[i] = vreinterpretq_u32_u8(vld1q_u8(t.row[t.part * 4 + i] + at));
  uint64x2_t a = vreinterpretq_u64_u32(vtrn1q_u32(lane[0], lane[1])), b = vreinterpretq_u64_u32(vtrn2q_u32(lane[0], lane[1]));
  uint64x2_t c = vreinterpretq_u64_u32(vtrn1q_u32(lane[2], lane[3])), d = vreinterpretq_u64_u32(vtrn2q_u32(lane[2], lane[3]));
  to[0] = vreinterpretq_u8_u64(vtrn1q_u64(a, c));
  to[1] = vreinterpretq_u8_u64(vtrn1q_u64(b, d));
  to[2] = vreinterpretq_u8_u64(vtrn2q_u64(a, c));
  to[3] = vreinterpretq_u8_u64(vtrn2q_u64(b, d));
}

// halves4 loads one binary16 at offset at of each row.
INLINE float32x4_t halves4(struct four t, size_t at) {
  uint16_t h[4];
  if (t.packed) {
    memcpy(h, t.row[0] + at * TILE + t.part * 8, 8);
  } else {
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) memcpy(h + i, t.row[t.part * 4 + i] + at, 2);
  }
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(h)));
}

INLINE float32x4_t low_halves(uint32x4_t x) { return vcvt_f32_f16(vreinterpret_f16_u16(vmovn_u32(x))); }

INLINE void put(uint8_t *q, int word, uint8x16_t x) { vst1q_u8(q + word * 64, x); }
INLINE uint8x16_t low4(uint8x16_t x) { return vandq_u8(x, vdupq_n_u8(15)); }
INLINE uint8x16_t high4(uint8x16_t x) { return vshrq_n_u8(x, 4); }

// bits2 moves the two bits at shift to positions 4 and 5, bit1 the one bit to 4.
INLINE uint8x16_t bits2(uint8x16_t x, int shift) {
  return vshlq_n_u8(vandq_u8(vshlq_u8(x, vdupq_n_s8((int8_t)-shift)), vdupq_n_u8(3)), 4);
}
INLINE uint8x16_t bit1(uint8x16_t x, int shift) {
  return vshlq_n_u8(vandq_u8(vshlq_u8(x, vdupq_n_s8((int8_t)-shift)), vdupq_n_u8(1)), 4);
}

// part_of is the panel from row 4*part on.
INLINE struct panel part_of(struct panel to, int part) {
  return (struct panel){to.q + part * 16, to.s + part * 4, to.b ? to.b + part * 4 : 0, to.shift};
}

// UNPACK makes the functions for sixteen rows and for a packed tile from one
// for four rows, whose panel is shifted to them.
#define UNPACK(type)                                                                                                              \
  void unpack_##type##_neon(const uint8_t *const row[TILE], int first, int count, struct panel to) {                              \
    for (int i = 0; i < 4; i++) type((struct four){row, i, 0}, first, count, part_of(to, i)); \
  }                                                                                                                               \
  void unpack_packed_##type##_neon(const uint8_t *const row[TILE], int first, int count, struct panel to) {                       \
    for (int i = 0; i < 4; i++) type((struct four){row, i, 1}, first, count, part_of(to, i)); \
  }

// group stores a group of 32 columns: word j holds columns 4j .. 4j+3.
INLINE void group(struct panel to, int g, const uint8x16_t word[8], float32x4_t s) {
#pragma GCC unroll 8
  for (int j = 0; j < 8; j++) put(to.q + g * 32 * TILE, j, word[j]);
  vst1q_f32(to.s + g * TILE, s);
}

// nibbles loads 32 values of four bits.
INLINE void nibbles(struct four t, size_t at, uint8x16_t word[8]) {
  uint8x16_t packed[4];
  rows4(t, at, packed);
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) {
    word[j] = low4(packed[j]);
    word[4 + j] = high4(packed[j]);
  }
}

// fifth puts the fifth bits of 32 values, bit i that of value i, on top of
// their lower four.
INLINE void fifth(uint8x16_t high, uint8x16_t word[8]) {
  const uint8x16_t own = vreinterpretq_u8_u32((uint32x4_t){0, 0x04040404, 0x08080808, 0x0c0c0c0c});
#pragma GCC unroll 8
  for (int j = 0; j < 8; j++) {
    uint8x16_t copies = vqtbl1q_u8(high, vaddq_u8(own, vdupq_n_u8((uint8_t)(j / 2))));
    uint8x16_t set = vtstq_u8(copies, vreinterpretq_u8_u32(vdupq_n_u32(j % 2 ? 0x80402010u : 0x08040201u)));
    word[j] = vorrq_u8(word[j], vandq_u8(set, vdupq_n_u8(16)));
  }
}

INLINE void q4_0(struct four t, int first, int count, struct panel to) {
  for (int g = 0; g < count / 32; g++) {
    size_t block = (size_t)(first / 32 + g) * BYTES_Q4_0;
    uint8x16_t word[8];
    nibbles(t, block + 2, word);
    group(to, g, word, halves4(t, block));
  }
}
UNPACK(q4_0)

// head_and_min splits words of two binary16.
INLINE void head_and_min(uint8x16_t head, float32x4_t *d, float32x4_t *m) {
  *d = low_halves(vreinterpretq_u32_u8(head));
  *m = low_halves(vshrq_n_u32(vreinterpretq_u32_u8(head), 16));
}

INLINE void q4_1(struct four t, int first, int count, struct panel to) {
  for (int g = 0; g < count / 32; g++) {
    size_t block = (size_t)(first / 32 + g) * BYTES_Q4_1;
    uint8x16_t head[4], word[8];
    float32x4_t d, m;
    rows4(t, block, head);
    nibbles(t, block + 4, word);
    head_and_min(head[0], &d, &m);
    group(to, g, word, d);
    vst1q_f32(to.b + g * TILE, m);
  }
}
UNPACK(q4_1)

INLINE void q5_0(struct four t, int first, int count, struct panel to) {
  for (int g = 0; g < count / 32; g++) {
    size_t block = (size_t)(first / 32 + g) * BYTES_Q5_0;
    uint8x16_t high[4], word[8];
    rows4(t, block + 2, high);
    nibbles(t, block + 6, word);
    fifth(high[0], word);
    group(to, g, word, halves4(t, block));
  }
}
UNPACK(q5_0)

INLINE void q5_1(struct four t, int first, int count, struct panel to) {
  for (int g = 0; g < count / 32; g++) {
    size_t block = (size_t)(first / 32 + g) * BYTES_Q5_1;
    uint8x16_t head[4], word[8];
    float32x4_t d, m;
    rows4(t, block, head);
    nibbles(t, block + 8, word);
    fifth(head[1], word);
    head_and_min(head[0], &d, &m);
    group(to, g, word, d);
    vst1q_f32(to.b + g * TILE, m);
  }
}
UNPACK(q5_1)

// Signed: see kernel_table.signed_encodings.
INLINE void iq4_nl(struct four t, int first, int count, struct panel to) {
  static const int8_t values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
  const uint8x16_t levels = vreinterpretq_u8_s8(vld1q_s8(values));
  for (int g = 0; g < count / 32; g++) {
    size_t block = (size_t)(first / 32 + g) * BYTES_IQ4_NL;
    uint8x16_t word[8];
    nibbles(t, block + 2, word);
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) word[j] = vqtbl1q_u8(levels, word[j]);
    group(to, g, word, halves4(t, block));
  }
}
UNPACK(iq4_nl)

// Signed too.
INLINE void q8_0(struct four t, int first, int count, struct panel to) {
  for (int g = 0; g < count / 32; g++) {
    size_t block = (size_t)(first / 32 + g) * BYTES_Q8_0;
    uint8x16_t word[8];
    rows4(t, block + 2, word);
    rows4(t, block + 18, word + 4);
    group(to, g, word, halves4(t, block));
  }
}
UNPACK(q8_0)

// center makes an unsigned panel with shift 7 signed.
static void center(int count, struct panel to) {
  for (int i = 0; i < count * TILE; i++) to.q[i] ^= 0x80;
}

void unpack_iq4_xs_neon(const uint8_t *const row[TILE], int first, int count, struct panel to) {
  unpack_iq4_xs_scalar(row, first, count, to);
  center(count, to);
}

// scales_k45 writes the eight scales and minima of a superblock of Q4_K or
// Q5_K, whose first 16 bytes are d, dmin and twelve bytes of 6-bit numbers.
INLINE void scales_k45(struct four t, size_t block, float *s, float *b) {
  uint8x16_t head[4];
  rows4(t, block, head);
  uint32x4_t ds = vreinterpretq_u32_u8(head[0]);
  float32x4_t d = low_halves(ds), dmin = vnegq_f32(low_halves(vshrq_n_u32(ds, 16)));
  const uint8x16_t six = vdupq_n_u8(63);
  uint8x16_t scale[2] = {vandq_u8(head[1], six), vorrq_u8(low4(head[3]), vshlq_n_u8(vshrq_n_u8(head[1], 6), 4))};
  uint8x16_t min[2] = {vandq_u8(head[2], six), vorrq_u8(high4(head[3]), vshlq_n_u8(vshrq_n_u8(head[2], 6), 4))};
  const uint32x4_t byte = vdupq_n_u32(255);
  for (int g = 0; g < 8; g++) {
    int32x4_t shift = vdupq_n_s32(-(g % 4 * 8));
    uint32x4_t sc = vandq_u32(vshlq_u32(vreinterpretq_u32_u8(scale[g / 4]), shift), byte);
    uint32x4_t mn = vandq_u32(vshlq_u32(vreinterpretq_u32_u8(min[g / 4]), shift), byte);
    vst1q_f32(s + g * TILE, vmulq_f32(d, vcvtq_f32_u32(sc)));
    vst1q_f32(b + g * TILE, vmulq_f32(dmin, vcvtq_f32_u32(mn)));
  }
}

INLINE void q4_k(struct four t, int first, int count, struct panel to) {
  for (int c = 0; c < count; c += 256) {
    size_t block = (size_t)((first + c) / 256) * BYTES_Q4_K;
    scales_k45(t, block, to.s + c / 32 * TILE, to.b + c / 32 * TILE);
    for (int pair = 0; pair < 4; pair++) {
      uint8x16_t word[8];
      rows4(t, block + 16 + pair * 32, word);
      rows4(t, block + 32 + pair * 32, word + 4);
      uint8_t *q = to.q + (c + pair * 64) * TILE;
#pragma GCC unroll 8
      for (int j = 0; j < 8; j++) {
        put(q, j, low4(word[j]));
        put(q, 8 + j, high4(word[j]));
      }
    }
  }
}
UNPACK(q4_k)

INLINE void q5_k(struct four t, int first, int count, struct panel to) {
  for (int c = 0; c < count; c += 256) {
    size_t block = (size_t)((first + c) / 256) * BYTES_Q5_K;
    scales_k45(t, block, to.s + c / 32 * TILE, to.b + c / 32 * TILE);
    uint8x16_t high[8];
    rows4(t, block + 16, high);
    rows4(t, block + 32, high + 4);
    for (int pair = 0; pair < 4; pair++) {
      uint8x16_t word[8];
      rows4(t, block + 48 + pair * 32, word);
      rows4(t, block + 64 + pair * 32, word + 4);
      uint8_t *q = to.q + (c + pair * 64) * TILE;
      for (int j = 0; j < 8; j++) {
        put(q, j, vorrq_u8(low4(word[j]), bit1(high[j], pair * 2)));
        put(q, 8 + j, vorrq_u8(high4(word[j]), bit1(high[j], pair * 2 + 1)));
      }
    }
  }
}
UNPACK(q5_k)

INLINE void q6_k(struct four t, int first, int count, struct panel to) {
  for (int c = 0; c < count; c += 256) {
    size_t block = (size_t)((first + c) / 256) * BYTES_Q6_K;
    float32x4_t d = halves4(t, block + q6_k_parts(t.packed, 0, 0).d);
    uint8x16_t scale[4];
    rows4(t, block + q6_k_parts(t.packed, 0, 0).scales, scale);
    for (int g = 0; g < 16; g++) {
      int32x4_t sc = vshlq_s32(vreinterpretq_s32_u8(scale[g / 4]), vdupq_n_s32(24 - g % 4 * 8));
      vst1q_f32(to.s + (c / 16 + g) * TILE, vmulq_f32(d, vcvtq_f32_s32(vshrq_n_s32(sc, 24))));
    }
    for (int piece = 0; piece < 4; piece++) { // each half of the values: words 0..3 and 4..7 of each 32
      int side = piece / 2, part = piece % 2;
      uint8x16_t high[4], low[4], more[4];
      const struct q6_k_parts in = q6_k_parts(t.packed, side, part);
      rows4(t, block + in.high, high);
      rows4(t, block + in.low, low);
      rows4(t, block + in.more, more);
      uint8_t *q = to.q + (c + side * 128 + part * 16) * TILE;
#pragma GCC unroll 4
      for (int j = 0; j < 4; j++) {
        put(q, j, vorrq_u8(low4(low[j]), bits2(high[j], 0)));
        put(q, j + 8, vorrq_u8(low4(more[j]), bits2(high[j], 2)));
        put(q, j + 16, vorrq_u8(high4(low[j]), bits2(high[j], 4)));
        put(q, j + 24, vorrq_u8(high4(more[j]), bits2(high[j], 6)));
      }
    }
  }
}
UNPACK(q6_k)

void unpack_f16_neon(const uint8_t *const row[TILE], int first, int count, float *w) {
  for (int r = 0; r < TILE; r += 4) {
    int c = 0;
    for (; c + 8 <= count; c += 8) {
      uint8x16_t word[4];
      rows4((struct four){row, r / 4, 0}, (size_t)(first + c) * 2, word);
#pragma GCC unroll 4
      for (int j = 0; j < 4; j++) {
        uint32x4_t x = vreinterpretq_u32_u8(word[j]);
        vst1q_f32(w + (c + 2 * j) * TILE + r, low_halves(x));
        vst1q_f32(w + (c + 2 * j + 1) * TILE + r, low_halves(vshrq_n_u32(x, 16)));
      }
    }
    for (; c < count; c++) vst1q_f32(w + c * TILE + r, halves4((struct four){row, r / 4, 0}, (size_t)(first + c) * 2));
  }
}
