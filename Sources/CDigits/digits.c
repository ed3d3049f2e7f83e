#include "CDigits.h"

#pragma clang diagnostic ignored "-Wc23-extensions"
static const unsigned char digits[] = {
#embed "digits.csv.gz"
};
const size_t plumb_digits_gz_count = sizeof digits;

const unsigned char *plumb_digits(void) { return digits; }
