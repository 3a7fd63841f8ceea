#include "simd_neon.h"
#include "gemm_f32.h"
