#include "simd_neon.h"
#include "rows_f32.h"
