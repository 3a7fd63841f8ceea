#include "simd_scalar.h"
#include "rows_f32.h"
