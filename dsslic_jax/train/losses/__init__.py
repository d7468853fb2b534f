"""The loss as a list of terms: a file registers those it defines, and is named here, in the order they are summed."""

from dsslic_jax.train.losses import pixels, adversarial, vgg  # noqa: F401, I001
