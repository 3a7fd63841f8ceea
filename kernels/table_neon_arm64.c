// The table of the neon kernels.
#define INTEGER(name) name##_neon
#define INTEGER_NAME "neon"
#include "table_arm64.h"
