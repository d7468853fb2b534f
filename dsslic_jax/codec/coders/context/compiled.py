"""The functions of mixing.py and kernels.py, compiled by numba. Importing this module imports numba.

Their types are given because each literal argument would otherwise compile another copy. numba keeps what it compiled
beside the functions' file, and does not notice changes made in another: touch kernels.py, too.
"""

from types import FunctionType
from typing import Any

import numpy as np
from numba import njit, types

from dsslic_jax.codec.coders.context import kernels as label_kernels
from dsslic_jax.codec.coders.context import mixing as label_mixing

_INT = types.int64
_INTS, _SLOTS, _INTS_3D = types.int64[::1], types.uint32[:, ::1], types.int32[:, :, ::1]
_BYTES, _MAP, _TRAILS = types.uint8[::1], types.uint8[:, ::1], types.int64[:, :, ::1]
_TRAIL = types.UniTuple(_INT, 5)
_ARRAYS = (_INTS, _SLOTS, _INTS_3D, _INTS_3D, _BYTES, _MAP, types.int64[:, ::1], _TRAILS)
_MODEL = types.NamedTuple(_ARRAYS, label_mixing.Model)
_SIGNATURES = {  # each function after those that it calls
    "wide": _INT(_INT),
    "extend": _INT(_INT, _INT),
    "_clamp": _INT(_INT, _INT),
    "_code_bit": _INT(_INTS, _BYTES, _INT, _INT),
    "_adjust": types.void(_INTS, _INTS_3D, _INT, _INT, _INT, _INT),
    "_with_bit": _INT(_INT, _INT),
    "_remember": types.void(_INTS, _SLOTS, _INTS_3D, _INT, _INT, _INT),
    "decide": _INT(_MODEL, _INT, _INT, _INT, _INT, _INT),
    "_bit_length": _INT(_INT),
    "_coarse": _INT(_INT),
    "_shape": _INT(_MAP, _INT, _INT, _INT, _INT, _INT),
    "_trail": _TRAIL(_TRAILS, _INT, _INT, _INT),
    "_trace": _INT(_TRAILS, _INT, _INT, _INT),
    "_flat_length": _INT(_MODEL, _INT, _INT, _TRAIL, _INT),
    "_code_flat": _INT(_MODEL, _INT, _INT, _INT, _TRAIL, _INT),
    "_code_equal": _INT(_MODEL, _INT, _INT, _TRAIL, _INT, _INT),
    "_code_other": _INT(_MODEL, _INT, _INT, _INT, _INT, _INT),
    "_code_row": types.void(_MODEL, _INT, _INT),
    "code_map": types.void(_MODEL, _INT),
}


def _compiled() -> dict[str, Any]:
    """Copies of the functions that call each other's compiled forms, with arrays for their tables."""
    scope: dict[str, Any] = {**vars(label_mixing), **vars(label_kernels)}
    for name, value in scope.items():
        if isinstance(value, memoryview):
            scope[name] = np.asarray(value)
    for name, signature in _SIGNATURES.items():
        copy = FunctionType(scope[name].__code__, scope, name)
        scope[name] = njit(signature, cache=True, nogil=True)(copy)
    return scope


code_map = _compiled()["code_map"]
