"""tell what a stream holds, without decoding it"""

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("input", type=Path)
    parser.add_argument("--json", action="store_true", help="machine-readable")


def run(options: argparse.Namespace) -> None:
    """Runs the command."""
    print_info(options.input.read_bytes(), options.json)


def print_info(data: bytes, as_json: bool) -> None:
    """Prints what a stream says of itself, and which of its layers `data` holds whole."""
    from dsslic_jax.codec.layers.labels import read_counts
    from dsslic_jax.codec.stream import container
    from dsslic_jax.system.printable import printable

    header = container.read_header(data)
    pixels = header.width * header.height
    whole = container.read_layers(data, header)
    areas = {}
    if "s" in whole:
        counts, _ = read_counts(whole["s"], header)
        samples = sum(counts.values())
        areas = {header.classes.names[i]: n / samples for i, n in counts.items()}
    described = {
        "width": header.width,
        "height": header.height,
        "grey": header.grey,
        "classes": header.classes.name,
        "areas": dict(sorted(areas.items(), key=lambda item: -item[1])),
        "labels_at_decoder": header.labels_at_decoder,
        "label_scale": header.label_scale,
        "alpha": header.alpha,
        "colour": header.colour,
        "model": header.fingerprint.hex(),
        "metadata_bytes": {name: len(value) for name, value in header.metadata.items()},
        "bytes": len(data),
        "bits_per_pixel": 8 * len(data) / pixels,
        "header_bytes": header.size,
        "layers": [
            {"layer": layer.name, "coder": layer.coder, "bytes": layer.length}
            | {"whole": layer.name in whole}
            for layer in header.layers
        ],
    }
    if as_json:
        print(json.dumps(described, indent=1))
        return
    print(
        f"{header.width}x{header.height}, classes {printable(header.classes.name)}, alpha {header.alpha}, "
        f"model {described['model']}: {len(data)} bytes, {described['bits_per_pixel']:.4f} bits per pixel"
    )
    if areas:
        largest = list(described["areas"].items())[:6]  # type: ignore[attr-defined]
        print("  " + printable(", ".join(f"{name} {share:.1%}" for name, share in largest)))
    print(f"  header {header.size} bytes")
    for layer in header.layers:
        note = "" if layer.name in whole else " (cut off)"
        print(f"  layer {layer.name}: {layer.coder}, {layer.length} bytes{note}")
