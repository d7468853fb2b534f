"""FineNet in bands of rows, where its instance norm looks at the whole picture: the same x' in far less memory.

Each norm needs the mean and variance of the whole map before it: a pass over all bands finds them, merged as Chan et
al. (1979) do. Maps of FineNet's least scale are kept from pass to pass, larger ones are made anew in each.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from dsslic_jax.codec.networks.needs import band_rows
from dsslic_jax.codec.tiles import windows
from dsslic_jax.models.coarse import CoarseModel
from dsslic_jax.models.finenet import ResidualBlock, rows_seen
from dsslic_jax.models.layers import INSTANCE_EPS, Norm
from dsslic_jax.models.pixels import to_network, to_pixels
from dsslic_jax.system.memory import give_back_large_blocks

Statistics = dict[str, tuple[Any, Any]]  # by a norm's name: mean and variance of each feature


class Band(NamedTuple):
    """Rows of a map: those that a network is given, and those of them that count, in the map and in the given."""

    given: slice
    core: slice
    inner: slice

    def scaled(self, divisor: int) -> "Band":
        """The band of a map `divisor` times smaller."""
        return Band(*(slice(rows.start // divisor, rows.stop // divisor) for rows in self))

    @property
    def ends(self) -> np.ndarray:
        """First and last of `inner`, as a compiled function takes them."""
        return np.array([self.inner.start, self.inner.stop], np.int32)


class BandedFineNet:
    """x' of a model whose FineNet has instance norm, on the host."""

    def __init__(self, model: CoarseModel, variables: Any) -> None:
        self._model = model
        self._variables = variables
        self._unit = 1 << model.finenet_downs

    def __call__(self, labels: np.ndarray, compact: np.ndarray) -> np.ndarray:
        """s uint8 [H, W], ĉ uint8 [H/alpha, W/alpha, 3], of sides that the model takes -> x', uint8 [H, W, 3]."""
        give_back_large_blocks()
        blocks, downs = self._model.finenet_blocks, range(self._model.finenet_downs)
        *norms, last = ["stem_norm", *(f"down_{i}_norm" for i in downs)]
        known: Statistics = {}
        for norm in norms:
            known[norm] = _statistics(self._passed(norm, labels, compact, {}, known))
        passed = self._passed(last, labels, compact, {}, known)
        kept, known[last] = self._least_map(passed, len(labels))
        first = "block_0" if blocks else "up_0"
        for band, y, _ in self._passed(first, labels, compact, {last: kept}, known):
            small = band.scaled(self._unit)
            kept[small.core] = y[small.inner]
        for i in range(blocks):
            self._pass_block({"params": self._variables["params"]["finenet"][f"block_{i}"]}, kept)
        known = {}
        for i in downs:
            passed = self._passed(f"up_{i}_norm", labels, compact, {"up_0": kept}, known)
            known[f"up_{i}_norm"] = _statistics(passed)
        coarse = np.empty((*labels.shape, 3), np.uint8)
        for band, y, _ in self._passed("", labels, compact, {"up_0": kept}, known):
            coarse[band.core] = y[band.inner]
        return coarse

    def _passed(
        self,
        at: str,
        labels: np.ndarray,
        compact: np.ndarray,
        kept: Mapping[str, np.ndarray],
        known: Statistics,
    ) -> Iterator[tuple[Band, np.ndarray, Any]]:
        """Of each band of the picture what the layer `at` is given (x' for none), and its moments.

        `kept` are maps of the least scale that layers are given.
        """
        rows = band_rows(labels.shape[1], self._model.finenet_width, self._unit)
        for band in _bands(len(labels), rows, _margin(self._model.finenet_downs)):
            inputs = {n: map_[band.scaled(self._unit).given] for n, map_ in kept.items()}
            told = labels[band.given], compact, np.int32(band.given.start), band.ends, inputs, known
            y, moments = _run_model(self._model, at, self._variables, *told)
            yield band, np.asarray(y), moments

    def _least_map(
        self, passed: Iterator[tuple[Band, np.ndarray, Any]], height: int
    ) -> tuple[np.ndarray, tuple[Any, Any]]:
        """A map of the least scale, and its statistics."""
        made, found = np.empty(0), []
        for band, y, moments in passed:
            small = band.scaled(self._unit)
            made = made if made.size else np.empty((height // self._unit, *y.shape[1:]), y.dtype)
            made[small.core] = y[small.inner]
            found.append(moments)
        return made, _merged(found)

    def _pass_block(self, variables: Any, x: np.ndarray) -> None:
        """x [h, w, C] -> what a residual block makes of it, in its place."""
        run = partial(_run_block, ResidualBlock(self._model.norm, self._model.dtype))
        cut = _bands(len(x), band_rows(x.shape[1], x.shape[2], 1), margin=1)
        y, known, found = np.empty_like(x), Statistics(), []
        for band in cut:
            made, moments = run("norm_0", variables, x[band.given], band.ends, {}, known)
            y[band.core] = np.asarray(made)[band.inner]
            found.append(moments)
        known["norm_0"], found = _merged(found), []
        before = y[cut[0].given].copy()
        for band, following in zip(cut, [*cut[1:], cut[0]], strict=True):
            given = {"norm_0": before}
            made, moments = run("norm_1", variables, x[band.given], band.ends, given, known)
            before = y[following.given].copy()  # as it is before its first rows are written over
            y[band.core] = np.asarray(made)[band.inner]
            found.append(moments)
        known["norm_1"] = _merged(found)
        for band in cut:
            given = {"norm_1": y[band.given]}
            made, _ = run("", variables, x[band.given], band.ends, given, known)
            x[band.core] = np.asarray(made)[band.inner]  # no row depends on another any more


def _bands(height: int, core: int, margin: int) -> list[Band]:
    """A map of `height` rows cut into bands of `core`, each given with `margin` more on either side."""
    found = windows(height, 1, core, margin)
    return [Band(given[0], rows[0], inner[0]) for given, rows, inner in found]


def _margin(downs: int) -> int:
    """Rows that FineNet without its blocks sees around a row, as a multiple of its least scale's."""
    unit = 1 << downs
    ends = [(row, *rows_seen(row, 0, downs)) for row in range(unit)]
    return -(-max(max(row - first, last - row) for row, first, last in ends) // unit) * unit


def _statistics(passed: Iterator[tuple[Band, np.ndarray, Any]]) -> tuple[Any, Any]:
    return _merged([moments for _, _, moments in passed])


def _merged(found: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance, float32, of each feature from (count, mean, sum of squared differences) of each band."""
    count, mean, squares = 0, np.zeros(()), np.zeros(())
    for more, own_mean, own_squares in found:
        total = count + int(more)
        away = np.asarray(own_mean, np.float64) - mean
        squares = (
            squares + np.asarray(own_squares, np.float64) + away**2 * (count * int(more) / total)
        )
        mean, count = mean + away * (int(more) / total), total
    return mean.astype(np.float32), (squares / count).astype(np.float32)


class _Part:
    """Traces part of a network: norms with `known` statistics, layers given `inputs`, as far as `at`.

    XLA leaves out what the result does not depend on.
    """

    def __init__(self, at: str, inputs: Mapping[str, jax.Array], known: Statistics) -> None:
        self._at, self._inputs, self._known = at, inputs, known
        self.given: jax.Array | None = None  # what the layer `at` is given

    def __call__(self, run: Any, args: Any, kwargs: Any, context: Any) -> Any:
        module, name = context.module, context.module.name
        if name in self._inputs:
            args = (self._inputs[name][None], *args[1:])
        if name == self._at:
            self.given = args[0]
        if isinstance(module, ResidualBlock) and name is not None:  # of the model: run by itself
            return args[0]
        if isinstance(module, Norm) and name in self._known:
            mean, variance = self._known[name]
            wide = args[0].astype(jnp.float32) - mean
            return (wide * jax.lax.rsqrt(variance + INSTANCE_EPS)).astype(args[0].dtype)
        return run(*args, **kwargs)


def _result(part: _Part, made: jax.Array, ends: jax.Array, rows: int) -> tuple[jax.Array, Any]:
    """What a part ends with, [rows', W, C], and of the rows that count: how many values, mean, squared differences."""
    y = (made if part.given is None else part.given)[0]
    first, last = ends * y.shape[0] // rows
    row = jnp.arange(y.shape[0])
    counted = ((row >= first) & (row < last)).astype(jnp.float32)[:, None, None]
    wide = y.astype(jnp.float32)
    count = (last - first) * y.shape[1]
    mean = (counted * wide).sum((0, 1)) / count
    return y, (count, mean, (counted * jnp.square(wide - mean)).sum((0, 1)))


@partial(jax.jit, static_argnames=("model", "at"))
def _run_model(
    model: CoarseModel,
    at: str,
    variables: Any,
    labels: jax.Array,
    compact: jax.Array,
    start: jax.Array,
    ends: jax.Array,
    inputs: Mapping[str, jax.Array],
    known: Statistics,
) -> tuple[jax.Array, Any]:
    """On labels [rows, W] from row `start` of the picture and ĉ of all of it: what `at` is given, or x' as pixels."""
    part, rows = _Part(at, inputs, known), labels.shape[0]
    with nn.intercept_methods(part):
        told = labels[None].astype(jnp.int32), to_network(compact[None]), (start, rows)
        made = model.apply(variables, *told, method="predict_rows")
    return _result(part, to_pixels(made), ends, rows)


@partial(jax.jit, static_argnames=("block", "at"))
def _run_block(
    block: ResidualBlock,
    at: str,
    variables: Any,
    x: jax.Array,
    ends: jax.Array,
    inputs: Mapping[str, jax.Array],
    known: Statistics,
) -> tuple[jax.Array, Any]:
    """On rows of x, [rows, w, C]: what the layer `at` of a block is given, or what the block makes."""
    part = _Part(at, inputs, known)
    with nn.intercept_methods(part):
        made = block.apply(variables, x[None], False)
    return _result(part, made, ends, x.shape[0])
