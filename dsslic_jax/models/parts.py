"""The parts that a model may have: one record each, which everything that handles models reads.

Light to import: a part's network is imported when it is built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from dsslic_jax.errors import ModelError
from dsslic_jax.models.programs import LABELS, PICTURE, Input, Program, Sizes
from dsslic_jax.models.settings import CoarseSettings, EnhanceNetSettings, SegNetSettings
from dsslic_jax.settings.fields import Settings
from dsslic_jax.settings.reading import to_mapping

if TYPE_CHECKING:
    import flax.linen as nn
    import numpy as np

S = TypeVar("S", bound=Settings)
STATISTICS = ("mean", "var")  # leaves that a batch norm measures; all other arrays are learned


@dataclass(frozen=True)
class PartKind(Generic[S]):
    """One kind of part: a network, or networks that share their settings.

    Attributes:
      name: what joining, provenance and metrics call it.
      title: what a reader is told it is.
      settings: their class.
      build: settings -> the Flax module.
      inputs: the module -> what it is applied to, as shapes, small.
      initial: the module -> how `models.layers.init_params` draws it, its keyword arguments.
      networks: settings -> what the names of the arrays begin with; None for the part's name alone, with the variables'
        collection ("params") in second place.
      key: where its settings stand in `model.json`; "" for its name.
      in_decoder: settings -> those that a decoder's arithmetic depends on; None for a part that no decoder runs, but to
        make labels.
      decoder_networks: of `networks`, those that a decoder runs; None for all.
      in_labels: settings -> those that labels made at the decoder depend on; None for a part that makes none.
      programs: what it is exported as.
    """

    name: str
    title: str
    settings: type[S]
    build: Callable[[S], nn.Module]
    inputs: Callable[[Any], tuple[Any, ...]]
    initial: Callable[[Any], dict[str, Any]] = lambda module: {}
    networks: Callable[[S], tuple[str, ...]] | None = None
    key: str = ""
    in_decoder: Callable[[S], dict[str, Any]] | None = None
    decoder_networks: tuple[str, ...] | None = None
    in_labels: Callable[[S], dict[str, Any]] | None = None
    programs: tuple[Program, ...] = ()

    @property
    def stored_as(self) -> str:
        """Where its settings stand in `model.json`."""
        return self.key or self.name

    def prefixes(self, settings: S) -> tuple[str, ...]:
        """What the names of its arrays begin with, up to the first slash."""
        return (self.name,) if self.networks is None else self.networks(settings)

    @property
    def all_prefixes(self) -> tuple[str, ...]:
        """`prefixes` of a part with all its networks, as by default."""
        return self.prefixes(self.settings())

    def shapes(self, settings: S) -> dict[str, tuple[int, ...]]:
        """The shapes of the arrays that a part of such settings has, by name."""
        import jax

        module = self.build(settings)
        made = jax.eval_shape(module.init, jax.random.key(0), *self.inputs(module))
        return {name: leaf.shape for name, leaf in self.named(made).items()}

    def drawn(self, settings: S, seed: int = 0) -> dict[str, np.ndarray]:
        """The arrays of such a part as training begins with them, by name."""
        from dsslic_jax.models.layers import init_params

        module = self.build(settings)
        made = init_params(module, seed, *self.inputs(module), **self.initial(module))
        return self.named(made)

    def named(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The leaves of a module's variables by the names that a model directory has."""
        from flax.traverse_util import flatten_dict

        trees = [{self.name: variables}] if self.networks is None else variables.values()
        return {name: a for tree in trees for name, a in flatten_dict(tree, sep="/").items()}

    def variables(self, arrays: Mapping[str, Any]) -> dict[str, Any]:
        """The inverse of `named`: what the module's `apply` takes."""
        from flax.traverse_util import unflatten_dict

        if self.networks is None:
            return unflatten_dict(dict(arrays), sep="/").get(self.name, {})
        collections: dict[str, dict[str, Any]] = {"params": {}}
        for name, array in arrays.items():
            kind = "batch_stats" if name.rpartition("/")[2] in STATISTICS else "params"
            collections.setdefault(kind, {})[name] = array
        return {kind: unflatten_dict(flat, sep="/") for kind, flat in collections.items()}


def _chosen(*names: str) -> Callable[[Settings], dict[str, Any]]:
    return lambda settings: {name: getattr(settings, name) for name in names}


def _shapes(side: int, *inputs: Input) -> tuple[Any, ...]:
    """One picture's inputs, as shapes."""
    import jax

    return tuple(jax.ShapeDtypeStruct(i.shape(1, side, side), i.dtype) for i in inputs)


def _building(module: str, build: str) -> Callable[[Any], nn.Module]:
    """A function of a module of this folder, which is imported when it is called."""

    def built(settings: Any) -> nn.Module:
        return getattr(import_module(f"dsslic_jax.models.{module}"), build)(settings)

    return built


def _coarse_networks(settings: CoarseSettings) -> tuple[str, ...]:
    compnet = () if settings.compact == "mean" else ("compnet",)
    return (*compnet, "finenet") if settings.finenet_width else compnet


def _segnet_in_labels(settings: SegNetSettings) -> dict[str, Any]:
    """All but what no label depends on, and what fingerprints of before did not hold."""
    return {
        key: value
        for key, value in to_mapping(settings).items()
        if key not in ("dtype", "auxiliary_width") and (key, value) != ("input", "symmetric")
    }


def _he(module: Any) -> dict[str, Any]:
    from dsslic_jax.models.layers import he_std

    return {"kernel_std": he_std}


_STRENGTH = Input("strength", "number")
COARSE = PartKind(
    name="coarse",
    title="CompNet and FineNet",
    settings=CoarseSettings,
    build=_building("coarse", "build_coarse_model"),
    inputs=lambda module: _shapes(module.min_size, LABELS, PICTURE),
    networks=_coarse_networks,
    key="model",
    # Not the precision of the arithmetic: a stream may be decoded in another one, at a small error in x'.
    in_decoder=_chosen(
        "classes", "alpha", "finenet_width", "finenet_blocks", "norm", "upsampling", "colour"
    ),
    decoder_networks=("finenet",),
    programs=(
        Program(
            "encoder",
            lambda module: (LABELS, PICTURE),
            lambda module: Sizes(module.alpha, module.compnet_min_size),
            "compress",
        ),
        Program(
            "decoder",
            lambda module: (LABELS, Input("compact", "picture", module.alpha)),
            lambda module: Sizes(module.size_multiple, module.min_size),
            "predict",
            lambda made: made.coarse,
        ),
    ),
)
SEGNET = PartKind(
    name="segnet",
    title="SegNet",
    settings=SegNetSettings,
    build=_building("segnet", "build_segnet"),
    inputs=lambda module: _shapes(64, PICTURE),
    initial=_he,
    in_labels=_segnet_in_labels,
    programs=(
        Program(
            "segnet",
            lambda module: (PICTURE,),
            lambda module: Sizes(module.size_multiple, module.size_multiple),
            result=lambda made: made.logits,
            any_size=False,  # what it pools over is told by the size
        ),
    ),
)
ENHANCENET = PartKind(
    name="enhancenet",
    title="EnhanceNet",
    settings=EnhanceNetSettings,
    build=_building("enhancenet", "build_enhancenet"),
    inputs=lambda module: _shapes(64, LABELS, PICTURE, _STRENGTH),
    initial=lambda module: {**_he(module), "silent": module.silent},
    in_decoder=_chosen("classes", "width", "blocks", "label_width"),
    programs=(
        Program(
            "enhancenet",
            lambda module: (LABELS, Input("decoded", "picture"), _STRENGTH),
            lambda module: Sizes(module.size_multiple, module.size_multiple),
        ),
    ),
)
_KINDS: dict[str, PartKind[Any]] = {}


def register_part(kind: PartKind[S]) -> PartKind[S]:
    """Makes a kind of part known; returns it. Raises ValueError where another has its name or its place in files."""
    for other in _KINDS.values():
        if {kind.name, kind.stored_as} & {other.name, other.stored_as}:
            raise ValueError(f"a part {other.name!r} is registered already")
    _KINDS[kind.name] = kind
    return kind


def unregister_part(kind: PartKind[Any]) -> None:
    """Takes back `register_part`."""
    del _KINDS[kind.name]


def base_kind() -> PartKind[Any]:
    """The kind that no encoder or decoder does without, and that others are joined to: the first."""
    return next(iter(_KINDS.values()))


def part_kinds() -> dict[str, PartKind[Any]]:
    """Every kind of part by name, in the order in which models keep them."""
    return dict(_KINDS)


def part_kind(name: str) -> PartKind[Any]:
    """The kind of part called `name`. Raises ModelError, listing those that are known."""
    if name not in _KINDS:
        raise ModelError(f"unknown part {name!r}; known: {', '.join(_KINDS)}")
    return _KINDS[name]


register_part(COARSE)
register_part(SEGNET)
register_part(ENHANCENET)
