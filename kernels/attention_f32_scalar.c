#include "simd_scalar.h"
#include "attention_f32.h"
