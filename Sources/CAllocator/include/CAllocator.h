#pragma once

#include <stdbool.h>
#include <stddef.h>

// Keeps freed memory with the process, where the C library lets itself be told: what is allocated again and again is then not handed
// back to the kernel, which would have to clear its pages each time. Call it before threads begin.
void plumb_keep_freed_memory(void);

// Memory of `bytes` on a boundary of 2 MiB, in large pages as far as the kernel has them; NULL if there is none. *zeroed says whether it
// holds zeros. It is no part of the C library's heap, whose bookkeeping between blocks would break large pages up. Any thread.
void *plumb_take_large(size_t bytes, bool *zeroed);

// Gives back what `plumb_take_large` gave for as many bytes. Any thread.
void plumb_give_large(void *block, size_t bytes);
