"""A decorator for compiled functions that make no arrays and return none: they count no references.

Where a compiled function takes an array, numba counts one more reference to it, and one less at the end; of a tuple of
sixty arrays that is done sixty times at every call, and six sevenths of the time of ``bound_kernels.bound`` went there.
The caller holds all these references anyway. Imported lazily: it brings numba.
"""

from numba import njit

leaf = njit(cache=True, nogil=True, _nrt=False)
