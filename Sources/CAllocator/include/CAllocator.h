#pragma once

// Keeps freed memory with the process, where the C library lets itself be told: what is allocated again and again is then not handed
// back to the kernel, which would have to clear its pages each time. Call it before threads begin.
void plumb_keep_freed_memory(void);
