// The table of the avx2 kernels.
#define INTEGER(name) name##_avx2
#define INTEGER_NAME "avx2"
#include "table_avx2.h"
