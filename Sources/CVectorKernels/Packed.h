#pragma once
// Rows of 16-bit integers with a scale each: half the memory of floats, and an error of at most scale/2 an element.
#include "Reductions.h"
#include <float.h>

#define PACKED_MAX 32767.0f

typedef int16_t shorts __attribute__((vector_size(32)));
typedef shorts loose_shorts __attribute__((aligned(1), may_alias));

INLINE floats unpack(const int16_t *from) { return __builtin_convertvector(*(const loose_shorts *)from, floats); }

/// Adding and subtracting 1.5 · 2^23 rounds to the nearest integer, to an even one between two.
INLINE ints nearest(floats x) { return __builtin_convertvector((x + 12582912.0f) - 12582912.0f, ints); }

static float pack(int16_t *packed, const float *x, size_t count) {
    float largest = maximum_magnitude(x, count);
    float scale = largest / PACKED_MAX;
    // Zeros, numbers too small for a scale, and what is not finite, which the scale passes on.
    if (!(scale >= FLT_MIN && scale <= FLT_MAX)) {
        memset(packed, 0, count * sizeof *packed);
        return scale <= FLT_MAX ? 0 : scale;
    }
    for (size_t i = 0; i < count; i += LANES) {
        ints value = nearest(load(x + i) / scale);
        *(loose_shorts *)(packed + i) = __builtin_convertvector(value, shorts);
    }
    return scale;
}

/// Of a few rows that share the loads of x, so that their latencies overlap; in float.
INLINE void some_packed_products(
    float *y, const int16_t *rows, const float *scales, const float *x, size_t columns, int count) {
    floats sum[4] = {{0}, {0}, {0}, {0}};
    for (size_t i = 0; i < columns; i += LANES) {
        floats value = load(x + i);
        for (int row = 0; row < count; row++) sum[row] += unpack(rows + row * columns + i) * value;
    }
    for (int row = 0; row < count; row++) y[row] = scales[row] * sum_of_lanes(sum[row]);
}

static void packed_products(
    float *y, const int16_t *rows, const float *scales, const float *x, size_t count, size_t columns) {
    size_t row = 0;
    for (; row + 4 <= count; row += 4)
        some_packed_products(y + row, rows + row * columns, scales + row, x, columns, 4);
    for (; row < count; row++) some_packed_products(y + row, rows + row * columns, scales + row, x, columns, 1);
}

static void subtract_packed(
    float *y, const int16_t *rows, const float *scales, const float *c, size_t count, size_t columns) {
    for (size_t i = 0; i < columns; i += LANES) {
        floats value = load(y + i);
        for (size_t row = 0; row < count; row++) value -= (c[row] * scales[row]) * unpack(rows + row * columns + i);
        store(y + i, value);
    }
}
