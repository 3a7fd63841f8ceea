// Template: operations on one row of floats. The including file defines the
// vector type (simd_*.h) and the name suffix ISA.
#include "half.h"
#include "kernels.h"
#include "simd_common.h"

float ISA(dot)(const float *a, const float *b, int n) {
  vf s0 = v_set1(0), s1 = s0;
  int i = 0;
  for (; i + 2 * VL <= n; i += 2 * VL) {
    s0 = v_fma(v_load(a + i), v_load(b + i), s0);
    s1 = v_fma(v_load(a + i + VL), v_load(b + i + VL), s1);
  }
  for (; i < n; i += VL) s0 = v_fma(v_take(a + i, n - i, 0), v_take(b + i, n - i, 0), s0);
  return v_sum(v_add(s0, s1));
}

void ISA(rms_norm)(float *out, const float *x, const float *w, int n, float eps) {
  float mean = ISA(dot)(x, x, n) / (float)n;
  vf scale = v_set1(1.0f / __builtin_sqrtf(mean + eps));
  for (int i = 0; i < n; i += VL) {
    vf y = v_mul(v_take(x + i, n - i, 0), scale);
    if (w) y = v_mul(y, v_take(w + i, n - i, 0));
    v_keep(out + i, y, n - i);
  }
}

// gelu_tanh(x) = x * sigmoid(2 u) with u = sqrt(2/pi) (x + 0.044715 x^3), since
// (1 + tanh u) / 2 = sigmoid(2 u).
void ISA(gelu_mul)(float *out, const float *gate, const float *up, int n) {
  for (int i = 0; i < n; i += VL) {
    vf x = v_take(gate + i, n - i, 0);
    vf cube = v_mul(v_mul(x, x), x);
    vf u2 = v_mul(v_set1(1.59576912f), v_fma(v_set1(0.044715f), cube, x));
    v_keep(out + i, v_mul(v_mul(x, v_sigmoid(u2)), v_take(up + i, n - i, 0)), n - i);
  }
}

void ISA(silu)(float *out, const float *x, int n) {
  for (int i = 0; i < n; i += VL) {
    vf v = v_take(x + i, n - i, 0);
    v_keep(out + i, v_mul(v, v_sigmoid(v)), n - i);
  }
}

void ISA(glu)(float *out, const float *a, const float *b, int n) {
  for (int i = 0; i < n; i += VL)
    v_keep(out + i, v_mul(v_take(a + i, n - i, 0), v_sigmoid(v_take(b + i, n - i, 0))), n - i);
}

// limit * tanh(x / limit), with tanh(z) = 2 sigmoid(2 z) - 1.
void ISA(softcap)(float *x, int n, float limit) {
  for (int i = 0; i < n; i += VL) {
    vf s = v_sigmoid(v_mul(v_take(x + i, n - i, 0), v_set1(2 / limit)));
    v_keep(x + i, v_mul(v_set1(limit), v_sub(v_add(s, s), v_set1(1))), n - i);
  }
}

void ISA(rope)(float *x, const float *cosine, const float *sine, int half) {
  for (int i = 0; i < half; i += VL) {
    int k = half - i;
    vf a = v_take(x + i, k, 0), b = v_take(x + half + i, k, 0);
    vf c = v_take(cosine + i, k, 0), s = v_take(sine + i, k, 0);
    v_keep(x + i, v_sub(v_mul(a, c), v_mul(b, s)), k);
    v_keep(x + half + i, v_add(v_mul(b, c), v_mul(a, s)), k);
  }
}

void ISA(softmax)(float *x, int n) {
  vf top = v_set1(-3.4e38f), sum = v_set1(0);
  for (int i = 0; i < n; i += VL) top = v_max(top, v_take(x + i, n - i, -3.4e38f));
  top = v_set1(v_top(top));
  for (int i = 0; i < n; i += VL) {
    vf e = v_exp(v_sub(v_take(x + i, n - i, -3.4e38f), top));
    v_keep(x + i, e, n - i);
    if (n - i < VL) e = v_part(x + i, n - i, 0);
    sum = v_add(sum, e);
  }
  vf scale = v_set1(1 / v_sum(sum));
  for (int i = 0; i < n; i += VL) v_keep(x + i, v_mul(v_take(x + i, n - i, 0), scale), n - i);
}

// quantize rounds to the nearest of 255 levels, in blocks of 32.
void ISA(quantize)(const float *x, int n, int8_t *q, float *d, float *m32, float *m16, int32_t *minus32, int32_t *minus16) {
  for (int i = 0; i < n; i += 32) {
    vf top = v_set1(0);
    for (int j = 0; j < 32; j += VL) top = v_max(top, v_abs(v_load(x + i + j)));
    float scale = v_top(top) / 127, inverse = scale > 0 ? 1 / scale : 0;
    for (int j = 0; j < 32; j += VL) v_store_int8(q + i + j, v_mul(v_load(x + i + j), v_set1(inverse)));
    int a = 0, b = 0;
    for (int j = 0; j < 16; j++) {
      a += q[i + j];
      b += q[i + 16 + j];
    }
    d[i / 32] = scale;
    m32[i / 32] = scale * (float)(a + b);
    m16[i / 16] = scale * (float)a;
    m16[i / 16 + 1] = scale * (float)b;
    minus32[i / 32] = -a - b;
    minus16[i / 16] = -a;
    minus16[i / 16 + 1] = -b;
  }
}

void ISA(add)(float *out, const float *x, int n) {
  for (int i = 0; i < n; i += VL) v_keep(out + i, v_add(v_take(out + i, n - i, 0), v_take(x + i, n - i, 0)), n - i);
}

void ISA(add_scaled)(float *out, const float *x, int n, float s) {
  for (int i = 0; i < n; i += VL) v_keep(out + i, v_fma(v_take(x + i, n - i, 0), v_set1(s), v_take(out + i, n - i, 0)), n - i);
}

void ISA(add_mul)(float *out, const float *a, const float *b, int n) {
  for (int i = 0; i < n; i += VL) v_keep(out + i, v_fma(v_take(a + i, n - i, 0), v_take(b + i, n - i, 0), v_take(out + i, n - i, 0)), n - i);
}

void ISA(mul)(float *out, const float *x, int n) {
  for (int i = 0; i < n; i += VL) v_keep(out + i, v_mul(v_take(out + i, n - i, 0), v_take(x + i, n - i, 0)), n - i);
}

// The variance is that of the differences from the mean, which loses nothing
// where the mean is large.
void ISA(norm_relu)(float *x, const float *w, int n, float eps) {
  vf sum = v_set1(0), squares = sum;
  for (int i = 0; i < n; i += VL) sum = v_add(sum, v_take(x + i, n - i, 0));
  float mean = v_sum(sum) / (float)n;
  vf shift = v_set1(mean);
  for (int i = 0; i < n; i += VL) {
    vf off = v_sub(v_take(x + i, n - i, mean), shift);
    squares = v_fma(off, off, squares);
  }
  vf scale = v_set1(1.0f / __builtin_sqrtf(v_sum(squares) / (float)n + eps));
  for (int i = 0; i < n; i += VL) {
    vf y = v_mul(v_mul(v_sub(v_take(x + i, n - i, 0), shift), scale), v_take(w + i, n - i, 0));
    v_keep(x + i, v_max(y, v_set1(0)), n - i);
  }
}

void ISA(attend_recent)(struct recent a) {
  float weights[MOST_RECENT];
  const size_t stride = (size_t)a.heads * a.dim;
  for (int h = 0; h < a.heads; h++) {
    const float *q = a.q + h * a.dim, *k = a.k + h * a.dim, *v = a.v + h * a.dim, *far = a.distances + h * a.dim;
    for (int i = 0; i < a.count; i++)
      weights[i] = ISA(dot)(q, k + i * stride, a.dim) + ISA(dot)(q, far + (a.count - 1 - i) * stride, a.dim);
    ISA(softcap)(weights, a.count, a.limit);
    ISA(softmax)(weights, a.count);
    float *out = a.out + h * a.dim;
    for (int i = 0; i < a.dim; i += VL) {
      vf sum = v_set1(0);
      for (int j = 0; j < a.count; j++) sum = v_fma(v_take(v + j * stride + i, a.dim - i, 0), v_set1(weights[j]), sum);
      v_keep(out + i, sum, a.dim - i);
    }
  }
}

void ISA(scale)(float *x, int n, float s) {
  for (int i = 0; i < n; i += VL) v_keep(x + i, v_mul(v_take(x + i, n - i, 0), v_set1(s)), n - i);
}

void ISA(clamp)(float *x, int n, float lo, float hi) {
  for (int i = 0; i < n; i += VL) v_keep(x + i, v_max(v_min(v_take(x + i, n - i, 0), v_set1(hi)), v_set1(lo)), n - i);
}

// round_panel rounds to the nearest of 255 levels for each row and 32 columns.
// Where vpdpbusd wants unsigned weights the panel's shift is 7, which adds 128.
void ISA(round_panel)(const float *w, int count, struct panel to) {
  for (int g = 0; g < count / 32; g++) {
    const float *column = w + (size_t)g * 32 * TILE;
    float inverse[TILE];
    for (int v = 0; v < TILE; v += VL) {
      vf top = v_set1(1e-30f);
      for (int c = 0; c < 32; c++) top = v_max(top, v_abs(v_load(column + c * TILE + v)));
      vf s = v_mul(top, v_set1(1.0f / 127));
      v_store(to.s + g * TILE + v, s);
      v_store(inverse + v, v_div(v_set1(127), top));
    }
    for (int c = 0; c < 32; c += 4)
      for (int v = 0; v < TILE; v += VL) {
        const float *at = column + c * TILE + v;
        vf scale = v_load(inverse + v);
        v_store_quads(to.q + (g * 32 + c) * TILE + v * 4, v_mul(v_load(at), scale), v_mul(v_load(at + TILE), scale),
                      v_mul(v_load(at + 2 * TILE), scale), v_mul(v_load(at + 3 * TILE), scale), offset_of(to));
      }
  }
}

void ISA(narrow)(uint16_t *out, const float *x, int n) {
  int i = 0;
  for (; i + VL <= n; i += VL) v_store_half(out + i, v_load(x + i));
  for (; i < n; i++) out[i] = float_to_half(x[i]);
}
