#pragma once

#include <stdbool.h>
#include <stddef.h>

// Keeps what is freed of the C library's heap with the process, where the library lets itself be told: what is allocated again and again
// is then not handed back to the kernel, which would have to clear its pages each time. Call it before threads begin.
void plumb_keep_freed_memory(void);

// Large blocks of memory, each on a boundary of 2 MiB, in large pages as far as the kernel has them. They are no part of the C library's
// heap, whose bookkeeping between blocks would break large pages up. All functions: any thread.
struct plumb_large_blocks;

// The process's; it lasts.
struct plumb_large_blocks *_Nonnull plumb_large_blocks_of_process(void);

// Others, which own no block yet; NULL if there is no memory.
struct plumb_large_blocks *_Nullable plumb_large_blocks_make(void);

// Ends others, of which no block is in use.
void plumb_large_blocks_end(struct plumb_large_blocks *_Nonnull blocks);

// From now on what is given back serves later blocks. What is held, in use or not, is never more than 64 MiB above the most that was in use.
void plumb_large_blocks_keep(struct plumb_large_blocks *_Nonnull blocks);

// Memory of `bytes`; NULL if there is none or it is of 0 bytes. *zeroed says whether it holds zeros.
void *_Nullable plumb_large_blocks_take(struct plumb_large_blocks *_Nonnull blocks, size_t bytes, bool *_Nonnull zeroed);

// Gives back what was taken for as many bytes, or a part of it, of whole 2 MiB.
void plumb_large_blocks_give(struct plumb_large_blocks *_Nonnull blocks, void *_Nonnull block, size_t bytes);

// Bytes of the blocks in use and of what is kept.
size_t plumb_large_blocks_held(struct plumb_large_blocks *_Nonnull blocks);

// At least `bytes` of the calling thread's own, on a boundary of 64 bytes: what the last call of this thread returned, or larger memory
// in its place, of any content. NULL if there is none. It goes with the thread.
void *_Nullable plumb_thread_scratch(size_t bytes);
