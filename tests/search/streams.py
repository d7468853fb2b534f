"""Small `.dsslic` files whose label map matters; what layers c and r hold is nobody's business here."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dsslic_jax.classes.table import UNREGISTERED, ClassTable, class_table
from dsslic_jax.codec.coders.jxl import Jxl
from dsslic_jax.codec.label_scale import coarse_labels
from dsslic_jax.codec.layers.labels import encode_label_layer
from dsslic_jax.codec.stream import container

CAMVID = class_table("camvid")  # 0 Sky, 1 Building, 3 Road, 5 Tree, 8 Car, 9 Pedestrian, …
MSRC = class_table("msrc")  # 3 tree, 7 sky, 12 car, 19 road, …
SKY, ROAD, CAR, PEDESTRIAN = 0, 3, 8, 9
REST = [("c", "jxl", b"compact"), ("r1", "bpg", b"residual")]


def own_table(*names: str) -> ClassTable:
    """A table that streams must send."""
    palette = tuple((i, i, i) for i in range(len(names)))
    return ClassTable("own", UNREGISTERED, names, (), palette, {})


def map_of(areas: Mapping[int, int], width: int = 10) -> np.ndarray:
    """uint8 [H, width]: the pixels of each class id, class after class by rows."""
    labels = np.repeat([*areas], [*areas.values()]).astype(np.uint8)
    return labels.reshape(-1, width)


def stream(
    labels: np.ndarray | None,
    table: ClassTable = CAMVID,
    metadata: Mapping[str, bytes] | None = None,
    label_scale: int = 1,
) -> bytes:
    """A whole stream with this label map, or one of 10x10 pixels without any."""
    height, width = (10, 10) if labels is None else labels.shape
    header = container.Header(
        width, height, table, 8, b"modelsum", metadata=metadata or {}, label_scale=label_scale
    )
    layer_s = []
    if labels is not None:
        payload = encode_label_layer(coarse_labels(labels, label_scale), Jxl())
        layer_s = [("s", "jxl", payload)]
    return container.write(header, [*layer_s, *REST])


def save(path: Path, areas: Mapping[int, int] | None, table: ClassTable = CAMVID) -> Path:
    """Writes a file whose classes cover `areas`, in pixels; None: without labels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(stream(None if areas is None else map_of(areas), table))
    return path
