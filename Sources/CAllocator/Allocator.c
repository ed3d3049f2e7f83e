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

static const size_t unit = 2 << 20;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool keeps = false;

void plumb_keep_freed_memory(void) {
    pthread_mutex_lock(&lock);
    keeps = true;
    pthread_mutex_unlock(&lock);
#if defined(__GLIBC__)
    // No mappings of their own for large blocks, and nothing cut off the heap's end.
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_TRIM_THRESHOLD, 2147483647);
    mallopt(M_TOP_PAD, 16 << 20);
#endif
}

// What was given back, in whole units: ascending, no two adjacent. There are at most as many as blocks were ever in use at a time.
typedef struct {
    uintptr_t start;
    size_t bytes;
} Run;

static Run *runs = NULL;
static size_t count = 0, capacity = 0;

static size_t whole(size_t bytes) { return (bytes + unit - 1) & ~(unit - 1); }

static void drop(size_t index) {
    count -= 1;
    memmove(runs + index, runs + index + 1, (count - index) * sizeof(Run));
}

// The shortest run that is long enough, its beginning taken off; 0 if there is none.
static uintptr_t reuse(size_t bytes) {
    size_t best = count;
    for (size_t index = 0; index < count; index += 1)
        if (runs[index].bytes >= bytes && (best == count || runs[index].bytes < runs[best].bytes)) best = index;
    if (best == count) return 0;
    uintptr_t start = runs[best].start;
    runs[best].start += bytes;
    runs[best].bytes -= bytes;
    if (runs[best].bytes == 0) drop(best);
    return start;
}

// Whether the run is kept: it is not where there is no room to note it.
static bool keep(uintptr_t start, size_t bytes) {
    size_t next = 0;
    while (next < count && runs[next].start < start) next += 1;
    bool follows = next > 0 && runs[next - 1].start + runs[next - 1].bytes == start;
    bool precedes = next < count && start + bytes == runs[next].start;
    if (follows) {
        runs[next - 1].bytes += bytes;
        if (precedes) {
            runs[next - 1].bytes += runs[next].bytes;
            drop(next);
        }
        return true;
    }
    if (precedes) {
        runs[next].start = start;
        runs[next].bytes += bytes;
        return true;
    }
    if (count == capacity) {
        size_t larger = capacity == 0 ? 64 : 2 * capacity;
        Run *moved = realloc(runs, larger * sizeof(Run));
        if (!moved) return false;
        runs = moved;
        capacity = larger;
    }
    memmove(runs + next + 1, runs + next, (count - next) * sizeof(Run));
    runs[next] = (Run){start, bytes};
    count += 1;
    return true;
}

static uintptr_t map(size_t bytes) {
    char *block = mmap(NULL, bytes + unit, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) return 0;
    uintptr_t from = (uintptr_t)block, start = (from + unit - 1) & ~(unit - 1);
    if (start > from) munmap(block, start - from);
    if (start < from + unit) munmap((void *)(start + bytes), from + unit - start);
    return start;
}

void *plumb_take_large(size_t bytes, bool *zeroed) {
    size_t size = whole(bytes);
    if (size < bytes) return NULL;
    pthread_mutex_lock(&lock);
    uintptr_t start = reuse(size);
    pthread_mutex_unlock(&lock);
    *zeroed = start == 0;
    if (start == 0) start = map(size);
#ifdef MADV_HUGEPAGE
    // Where the kernel refuses, small pages serve. The rest of the last unit is not asked for: it may be little used.
    if (start != 0) madvise((void *)start, bytes & ~(unit - 1), MADV_HUGEPAGE);
#endif
    return (void *)start;
}

void plumb_give_large(void *block, size_t bytes) {
    size_t size = whole(bytes);
    pthread_mutex_lock(&lock);
    bool kept = keeps && keep((uintptr_t)block, size);
    pthread_mutex_unlock(&lock);
    if (!kept) munmap(block, size);
}
