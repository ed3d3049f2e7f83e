#include "CVectorKernels.h"

ptrdiff_t plumb_draw_partners(
    const uint64_t *numbers, ptrdiff_t available, ptrdiff_t *used, uint64_t bound, ptrdiff_t *partners, ptrdiff_t count) {
    ptrdiff_t done = 0, next = *used;
    while (done < count && next < available) {
        uint64_t below = bound - (uint64_t)done;
        unsigned __int128 product = (unsigned __int128)numbers[next] * below;
        uint64_t low = (uint64_t)product;
        next += 1;
        // Without bias (Lemire, 2019); the division is hardly ever reached.
        if (low < below && low < -below % below) continue;
        partners[done] = (ptrdiff_t)(product >> 64);
        done += 1;
    }
    *used = next;
    return done;
}

void plumb_exchange(float *x, ptrdiff_t last, const ptrdiff_t *partners, ptrdiff_t count) {
    // All on their way before the first is needed: they are far apart, and each would wait for the cache in turn.
    for (ptrdiff_t step = 0; step < count; step += 1) __builtin_prefetch(x + partners[step], 1);
    for (ptrdiff_t step = 0; step < count; step += 1) {
        float here = x[last - step], there = x[partners[step]];
        x[last - step] = there;
        x[partners[step]] = here;
    }
}
