#pragma once
#include <stddef.h>
#include <stdint.h>

// Memory without a name that other processes of the host map by its descriptor; it is gone with the last of them, however they end.

// A descriptor of `bytes` zeroed bytes, whose size nobody can change; -1 with errno.
int plumb_shared_memory_make(const char *_Nonnull name, size_t bytes);

// Whether nobody can take away what has been mapped.
int plumb_shared_memory_is_sealed(int descriptor);

// Maps `bytes` of it, for writing too if `writes`; null with errno.
void *_Nullable plumb_shared_memory_map(int descriptor, size_t bytes, int writes);
void plumb_shared_memory_unmap(void *_Nonnull memory, size_t bytes);

// Stamps say what lies in a piece of memory; one is void while the piece is written.
uint64_t plumb_stamp_load(const uint64_t *_Nonnull stamp);
// What was read before this is of the time before the stamp is read again.
uint64_t plumb_stamp_reload(const uint64_t *_Nonnull stamp);
// Makes the stamp void before anything is written after this.
void plumb_stamp_clear(uint64_t *_Nonnull stamp);
// Sets the stamp after everything that was written before this, stores past the caches too.
void plumb_stamp_set(uint64_t *_Nonnull stamp, uint64_t value);
