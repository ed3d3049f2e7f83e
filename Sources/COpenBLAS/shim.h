// OpenBLAS carries LAPACK under its Fortran names, but Debian's header does not declare it: the routines we call stand here.
// Column-major; every argument by reference; gfortran's hidden string lengths may be left out for single characters on the ABIs we run on.
#pragma once
#include <cblas.h>
#include <dlfcn.h>
#include <stdio.h>

// Ends the pool of threads that OpenBLAS starts as it is loaded, which spin for a while waiting for work. Its builds without such a pool
// have no such function.
int blas_thread_shutdown_(void) __attribute__((weak));
static inline void plumb_blas_end_threads(void) {
    if (blas_thread_shutdown_) blas_thread_shutdown_();
}

// Whether the kernels of this core multiply C [m, n] = op(A)·op(B), all column-major, from where the operands lie, without copying them in
// blocks first. A build for one core has one such function; builds without any do not.
typedef int (*plumb_small_permit)(int transpose_a, int transpose_b, long m, long n, long k, float alpha, float beta);
static inline plumb_small_permit _Nullable plumb_blas_small_permit(void) {
    char name[96];
    snprintf(name, sizeof name, "sgemm_small_matrix_permit_%s", openblas_get_corename());
    for (char *letter = name + sizeof "sgemm_small_matrix_permit"; *letter; letter++)
        if (*letter >= 'a' && *letter <= 'z') *letter -= 'a' - 'A';
    void *found = dlsym(NULL, name);
    return (plumb_small_permit)(found ? found : dlsym(NULL, "sgemm_small_matrix_permit"));
}

void sgesdd_(const char *jobz, const int *m, const int *n, float *a, const int *lda, float *s, float *u, const int *ldu, float *vt,
             const int *ldvt, float *work, const int *lwork, int *iwork, int *info);
void dgesdd_(const char *jobz, const int *m, const int *n, double *a, const int *lda, double *s, double *u, const int *ldu, double *vt,
             const int *ldvt, double *work, const int *lwork, int *iwork, int *info);
void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work, const int *lwork,
             int *iwork, const int *liwork, int *info);
void dsytrd_(const char *uplo, const int *n, double *a, const int *lda, double *d, double *e, double *tau, double *work, const int *lwork,
             int *info);
void ssytrd_(const char *uplo, const int *n, float *a, const int *lda, float *d, float *e, float *tau, float *work, const int *lwork,
             int *info);
void dgeev_(const char *jobvl, const char *jobvr, const int *n, double *a, const int *lda, double *wr, double *wi, double *vl,
            const int *ldvl, double *vr, const int *ldvr, double *work, const int *lwork, int *info);
void sgeqrf_(const int *m, const int *n, float *a, const int *lda, float *tau, float *work, const int *lwork, int *info);
void sorgqr_(const int *m, const int *n, const int *k, float *a, const int *lda, const float *tau, float *work, const int *lwork,
             int *info);
void sgesv_(const int *n, const int *nrhs, float *a, const int *lda, int *ipiv, float *b, const int *ldb, int *info);
void sgetrf_(const int *m, const int *n, float *a, const int *lda, int *ipiv, int *info);
