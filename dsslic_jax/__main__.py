"""`python -m dsslic_jax` is the command `dsslic`."""

import sys

from dsslic_jax.cli import main

sys.exit(main())
