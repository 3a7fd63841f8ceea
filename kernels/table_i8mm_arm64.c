// The table of the i8mm kernels.
#define INTEGER(name) name##_i8mm
#define INTEGER_NAME "i8mm"
#include "table_arm64.h"
