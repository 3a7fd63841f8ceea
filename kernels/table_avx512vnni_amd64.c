// The table of the avx512vnni kernels.
#define INTEGER(name) name##_avx512vnni
#define INTEGER_NAME "avx512vnni"
#define ROUND gemm_group32_avx512vnni
#define ROUND_SHIFT 7
#include "table_avx512.h"
