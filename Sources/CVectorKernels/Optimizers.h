#pragma once
#include "Lanes.h"

INLINE void momentum_lanes(floats *w, floats *v, floats gradient, struct plumb_momentum s) {
    floats g = gradient * s.gradient_scale + s.weight_decay * *w;
    *v = s.momentum * *v + g;
    *w = *w - s.learning_rate * *v;
}

static void momentum_step(float *w, float *v, const float *gradient, size_t count, struct plumb_momentum settings) {
    floats a, b;
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        a = load(w + i), b = load(v + i);
        momentum_lanes(&a, &b, load(gradient + i), settings);
        store(w + i, a), store(v + i, b);
    }
    if (i < count) {
        a = load_some(w + i, count - i), b = load_some(v + i, count - i);
        momentum_lanes(&a, &b, load_some(gradient + i, count - i), settings);
        store_some(w + i, a, count - i), store_some(v + i, b, count - i);
    }
}

INLINE void adam_lanes(floats *w, floats *m, floats *v, floats gradient, struct plumb_adam s) {
    floats g = gradient * s.gradient_scale + s.coupled_decay * *w;
    *m = s.beta1 * *m + (1.0f - s.beta1) * g;
    *v = s.beta2 * *v + (1.0f - s.beta2) * (g * g);
    // The square root is the machine's instruction, exactly rounded; nothing of libm is called.
    floats root = __builtin_elementwise_sqrt(*v / s.second_correction);
    floats direction = (*m / s.first_correction) / (root + s.epsilon) + s.decoupled_decay * *w;
    *w = *w - s.learning_rate * direction;
}

static void adam_step(float *w, float *m, float *v, const float *gradient, size_t count, struct plumb_adam settings) {
    floats a, b, c;
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        a = load(w + i), b = load(m + i), c = load(v + i);
        adam_lanes(&a, &b, &c, load(gradient + i), settings);
        store(w + i, a), store(m + i, b), store(v + i, c);
    }
    if (i < count) {
        size_t rest = count - i;
        a = load_some(w + i, rest), b = load_some(m + i, rest), c = load_some(v + i, rest);
        adam_lanes(&a, &b, &c, load_some(gradient + i, rest), settings);
        store_some(w + i, a, rest), store_some(m + i, b, rest), store_some(v + i, c, rest);
    }
}
