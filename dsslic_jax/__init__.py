"""Deep semantic segmentation-based layered image compression in JAX and Flax."""

__version__ = "0.1.0"
