// IEEE 754 binary16 in plain C, for processors and tails without conversion
// instructions.
#ifndef SENSED_HALF_H
#define SENSED_HALF_H

#include <stdint.h>
#include <string.h>

static inline float half_to_float(uint16_t h) {
  uint32_t sign = (uint32_t)(h >> 15) << 31, exponent = h >> 10 & 31, mantissa = h & 1023, bits;
  if (exponent == 31) {
    bits = sign | 0x7f800000 | mantissa << 13;
  } else if (exponent == 0) {
    float f = (float)mantissa / 16777216.0f;
    memcpy(&bits, &f, 4);
    bits |= sign;
  } else {
    bits = sign | (exponent + 112) << 23 | mantissa << 13;
  }
  float f;
  memcpy(&f, &bits, 4);
  return f;
}

// float_to_half rounds to the nearest, ties to even; what is too large becomes
// infinity and NaN stays NaN.
static inline uint16_t float_to_half(float f) {
  uint32_t bits;
  memcpy(&bits, &f, 4);
  uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00);
  if (magnitude >= 0x477ff000) return (uint16_t)(sign | 0x7c00); // 65520 and above
  if (magnitude < 0x38800000) {                                  // below 2^-14: steps of 2^-24
    float small;
    memcpy(&small, &magnitude, 4);
    small += 0.5f; // the sum's last place is 2^-24, so the addition rounds
    memcpy(&magnitude, &small, 4);
    return (uint16_t)(sign | (magnitude - 0x3f000000));
  }
  magnitude += 0xfff + (magnitude >> 13 & 1);
  return (uint16_t)(sign | (magnitude - 0x38000000) >> 13);
}

#endif
