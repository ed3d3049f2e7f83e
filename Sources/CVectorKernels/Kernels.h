#pragma once
// The kernels' one text, compiled once per instruction set into the table PLUMB_KERNEL_TABLE.
#include "Optimizers.h"
#include "Packed.h"
#include "Philox.h"
#include "Reductions.h"
#include "Transcendental.h"
#include "Transpose.h"

// y[i] = f(y[i]) and y[i] = f(y[i], x[i]) over `count` elements; the tail takes the same expression.
#define EACH(y, count, expression)                                    \
    do {                                                              \
        size_t i = 0;                                                 \
        for (; i + LANES <= (count); i += LANES) {                    \
            floats a = load((y) + i);                                 \
            store((y) + i, expression);                               \
        }                                                             \
        if (i < (count)) {                                            \
            floats a = load_some((y) + i, (count) - i);               \
            store_some((y) + i, expression, (count) - i);             \
        }                                                             \
    } while (0)

#define EACH_PAIR(y, x, count, expression)                            \
    do {                                                              \
        size_t i = 0;                                                 \
        for (; i + LANES <= (count); i += LANES) {                    \
            floats a = load((y) + i), b = load((x) + i);              \
            store((y) + i, expression);                               \
        }                                                             \
        if (i < (count)) {                                            \
            floats a = load_some((y) + i, (count) - i);               \
            floats b = load_some((x) + i, (count) - i);               \
            store_some((y) + i, expression, (count) - i);             \
        }                                                             \
    } while (0)

typedef float loose_float __attribute__((aligned(1), may_alias));

static void add(float *y, const void *x, size_t count) { EACH_PAIR(y, (const loose_float *)x, count, a + b); }
static void subtract(float *y, const float *x, size_t count) { EACH_PAIR(y, x, count, a - b); }
static void multiply(float *y, const float *x, size_t count) { EACH_PAIR(y, x, count, a * b); }
static void scale(float *y, float factor, size_t count) { EACH(y, count, a * factor); }
static void axpy(float *y, float factor, const float *x, size_t count) { EACH_PAIR(y, x, count, a + factor * b); }
static void exp_all(float *y, size_t count) { EACH(y, count, exp_lanes(a)); }
static void tanh_all(float *y, size_t count) { EACH(y, count, tanh_lanes(a)); }

static void add_bias(float *z, size_t rows, size_t columns, const float *bias, enum plumb_activation activation) {
    if (!bias) {  // without a bias the matrix is one long row
        columns *= rows;
        rows = 1;
    }
    for (size_t row = 0; row < rows; row++, z += columns) {
        float shift = bias ? bias[row] : -0.0f;  // x + (−0) is x, the sign of a zero included
        switch (activation) {
        case plumb_activation_none: EACH(z, columns, a + shift); break;
        case plumb_activation_relu: EACH(z, columns, relu_lanes(a + shift)); break;
        case plumb_activation_tanh: EACH(z, columns, tanh_lanes(a + shift)); break;
        }
    }
}

static void multiply_by_derivative(float *g, const float *y, size_t count, enum plumb_activation activation) {
    switch (activation) {
    case plumb_activation_none: break;
    case plumb_activation_relu: EACH_PAIR(g, y, count, select(b <= 0.0f, splat(0.0f), a)); break;
    case plumb_activation_tanh: EACH_PAIR(g, y, count, a * (1.0f - b * b)); break;
    }
}

const struct plumb_vector_kernels PLUMB_KERNEL_TABLE = {
    .add = add,
    .subtract = subtract,
    .multiply = multiply,
    .scale = scale,
    .axpy = axpy,
    .exp = exp_all,
    .tanh = tanh_all,
    .add_bias = add_bias,
    .multiply_by_derivative = multiply_by_derivative,
    .row_sums = row_sums,
    .column_sums_of_squares = column_sums_of_squares,
    .sum_of_squares = sum_of_squares,
    .dot = dot,
    .row_products = row_products,
    .pack = pack,
    .packed_products = packed_products,
    .subtract_packed = subtract_packed,
    .maximum_magnitude = maximum_magnitude,
    .checksum = checksum,
    .checksum_begin = checksum_begin,
    .checksum_add = checksum_add,
    .checksum_end = checksum_end,
    .philox = philox,
    .momentum_step = momentum_step,
    .adam_step = adam_step,
    .momentum_step_to = momentum_step_to,
    .momentum_step_near = momentum_step_near,
    .adam_step_to = adam_step_to,
    .adam_step_near = adam_step_near,
    .sum_to = sum_to,
    .transpose = transpose,
};
