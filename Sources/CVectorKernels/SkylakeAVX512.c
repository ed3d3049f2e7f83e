#if defined(__x86_64__)
#include "CVectorKernels.h"
#include <string.h>

#define PLUMB_KERNEL_TABLE plumb_kernels_skylake_avx512
#pragma clang attribute push(__attribute__((target("arch=skylake-avx512"))), apply_to = function)
#include "Kernels.h"
#pragma clang attribute pop
#endif
