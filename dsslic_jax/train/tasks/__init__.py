"""What can be trained: a file registers its task, and is named here."""

from dsslic_jax.train.tasks import coarse, enhancement, segmentation  # noqa: F401
