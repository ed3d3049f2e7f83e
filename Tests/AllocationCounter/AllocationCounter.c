#define _GNU_SOURCE
#include "CAllocationCounter.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define PLUMB_SANITIZED 1
#endif
#endif
#include <stdlib.h>
#if defined(__GLIBC__) && !defined(PLUMB_SANITIZED)

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// glibc's own, under the names that it exports for those who take the others' place.
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

// Each thread writes its own slot alone. Others read it while it does: a number that lags is no harm, so relaxed stores do.
struct slot {
    _Atomic uint64_t thread, blocks, payloads, bytes;
};

static struct slot first[plumb_slots];
static struct slot *slots = first;
static atomic_uint next;
static _Thread_local unsigned mine;

static struct slot *own(void) {
    // 0: none yet. Threads beyond the last slot share it: no test has so many.
    if (mine == 0) {
        unsigned number = atomic_fetch_add(&next, 1);
        mine = (number < plumb_slots ? number : plumb_slots - 1) + 1;
        atomic_store_explicit(&slots[mine - 1].thread, (uint64_t)syscall(SYS_gettid), memory_order_relaxed);
    }
    return slots + (mine - 1);
}

static void add(_Atomic uint64_t *count, uint64_t value) {
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + value, memory_order_relaxed);
}

static void note(size_t bytes) {
    struct slot *slot = own();
    add(&slot->blocks, 1);
    if (bytes >= plumb_payload_bytes) add(&slot->payloads, 1);
    add(&slot->bytes, bytes);
}

bool plumb_counts_allocations(void) { return true; }

struct plumb_allocations plumb_allocations_of_thread(void) {
    struct slot *slot = own();
    return (struct plumb_allocations){slot->blocks, slot->payloads, slot->bytes};
}

// Before main, and so before any thread of the program's own; what one of OpenBLAS's takes meanwhile may be missed.
__attribute__((constructor)) static void publish(void) {
    const char *folder = getenv("PLUMB_ALLOCATIONS");
    if (!folder) return;
    char path[4096];
    snprintf(path, sizeof path, "%s/%d", folder, (int)getpid());
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, sizeof first) != 0) abort();
    void *shared = (void *)syscall(SYS_mmap, NULL, sizeof first, PROT_READ | PROT_WRITE, MAP_SHARED, file, (off_t)0);
    if (shared == MAP_FAILED) abort();
    close(file);
    memcpy(shared, first, sizeof first);
    slots = shared;
}

void *malloc(size_t bytes) {
    note(bytes);
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes) {
    note(count * bytes);
    return __libc_calloc(count, bytes);
}

void *realloc(void *block, size_t bytes) {
    note(bytes);
    return __libc_realloc(block, bytes);
}

void *memalign(size_t alignment, size_t bytes) {
    note(bytes);
    return __libc_memalign(alignment, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }

int posix_memalign(void **block, size_t alignment, size_t bytes) {
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) return EINVAL;
    void *taken = memalign(alignment, bytes);
    if (!taken) return ENOMEM;
    *block = taken;
    return 0;
}

// The blocks that the process maps itself. What malloc maps does not pass here.
void *mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset) {
    if (flags & MAP_ANONYMOUS) note(bytes);
    return (void *)syscall(SYS_mmap, address, bytes, protection, flags, file, offset);
}

// One that the process had kept is taken without mapping it again, but not without asking for large pages again.
int madvise(void *address, size_t bytes, int advice) {
    if (advice == MADV_HUGEPAGE) note(bytes);
    return (int)syscall(SYS_madvise, address, bytes, advice);
}

#else

bool plumb_counts_allocations(void) { return false; }

struct plumb_allocations plumb_allocations_of_thread(void) { return (struct plumb_allocations){0, 0, 0}; }

#endif
