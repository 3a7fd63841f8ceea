#include "simd_scalar.h"
#include "gemm_f32.h"
