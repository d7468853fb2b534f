"""Deep semantic segmentation-based layered image compression in JAX and Flax.

`encode`, `decode`, `open` and `register` are the Python interface; importing the package loads none of it yet.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dsslic_jax.api import Picture as Picture
    from dsslic_jax.api import decode as decode
    from dsslic_jax.api import encode as encode
    from dsslic_jax.pillow_plugin import open as open
    from dsslic_jax.pillow_plugin import register as register

__version__ = "0.1.0"

_LAZY = {
    "Picture": "api",
    "decode": "api",
    "encode": "api",
    "open": "pillow_plugin",
    "register": "pillow_plugin",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
