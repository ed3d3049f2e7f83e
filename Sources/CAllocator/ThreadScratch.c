#include "CAllocator.h"

#include <pthread.h>
#include <stdlib.h>

struct scratch {
    size_t bytes;
    void *memory;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool has_key;
static _Thread_local struct scratch *mine;

static void end(void *of) {
    struct scratch *scratch = of;
    mine = NULL;
    free(scratch->memory);
    free(scratch);
}

static void make_key(void) { has_key = pthread_key_create(&key, end) == 0; }

void *plumb_thread_scratch(size_t bytes) {
    if (mine && mine->bytes >= bytes) return mine->memory;
    pthread_once(&once, make_key);
    if (!has_key) return NULL;
    if (!mine) {
        struct scratch *scratch = calloc(1, sizeof *scratch);
        if (!scratch) return NULL;
        if (pthread_setspecific(key, scratch) != 0) {
            free(scratch);
            return NULL;
        }
        mine = scratch;
    }
    void *memory = NULL;
    if (posix_memalign(&memory, 64, bytes) != 0) return NULL;
    free(mine->memory);
    *mine = (struct scratch){bytes, memory};
    return memory;
}
