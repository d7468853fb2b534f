"""FineNet in bands of rows makes what it makes of the whole picture."""

import numpy as np
import pytest

from dsslic_jax.bundle.model import Bundle
from dsslic_jax.codec.networks import finenet_bands, needs
from dsslic_jax.codec.networks.coarse import CoarsePredictor
from dsslic_jax.errors import TooLarge
from dsslic_jax.models.parts import COARSE
from dsslic_jax.system import memory
from tests.codec.networks.test_predictor import label_map
from tests.codec.pictures import smooth_picture
from tests.model_fixture import make_bundle

SIZE = 200, 136


def compared(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Grey levels between x' of the whole picture and in bands of few rows, where FineNet has a say."""
    weights = {n: w * (6 if n.endswith("kernel") else 1) for n, w in bundle.weights.items()}
    predictor = CoarsePredictor(bundle.with_weights(weights))
    compact = predictor.compress(label_map(*SIZE), smooth_picture(*SIZE))
    whole = predictor.predict(label_map(*SIZE), compact).astype(int)
    assert np.abs(whole - predictor.upsample(compact, *SIZE)).max() > 8
    monkeypatch.setattr(needs, "BANDED_FROM_BYTES", 0)
    monkeypatch.setattr(needs, "_BAND_FEATURES", 1 << 13)  # 8 rows at full scale
    rows, run = set(), finenet_bands._run_model

    def counted(
        model: object, at: str, variables: object, labels: np.ndarray, *told: object
    ) -> object:
        rows.add(len(labels))
        return run(model, at, variables, labels, *told)

    monkeypatch.setattr(finenet_bands, "_run_model", counted)
    in_bands = predictor.predict(label_map(*SIZE), compact)
    assert rows and max(rows) < SIZE[0] / 2  # it was in bands
    return np.abs(in_bands - whole)


@pytest.mark.parametrize(
    "model",
    [
        {"colour": "ycbcr"},
        {"finenet_blocks": 0, "upsampling": "bilinear_corners"},
        {"finenet_downs": 1, "finenet_blocks": 2},
    ],
)
def test_bands_give_what_the_whole_picture_gives(
    model: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = compared(make_bundle(**model), monkeypatch)
    assert apart.max() <= 1 and (apart > 0).mean() < 0.01


def test_half_precision_stays_within_its_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    apart = compared(make_bundle(dtype="bfloat16"), monkeypatch)
    assert apart.mean() < 0.5


def test_bands_are_for_norms_that_see_the_whole_of_a_large_picture(tiny_bundle: Bundle) -> None:
    settings = tiny_bundle.settings(COARSE)
    assert not needs.in_bands(512, 768, settings)
    assert needs.in_bands(4096, 4096, settings)
    assert needs.banded_bytes(4096, 4096, settings) < needs.whole_bytes(4096, 4096, 4) / 4
    assert not needs.in_bands(4096, 4096, make_bundle(norm="batch").settings(COARSE))


def test_who_allows_more_memory_has_the_whole_picture_in_one_piece(tiny_bundle: Bundle) -> None:
    settings = tiny_bundle.settings(COARSE)
    try:
        memory.set_limit(16 << 30)
        assert not needs.in_bands(4096, 4096, settings)
    finally:
        memory.set_limit(None)


def test_bands_are_left_alone_where_they_would_take_more(tiny_bundle: Bundle) -> None:
    settings = tiny_bundle.settings(COARSE)
    try:
        memory.set_limit(1)
        assert not needs.in_bands(64, 64, settings) and needs.in_bands(4096, 4096, settings)
    finally:
        memory.set_limit(None)


@pytest.mark.parametrize("downs", range(1, 7))
def test_the_memory_of_a_band_counts_the_rows_around_it(downs: int) -> None:
    settings = make_bundle(finenet_downs=downs).settings(COARSE)
    width, unit = 1 << 12, 1 << downs
    rows = needs.band_rows(width, settings.finenet_width, unit)
    given = rows + 2 * finenet_bands._margin(downs)
    least = needs.banded_bytes(1 << 13, width, settings)
    assert least > needs.whole_bytes(given, width, settings.finenet_width)


def test_a_stream_may_ask_for_less_than_an_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: float(64 << 30))
    settings = make_bundle(finenet_width=16).settings(COARSE)
    with pytest.raises(TooLarge, match=r"about 2\.. GiB of memory, where 1\.0 GiB are allowed"):
        needs.require_decodable(11585, 11585, settings)
    memory.require(needs.banded_bytes(11585, 11585, settings), "it")
    with pytest.raises(TooLarge):
        needs.require_decodable(1, 1 << 20, settings)  # padded, it is 32 rows, in no bands
    needs.require_decodable(11585, 11585, make_bundle(norm="none").settings(COARSE))
