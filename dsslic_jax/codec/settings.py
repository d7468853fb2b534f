"""How a picture is coded: the model's own choices (`coding` of its configuration) and what a user asks for instead."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dsslic_jax.codec.coders import registry
from dsslic_jax.codec.coders.registry import DEFAULT_SET, Choice
from dsslic_jax.codec.label_scale import LABEL_SCALES
from dsslic_jax.codec.layers.residual import MAPPINGS, ResidualSettings
from dsslic_jax.codec.stream.container import MAX_RESIDUAL_LAYERS
from dsslic_jax.errors import ConfigError
from dsslic_jax.settings.fields import FieldError, Open, Settings, setting
from dsslic_jax.settings.reading import read, to_mapping

LABELS_NOT_SENT = ("none", "decoder")
GAINS = [i / 16 for i in range(17)]  # of the prediction
QUALITY_BETWEEN_LAYERS = 20.0  # about a third of the error


@dataclass(frozen=True)
class ModelCoding(Open):
    """What a model says of how its pictures are coded, the options of registered coders among it.

    `labels` "auto" is sent or none, whichever costs less (codec/choosing.py), and sent where weights need it.
    """

    codecs: str = setting(
        DEFAULT_SET, "set of layer coders, such as embedded: by pip packages alone"
    )
    coders: str = setting("", 'coders of single layers in place of the set\'s, "r=NAME,c=NAME"')
    quality: float = setting(
        30.0, "of the last residual layer, 0 (coarsest) to 100 (finest)", at_least=0, at_most=100
    )
    layers: int = setting(
        1,
        "residual layers, each coding what the ones before leave",
        at_least=1,
        at_most=MAX_RESIDUAL_LAYERS,
    )
    labels: str = setting(
        "sent",
        'label map: sent, left out ("none"), made by the decoder, or "auto": sent where it pays',
        choices=("sent", *LABELS_NOT_SENT, "auto"),
    )
    label_loss: float = setting(
        0.0,
        "share of pixels whose label may change as small regions are merged",
        at_least=0,
        below=1,
    )
    label_scale: int = setting(
        1, "send one label for each block of so many pixels a side", choices=LABEL_SCALES
    )
    compact_step: int = setting(1, "grey levels of c; 1 is lossless", at_least=1, at_most=64)
    residual: str = setting(
        "min_max", "its range over all codes (poster), or one scale for all", choices=MAPPINGS
    )
    prediction_gain: float | str = setting(
        1.0, "how much of the prediction is subtracted, in sixteenths; auto: tried"
    )
    enhance: str = setting(
        "auto", "by the model's network, if it has one, where that helps", choices=("auto", "off")
    )

    def check(self) -> None:
        """Raises ConfigError for settings that contradict each other and for coders that cannot be."""
        if (gain := self.prediction_gain) != "auto" and gain not in GAINS:
            problem = f'must be 0 to 1 in sixteenths, or "auto", not {gain!r}'
            raise FieldError("prediction_gain", problem)
        if self.label_scale > 1 and self.labels in LABELS_NOT_SENT:
            told = f'not of labels "{self.labels}"'
            raise ConfigError(f"label_scale is of labels that are sent, {told}")
        _ = self.choice
        super().check()

    @property
    def choice(self) -> Choice:
        """The coders chosen."""
        return Choice(self.codecs, self.coders)

    @classmethod
    def added(cls) -> tuple[type[Settings], ...]:
        """The options of the coders."""
        kinds = (record.options for record in registry.known_coders() if record.options is not None)
        return tuple(dict.fromkeys(kinds))

    def encoders(self, coders: registry.OpenCoders) -> registry.CoderSet:
        """The chosen coders with their options; raises CoderUnavailable where a program is missing."""
        return coders.encoders(self.choice, self.of)

    def residual_layers(
        self, quality: float, weights: Mapping[int, float]
    ) -> list[ResidualSettings]:
        """How each residual layer is coded: the last in `quality`, those before coarser; `weights` by class id.

        Not with "auto" as prediction gain.
        """
        assert not isinstance(self.prediction_gain, str)
        made = []
        for i in range(1, self.layers + 1):
            coarser = quality - QUALITY_BETWEEN_LAYERS * (self.layers - i)
            gain = self.prediction_gain if i == 1 else 1.0
            own = max(coarser, quality * i / self.layers)
            made.append(ResidualSettings(own, self.residual, dict(weights), gain))
        return made


@dataclass(frozen=True)
class CodingSettings(ModelCoding):
    """How one picture is coded: the model's choices, or a user's in their place, and what only a user asks for."""

    target_bits_per_pixel: float | None = setting(
        None, "instead of a quality: size of the file, met within 2 %", above=0, below=1000
    )
    target_psnr_db: float | None = setting(
        None, "instead of a quality: RGB PSNR in dB, met within 0.1 dB", above=0, below=1000
    )
    weights: str = setting("", "quality by object: an error there counts so many times")

    def check(self) -> None:
        """Raises ConfigError as `ModelCoding.check` does."""
        if self.target_bits_per_pixel is not None and self.target_psnr_db is not None:
            raise ConfigError("name a rate or a PSNR to meet, not both")
        if self.weights and self.labels == "none":
            raise ConfigError("weights are by object: they need labels")
        super().check()


def coding_settings(coding: Mapping[str, Any], **chosen: Any) -> CodingSettings:
    """The model's `coding`, with what is chosen (and not None) in its place.

    `coders` may also be a mapping, {"r": NAME}. Where labels are chosen not to be sent, the model's label scale has no
    meaning and is left out.

    Raises ConfigError for a setting that is unknown or out of range; that of the model is called coding.NAME.
    """
    own = read(ModelCoding, dict(coding), "coding.")
    chosen = {name: value for name, value in chosen.items() if value is not None}
    if isinstance(coders := chosen.get("coders"), Mapping):
        chosen["coders"] = ",".join(f"{layer}={name}" for layer, name in coders.items())
    if chosen.get("labels") in LABELS_NOT_SENT:
        chosen.setdefault("label_scale", 1)
    return read(CodingSettings, {**to_mapping(own), **chosen})
