#define PLUMB_KERNEL_TABLE plumb_kernels_baseline
#include "Kernels.h"
