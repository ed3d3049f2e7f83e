#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Counts what a program that links this asks the C library's heap for, and the kernel for mappings: thread by thread. It takes the place of malloc and
// its kin, which then do what glibc's do. Swift's objects, arrays and closures, libzmq, OpenBLAS and operator new all pass through them.
// For tests: no product of the package links it.

// What was taken so far. What is given back is not counted.
struct plumb_allocations {
    // Blocks of any size.
    uint64_t blocks;
    // Blocks of plumb_payload_bytes and more: the size of a payload.
    uint64_t payloads;
    // Bytes of all blocks.
    uint64_t bytes;
};

enum { plumb_payload_bytes = 4096 };

// Whether this build counts: not where a sanitizer has taken malloc's place itself, nor without glibc.
bool plumb_counts_allocations(void);

// What the calling thread has taken.
struct plumb_allocations plumb_allocations_of_thread(void);

// A process whose environment names a folder in PLUMB_ALLOCATIONS keeps its counts in a file there, named by its process id, for others to
// read while it lives: plumb_slots of struct plumb_slot, one a thread that has taken anything.
struct plumb_slot {
    // Of the system; 0 while nobody has the slot.
    uint64_t thread;
    struct plumb_allocations taken;
};

enum { plumb_slots = 256 };
