#if defined(__x86_64__)
#include "CVectorKernels.h"
#include <string.h>

#define PLUMB_KERNEL_TABLE plumb_kernels_haswell
#pragma clang attribute push(__attribute__((target("arch=haswell"))), apply_to = function)
#include "Kernels.h"
#pragma clang attribute pop
#endif
