#define _GNU_SOURCE
#include "CProcessorCores.h"
#include <errno.h>
#include <sched.h>

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
