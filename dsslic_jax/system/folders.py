"""Where a user's own data and caches lie."""

import os
from pathlib import Path


def user_folder(variable: str, default: str) -> Path | None:
    """The folder that an environment variable names, or else `default`, "~/…"; None where neither is an absolute path.

    "~" stays as it is where there is no home, and would be a folder of that name.
    """
    for named in (os.environ.get(variable, ""), os.path.expanduser(default)):
        if os.path.isabs(named):
            return Path(named)
    return None
