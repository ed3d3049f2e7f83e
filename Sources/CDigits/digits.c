#include "CDigits.h"

#pragma clang diagnostic ignored "-Wc23-extensions"
const unsigned char plumb_digits_gz[] = {
#embed "digits.csv.gz"
};
const size_t plumb_digits_gz_count = sizeof plumb_digits_gz;
