"""After training: compress the held-back pictures of the run's own data set, decode them and measure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dsslic_jax import bundle, known_models
from dsslic_jax.codec.codec import Codec
from dsslic_jax.data.sources import open_source
from dsslic_jax.errors import TrainingStopped
from dsslic_jax.evaluate.report import format_table
from dsslic_jax.evaluate.run import evaluate
from dsslic_jax.files import write_png


def measure_held_back(config: Any, model: Path, workdir: Path) -> None:
    """Writes the pictures of `config.data.eval_split` as PNG, then evaluates the model on them.

    Prints the layered rate-distortion table and where everything lies. Raises TrainingStopped unless x' is
    closer to the pictures than up(ĉ) is (mean PSNR): FineNet must add something.
    """
    source = open_source(config.data, config.data.eval_split)
    pictures = workdir / "held_back"
    for i in range(len(source)):
        element = source[i]
        for kind in ("image", "labels"):
            write_png(pictures / kind / f"{element['name']}.png", element[kind])
    loaded = bundle.load(model)
    known_models.remember(loaded.fingerprint, model)
    report = evaluate(
        pictures / "image",
        pictures / "labels",
        Codec(loaded),
        workdir / "evaluation",
        qualities=tuple(config.after.qualities),
    )
    print(format_table(report.means))
    print(f"checkpoints: {workdir / 'checkpoints'}")
    print(f"model:       {model}")
    print(f"streams:     {workdir / 'evaluation' / 'streams'}")
    print(f"pictures:    {pictures / 'image'}, samples of training: {workdir / 'samples'}")
    coarse = next(row for row in report.means if row.codec == "dsslic" and row.layer == "c")
    if not coarse.psnr_rgb_db > coarse.psnr_upsampled_rgb_db:  # type: ignore[operator]
        raise TrainingStopped(
            f"x' ({coarse.psnr_rgb_db:.2f} dB) is no closer to the held-back pictures than up(c) "
            f"({coarse.psnr_upsampled_rgb_db:.2f} dB): train longer"
        )
