// Unpacking of a tile with Advanced SIMD: four times four rows side by side.
#include <arm_neon.h>
#include <string.h>

#include "kernels.h"
#include "unpack_scalar.h"

// rows4 loads 16 bytes at offset at of four rows and transposes them: to[j]
// holds the j-th 32-bit word of each.
static inline void rows4(const uint8_t *const *row, size_t at, uint8x16_t to[4]) {
  uint32x4_t lane[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) lane[i] = vreinterpretq_u32_u8(vld1q_u8(row[i] + at));
  uint64x2_t a = vreinterpretq_u64_u32(vtrn1q_u32(lane[0], lane[1])), b = vreinterpretq_u64_u32(vtrn2q_u32(lane[0], lane[1]));
  uint64x2_t c = vreinterpretq_u64_u32(vtrn1q_u32(lane[2], lane[3])), d = vreinterpretq_u64_u32(vtrn2q_u32(lane[2], lane[3]));
  to[0] = vreinterpretq_u8_u64(vtrn1q_u64(a, c));
  to[1] = vreinterpretq_u8_u64(vtrn1q_u64(b, d));
  to[2] = vreinterpretq_u8_u64(vtrn2q_u64(a, c));
  to[3] = vreinterpretq_u8_u64(vtrn2q_u64(b, d));
}

// halves4 loads one binary16 at offset at of each row.
static inline float32x4_t halves4(const uint8_t *const *row, size_t at) {
  uint16_t h[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) memcpy(h + i, row[i] + at, 2);
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(h)));
}

static inline float32x4_t low_halves(uint32x4_t x) { return vcvt_f32_f16(vreinterpret_f16_u16(vmovn_u32(x))); }

static inline void put(uint8_t *q, int word, uint8x16_t x) { vst1q_u8(q + word * 64, x); }
static inline uint8x16_t low4(uint8x16_t x) { return vandq_u8(x, vdupq_n_u8(15)); }
static inline uint8x16_t high4(uint8x16_t x) { return vshrq_n_u8(x, 4); }

// bits2 moves the two bits at shift to positions 4 and 5, bit1 the one bit to 4.
static inline uint8x16_t bits2(uint8x16_t x, int shift) {
  return vshlq_n_u8(vandq_u8(vshlq_u8(x, vdupq_n_s8((int8_t)-shift)), vdupq_n_u8(3)), 4);
}
static inline uint8x16_t bit1(uint8x16_t x, int shift) {
  return vshlq_n_u8(vandq_u8(vshlq_u8(x, vdupq_n_s8((int8_t)-shift)), vdupq_n_u8(1)), 4);
}

// QUARTERS makes an unpacking function from one of four rows, whose panel is
// shifted to them.
#define QUARTERS(type)                                                                                  \
  void unpack_##type##_neon(const uint8_t *const row[TILE], int first, int count, struct panel to) {    \
    for (int r = 0; r < TILE; r += 4)                                                                   \
      type##_quarter(row + r, first, count, (struct panel){to.q + r * 4, to.s + r, to.b + r});          \
  }

static void q4_0_quarter(const uint8_t *const *row, int first, int count, struct panel to) {
  for (int g = 0; g < count / 32; g++) {
    size_t block = (size_t)(first / 32 + g) * BYTES_Q4_0;
    uint8x16_t word[4];
    rows4(row, block + 2, word);
    uint8_t *q = to.q + g * 32 * TILE;
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
      put(q, j, low4(word[j]));
      put(q, 4 + j, high4(word[j]));
    }
    float32x4_t d = halves4(row, block);
    vst1q_f32(to.s + g * TILE, d);
    vst1q_f32(to.b + g * TILE, vmulq_n_f32(d, -8));
  }
}
QUARTERS(q4_0)

// Signed: see kernel_table.signed_encodings.
static void q8_0_quarter(const uint8_t *const *row, int first, int count, struct panel to) {
  for (int g = 0; g < count / 32; g++) {
    size_t block = (size_t)(first / 32 + g) * BYTES_Q8_0;
    uint8x16_t word[8];
    rows4(row, block + 2, word);
    rows4(row, block + 18, word + 4);
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) put(to.q + g * 32 * TILE, j, word[j]);
    vst1q_f32(to.s + g * TILE, halves4(row, block));
    vst1q_f32(to.b + g * TILE, vdupq_n_f32(0));
  }
}
QUARTERS(q8_0)

// center makes an unsigned panel with offset 128 signed.
static void center(int count, struct panel to) {
  for (int i = 0; i < count * TILE; i++) to.q[i] ^= 0x80;
  memset(to.b, 0, (size_t)(count / 32) * TILE * sizeof *to.b);
}

void unpack_iq4_nl_neon(const uint8_t *const row[TILE], int first, int count, struct panel to) {
  unpack_iq4_nl_scalar(row, first, count, to);
  center(count, to);
}

void unpack_iq4_xs_neon(const uint8_t *const row[TILE], int first, int count, struct panel to) {
  unpack_iq4_xs_scalar(row, first, count, to);
  center(count, to);
}

// scales_k45 writes the eight scales and minima of a superblock of Q4_K or
// Q5_K, whose first 16 bytes are d, dmin and twelve bytes of 6-bit numbers.
static inline void scales_k45(const uint8_t *const *row, size_t block, float *s, float *b) {
  uint8x16_t head[4];
  rows4(row, block, head);
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

static void q4_k_quarter(const uint8_t *const *row, int first, int count, struct panel to) {
  for (int c = 0; c < count; c += 256) {
    size_t block = (size_t)((first + c) / 256) * BYTES_Q4_K;
    scales_k45(row, block, to.s + c / 32 * TILE, to.b + c / 32 * TILE);
    for (int pair = 0; pair < 4; pair++) {
      uint8x16_t word[8];
      rows4(row, block + 16 + pair * 32, word);
      rows4(row, block + 32 + pair * 32, word + 4);
      uint8_t *q = to.q + (c + pair * 64) * TILE;
#pragma GCC unroll 8
      for (int j = 0; j < 8; j++) {
        put(q, j, low4(word[j]));
        put(q, 8 + j, high4(word[j]));
      }
    }
  }
}
QUARTERS(q4_k)

static void q5_k_quarter(const uint8_t *const *row, int first, int count, struct panel to) {
  for (int c = 0; c < count; c += 256) {
    size_t block = (size_t)((first + c) / 256) * BYTES_Q5_K;
    scales_k45(row, block, to.s + c / 32 * TILE, to.b + c / 32 * TILE);
    uint8x16_t high[8];
    rows4(row, block + 16, high);
    rows4(row, block + 32, high + 4);
    for (int pair = 0; pair < 4; pair++) {
      uint8x16_t word[8];
      rows4(row, block + 48 + pair * 32, word);
      rows4(row, block + 64 + pair * 32, word + 4);
      uint8_t *q = to.q + (c + pair * 64) * TILE;
      for (int j = 0; j < 8; j++) {
        put(q, j, vorrq_u8(low4(word[j]), bit1(high[j], pair * 2)));
        put(q, 8 + j, vorrq_u8(high4(word[j]), bit1(high[j], pair * 2 + 1)));
      }
    }
  }
}
QUARTERS(q5_k)

static void q6_k_quarter(const uint8_t *const *row, int first, int count, struct panel to) {
  for (int c = 0; c < count; c += 256) {
    size_t block = (size_t)((first + c) / 256) * BYTES_Q6_K;
    float32x4_t d = halves4(row, block + 208);
    uint8x16_t scale[4];
    rows4(row, block + 192, scale);
    for (int g = 0; g < 16; g++) {
      int32x4_t sc = vshlq_s32(vreinterpretq_s32_u8(scale[g / 4]), vdupq_n_s32(24 - g % 4 * 8));
      float32x4_t s = vmulq_f32(d, vcvtq_f32_s32(vshrq_n_s32(sc, 24)));
      vst1q_f32(to.s + (c / 16 + g) * TILE, s);
      vst1q_f32(to.b + (c / 16 + g) * TILE, vmulq_n_f32(s, -32));
    }
    for (int piece = 0; piece < 4; piece++) { // each half of the values: words 0..3 and 4..7 of each 32
      int side = piece / 2, part = piece % 2;
      uint8x16_t high[4], low[4], more[4];
      rows4(row, block + 128 + side * 32 + part * 16, high);
      rows4(row, block + side * 64 + part * 16, low);
      rows4(row, block + side * 64 + 32 + part * 16, more);
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
QUARTERS(q6_k)

void unpack_f16_neon(const uint8_t *const row[TILE], int first, int count, float *w) {
  for (int r = 0; r < TILE; r += 4) {
    int c = 0;
    for (; c + 8 <= count; c += 8) {
      uint8x16_t word[4];
      rows4(row + r, (size_t)(first + c) * 2, word);
#pragma GCC unroll 4
      for (int j = 0; j < 4; j++) {
        uint32x4_t x = vreinterpretq_u32_u8(word[j]);
        vst1q_f32(w + (c + 2 * j) * TILE + r, low_halves(x));
        vst1q_f32(w + (c + 2 * j + 1) * TILE + r, low_halves(vshrq_n_u32(x, 16)));
      }
    }
    for (; c < count; c++) vst1q_f32(w + c * TILE + r, halves4(row + r, (size_t)(first + c) * 2));
  }
}
