// The C kernels: what each one computes, on which units and under which
// alignment and aliasing rules. Go calls the functions of dispatch.c; those
// call the table of the instruction set that was picked at start.
//
// No pointer needs an alignment beyond its element's (encoded weights: none).
// Outputs never overlap inputs unless a comment says so.
#ifndef SENSED_KERNELS_H
#define SENSED_KERNELS_H

#include <stddef.h>
#include <stdint.h>

// A tile is 16 rows of a weight matrix. The kernels first unpack a chunk of a
// tile so that one vector holds the same column of 16 rows: products then need
// no sums across a vector, and the scales of 16 rows apply at once.
enum { TILE = 16 };

// CHUNK is how many columns of a tile are unpacked at a time: 16 KB of bytes,
// or 16 KB of floats (FLOAT_CHUNK), which stay in the first-level cache.
enum { CHUNK = 1024, FLOAT_CHUNK = 256 };

// encoding numbers are those of GGUF.
enum encoding {
  ENC_F32 = 0, ENC_F16 = 1, ENC_Q4_0 = 2, ENC_Q4_1 = 3, ENC_Q5_0 = 6, ENC_Q5_1 = 7, ENC_Q8_0 = 8,
  ENC_Q2_K = 10, ENC_Q3_K = 11, ENC_Q4_K = 12, ENC_Q5_K = 13, ENC_Q6_K = 14, ENC_IQ4_NL = 20,
  ENC_IQ4_XS = 23, ENC_BF16 = 30, ENC_COUNT = 31
};

// Sizes of the encoded blocks, in bytes.
enum {
  BYTES_Q4_0 = 2 + 16, BYTES_Q4_1 = 4 + 16, BYTES_Q5_0 = 2 + 4 + 16, BYTES_Q5_1 = 4 + 4 + 16, BYTES_Q8_0 = 2 + 32,
  BYTES_Q2_K = 16 + 64 + 4, BYTES_Q3_K = 32 + 64 + 12 + 2, BYTES_Q4_K = 4 + 12 + 128, BYTES_Q5_K = 4 + 12 + 32 + 128,
  BYTES_Q6_K = 128 + 64 + 16 + 2, BYTES_IQ4_NL = 2 + 16, BYTES_IQ4_XS = 2 + 2 + 4 + 128
};
_Static_assert(BYTES_Q4_0 == 18 && BYTES_Q8_0 == 34 && BYTES_Q4_K == 144 && BYTES_Q5_K == 176 && BYTES_Q6_K == 210 &&
               BYTES_Q3_K == 110 && BYTES_Q2_K == 84 && BYTES_IQ4_XS == 136, "GGUF block sizes");

// q6_k_parts tells where in a block of Q6_K what lies: the scale of all, the
// sixteen scales, and for 128 values (half 0 or 1) and each second 16 of them
// (part 0 or 1) their high bits and two times 16 bytes of low ones.
struct q6_k_parts {
  size_t d, scales, high, low, more;
};
static inline struct q6_k_parts q6_k_parts(int packed, int half, int part) {
  size_t at = 18 + (size_t)(half * 2 + part) * 48;
  if (packed) return (struct q6_k_parts){0, 2, at, at + 16, at + 32};
  return (struct q6_k_parts){208, 192, 128 + (size_t)half * 32 + (size_t)part * 16, (size_t)half * 64 + (size_t)part * 16,
                             (size_t)half * 64 + 32 + (size_t)part * 16};
}

// panel is an unpacked chunk of a tile of a quantised matrix. With q the byte at
// q[(c/4)*64 + r*4 + c%4], the weight of row r, column c is
// s[c/group][r] * q + b[c/group][r] for encodings that have minima, and
// s[c/group][r] * (q - 2^shift) for the others: b is null then. q is unsigned,
// or where the table says so signed; then shift is 0 and nothing is taken off.
struct panel {
  uint8_t *q; // [CHUNK/4][16][4], 64-byte aligned
  float *s;   // [CHUNK/16][16], 64-byte aligned
  float *b;
  int shift;
};

// offset_of returns what is taken off every q of a panel without b.
static inline int offset_of(struct panel w) { return w.shift ? 1 << w.shift : 0; }

// shift_of returns the shift of an encoding without minima, -1 of one with
// them.
static inline int shift_of(int encoding) {
  switch (encoding) {
  case ENC_Q3_K: return 2;
  case ENC_Q4_0: return 3;
  case ENC_Q5_0: return 4;
  case ENC_Q6_K: return 5;
  case ENC_Q8_0:
  case ENC_IQ4_NL:
  case ENC_IQ4_XS: return 7;
  }
  return -1;
}

// activations are rows of int8 values with one scale for each 32 of them.
struct activations {
  const int8_t *q;  // [t][cols]
  const float *d;   // [t][cols/32]: x is about d * q
  const float *m32; // [t][cols/32]: d * sum of 32 q
  const float *m16; // [t][cols/16]: d * sum of 16 q
  const int32_t *minus32, *minus16; // the same sums of q alone, negated
};

// activations_from returns x without its first i rows of cols values.
static inline struct activations activations_from(struct activations x, int i, int cols) {
  x.q += (size_t)i * cols;
  x.d += (size_t)i * (cols / 32);
  x.m32 += (size_t)i * (cols / 32);
  x.m16 += (size_t)i * (cols / 16);
  x.minus32 += (size_t)i * (cols / 32);
  x.minus16 += (size_t)i * (cols / 16);
  return x;
}

// A packed tile has the bytes of the 16 rows side by side: of each block in
// turn the first item of every row, then the second item of every row, and so
// on. An item is four bytes, or the two of a lone binary16. So byte i of a row
// lies in the tile from byte 16 i on, beside its like, and a load brings what
// else would have to be turned around. It has the size of the rows.
//
// The parts of a block of Q6_K come in another order, that of their use: see
// q6_k_parts.
//
// Functions that take 16 rows have a twin, in the table's packed members, that
// takes the start of a packed tile as row[0] and does not look at the others.

// unpack_fn unpacks columns first .. first+count-1 of the 16 rows into a
// panel; both are whole blocks of the encoding and count <= CHUNK.
typedef void unpack_fn(const uint8_t *const row[TILE], int first, int count, struct panel to);

// float_unpack_fn writes the same columns of 16 rows as floats, w[count][16].
typedef void float_unpack_fn(const uint8_t *const row[TILE], int first, int count, float *w);

// gemm_fn adds to acc[t][16] the products of a panel of count columns with t
// rows of activations; x points at the panel's first column of row 0 and cols
// is the length of a row in values. x and acc have room for whole sixteens of
// rows: what is behind row t-1 may be read and overwritten, and means nothing.
typedef void gemm_fn(struct panel w, int count, struct activations x, int cols, int t, float *acc);

// GEMM_GROUPS defines gemm_group32 and gemm_group16 of an instruction set by its
// gemm, whose last argument says whether the panel has minima.
#define GEMM_GROUPS(isa, minima, none)                                                                          \
  void gemm_group32_##isa(struct panel w, int count, struct activations x, int cols, int t, float *acc) {       \
    if (w.b) {                                                                                                  \
      gemm(w, count, x, cols, t, acc, 32, minima);                                                              \
    } else {                                                                                                    \
      gemm(w, count, x, cols, t, acc, 32, none);                                                                \
    }                                                                                                           \
  }                                                                                                             \
  void gemm_group16_##isa(struct panel w, int count, struct activations x, int cols, int t, float *acc) {       \
    if (w.b) {                                                                                                  \
      gemm(w, count, x, cols, t, acc, 16, minima);                                                              \
    } else {                                                                                                    \
      gemm(w, count, x, cols, t, acc, 16, none);                                                                \
    }                                                                                                           \
  }

// few_fn adds to acc[t][16] the products of columns first .. first+count-1 of
// 16 encoded rows with a few rows of activations, whose first value is that of
// column first. count <= FEW_CHUNK. Bit for bit it gives what unpack
// and gemm give.
typedef void few_fn(const uint8_t *const row[TILE], int first, int count, struct activations x, int cols, int t, float *acc);
enum { FEW_CHUNK = 2048 };

// MOST_FEW rows of activations and no more are faster that way than with a
// panel; packed, MOST_FEW_PACKED.
enum { MOST_FEW = 4, MOST_FEW_PACKED = 16 };

// one_fn is few_fn for one row.
typedef void one_fn(const uint8_t *const row[TILE], int first, int count, struct activations x, float *acc);

// float_gemm_fn is gemm_fn for floats: w[count][16], x[t][cols].
typedef void float_gemm_fn(const float *w, int count, const float *x, int cols, int t, float *acc);

// attention_task is a block of query rows that share one KV head. Row i is
// query (i / group) of the block, head (i % group) of the group.
struct attention_task {
  const float *q;    // first row; positions are q_stride floats apart
  const void *k, *v; // first row of the KV head; float or, with half set, binary16
  float *out;        // laid out as q
  int q_stride, kv_stride; // from one position to the next
  int half;
  const int32_t *pages; // positions KEYS*i .. lie at KEYS*pages[i]; null: in order
  int rows, group, dim;
  int first;         // key position of the block's first query
  int keys, window;  // causal: key j of query at p is seen if j <= p and (window == 0 or p - j < window)
  int causal;
  float scale;
};

// KEYS is how many keys attention takes at a time: a page of a cache.
enum { KEYS = 32 };

// attention_fn runs a task. With rows and dim rounded up to multiples of 16,
// scratch holds rows * dim sums, 2 * KEYS * dim keys and values and 2 * rows of
// state.
typedef void attention_fn(const struct attention_task *a, float *scratch);

// recent is the attention of one frame of sound: each head of q sees count keys,
// the newest last, with logits limit * tanh(q . (k + key of the distance) / limit).
struct recent {
  float *out;                       // [heads][dim]
  const float *q, *k, *v;           // [heads][dim], [count][heads][dim] twice
  const float *distances;           // [at least count][heads][dim], for 0, 1, 2 ... frames ago
  int count, heads, dim;            // count is at most MOST_RECENT
  float limit;
};
enum { MOST_RECENT = 64 };

// kernel_table is one instruction set.
struct kernel_table {
  const char *name;
  unpack_fn *unpack[ENC_COUNT]; // null for floats
  float_unpack_fn *float_unpack[ENC_COUNT];
  one_fn *one[ENC_COUNT];               // null: take few
  few_fn *few[ENC_COUNT];               // null: unpack and gemm
  unpack_fn *unpack_packed[ENC_COUNT];  // null: packing gains nothing
  few_fn *few_packed[ENC_COUNT];        // null: unpack_packed and gemm
  gemm_fn *gemm_group32, *gemm_group16; // columns that share a scale
  // gemm_signed32, when set, takes the encodings in signed_encodings, whose unpack yields signed q:
  // panels with b null and shift 0.
  gemm_fn *gemm_signed32;
  uint64_t signed_encodings; // bit i: encoding i
  // round_panel rounds count columns of floats, w[count][16], to a panel without
  // b for gemm_round, with a scale for each 32. count is a multiple of 32.
  void (*round_panel)(const float *w, int count, struct panel to);
  gemm_fn *gemm_round;
  int round_shift; // of the panels of round_panel; 0: q is signed
  float_gemm_fn *float_gemm;
  attention_fn *attention;
  // quantize rounds n (a multiple of 32) floats to activations.
  void (*quantize)(const float *x, int n, int8_t *q, float *d, float *m32, float *m16, int32_t *minus32, int32_t *minus16);
  void (*rms_norm)(float *out, const float *x, const float *w, int n, float eps); // w may be null; out may be x
  void (*gelu_mul)(float *out, const float *gate, const float *up, int n);        // out may be either
  void (*silu)(float *out, const float *x, int n);                                // out may be x
  void (*glu)(float *out, const float *a, const float *b, int n);                 // out may be either
  void (*softcap)(float *x, int n, float limit);
  void (*rope)(float *x, const float *cosine, const float *sine, int half);
  void (*softmax)(float *x, int n);
  void (*add)(float *out, const float *x, int n);                    // out += x
  void (*add_scaled)(float *out, const float *x, int n, float s);    // out += s x
  void (*add_mul)(float *out, const float *a, const float *b, int n); // out += a b
  void (*mul)(float *out, const float *x, int n);                     // out *= x
  void (*scale)(float *x, int n, float s);                           // x *= s
  void (*clamp)(float *x, int n, float lo, float hi);                // NaN becomes lo
  void (*narrow)(uint16_t *out, const float *x, int n);              // to binary16
  float (*dot)(const float *a, const float *b, int n);
  void (*norm_relu)(float *x, const float *w, int n, float eps); // to mean 0 and variance 1, times w, and cut below 0
  void (*attend_recent)(struct recent a);
};

// ROW_FUNCTIONS declares, and ROW_TABLE lists, the row operations that the
// template rows_f32.h makes for an instruction set.
#define ROW_FUNCTIONS(isa)                                                            \
  void quantize_##isa(const float *, int, int8_t *, float *, float *, float *, int32_t *, int32_t *); \
  void rms_norm_##isa(float *, const float *, const float *, int, float);             \
  void gelu_mul_##isa(float *, const float *, const float *, int);                    \
  void silu_##isa(float *, const float *, int);                                       \
  void glu_##isa(float *, const float *, const float *, int);                         \
  void softcap_##isa(float *, int, float);                                            \
  void rope_##isa(float *, const float *, const float *, int);                        \
  void softmax_##isa(float *, int);                                                   \
  void add_##isa(float *, const float *, int);                                        \
  void add_scaled_##isa(float *, const float *, int, float);                          \
  void add_mul_##isa(float *, const float *, const float *, int);                     \
  void mul_##isa(float *, const float *, int);                                        \
  void norm_relu_##isa(float *, const float *, int, float);                           \
  void attend_recent_##isa(struct recent);                                            \
  void scale_##isa(float *, int, float);                                              \
  void clamp_##isa(float *, int, float, float);                                       \
  void narrow_##isa(uint16_t *, const float *, int);                                  \
  void round_panel_##isa(const float *, int, struct panel);                           \
  float dot_##isa(const float *, const float *, int);
#define ROW_TABLE(isa)                                                                 \
  .quantize = quantize_##isa, .rms_norm = rms_norm_##isa, .gelu_mul = gelu_mul_##isa, \
  .silu = silu_##isa, .glu = glu_##isa, .softcap = softcap_##isa, .rope = rope_##isa, \
  .softmax = softmax_##isa, .add = add_##isa, .add_scaled = add_scaled_##isa,         \
  .scale = scale_##isa, .clamp = clamp_##isa, .round_panel = round_panel_##isa,       \
  .narrow = narrow_##isa, .dot = dot_##isa, .add_mul = add_mul_##isa,                 \
  .mul = mul_##isa, .norm_relu = norm_relu_##isa, .attend_recent = attend_recent_##isa

const struct kernel_table *kernels_scalar(void);
#if defined(__x86_64__)
const struct kernel_table *kernels_avx2(void);
const struct kernel_table *kernels_avxvnni(void);
const struct kernel_table *kernels_avx512vnni(void), *kernels_amx(void);
#elif defined(__aarch64__)
const struct kernel_table *kernels_neon(void);
const struct kernel_table *kernels_dotprod(void);
const struct kernel_table *kernels_i8mm(void);
#endif

// product is one weight matrix of a multiplication.
struct product {
  const uint8_t *data; // encoded rows
  const uint8_t *packed; // the same in packed tiles, or rounded ones; null: take data
  size_t row_bytes;
  int encoding;
  int round; // float weights are rounded to 8 bits on the way
  const int32_t *pick; // which rows of the matrix to take; null: all in order
  int rows, cols;
  float *out; // [t][rows]
};

// input is the other side: t rows of floats and, for quantised weights, the
// same rows rounded.
struct input {
  const float *x; // [t][cols]
  struct activations rounded;
  int t;
};

// multiply_tiles computes the tiles first .. last-1 of a product of an encoded
// matrix with t rows, into out[t][rows]. The rounded rows are read for quantised
// or rounded weights, else x. With pick, row i of the product is row pick[i] of
// the matrix. packed is null or what pack_tiles made of all rows; it is not
// read with pick. scratch holds scratch_bytes(t) bytes. Both are 64-byte
// aligned.
void multiply_tiles(const struct kernel_table *k, const uint8_t *data, const uint8_t *packed, size_t row_bytes, int encoding, int round, const int32_t *pick, int rows, int cols,
                    float *out, const float *x, const int8_t *q, const float *d, const float *m32, const float *m16,
                    const int32_t *minus32, const int32_t *minus16, int t, int first, int last,
                    void *scratch);
size_t scratch_bytes(int t);

// packed_tile_bytes returns the size of a packed tile, 0 when packing such a
// matrix gains nothing.
size_t packed_tile_bytes(const struct kernel_table *k, size_t row_bytes, int encoding, int round, int cols);

// pack_tiles writes the tiles first .. last-1 of a matrix to to, 64-byte
// aligned. A short last tile has its last row again. Float weights with round
// set become a rounded tile: all the bytes of its panel, then all the scales.
void pack_tiles(const struct kernel_table *k, const uint8_t *data, size_t row_bytes, int encoding, int round, int rows, int cols, int first, int last,
                uint8_t *to, void *scratch);

// attend runs one attention_task.
void attend(const struct kernel_table *k, const float *q, const void *keys, const void *values, float *out, int q_stride,
            int kv_stride, int half, const int32_t *pages, int rows, int group, int dim, int first, int count, int window, int causal, float scale, void *scratch);

// The row operations of the table.
void run_quantize(const struct kernel_table *k, const float *x, int n, int8_t *q, float *d, float *m32, float *m16, int32_t *minus32, int32_t *minus16);
void run_rms_norm(const struct kernel_table *k, float *out, const float *x, const float *w, int n, float eps);
void run_gelu_mul(const struct kernel_table *k, float *out, const float *gate, const float *up, int n);
void run_silu(const struct kernel_table *k, float *out, const float *x, int n);
void run_glu(const struct kernel_table *k, float *out, const float *a, const float *b, int n);
void run_softcap(const struct kernel_table *k, float *x, int n, float limit);
void run_rope(const struct kernel_table *k, float *x, const float *c, const float *s, int half);
void run_softmax(const struct kernel_table *k, float *x, int n);
void run_add(const struct kernel_table *k, float *out, const float *x, int n);
void run_add_scaled(const struct kernel_table *k, float *out, const float *x, int n, float s);
void run_add_mul(const struct kernel_table *k, float *out, const float *a, const float *b, int n);
void run_mul(const struct kernel_table *k, float *out, const float *x, int n);
void run_norm_relu(const struct kernel_table *k, float *x, const float *w, int n, float eps);
void run_attend_recent(const struct kernel_table *k, float *out, const float *q, const float *keys, const float *values, const float *distances,
                       int count, int heads, int dim, float limit);
void run_scale(const struct kernel_table *k, float *x, int n, float s);
void run_narrow(const struct kernel_table *k, uint16_t *out, const float *x, int n);
void run_clamp(const struct kernel_table *k, float *x, int n, float lo, float hi);
float run_dot(const struct kernel_table *k, const float *a, const float *b, int n);

// group_columns returns how many columns of an encoding share one scale (16 or 32).
static inline int group_columns(int encoding) {
  return encoding == ENC_Q2_K || encoding == ENC_Q3_K || encoding == ENC_Q6_K ? 16 : 32;
}

#endif
