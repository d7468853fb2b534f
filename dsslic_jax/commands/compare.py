"""measure how much two pictures differ"""

import argparse
import json
import math
from pathlib import Path

from dsslic_jax.errors import DataError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("a", type=Path, help="picture")
    parser.add_argument("b", type=Path, help="picture of the same size")
    parser.add_argument(
        "--lpips", type=Path, metavar="FILE", help="measure LPIPS with these weights"
    )
    parser.add_argument("--json", action="store_true", help="machine-readable")


def run(options: argparse.Namespace) -> None:
    """Runs the command."""
    import numpy as np

    from dsslic_jax.evaluate.measuring.quality import load_metrics, measure_quality
    from dsslic_jax.pictures.files import read_source

    a, b = read_source(options.a).pixels, read_source(options.b).pixels
    if a.shape != b.shape:
        sizes = [f"{picture.shape[1]}x{picture.shape[0]}" for picture in (a, b)]
        raise DataError(
            f"{options.a} is {sizes[0]}, {options.b} is {sizes[1]}: only pictures of one size can be compared"
        )
    values = measure_quality(a, b, load_metrics(options.lpips))
    equal = np.array_equal(a, b)
    if options.json:
        finite = {name: None if value == math.inf else value for name, value in values.items()}
        size = {"width": a.shape[1], "height": a.shape[0]}
        print(json.dumps({**size, "equal": equal, "metrics": finite}, indent=1))
        return
    print(f"{a.shape[1]}x{a.shape[0]}, {'equal' if equal else 'different'} pixels")
    for name, value in values.items():
        print(f"  {name:<20}  {'not defined at this size' if value is None else f'{value:.4f}'}")
