#include "simd_neon.h"
#include "attention_f32.h"
