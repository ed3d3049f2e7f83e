// OpenBLAS carries LAPACK under its Fortran names, but Debian's header does not declare it: the routines we call stand here.
#include <cblas.h>
