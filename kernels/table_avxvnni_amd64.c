// The table of the avxvnni kernels.
#define INTEGER(name) name##_avxvnni
#define INTEGER_NAME "avxvnni"
#include "table_avx2.h"
