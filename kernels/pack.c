// Packed tiles: see kernels.h.
#include <string.h>

#include "kernels.h"

static size_t block_bytes(int encoding) {
  switch (encoding) {
  case ENC_Q4_0: return BYTES_Q4_0;
  case ENC_Q4_1: return BYTES_Q4_1;
  case ENC_Q5_0: return BYTES_Q5_0;
  case ENC_Q5_1: return BYTES_Q5_1;
  case ENC_Q8_0: return BYTES_Q8_0;
  case ENC_Q4_K: return BYTES_Q4_K;
  case ENC_Q5_K: return BYTES_Q5_K;
  case ENC_Q6_K: return BYTES_Q6_K;
  case ENC_IQ4_NL: return BYTES_IQ4_NL;
  }
  return 0;
}

size_t packed_tile_bytes(const struct kernel_table *k, size_t row_bytes, int encoding, int round, int cols) {
  if (round) return (size_t)cols * TILE + (size_t)cols / 32 * TILE * sizeof(float);
  return k->unpack_packed[encoding] ? TILE * row_bytes : 0;
}

// weave_items appends bytes at..at+bytes-1 of sixteen rows, item by item.
static uint8_t *weave_items(const uint8_t *const row[TILE], size_t at, size_t bytes, size_t item, uint8_t *to) {
  for (size_t end = at + bytes; at < end; at += item)
    for (int r = 0; r < TILE; r++, to += item) memcpy(to, row[r] + at, item);
  return to;
}

// weave packs sixteen rows.
static void weave(const uint8_t *const row[TILE], size_t row_bytes, int encoding, uint8_t *to) {
  size_t bytes = block_bytes(encoding);
  for (size_t block = 0; block < row_bytes; block += bytes) {
    if (encoding == ENC_Q6_K) {
      struct q6_k_parts in = q6_k_parts(0, 0, 0);
      to = weave_items(row, block + in.d, 2, 2, to);
      to = weave_items(row, block + in.scales, 16, 4, to);
      for (int piece = 0; piece < 4; piece++) {
        in = q6_k_parts(0, piece / 2, piece % 2);
        to = weave_items(row, block + in.high, 16, 4, to);
        to = weave_items(row, block + in.low, 16, 4, to);
        to = weave_items(row, block + in.more, 16, 4, to);
      }
      continue;
    }
    size_t lone = bytes % 4; // a binary16 at the start
    if (lone) to = weave_items(row, block, lone, lone, to);
    to = weave_items(row, block + lone, bytes - lone, 4, to);
  }
}

// round_tile rounds sixteen rows of floats to bytes and scales.
static void round_tile(const struct kernel_table *k, const uint8_t *const row[TILE], int encoding, int cols, uint8_t *to, void *scratch) {
  uint8_t *scales = to + (size_t)cols * TILE;
  float *floats = scratch;
  for (int c = 0; c < cols; c += FLOAT_CHUNK) {
    int count = cols - c < FLOAT_CHUNK ? cols - c : FLOAT_CHUNK;
    struct panel panel = {to + (size_t)c * TILE, (float *)(void *)scales + (size_t)c / 32 * TILE, 0, k->round_shift};
    k->float_unpack[encoding](row, c, count, floats);
    k->round_panel(floats, count, panel);
  }
}

void pack_tiles(const struct kernel_table *k, const uint8_t *data, size_t row_bytes, int encoding, int round, int rows, int cols, int first, int last,
                uint8_t *to, void *scratch) {
  size_t size = packed_tile_bytes(k, row_bytes, encoding, round, cols);
  for (int tile = first; tile < last; tile++, to += size) {
    const uint8_t *row[TILE];
    for (int r = 0; r < TILE; r++) {
      int at = tile * TILE + r;
      row[r] = data + (size_t)(at < rows ? at : rows - 1) * row_bytes;
    }
    if (round) {
      round_tile(k, row, encoding, cols, to, scratch);
    } else {
      weave(row, row_bytes, encoding, to);
    }
  }
}
