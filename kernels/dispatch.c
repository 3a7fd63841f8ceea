// What Go calls: flat arguments, because a Go value that holds pointers may not
// cross into C. The instruction set comes as a table.
#include <string.h>

#include "kernels.h"
#include "unpack_scalar.h"

// The scratch of a thread: a panel and one tile of sums.
enum {
  PANEL_Q = CHUNK * TILE,
  PANEL_S = CHUNK / 16 * TILE * (int)sizeof(float),
  PANEL_F = FLOAT_CHUNK * TILE * (int)sizeof(float)
};

// whole is t rows of activations and those that the matrix unit takes with them.
static size_t whole(int t) { return (size_t)(t + TILE - 1) / TILE * TILE; }

size_t scratch_bytes(int t) { return PANEL_Q + 2 * PANEL_S + PANEL_F + whole(t) * TILE * sizeof(float); }

struct workspace {
  struct panel panel;
  float *floats; // [FLOAT_CHUNK][16]
  float *acc;    // [t and the rest of sixteen rows][16]
};

static struct workspace workspace_in(void *scratch) {
  uint8_t *p = scratch, *s = p + PANEL_Q, *b = s + PANEL_S, *f = b + PANEL_S;
  return (struct workspace){{p, (float *)(void *)s, (float *)(void *)b, 0}, (float *)(void *)f, (float *)(void *)(f + PANEL_F)};
}

// Up to SLOW rows of activations are bound by reading the weights. There are
// two ways to read them fast: place tells of the first; ahead is the second,
// for Q6_K, whose superblocks are each read in several places.
// A packed tile needs neither: it is one stretch of memory.
enum { SLOW = 8, SLOW_CHUNK = 256 };

static inline int spreads(const struct product *p, int t) {
  return !p->packed && t <= SLOW && p->rows % TILE == 0 && p->encoding != ENC_Q6_K;
}

// ahead asks for the part of the next tile that corresponds to columns
// c .. c+count-1 of this one, in the order of memory.
static void ahead(const struct product *p, const uint8_t *tile, int c, int count) {
  size_t bytes = TILE * p->row_bytes, from = bytes * (size_t)c / (size_t)p->cols, to = bytes * (size_t)(c + count) / (size_t)p->cols;
  for (const uint8_t *at = tile + bytes + from; at < tile + bytes + to; at += 64) __builtin_prefetch(at, 0, 2);
}

static struct activations columns_from(struct activations x, int c) {
  x.q += c;
  x.d += c / 32;
  x.m32 += c / 32;
  x.m16 += c / 16;
  x.minus32 += c / 32;
  x.minus16 += c / 16;
  return x;
}

// multiply_few is multiply_quantized for rows so few that a panel does not pay.
static void multiply_few(const struct kernel_table *k, const struct product *p, const struct input *in,
                         const uint8_t *const row[TILE], struct workspace s, int asks) {
  int single = in->t == 1 && k->one[p->encoding], chunk = asks && !single ? SLOW_CHUNK : FEW_CHUNK;
  for (int c = 0; c < p->cols; c += chunk) {
    int count = p->cols - c < chunk ? p->cols - c : chunk;
    struct activations x = columns_from(in->rounded, c);
    if (single) {
      k->one[p->encoding](row, c, count, x, s.acc);
      continue;
    }
    if (asks) ahead(p, row[0], c, count);
    k->few[p->encoding](row, c, count, x, p->cols, in->t, s.acc);
  }
}

// panel_of is the scratch panel, prepared for an encoding.
static struct panel panel_of(const struct kernel_table *k, int encoding, struct panel scratch) {
  int is_signed = k->signed_encodings >> encoding & 1, shift = shift_of(encoding);
  if (shift >= 0) scratch.b = 0;
  scratch.shift = is_signed || shift < 0 ? 0 : shift;
  return scratch;
}

static gemm_fn *gemm_of(const struct kernel_table *k, int encoding) {
  if (k->signed_encodings >> encoding & 1) return k->gemm_signed32;
  return group_columns(encoding) == 16 ? k->gemm_group16 : k->gemm_group32;
}

static void multiply_quantized(const struct kernel_table *k, const struct product *p, const struct input *in,
                               const uint8_t *const row[TILE], struct workspace s, int asks) {
  int chunk = in->t <= SLOW ? SLOW_CHUNK : CHUNK;
  gemm_fn *gemm = gemm_of(k, p->encoding);
  struct panel panel = panel_of(k, p->encoding, s.panel);
  for (int c = 0; c < p->cols; c += chunk) {
    int count = p->cols - c < chunk ? p->cols - c : chunk;
    if (asks) ahead(p, row[0], c, count);
    k->unpack[p->encoding](row, c, count, panel);
    gemm(panel, count, columns_from(in->rounded, c), p->cols, in->t, s.acc);
  }
}

// multiply_rounded multiplies float weights after rounding them to 8 bits.
static void multiply_rounded(const struct kernel_table *k, const struct product *p, const struct input *in,
                             const uint8_t *const row[TILE], struct workspace s) {
  struct panel panel = {s.panel.q, s.panel.s, 0, k->round_shift};
  for (int c = 0; c < p->cols; c += FLOAT_CHUNK) {
    int count = p->cols - c < FLOAT_CHUNK ? p->cols - c : FLOAT_CHUNK;
    k->float_unpack[p->encoding](row, c, count, s.floats);
    k->round_panel(s.floats, count, panel);
    k->gemm_round(panel, count, columns_from(in->rounded, c), p->cols, in->t, s.acc);
  }
}

static void multiply_floats(const struct kernel_table *k, const struct product *p, const struct input *in,
                            const uint8_t *const row[TILE], struct workspace s) {
  for (int c = 0; c < p->cols; c += FLOAT_CHUNK) {
    int count = p->cols - c < FLOAT_CHUNK ? p->cols - c : FLOAT_CHUNK;
    k->float_unpack[p->encoding](row, c, count, s.floats);
    k->float_gemm(s.floats, count, in->x + c, p->cols, in->t, s.acc);
  }
}

// place returns which row of the product row r of a tile is.
//
// Few rows of activations are bound by reading the weights, and memory serves
// long streams best. So a tile then takes its rows from sixteen stretches of
// the matrix, and from tile to tile each stretch is read in order. The
// stretches start r rows apart in step: at the same one their addresses would
// often differ by whole pages and fall into one set of the cache.
static inline int place(const struct product *p, int spread, int tile, int r) {
  int stretch = p->rows / TILE;
  return spread ? r * stretch + (tile + r) % stretch : tile * TILE + r;
}

// multiply_packed multiplies the packed tile at row[0].
static void multiply_packed(const struct kernel_table *k, const struct product *p, const struct input *in,
                            const uint8_t *const row[TILE], struct workspace s) {
  few_fn *few = in->t <= MOST_FEW_PACKED ? k->few_packed[p->encoding] : 0;
  int chunk = few ? FEW_CHUNK : CHUNK;
  gemm_fn *gemm = gemm_of(k, p->encoding);
  struct panel panel = panel_of(k, p->encoding, s.panel);
  for (int c = 0; c < p->cols; c += chunk) {
    int count = p->cols - c < chunk ? p->cols - c : chunk;
    struct activations x = columns_from(in->rounded, c);
    if (few) {
      few(row, c, count, x, p->cols, in->t, s.acc);
      continue;
    }
    k->unpack_packed[p->encoding](row, c, count, panel);
    gemm(panel, count, x, p->cols, in->t, s.acc);
  }
}

// multiply_panels multiplies a tile of float weights that were rounded and
// packed: its bytes are a panel as they lie there.
static void multiply_panels(const struct kernel_table *k, const struct product *p, const struct input *in,
                            const uint8_t *tile, float *acc) {
  const float *scales = (const float *)(const void *)(tile + (size_t)p->cols * TILE);
  for (int c = 0; c < p->cols; c += CHUNK) {
    int count = p->cols - c < CHUNK ? p->cols - c : CHUNK;
    struct panel panel = {(uint8_t *)(uintptr_t)tile + (size_t)c * TILE, (float *)(uintptr_t)scales + (size_t)c / 32 * TILE, 0, k->round_shift};
    k->gemm_round(panel, count, columns_from(in->rounded, c), p->cols, in->t, acc);
  }
}

static void multiply(const struct kernel_table *k, const struct product *p, const struct input *in, int first, int last, void *scratch) {
  struct workspace s = workspace_in(scratch);
  int spread = spreads(p, in->t);
  size_t packed_bytes = p->packed ? packed_tile_bytes(k, p->row_bytes, p->encoding, p->round, p->cols) : 0;
  for (int tile = first; tile < last; tile++) {
    int asks = in->t <= SLOW && !p->packed && !spread && !p->pick && p->rows - tile * TILE >= 2 * TILE;
    int rows = p->rows - tile * TILE < TILE ? p->rows - tile * TILE : TILE;
    const uint8_t *row[TILE]; // a short last tile computes its last row again
    if (p->packed) row[0] = p->packed + (size_t)tile * packed_bytes;
    for (int r = 0; r < TILE && !p->packed; r++) {
      size_t at = (size_t)place(p, spread, tile, r < rows ? r : rows - 1);
      row[r] = p->data + (p->pick ? (size_t)p->pick[at] : at) * p->row_bytes;
    }
    memset(s.acc, 0, whole(in->t) * TILE * sizeof *s.acc);
    if (p->packed && p->round) {
      multiply_panels(k, p, in, row[0], s.acc);
    } else if (p->packed) {
      multiply_packed(k, p, in, row, s);
    } else if (in->t <= MOST_FEW && k->few[p->encoding]) {
      multiply_few(k, p, in, row, s, asks);
    } else if (k->unpack[p->encoding]) {
      multiply_quantized(k, p, in, row, s, asks);
    } else if (p->round) {
      multiply_rounded(k, p, in, row, s);
    } else {
      multiply_floats(k, p, in, row, s);
    }
    for (int i = 0; i < in->t; i++) {
      float *out = p->out + (size_t)i * p->rows;
      if (spread) {
        for (int r = 0; r < TILE; r++) out[place(p, spread, tile, r)] = s.acc[i * TILE + r];
      } else if (rows == TILE) { // a known size needs no call
        memcpy(out + tile * TILE, s.acc + i * TILE, TILE * sizeof *s.acc);
      } else {
        memcpy(out + tile * TILE, s.acc + i * TILE, (size_t)rows * sizeof *s.acc);
      }
    }
  }
}

void multiply_tiles(const struct kernel_table *k, const uint8_t *data, const uint8_t *packed, size_t row_bytes, int encoding, int round, const int32_t *pick, int rows, int cols,
                    float *out, const float *x, const int8_t *q, const float *d, const float *m32, const float *m16,
                    const int32_t *minus32, const int32_t *minus16, int t, int first, int last,
                    void *scratch) {
  struct product p = {data, pick ? 0 : packed, row_bytes, encoding, round, pick, rows, cols, out};
  struct input in = {x, {q, d, m32, m16, minus32, minus16}, t};
  multiply(k, &p, &in, first, last, scratch);
}

void attend(const struct kernel_table *k, const float *q, const void *keys, const void *values, float *out, int q_stride,
            int kv_stride, int half, const int32_t *pages, int rows, int group, int dim, int first, int count, int window, int causal, float scale, void *scratch) {
  struct attention_task a = {q, keys, values, out, q_stride, kv_stride, half, pages,
                             rows, group, dim, first, count, window, causal, scale};
  k->attention(&a, scratch);
}

void run_quantize(const struct kernel_table *k, const float *x, int n, int8_t *q, float *d, float *m32, float *m16, int32_t *minus32, int32_t *minus16) {
  k->quantize(x, n, q, d, m32, m16, minus32, minus16);
}
void run_rms_norm(const struct kernel_table *k, float *out, const float *x, const float *w, int n, float eps) {
  k->rms_norm(out, x, w, n, eps);
}
void run_gelu_mul(const struct kernel_table *k, float *out, const float *gate, const float *up, int n) { k->gelu_mul(out, gate, up, n); }
void run_silu(const struct kernel_table *k, float *out, const float *x, int n) { k->silu(out, x, n); }
void run_glu(const struct kernel_table *k, float *out, const float *a, const float *b, int n) { k->glu(out, a, b, n); }
void run_softcap(const struct kernel_table *k, float *x, int n, float limit) { k->softcap(x, n, limit); }
void run_rope(const struct kernel_table *k, float *x, const float *c, const float *s, int half) { k->rope(x, c, s, half); }
void run_softmax(const struct kernel_table *k, float *x, int n) { k->softmax(x, n); }
void run_add(const struct kernel_table *k, float *out, const float *x, int n) { k->add(out, x, n); }
void run_add_scaled(const struct kernel_table *k, float *out, const float *x, int n, float s) { k->add_scaled(out, x, n, s); }
void run_add_mul(const struct kernel_table *k, float *out, const float *a, const float *b, int n) { k->add_mul(out, a, b, n); }
void run_mul(const struct kernel_table *k, float *out, const float *x, int n) { k->mul(out, x, n); }
void run_norm_relu(const struct kernel_table *k, float *x, const float *w, int n, float eps) { k->norm_relu(x, w, n, eps); }
void run_attend_recent(const struct kernel_table *k, float *out, const float *q, const float *keys, const float *values, const float *distances,
                       int count, int heads, int dim, float limit) {
  k->attend_recent((struct recent){out, q, keys, values, distances, count, heads, dim, limit});
}
void run_scale(const struct kernel_table *k, float *x, int n, float s) { k->scale(x, n, s); }
void run_narrow(const struct kernel_table *k, uint16_t *out, const float *x, int n) { k->narrow(out, x, n); }
void run_clamp(const struct kernel_table *k, float *x, int n, float lo, float hi) { k->clamp(x, n, lo, hi); }
float run_dot(const struct kernel_table *k, const float *a, const float *b, int n) { return k->dot(a, b, n); }
