#define _GNU_SOURCE
#include "CAllocator.h"

#if defined(__GLIBC__) || defined(__linux__)
#include <malloc.h>
#endif
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void plumb_keep_freed_memory(void) {
#if defined(__GLIBC__)
    // No mappings of their own for large blocks, and nothing cut off the heap's end.
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_TRIM_THRESHOLD, 2147483647);
    mallopt(M_TOP_PAD, 16 << 20);
#endif
}

static const size_t unit = 2 << 20;
// By how much what is held may exceed the most that was in use.
static const size_t slack = 64 << 20;

// What was given back and is kept, in whole units.
struct run {
    uintptr_t start;
    size_t bytes;
};

struct plumb_large_blocks {
    pthread_mutex_t lock;
    bool keeps;
    // Ascending, no two adjacent: between any two is a block in use, or a gap that belongs to others.
    struct run *runs;
    size_t count, capacity;
    // Bytes in use, the most there ever were, and bytes kept.
    size_t used, most, kept;
};

static struct plumb_large_blocks process = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct plumb_large_blocks *plumb_large_blocks_of_process(void) { return &process; }

struct plumb_large_blocks *plumb_large_blocks_make(void) {
    struct plumb_large_blocks *blocks = calloc(1, sizeof *blocks);
    if (blocks) pthread_mutex_init(&blocks->lock, NULL);
    return blocks;
}

static size_t whole(size_t bytes) { return (bytes + unit - 1) & ~(unit - 1); }

static void drop(struct plumb_large_blocks *blocks, size_t index) {
    blocks->count -= 1;
    memmove(blocks->runs + index, blocks->runs + index + 1, (blocks->count - index) * sizeof(struct run));
}

// The shortest run that is long enough, its beginning taken off; 0 if there is none.
static uintptr_t reuse(struct plumb_large_blocks *blocks, size_t bytes) {
    struct run *best = NULL;
    for (size_t index = 0; index < blocks->count; index += 1) {
        struct run *run = blocks->runs + index;
        if (run->bytes >= bytes && (!best || run->bytes < best->bytes)) best = run;
    }
    if (!best) return 0;
    uintptr_t start = best->start;
    best->start += bytes;
    best->bytes -= bytes;
    blocks->kept -= bytes;
    if (best->bytes == 0) drop(blocks, (size_t)(best - blocks->runs));
    return start;
}

// Whether there is room to note the run, and it is kept.
static bool keep(struct plumb_large_blocks *blocks, uintptr_t start, size_t bytes) {
    struct run *runs = blocks->runs;
    size_t next = 0;
    while (next < blocks->count && runs[next].start < start) next += 1;
    bool follows = next > 0 && runs[next - 1].start + runs[next - 1].bytes == start;
    bool precedes = next < blocks->count && start + bytes == runs[next].start;
    if (follows && precedes) {
        runs[next - 1].bytes += bytes + runs[next].bytes;
        drop(blocks, next);
    } else if (follows) {
        runs[next - 1].bytes += bytes;
    } else if (precedes) {
        runs[next] = (struct run){start, bytes + runs[next].bytes};
    } else {
        if (blocks->count == blocks->capacity) {
            size_t larger = blocks->capacity == 0 ? 64 : 2 * blocks->capacity;
            runs = realloc(runs, larger * sizeof(struct run));
            if (!runs) return false;
            blocks->runs = runs;
            blocks->capacity = larger;
        }
        memmove(runs + next + 1, runs + next, (blocks->count - next) * sizeof(struct run));
        runs[next] = (struct run){start, bytes};
        blocks->count += 1;
    }
    blocks->kept += bytes;
    return true;
}

// Gives the kernel back what is kept, from the highest addresses down, until no more than `bytes` of it are left.
static void release(struct plumb_large_blocks *blocks, size_t bytes) {
    while (blocks->kept > bytes) {
        struct run *last = blocks->runs + blocks->count - 1;
        size_t surplus = blocks->kept - bytes, cut = surplus < last->bytes ? whole(surplus) : last->bytes;
        munmap((void *)(last->start + last->bytes - cut), cut);
        last->bytes -= cut;
        blocks->kept -= cut;
        if (last->bytes == 0) blocks->count -= 1;
    }
}

// The kernel hands out addresses downwards. The aligned part that ends the mapping adjoins the last one's beginning, so that the two
// can be one run later; a part that begins it would leave a gap between.
static uintptr_t map(size_t bytes) {
    char *block = mmap(NULL, bytes + unit, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) return 0;
    uintptr_t from = (uintptr_t)block, start = (from + unit) & ~(unit - 1);
    munmap(block, start - from);
    if (start < from + unit) munmap((void *)(start + bytes), from + unit - start);
    return start;
}

void *plumb_large_blocks_take(struct plumb_large_blocks *blocks, size_t bytes, bool *zeroed) {
    size_t size = whole(bytes);
    if (size < bytes || size == 0) return NULL;
    pthread_mutex_lock(&blocks->lock);
    uintptr_t start = reuse(blocks, size);
    *zeroed = start == 0;
    if (start == 0) {
        size_t used = blocks->used + size, limit = (used > blocks->most ? used : blocks->most) + slack;
        release(blocks, limit - used);
        start = map(size);
        if (start == 0) {
            release(blocks, 0);
            start = map(size);
        }
    }
    if (start != 0) {
        blocks->used += size;
        if (blocks->used > blocks->most) blocks->most = blocks->used;
    }
    pthread_mutex_unlock(&blocks->lock);
#ifdef MADV_HUGEPAGE
    // Where the kernel refuses, small pages serve. The rest of the last unit is not asked for: it may be little used.
    if (start != 0) madvise((void *)start, bytes & ~(unit - 1), MADV_HUGEPAGE);
#endif
    return (void *)start;
}

void plumb_large_blocks_give(struct plumb_large_blocks *blocks, void *block, size_t bytes) {
    size_t size = whole(bytes);
    pthread_mutex_lock(&blocks->lock);
    blocks->used -= size;
    bool kept = blocks->keeps && keep(blocks, (uintptr_t)block, size);
    pthread_mutex_unlock(&blocks->lock);
    if (!kept) munmap(block, size);
}

void plumb_large_blocks_keep(struct plumb_large_blocks *blocks) {
    pthread_mutex_lock(&blocks->lock);
    blocks->keeps = true;
    pthread_mutex_unlock(&blocks->lock);
}

size_t plumb_large_blocks_held(struct plumb_large_blocks *blocks) {
    pthread_mutex_lock(&blocks->lock);
    size_t held = blocks->used + blocks->kept;
    pthread_mutex_unlock(&blocks->lock);
    return held;
}

void plumb_large_blocks_end(struct plumb_large_blocks *blocks) {
    release(blocks, 0);
    free(blocks->runs);
    pthread_mutex_destroy(&blocks->lock);
    free(blocks);
}
