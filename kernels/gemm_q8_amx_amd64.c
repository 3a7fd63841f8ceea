// Products of an unpacked panel with int8 activations on the matrix unit (AMX):
// one instruction multiplies sixteen rows of activations with a group of columns
// of sixteen rows of weights. A panel has the order in which that unit takes its
// second operand. Its sums are whole numbers, so that the results are bit for bit
// those of gemm_q8_avx512vnni_amd64.c.
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c,amx-tile,amx-int8")
#include <immintrin.h>
#include <string.h>

#include "kernels.h"

// ROWS is how many rows of activations a tile register takes.
enum { ROWS = 16 };

// What the weights of a panel are: of both signs; what is left above an offset;
// or with minima of their own.
enum kind { SIGNED, OFFSET, MINIMA };

// shape tells the unit what the tile registers hold: 0 and 1 sums, 2 and 3 rows
// of activations, 4 and 5 weights. Of each there are two, so that one product is
// computed while the last one's sums are scaled.
static void shape(int rows, int group) {
  struct {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
  } tiles;
  memset(&tiles, 0, sizeof tiles);
  tiles.palette = 1;
  for (int i = 0; i < 2; i++) {
    tiles.rows[i] = (uint8_t)rows;
    tiles.bytes[i] = 64;
    tiles.rows[2 + i] = (uint8_t)rows;
    tiles.bytes[2 + i] = (uint16_t)group;
    tiles.rows[4 + i] = (uint8_t)(group / 4);
    tiles.bytes[4 + i] = 64;
  }
  _tile_loadconfig(&tiles);
}

// sum_even and sum_odd write the sums [rows][16] of a group of columns, each with
// tile registers of its own: an instruction names them, a variable cannot.
#define SUM(name, total, activation, weight)                                                                                 \
  static inline __attribute__((always_inline)) void name(const int8_t *x, int cols, const uint8_t *q, int32_t *sums, const enum kind kind) { \
    _tile_zero(total);                                                                                                       \
    _tile_loadd(activation, x, cols);                                                                                        \
    _tile_loadd(weight, q, 64);                                                                                              \
    if (kind == SIGNED) {                                                                                                    \
      _tile_dpbssd(total, activation, weight);                                                                               \
    } else {                                                                                                                 \
      _tile_dpbsud(total, activation, weight);                                                                               \
    }                                                                                                                        \
    _tile_stored(total, sums, 64);                                                                                           \
  }
SUM(sum_even, 0, 2, 4)
SUM(sum_odd, 1, 3, 5)

// scaled adds the sums of group g of row i to its total.
static inline __attribute__((always_inline)) __m512 scaled(struct panel w, int g, struct activations x, int i, int cols, const int32_t *sums, __m512 total,
                                                           const int group, const enum kind kind) {
  const float *means = group == 32 ? x.m32 : x.m16;
  const int32_t *minus = group == 32 ? x.minus32 : x.minus16;
  const size_t at = (size_t)i * (cols / group) + g;
  __m512i sum = _mm512_load_si512(sums + i * TILE);
  if (kind == OFFSET) sum = _mm512_add_epi32(sum, _mm512_sll_epi32(_mm512_set1_epi32(minus[at]), _mm_cvtsi32_si128(w.shift)));
  __m512 scale = _mm512_mul_ps(_mm512_load_ps(w.s + g * TILE), _mm512_set1_ps(x.d[(size_t)i * (cols / 32) + g * group / 32]));
  total = _mm512_fmadd_ps(scale, _mm512_cvtepi32_ps(sum), total);
  if (kind == MINIMA) total = _mm512_fmadd_ps(_mm512_load_ps(w.b + g * TILE), _mm512_set1_ps(means[at]), total);
  return total;
}

// columns multiplies the panel with ROWS rows of activations.
static inline __attribute__((always_inline)) void columns(struct panel w, int count, struct activations x, int cols, float *acc,
                                                          const int group, const enum kind kind) {
  _Alignas(64) int32_t sums[2][ROWS * TILE];
  __m512 total[ROWS];
  const int groups = count / group;
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; i++) total[i] = _mm512_loadu_ps(acc + i * TILE);
  sum_even(x.q, cols, w.q, sums[0], kind);
  for (int g = 0; g < groups; g += 2) {
    const int8_t *xq = x.q + g * group;
    const uint8_t *q = w.q + (size_t)g * group * TILE;
    if (g + 1 < groups) sum_odd(xq + group, cols, q + group * TILE, sums[1], kind);
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; i++) total[i] = scaled(w, g, x, i, cols, sums[0], total[i], group, kind);
    if (g + 1 == groups) break;
    if (g + 2 < groups) sum_even(xq + 2 * group, cols, q + 2 * group * TILE, sums[0], kind);
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; i++) total[i] = scaled(w, g + 1, x, i, cols, sums[1], total[i], group, kind);
  }
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; i++) _mm512_storeu_ps(acc + i * TILE, total[i]);
}

// MOST_REST is up to how many rows the time of sixteen would be lost on rest.
enum { MOST_REST = 6 };

// rest is columns for the last n rows, up to MOST_REST.
static inline __attribute__((always_inline)) void rest(struct panel w, int count, struct activations x, int cols, float *acc,
                                                       int n, const int group, const enum kind kind) {
  _Alignas(64) int32_t sums[ROWS * TILE];
  for (int g = 0; g < count / group; g++) {
    sum_even(x.q + g * group, cols, w.q + (size_t)g * group * TILE, sums, kind);
    for (int i = 0; i < n; i++) _mm512_storeu_ps(acc + i * TILE, scaled(w, g, x, i, cols, sums, _mm512_loadu_ps(acc + i * TILE), group, kind));
  }
}

static inline __attribute__((always_inline)) void gemm(struct panel w, int count, struct activations x, int cols, int t, float *acc,
                                                       const int group, const enum kind kind) {
  int i = 0;
  if (t > MOST_REST) shape(ROWS, group);
  // What lies behind the last row is multiplied too, if that is faster: there is room for it.
  for (; t - i > MOST_REST; i += ROWS) columns(w, count, activations_from(x, i, cols), cols, acc + i * TILE, group, kind);
  if (i < t) {
    shape(t - i, group);
    rest(w, count, activations_from(x, i, cols), cols, acc + i * TILE, t - i, group, kind);
  }
  _tile_release(); // or the system saves them at each change of threads
}

void gemm_signed32_amx(struct panel w, int count, struct activations x, int cols, int t, float *acc) {
  gemm(w, count, x, cols, t, acc, 32, SIGNED);
}

GEMM_GROUPS(amx, MINIMA, OFFSET)
