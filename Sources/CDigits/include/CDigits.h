#pragma once
#include <stddef.h>

/// The built-in digits set: a gzip stream of 1,797 lines of 64 pixels (0-16) and the class; see NOTICE.md.
const unsigned char *plumb_digits(void);
extern const size_t plumb_digits_gz_count;
