#pragma once

// The numbers of the cores that the process may run on, ascending, at most `capacity`; returns how many there are, or -1 with errno.
int plumb_allowed_cores(int *_Nonnull cores, int capacity);

// Keeps the calling thread, and those that it starts from now on, to one core; -1 with errno when the system refuses.
int plumb_keep_to_core(int core);

// Asks for short turns of the processor for the calling thread, and those that it starts from now on: then it has its turn soon after it
// wakes, although others compute. Without effect where the system knows no such wish (Linux before 6.12).
void plumb_favour_latency(void);
