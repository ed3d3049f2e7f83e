#pragma once
#include "Lanes.h"

INLINE float row_sum(const float *x, size_t count) {
    floats sum = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) sum += load(x + i);
    if (i < count) sum += load_some(x + i, count - i);
    return sum_of_lanes(sum);
}

static void row_sums(float *sums, const float *g, size_t rows, size_t columns, int accumulate) {
    for (size_t i = 0; i < rows; i++) {
        float sum = row_sum(g + i * columns, columns);
        sums[i] = accumulate ? sums[i] + sum : sum;
    }
}

static void column_sums_of_squares(double *sums, const float *x, size_t rows, size_t columns) {
    memset(sums, 0, columns * sizeof(double));
    for (size_t i = 0; i < rows; i++, x += columns) {
        size_t b = 0;
        for (; b + LANES <= columns; b += LANES) {
            doubles value = widen(load(x + b));
            *(loose_doubles *)(sums + b) += value * value;
        }
        for (; b < columns; b++) sums[b] = sums[b] + (double)x[b] * (double)x[b];
    }
}

static double sum_of_squares(const float *x, size_t count) {
    doubles sum = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        doubles value = widen(load(x + i));
        sum += value * value;
    }
    if (i < count) {
        doubles value = widen(load_some(x + i, count - i));
        sum += value * value;
    }
    return sum_of_wide_lanes(sum);
}

static double dot(const float *x, const float *y, size_t count) {
    doubles sum = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) sum += widen(load(x + i)) * widen(load(y + i));
    if (i < count) sum += widen(load_some(x + i, count - i)) * widen(load_some(y + i, count - i));
    return sum_of_wide_lanes(sum);
}

/// Of a few rows that share the loads of x, so that their latencies overlap; in float.
INLINE void some_row_products(float *y, const float *rows, const float *x, size_t columns, int count) {
    floats sum[4] = {{0}, {0}, {0}, {0}};
    size_t i = 0;
    for (; i + LANES <= columns; i += LANES) {
        floats value = load(x + i);
        for (int row = 0; row < count; row++) sum[row] += load(rows + row * columns + i) * value;
    }
    if (i < columns) {
        floats value = load_some(x + i, columns - i);
        for (int row = 0; row < count; row++) sum[row] += load_some(rows + row * columns + i, columns - i) * value;
    }
    for (int row = 0; row < count; row++) y[row] = sum_of_lanes(sum[row]);
}

static void row_products(float *y, const float *a, const float *x, size_t rows, size_t columns) {
    size_t row = 0;
    for (; row + 4 <= rows; row += 4) some_row_products(y + row, a + row * columns, x, columns, 4);
    for (; row < rows; row++) some_row_products(y + row, a + row * columns, x, columns, 1);
}

/// As integers the magnitudes of floats keep their order, and every NaN lies above infinity: a NaN wins.
static float maximum_magnitude(const float *x, size_t count) {
    ints greatest = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        ints magnitude = (ints)load(x + i) & INT32_MAX;
        ints larger = magnitude > greatest;
        greatest = (larger & magnitude) | (~larger & greatest);
    }
    for (; i < count; i++) {
        int32_t magnitude;
        memcpy(&magnitude, x + i, sizeof magnitude);
        magnitude &= INT32_MAX;
        if (magnitude > greatest[0]) greatest[0] = magnitude;
    }
    int32_t result = 0;
    for (int lane = 0; lane < LANES; lane++)
        if (greatest[lane] > result) result = greatest[lane];
    float value;
    memcpy(&value, &result, sizeof value);
    return value;
}

INLINE words mix(words sum, words block) {
    words product = (sum ^ block) * 0x9E3779B1u;
    return (product << 15) | (product >> 17);
}

enum { chains = PLUMB_CHECKSUM_LANES / LANES, stride = PLUMB_CHECKSUM_STRIDE };

// 64 lanes of 32 bits; each step is a bijection of the lane, so damage within one lane is always seen.
static void checksum_begin(uint32_t *state) {
    for (uint32_t i = 0; i < PLUMB_CHECKSUM_LANES; i++) state[i] = (i + 1) * 0x85EBCA77u;
}

static void checksum_add(uint32_t *state, const void *bytes, size_t count) {
    words sum[chains];
    memcpy(sum, state, sizeof sum);
    const char *next = bytes;
    for (size_t left = count; left >= stride; left -= stride, next += stride)
        for (int chain = 0; chain < chains; chain++)
            sum[chain] = mix(sum[chain], *(const loose_words *)(next + chain * sizeof(words)));
    memcpy(state, sum, sizeof sum);
}

static uint32_t checksum_end(uint32_t *state, const void *rest, size_t left, size_t count) {
    words sum[chains];
    memcpy(sum, state, sizeof sum);
    if (left > 0) {
        words last[chains] = {0};
        memcpy(last, rest, left);
        for (int chain = 0; chain < chains; chain++) sum[chain] = mix(sum[chain], last[chain]);
    }
    uint32_t hash = (uint32_t)count ^ (uint32_t)((uint64_t)count >> 32) * 0xC2B2AE3Du;
    for (int i = 0; i < chains * LANES; i++) {
        hash = (hash ^ sum[i / LANES][i % LANES]) * 0xC2B2AE3Du;
        hash = (hash << 13) | (hash >> 19);
    }
    hash = (hash ^ (hash >> 15)) * 0x85EBCA77u;
    hash = (hash ^ (hash >> 13)) * 0xC2B2AE3Du;
    return hash ^ (hash >> 16);
}

static uint32_t checksum(const void *bytes, size_t count) {
    uint32_t state[PLUMB_CHECKSUM_LANES];
    size_t whole = count / stride * stride;
    checksum_begin(state);
    checksum_add(state, bytes, whole);
    return checksum_end(state, (const char *)bytes + whole, count - whole, count);
}
