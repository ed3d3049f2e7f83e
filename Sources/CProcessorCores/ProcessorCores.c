#define _GNU_SOURCE
#include "CProcessorCores.h"
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

int plumb_allowed_cores(int *cores, int capacity) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return -1;
    int count = 0;
    for (int core = 0; core < CPU_SETSIZE; core += 1) {
        if (!CPU_ISSET(core, &set)) continue;
        if (count < capacity) cores[count] = core;
        count += 1;
    }
    return count;
}

int plumb_keep_to_core(int core) {
    if (core < 0 || core >= CPU_SETSIZE) {
        errno = EINVAL;
        return -1;
    }
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    return sched_setaffinity(0, sizeof set, &set);
}

// What sched_setattr takes, as the system's interface states it; glibc has no declaration of it.
struct scheduling {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime;
    uint64_t deadline;
    uint64_t period;
};

void plumb_favour_latency(void) {
#ifdef SYS_sched_setattr
    struct scheduling wish = {0};
    if (syscall(SYS_sched_getattr, 0, &wish, sizeof wish, 0) != 0 || wish.policy != SCHED_OTHER) return;
    wish.size = sizeof wish;
    // The shortest turn that Linux grants to threads without a real-time policy, in nanoseconds.
    wish.runtime = 100000;
    syscall(SYS_sched_setattr, 0, &wish, 0);
#endif
}
