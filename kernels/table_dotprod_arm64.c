// The table of the dotprod kernels.
#define INTEGER(name) name##_dotprod
#define INTEGER_NAME "dotprod"
#include "table_arm64.h"
