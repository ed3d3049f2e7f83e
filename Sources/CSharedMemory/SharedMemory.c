#define _GNU_SOURCE
#include "CSharedMemory.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

int plumb_shared_memory_make(const char *name, size_t bytes) {
    int descriptor = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (descriptor < 0) return -1;
    if (ftruncate(descriptor, (off_t)bytes) != 0
        || fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        int code = errno;
        close(descriptor);
        errno = code;
        return -1;
    }
    return descriptor;
}

int plumb_shared_memory_is_sealed(int descriptor) {
    int seals = fcntl(descriptor, F_GET_SEALS);
    return seals != -1 && (seals & F_SEAL_SHRINK) != 0;
}

void *plumb_shared_memory_map(int descriptor, size_t bytes, int writes) {
    void *memory = mmap(NULL, bytes, writes ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED | MAP_NORESERVE, descriptor, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void plumb_shared_memory_unmap(void *memory, size_t bytes) { munmap(memory, bytes); }

static void finish_streams(void) {
#if defined(__x86_64__)
    __builtin_ia32_sfence();
#endif
}

uint64_t plumb_stamp_load(const uint64_t *stamp) { return __atomic_load_n(stamp, __ATOMIC_ACQUIRE); }

uint64_t plumb_stamp_reload(const uint64_t *stamp) {
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return __atomic_load_n(stamp, __ATOMIC_RELAXED);
}

void plumb_stamp_clear(uint64_t *stamp) {
    __atomic_store_n(stamp, 0, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    finish_streams();
}

void plumb_stamp_set(uint64_t *stamp, uint64_t value) {
    finish_streams();
    __atomic_store_n(stamp, value, __ATOMIC_RELEASE);
}
