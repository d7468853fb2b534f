"""One self-contained page from its data and the templates: nothing in it is fetched, no script but ours runs.

Whatever comes from files reaches the page as JSON, which our scripts show as text. Should any of that fail, a policy in
the page lets only the scripts run that were put in here, known by their hashes, and forbids every connection.
"""

import base64
import gzip
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from string import Template
from typing import Any

_OWN_SCRIPTS = ("dom", "theme", "tables", "charts", "stage", "compare", "layers", "start")


def page(title: str, data: Mapping[str, Any], library: str | None = None) -> str:
    """The HTML of a page.

    Args:
        title: plain text.
        data: what start.js builds the page from; JSON, without infinite numbers.
        library: JavaScript for our scripts to run when they need it: it goes with the data, compressed.
    """
    own = "\n".join(_template(f"{name}.js") for name in _OWN_SCRIPTS)
    script = f'"use strict";\n(() => {{\n{own}}})();\n'
    allowed = [script]
    if library is not None:
        packed = gzip.compress(library.encode(), compresslevel=9, mtime=0)
        data = {**data, "library": base64.b64encode(packed).decode()}
        allowed.append(library)
    return Template(_template("page.html")).substitute(
        title=html.escape(title.encode(errors="replace").decode()),  # a file's name may be no text
        policy=_policy(allowed),
        style=_template("page.css"),
        data=_embedded_json(data),
        script=script,
    )


def _embedded_json(data: Mapping[str, Any]) -> str:
    """JSON that cannot end the <script> element it stands in, nor begin a comment or another one."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _policy(scripts: Sequence[str]) -> str:
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    )
    # Pictures beside the page are files where the page is one, and of the same site where it is served.
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'; "
        f"img-src data: file: 'self'; script-src {hashes}"
    )


def _template(name: str) -> str:
    file = resources.files("dsslic_jax.report") / "templates" / name
    return file.read_text(encoding="utf-8")
