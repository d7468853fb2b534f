"""A page of itself: nothing in it runs, ends or reaches out that should not."""

import base64
import gzip
import hashlib
import json
import math
import re

import pytest

from dsslic_jax.report.page import page
from tests.report.runs import Elements, data_of

HOSTILE = '</script><script>window.ran=1</script><!-- <img src=x onerror="window.ran=1"> &lt;'
EMPTY = {"subtitle": "", "layers": [], "notes": [], "conditions": []}


def test_text_from_files_neither_ends_the_data_nor_becomes_markup() -> None:
    text = page(HOSTILE, {**EMPTY, "notes": [HOSTILE]})
    elements = Elements(text)
    assert [tag for tag, _ in elements.found].count("script") == 2  # the data and our own
    assert not [tag for tag, _ in elements.found if tag == "img"]
    assert data_of(text)["notes"] == [HOSTILE]


def test_only_the_scripts_that_were_put_in_may_run() -> None:
    library = "window.library = '<\u00e9>';"
    text = page("title", EMPTY, library)
    elements = Elements(text)
    policy = next(a["content"] for _, a in elements.found if a.get("http-equiv"))
    assert policy is not None
    (allowed,) = (part.split()[1:] for part in policy.split(";") if part.split()[0] == "script-src")
    own = elements.scripts[-1]
    unpacked = gzip.decompress(base64.b64decode(data_of(text)["library"])).decode()
    assert unpacked == library
    digests = [hashlib.sha256(script.encode()).digest() for script in (own, library)]
    assert allowed == [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]
    assert policy.startswith("default-src 'none'")


def test_no_element_points_outside_the_page() -> None:
    for _, attributes in Elements(page("title", EMPTY)).found:
        for name in ("src", "href", "srcset", "action", "data"):
            assert (attributes.get(name) or "#").startswith("#")
    assert not re.search(r"url\(|@import", page("title", EMPTY))


def test_a_folder_whose_name_is_no_text_still_makes_a_page() -> None:
    assert "<title>run?</title>" in page("run\udcff", EMPTY)


def test_infinity_in_the_data_is_a_mistake_of_ours_and_told() -> None:
    with pytest.raises(ValueError, match="JSON"):
        page("title", {"x": math.inf})


def test_the_same_data_make_the_same_page() -> None:
    assert page("title", EMPTY, "let a;") == page("title", json.loads(json.dumps(EMPTY)), "let a;")
