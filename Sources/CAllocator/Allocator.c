#include "CAllocator.h"

#if defined(__GLIBC__) || defined(__linux__)
#include <malloc.h>
#endif

void plumb_keep_freed_memory(void) {
#if defined(__GLIBC__)
    // No mappings of their own for large blocks, and nothing cut off the heap's end.
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_TRIM_THRESHOLD, 2147483647);
    mallopt(M_TOP_PAD, 16 << 20);
#endif
}
