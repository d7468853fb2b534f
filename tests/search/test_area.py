"""The rectangle of a search, in pixels."""

import numpy as np
import pytest

from dsslic_jax.errors import ConfigError
from dsslic_jax.search.area import parse_region

MAP = np.arange(12, dtype=np.uint8).reshape(3, 4)  # 3 rows of 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0,0,100,100", MAP),
        ("0,0,50%,100%", MAP[:, :2]),
        ("50, 0, 100, 100", MAP[:, 2:]),
        ("0,50%,100%,100%", MAP[1:]),  # the middle row is touched
        ("0,0,100,33.3", MAP[:1]),
        ("0,0,100,33.4", MAP[:2]),
        ("99.9,99.9,100,100", MAP[2:, 3:]),
        ("30,0,30.000001,1", MAP[:1, 1:2]),  # never without a pixel
    ],
)
def test_a_region_holds_every_pixel_that_it_touches(text: str, expected: np.ndarray) -> None:
    region = parse_region(text)
    np.testing.assert_array_equal(region.crop(MAP), expected)
    assert region.pixels(width=4, height=3) == expected.size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0,0,100",
        "0,0,100,100,100",
        "50,0,50,100",
        "60,0,50,100",
        "0,50,100,50",
        "0,0,101,100",
        "-1,0,100,100",
        "0,0,nan,100",
        "0,0,1e2,100",
        "0,0,100,100px",
    ],
)
def test_a_region_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="left,top,right,bottom in percent"):
        parse_region(text)
