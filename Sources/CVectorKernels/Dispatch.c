#include "CVectorKernels.h"

extern const struct plumb_vector_kernels plumb_kernels_baseline;

#if defined(__x86_64__)
extern const struct plumb_vector_kernels plumb_kernels_haswell;
extern const struct plumb_vector_kernels plumb_kernels_skylake_avx512;

// Every extension that the compiler may use for the named architecture, not the architecture's name: an AMD Zen runs the Haswell kernels.
static int runs_haswell(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi")
        && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("lzcnt") && __builtin_cpu_supports("movbe")
        && __builtin_cpu_supports("f16c");
}

static int runs_skylake_avx512(void) {
    return runs_haswell() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("adx") && __builtin_cpu_supports("rdseed") && __builtin_cpu_supports("clflushopt");
}
#endif

const struct plumb_vector_kernels *plumb_vector_kernels_for(enum plumb_instruction_set set) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (set == plumb_haswell) return runs_haswell() ? &plumb_kernels_haswell : NULL;
    if (set == plumb_skylake_avx512) return runs_skylake_avx512() ? &plumb_kernels_skylake_avx512 : NULL;
#endif
    return set == plumb_baseline ? &plumb_kernels_baseline : NULL;
}

const struct plumb_vector_kernels *plumb_vector_kernels_best(void) {
    const struct plumb_vector_kernels *wide = plumb_vector_kernels_for(plumb_skylake_avx512);
    const struct plumb_vector_kernels *medium = plumb_vector_kernels_for(plumb_haswell);
    return wide ? wide : medium ? medium : &plumb_kernels_baseline;
}
