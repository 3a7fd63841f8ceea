#define ROUND_OFFSET 128
#include "simd_scalar.h"
#include "rows_f32.h"
