#pragma once
// Sixteen float lanes, the unit of every kernel on every machine. Included once by each version; see Kernels.h.
#include "CVectorKernels.h"
#include <string.h>

#pragma clang fp contract(off)
// Sixteen lanes are wider than the registers of the smaller machines; nothing of this width crosses a real call, all is inlined.
#pragma clang diagnostic ignored "-Wpsabi"

#define INLINE static inline __attribute__((always_inline))
#define LANES 16

typedef float floats __attribute__((vector_size(64)));
typedef int32_t ints __attribute__((vector_size(64)));
typedef uint32_t words __attribute__((vector_size(64)));
typedef double doubles __attribute__((vector_size(128)));
typedef floats loose_floats __attribute__((aligned(1), may_alias));
typedef words loose_words __attribute__((aligned(1), may_alias));
typedef doubles loose_doubles __attribute__((aligned(1), may_alias));

INLINE floats splat(float value) { return value - (floats){0}; }

INLINE floats load(const void *from) { return *(const loose_floats *)from; }

INLINE void store(void *to, floats value) { *(loose_floats *)to = value; }

/// `count` < 16 elements; the other lanes are zero.
INLINE floats load_some(const void *from, size_t count) {
    floats value = {0};
    memcpy(&value, from, count * sizeof(float));
    return value;
}

INLINE void store_some(void *to, floats value, size_t count) { memcpy(to, &value, count * sizeof(float)); }

INLINE floats select(ints mask, floats yes, floats no) { return (floats)((mask & (ints)yes) | (~mask & (ints)no)); }

INLINE doubles widen(floats x) { return __builtin_convertvector(x, doubles); }

/// Lane i takes lane i + 8, then i + 4, i + 2, i + 1.
INLINE float sum_of_lanes(floats x) {
    float lane[LANES];
    memcpy(lane, &x, sizeof lane);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) lane[i] = lane[i] + lane[i + half];
    return lane[0];
}

INLINE double sum_of_wide_lanes(doubles x) {
    double lane[LANES];
    memcpy(lane, &x, sizeof lane);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) lane[i] = lane[i] + lane[i + half];
    return lane[0];
}
