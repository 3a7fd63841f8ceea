// Unpacking in plain C: every encoding, every processor.
#include <string.h>

#include "half.h"
#include "kernels.h"
#include "unpack_scalar.h"

static inline float half_at(const uint8_t *p) { return half_to_float((uint16_t)(p[0] | p[1] << 8)); }

// put stores q of row r, column c of a panel.
static inline void put(struct panel p, int r, int c, int q) { p.q[(c >> 2) * 64 + r * 4 + (c & 3)] = (uint8_t)q; }

// scale stores the scale of a group and, for encodings that have minima, b.
static inline void scale(struct panel p, int r, int group, float s, float b) {
  p.s[group * TILE + r] = s;
  if (p.b) p.b[group * TILE + r] = b;
}

// EACH_BLOCK runs its body for each block of each row: block is the encoded
// block, r the row, c the panel column of the block's first value.
#define EACH_BLOCK(values, bytes)                                                                  \
  for (int r = 0; r < TILE; r++)                                                                   \
    for (int c = 0; c < count; c += (values))                                                      \
      for (const uint8_t *block = row[r] + (size_t)((first + c) / (values)) * (bytes); block; block = 0)

void unpack_q4_0_scalar(const uint8_t *const row[TILE], int first, int count, struct panel to) {
  EACH_BLOCK(32, BYTES_Q4_0) {
    float d = half_at(block);
    scale(to, r, c / 32, d, 0);
    for (int i = 0; i < 16; i++) {
      put(to, r, c + i, block[2 + i] & 15);
      put(to, r, c + 16 + i, block[2 + i] >> 4);
    }
  }
}

void unpack_q4_1_scalar(const uint8_t *const row[TILE], int first, int count, struct panel to) {
  EACH_BLOCK(32, BYTES_Q4_1) {
    scale(to, r, c / 32, half_at(block), half_at(block + 2));
    for (int i = 0; i < 16; i++) {
      put(to, r, c + i, block[4 + i] & 15);
      put(to, r, c + 16 + i, block[4 + i] >> 4);
    }
  }
}

static void unpack_five(struct panel to, int r, int c, const uint8_t *high, const uint8_t *low) {
  for (int i = 0; i < 16; i++) {
    put(to, r, c + i, (low[i] & 15) | (high[i / 8] >> (i % 8) & 1) << 4);
    put(to, r, c + 16 + i, low[i] >> 4 | (high[2 + i / 8] >> (i % 8) & 1) << 4);
  }
}

void unpack_q5_0_scalar(const uint8_t *const row[TILE], int first, int count, struct panel to) {
  EACH_BLOCK(32, BYTES_Q5_0) {
    float d = half_at(block);
    scale(to, r, c / 32, d, 0);
    unpack_five(to, r, c, block + 2, block + 6);
  }
}

void unpack_q5_1_scalar(const uint8_t *const row[TILE], int first, int count, struct panel to) {
  EACH_BLOCK(32, BYTES_Q5_1) {
    scale(to, r, c / 32, half_at(block), half_at(block + 2));
    unpack_five(to, r, c, block + 4, block + 8);
  }
}

void unpack_q8_0_scalar(const uint8_t *const row[TILE], int first, int count, struct panel to) {
  EACH_BLOCK(32, BYTES_Q8_0) {
    float d = half_at(block);
    scale(to, r, c / 32, d, 0);
    for (int i = 0; i < 32; i++) put(to, r, c + i, block[2 + i] ^ 0x80);
  }
}

static const int8_t nonlinear4[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

void unpack_iq4_nl_scalar(const uint8_t *const row[TILE], int first, int count, struct panel to) {
  EACH_BLOCK(32, BYTES_IQ4_NL) {
    float d = half_at(block);
    scale(to, r, c / 32, d, 0);
    for (int i = 0; i < 16; i++) {
      put(to, r, c + i, nonlinear4[block[2 + i] & 15] + 128);
      put(to, r, c + 16 + i, nonlinear4[block[2 + i] >> 4] + 128);
    }
  }
}

void unpack_iq4_xs_scalar(const uint8_t *const row[TILE], int first, int count, struct panel to) {
  EACH_BLOCK(256, BYTES_IQ4_XS) {
    float d = half_at(block);
    unsigned high = block[2] | block[3] << 8;
    for (int g = 0; g < 8; g++) {
      int s = (block[4 + g / 2] >> (4 * (g % 2)) & 15) | (int)(high >> (2 * g) & 3) << 4;
      scale(to, r, c / 32 + g, d * (s - 32), 0);
      for (int i = 0; i < 16; i++) {
        uint8_t q = block[8 + g * 16 + i];
        put(to, r, c + g * 32 + i, nonlinear4[q & 15] + 128);
        put(to, r, c + g * 32 + 16 + i, nonlinear4[q >> 4] + 128);
      }
    }
  }
}

void unpack_q2_k_scalar(const uint8_t *const row[TILE], int first, int count, struct panel to) {
  EACH_BLOCK(256, BYTES_Q2_K) {
    float d = half_at(block + 80), dmin = half_at(block + 82);
    for (int g = 0; g < 16; g++) {
      scale(to, r, c / 16 + g, d * (block[g] & 15), -dmin * (block[g] >> 4));
      const uint8_t *q = block + 16 + g / 8 * 32 + g % 2 * 16;
      for (int i = 0; i < 16; i++) put(to, r, c + g * 16 + i, q[i] >> (g % 8 / 2 * 2) & 3);
    }
  }
}

void unpack_q3_k_scalar(const uint8_t *const row[TILE], int first, int count, struct panel to) {
  EACH_BLOCK(256, BYTES_Q3_K) {
    const uint8_t *packed = block + 96;
    float d = half_at(block + 108);
    for (int g = 0; g < 16; g++) {
      int s = (packed[g % 8] >> (g / 8 * 4) & 15) | (packed[8 + g % 4] >> (g / 4 * 2) & 3) << 4;
      scale(to, r, c / 16 + g, d * (s - 32), 0);
      for (int i = 0; i < 16; i++) {
        int at = g % 2 * 16 + i;
        int q = block[32 + g / 8 * 32 + at] >> (g % 8 / 2 * 2) & 3;
        put(to, r, c + g * 16 + i, q | (block[at] >> (g / 2) & 1) << 2);
      }
    }
  }
}

// six_bits unpacks the j-th scale and minimum of Q4_K and Q5_K.
static void six_bits(const uint8_t *p, int j, int *s, int *m) {
  if (j < 4) {
    *s = p[j] & 63;
    *m = p[j + 4] & 63;
  } else {
    *s = (p[j + 4] & 15) | (p[j - 4] >> 6) << 4;
    *m = p[j + 4] >> 4 | (p[j] >> 6) << 4;
  }
}

static void unpack_k45(const uint8_t *block, struct panel to, int r, int c, const uint8_t *high, const uint8_t *low) {
  float d = half_at(block), dmin = half_at(block + 2);
  for (int g = 0; g < 8; g++) {
    int s, m;
    six_bits(block + 4, g, &s, &m);
    scale(to, r, c / 32 + g, d * s, -dmin * m);
    for (int i = 0; i < 32; i++) {
      int q = low[g / 2 * 32 + i] >> (g % 2 * 4) & 15;
      put(to, r, c + g * 32 + i, high ? q | (high[i] >> g & 1) << 4 : q);
    }
  }
}

void unpack_q4_k_scalar(const uint8_t *const row[TILE], int first, int count, struct panel to) {
  EACH_BLOCK(256, BYTES_Q4_K) unpack_k45(block, to, r, c, 0, block + 16);
}

void unpack_q5_k_scalar(const uint8_t *const row[TILE], int first, int count, struct panel to) {
  EACH_BLOCK(256, BYTES_Q5_K) unpack_k45(block, to, r, c, block + 16, block + 48);
}

void unpack_q6_k_scalar(const uint8_t *const row[TILE], int first, int count, struct panel to) {
  EACH_BLOCK(256, BYTES_Q6_K) {
    float d = half_at(block + 208);
    for (int g = 0; g < 16; g++) {
      float s = d * (int8_t)block[192 + g];
      scale(to, r, c / 16 + g, s, 0);
    }
    for (int i = 0; i < 256; i++) {
      int part = i / 128, j = i % 128;
      int low = block[part * 64 + j % 64] >> (j / 64 * 4) & 15;
      int high = block[128 + part * 32 + j % 32] >> (j / 32 * 2) & 3;
      put(to, r, c + i, low | high << 4);
    }
  }
}

void unpack_f32_scalar(const uint8_t *const row[TILE], int first, int count, float *w) {
  for (int c = 0; c < count; c++)
    for (int r = 0; r < TILE; r++) memcpy(w + c * TILE + r, row[r] + (size_t)(first + c) * 4, 4);
}

void unpack_f16_scalar(const uint8_t *const row[TILE], int first, int count, float *w) {
  for (int c = 0; c < count; c++)
    for (int r = 0; r < TILE; r++) w[c * TILE + r] = half_at(row[r] + (size_t)(first + c) * 2);
}

void unpack_bf16_scalar(const uint8_t *const row[TILE], int first, int count, float *w) {
  for (int c = 0; c < count; c++)
    for (int r = 0; r < TILE; r++) {
      const uint8_t *p = row[r] + (size_t)(first + c) * 2;
      uint32_t bits = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 24;
      memcpy(w + c * TILE + r, &bits, 4);
    }
}
