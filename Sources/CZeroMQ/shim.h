#include <pthread.h>
#include <sys/eventfd.h>
#include <zmq.h>

// Glibc's Swift module leaves out eventfd and its own extensions.
int pthread_setname_np(pthread_t thread, const char *name);
