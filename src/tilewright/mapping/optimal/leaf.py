"""A decorator for compiled functions that make no arrays and return none: they count no references.

Where a compiled function takes an array, numba counts one more reference to it, and one less at the end; of a tuple of
sixty arrays that is done sixty times at every call, by atomic operations that two threads contend for. Most of the time
of ``bound_kernels.bound`` went there. Whoever calls holds these references anyway. Imported lazily: it brings numba.
"""

from typing import Any

from numba import njit
from numba.core.options import DefaultOptions

# The option is not documented, though numba's own library uses it: without it all is as right, and slower.
_WITHOUT_REFERENCES: Any = {"_nrt": False} if hasattr(DefaultOptions, "_nrt") else {}

leaf: Any = njit(cache=True, nogil=True, **_WITHOUT_REFERENCES)
