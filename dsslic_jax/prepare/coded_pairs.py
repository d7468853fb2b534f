"""Really codes a folder of pictures at several qualities, for networks that learn to correct what coding did.

    python -m dsslic_jax.prepare.coded_pairs --model MODEL --source PICTURES --target ROOT/train --qualities 20,30,40

writes `images/ID.png`, `labels/ID.png` (s as a decoder has it) and `decoded/<strength>/ID.png` below the target, as
`data.kind=coded` reads them. The strength is what the residual's coder says of the quality (BPG: its quantiser, 0 to
51, in quarters). A run that was stopped goes on where it was when the same command is given again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dsslic_jax.batch.jobs import Job, Summary, run, say
from dsslic_jax.batch.made import Made
from dsslic_jax.bundle.known import model_directory
from dsslic_jax.errors import CoderUnavailable, ConfigError, DsslicError, ModelError
from dsslic_jax.system.printable import printable

if TYPE_CHECKING:
    from dsslic_jax.bundle.model import Bundle
    from dsslic_jax.codec.codec import Codec


def write_coded_pairs(
    source: Path,
    target: Path,
    codecs: Sequence[Codec],
    qualities: Sequence[float],
    *,
    labels: Path | None = None,
    workers: int = 0,
) -> Summary:
    """Codes and decodes every picture of a folder, but none in folders below it, at every quality, 0 to 100.

    `target` is the folder of one split, `codecs` are those of one model, one for each device, `labels` is a folder of
    label maps, ID.png, or None to let SegNet make them, `workers` as `encode_folder` has it.

    Raises:
      ConfigError: a quality is out of range, two have one strength, or the target was coded with another model.
      DataError: there are no pictures, two of one name, or one without a label map.
      ModelError, CoderUnavailable: without SegNet or a program, no picture can be coded.
    """
    from dsslic_jax.data.folders import pair_files, picture_files

    if not qualities or not all(0 <= quality <= 100 for quality in qualities):
        raise ConfigError("qualities are 0 (coarsest) to 100 (finest)")
    coder = codecs[0].settings.encoders(codecs[0].coders).residual.coder
    by_strength = {coder.strength(quality): quality for quality in qualities}
    if len(by_strength) < len(qualities):
        raise ConfigError(
            "two qualities have the same strength: half of one is too little between them"
        )
    pictures = [*picture_files(source).values()]
    label_maps = {} if labels is None else dict(pair_files(source, labels))
    _claim(target, codecs[0].bundle)
    coder = _PairCoder(
        target, by_strength, label_maps, Made(target, codecs[0].bundle.fingerprint.hex())
    )
    return run(
        [Job(path, target / "images" / f"{path.stem}.png") for path in pictures],
        coder.code,
        codecs,
        what="code",
        workers=workers,
        is_there=coder.is_there,
        hopeless=(ModelError, CoderUnavailable),
        report=say,
    )


def _claim(target: Path, bundle: Bundle) -> None:
    """Notes which model codes for this folder; raises ConfigError where another has."""
    from dsslic_jax.system.files import write_atomically

    path, own = target / "model.txt", bundle.fingerprint.hex()
    if path.exists() and path.read_text().strip() != own:
        raise ConfigError(f"{target} holds pictures coded with another model: choose another one")
    write_atomically(path, f"{own}\n".encode())


@dataclass(frozen=True)
class _PairCoder:
    """`write_coded_pairs` as far as it concerns one picture."""

    target: Path
    qualities: Mapping[int, float]  # by strength
    label_maps: Mapping[Path, Path]  # by picture
    made: Made

    def is_there(self, job: Job) -> bool:
        return not self._missing(job) and self.made.is_current(job.target, [job.source])

    def code(self, job: Job, codec: Codec) -> None:
        from dsslic_jax.pictures.reading import read_label_map, read_picture
        from dsslic_jax.system.files import write_png

        picture = read_picture(job.source, upright=not self.label_maps)
        labels = None
        if job.source in self.label_maps:
            labels = read_label_map(self.label_maps[job.source], codec.bundle.classes)
        elif codec.settings.labels != "none":
            labels = codec.segment(picture)  # once for all qualities
        for strength in self._missing(job):
            settings = replace(codec.settings, quality=self.qualities[strength], enhance="off")
            decoded = codec.decode(codec.encode(picture, labels, settings))
            assert decoded.finest is not None
            if decoded.labels is not None:
                write_png(self.target / "labels" / job.target.name, decoded.labels)
            write_png(self._decoded(job, strength), decoded.finest)
            self.made.add(self._decoded(job, strength), self._made_of(job))
        write_png(job.target, picture)
        self.made.add(job.target, [job.source])

    def _missing(self, job: Job) -> list[int]:
        """The strengths still to be made."""
        made_of = self._made_of(job)
        return [
            s for s in self.qualities if not self.made.is_current(self._decoded(job, s), made_of)
        ]

    def _made_of(self, job: Job) -> list[Path]:
        return [job.source, *([self.label_maps[job.source]] if self.label_maps else [])]

    def _decoded(self, job: Job, strength: int) -> Path:
        return self.target / "decoded" / str(strength) / job.target.name


def main() -> int:
    """Runs `write_coded_pairs` from the command line."""
    parser = argparse.ArgumentParser(
        description="Code pictures at several qualities, for training."
    )
    parser.add_argument("--model", type=model_directory, required=True, help="model directory")
    parser.add_argument("--source", type=Path, required=True, help="folder of pictures")
    parser.add_argument("--target", type=Path, required=True, help="folder of one split to write")
    parser.add_argument(
        "--qualities", type=_numbers, required=True, metavar="20,30,…", help="each 0 to 100"
    )
    parser.add_argument("--labels", type=Path, help="folder of label maps (default: by SegNet)")
    parser.add_argument("--workers", type=int, default=0, help="pictures at a time")
    options = parser.parse_args()
    try:
        summary = write_coded_pairs(
            options.source,
            options.target,
            _codecs(options.model),
            options.qualities,
            labels=options.labels,
            workers=options.workers,
        )
    except (DsslicError, OSError) as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(f"{summary.written} coded, {summary.kept} kept, {len(summary.failed)} failed")
    for path, message in summary.failed:
        print(printable(f"{path}: {message}"), file=sys.stderr)
    return 1 if summary.failed else 0


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.split(",")]


def _codecs(model: Path) -> list[Codec]:
    """The model's codec on each local device."""
    from dsslic_jax.system import runtime

    runtime.prepare()
    import jax

    from dsslic_jax.bundle import directory as bundle
    from dsslic_jax.codec.codec import Codec

    loaded = bundle.load(model)
    return [Codec(loaded, device=device) for device in jax.local_devices()]


if __name__ == "__main__":
    sys.exit(main())
