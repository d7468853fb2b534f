"""How a picture is coded: the model's own choices (`coding` of its configuration) and what a user asks for instead."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dsslic_jax.codec.label_scale import LABEL_SCALES
from dsslic_jax.codec.stream.container import MAX_RESIDUAL_LAYERS
from dsslic_jax.errors import ConfigError

CHOICES: dict[str, tuple[Any, ...]] = {
    "codecs": ("embedded", "external"),
    "labels": ("sent", "none", "decoder", "auto"),
    "label_scale": LABEL_SCALES,
    "enhance": ("auto", "off"),
    "residual": ("min_max", "centred"),
    "residual_bits": (8, 10),
    "residual_colour": ("ycbcr444", "ycbcr420", "rgb444"),
}
LABELS_NOT_SENT = ("none", "decoder")
GAINS = [i / 16 for i in range(17)]  # of the prediction
QUALITY_BETWEEN_LAYERS = 20.0  # 10 steps of the quantiser: about a third of the error


@dataclass(frozen=True)
class CodingSettings:
    """What an encoder may choose.

    Attributes:
      codecs: layer coders, "embedded" (pip packages) or "external" (programs).
      quality: of the last residual layer, 0 (coarsest) to 100 (finest).
      target_bits_per_pixel: instead of a quality: size of the whole file, met within 2 %.
      target_psnr_db: instead of a quality: RGB PSNR of the decoded picture, met within 0.1 dB.
      layers: residual layers, each coding what the ones before leave; earlier ones are coarser.
      labels: s is "sent", replaced by one constant class ("none"), or made from the compact image ("decoder"); "auto":
        sent or none, whichever costs less (codec/choosing.py), and sent where weights need it.
      label_scale: s is sent with one label, the most frequent, for each block of so many pixels a side.
      label_loss: share of the samples of s that merging small regions may change.
      compact_step: c is stored in steps of so many grey levels; 1 is lossless.
      residual: "min_max" (poster: its range stretched over all codes) or "centred" (one scale for all pictures).
      prediction_gain: the first residual is taken from 128 + gain (x' - 128); 0 to 1 in sixteenths, or "auto": tried.
      residual_bits: of the residual's codes, 8 or 10.
      residual_colour: how BPG codes it, "ycbcr444", "ycbcr420" or "rgb444".
      enhance: "auto": the model's enhancement network, if it has one, is used on layers whose error it lowers; "off".
      weights: quality by object, such as "person=4,sky=0.25": an error there counts so many times; "" for none.
    """

    codecs: str = "embedded"
    quality: float = 30.0
    target_bits_per_pixel: float | None = None
    target_psnr_db: float | None = None
    layers: int = 1
    labels: str = "sent"
    label_scale: int = 1
    label_loss: float = 0.0
    compact_step: int = 1
    residual: str = "min_max"
    prediction_gain: float | str = 1.0
    residual_bits: int = 8
    residual_colour: str = "ycbcr444"
    enhance: str = "auto"
    weights: str = ""

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            if (value := getattr(self, name)) not in known:
                raise ConfigError(
                    f"coding.{name} must be one of {', '.join(map(str, known))}, not {value!r}"
                )
        ranges = {
            "quality": (0, 100),
            "layers": (1, MAX_RESIDUAL_LAYERS),
            "compact_step": (1, 64),
        }
        for name, (low, high) in ranges.items():
            if not low <= (value := getattr(self, name)) <= high:
                raise ConfigError(f"{name} is {low} to {high}, not {value}")
        for name in ("target_bits_per_pixel", "target_psnr_db"):
            if (value := getattr(self, name)) is not None and not 0 < value < 1000:
                raise ConfigError(f"{name} must be above zero, not {value}")
        if self.target_bits_per_pixel is not None and self.target_psnr_db is not None:
            raise ConfigError("name a rate or a PSNR to meet, not both")
        if (gain := self.prediction_gain) != "auto" and gain not in GAINS:
            raise ConfigError(f'prediction_gain is 0 to 1 in sixteenths, or "auto", not {gain!r}')
        if not 0 <= self.label_loss < 1:
            raise ConfigError(f"label_loss is a share of the pixels, 0 to 1, not {self.label_loss}")
        if self.weights and self.labels == "none":
            raise ConfigError("weights are by object: they need labels")
        if self.label_scale > 1 and self.labels in LABELS_NOT_SENT:
            raise ConfigError(
                f'label_scale is of labels that are sent, not of labels "{self.labels}"'
            )

    def qualities(self, quality: float) -> list[float]:
        """The quality of each residual layer, the last one's being `quality`."""
        return [
            max(
                quality - QUALITY_BETWEEN_LAYERS * (self.layers - i),
                quality * i / self.layers,
            )
            for i in range(1, self.layers + 1)
        ]


def coding_settings(coding: Mapping[str, Any], **chosen: Any) -> CodingSettings:
    """The model's `coding`, with what is chosen (and not None) in its place.

    Where labels are chosen not to be sent, the model's label scale has no meaning and is left out.

    Raises ConfigError for a setting that is unknown or out of range.
    """
    known = {field.name for field in dataclasses.fields(CodingSettings)}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    if chosen.get("labels") in LABELS_NOT_SENT:
        chosen.setdefault("label_scale", 1)
    merged = {**coding, **chosen}
    if unknown := sorted(set(merged) - known):
        raise ConfigError(f"unknown coding setting {unknown[0]}; known: {', '.join(sorted(known))}")
    return CodingSettings(**merged)
