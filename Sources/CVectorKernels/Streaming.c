#include "CVectorKernels.h"
#include <string.h>

#if defined(__x86_64__)
#include <emmintrin.h>

void plumb_streaming_copy(float *to, const void *source, size_t count) {
    const char *from = source;
    // Up to the next 64-byte boundary, then whole lines, then the rest.
    size_t head = ((64 - ((uintptr_t)to & 63)) & 63) / 4;
    if (head > count) head = count;
    memcpy(to, from, head * 4);
    to += head;
    from += 4 * head;
    count -= head;
    size_t lines = count / 16;
    for (size_t line = 0; line < lines; line += 1, to += 16, from += 64) {
        __m128i a = _mm_loadu_si128((const __m128i *)from), b = _mm_loadu_si128((const __m128i *)(from + 16));
        __m128i c = _mm_loadu_si128((const __m128i *)(from + 32)), d = _mm_loadu_si128((const __m128i *)(from + 48));
        _mm_stream_si128((__m128i *)to, a);
        _mm_stream_si128((__m128i *)(to + 4), b);
        _mm_stream_si128((__m128i *)(to + 8), c);
        _mm_stream_si128((__m128i *)(to + 12), d);
    }
    memcpy(to, from, (count & 15) * 4);
}

void plumb_streaming_finish(void) { _mm_sfence(); }
#else
void plumb_streaming_copy(float *to, const void *from, size_t count) { memcpy(to, from, count * 4); }
void plumb_streaming_finish(void) { __atomic_thread_fence(__ATOMIC_RELEASE); }
#endif
