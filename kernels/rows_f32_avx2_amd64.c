#pragma GCC target("avx2,fma,f16c")
#include "simd_avx2.h"
#include "rows_f32.h"
