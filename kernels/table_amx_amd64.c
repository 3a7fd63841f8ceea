// The table of the amx kernels: those of avx512vnni but for the products of panels.
#define INTEGER(name) name##_amx
#define INTEGER_NAME "amx"
#define ROUND gemm_signed32_amx
#define ROUND_SHIFT 0
#include "table_avx512.h"
