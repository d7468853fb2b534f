"""Damaged and forged model directories, class tables and run files: read, or refused in one line.

A short run by default. The long one: DSSLIC_FUZZ=50 python -m pytest -n0 tests/test_fuzz_files.py -rP
"""

import copy
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dsslic_jax.bundle import directory as bundles
from dsslic_jax.bundle.card import model_card
from dsslic_jax.bundle.known import FINGERPRINTS
from dsslic_jax.bundle.listing import Entry, _entry
from dsslic_jax.bundle.model import Bundle
from dsslic_jax.bundle.verifying import verify
from dsslic_jax.classes.table import UNREGISTERED, class_table, class_table_json, parse_class_table
from dsslic_jax.codec.settings import coding_settings
from dsslic_jax.codec.stream import container
from dsslic_jax.errors import DataError, DsslicError, StreamError
from dsslic_jax.evaluate.measuring.store import FILE_NAME, Store
from dsslic_jax.report.descriptions import conditions, notes, subtitle
from dsslic_jax.report.run_data import read_run
from dsslic_jax.report.tables import file_table
from dsslic_jax.system.untrusted import parse_json
from tests.evaluate.test_store import WHOLE
from tests.test_fuzz import MUTATIONS, Mutation, Watch, fuzz, mutated, watch

__all__ = ["watch"]  # a fixture
MOST_BYTES = 1 << 20  # of what is read here, as pixels for `Watch`

HOSTILE: tuple[Any, ...] = (
    *(None, True, 0, -1, 1, 2.5, 1e308, 10**19, 10**30, float("inf"), float("nan")),
    *("", "x", "1", "\x1b[2J", "\ud800", "a\0b", "../x", "x" * 5000),
    *([], [1], {}, {"a": 1}, [[[]]], "delete"),
)
# Where in a document, from its beginning to its end, and what takes that place.
CHANGES = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from(HOSTILE)), min_size=1, max_size=3
)
Change = tuple[float, Any]


def changed(document: Any, changes: list[Change]) -> str:
    """A document with members replaced by others, as JSON that may be none."""
    made = copy.deepcopy(document)
    for place, value in changes:
        holders = [*_holders(made)]
        if holders:
            holder, key = holders[int(place * len(holders))]
            if value == "delete":
                del holder[key]
            else:
                holder[key] = copy.deepcopy(value)
    return json.dumps(made)


def _holders(node: Any) -> Any:
    for key in [*node] if isinstance(node, dict) else range(len(node)):
        yield node, key
        if isinstance(node[key], dict | list):
            yield from _holders(node[key])


def damaged(document: Any, changes: list[Change], mutations: list[Mutation]) -> bytes:
    """A document with other members, or with other bytes."""
    if changes:
        return changed(document, changes).encode()
    return mutated(json.dumps(document).encode(), mutations)


BOTH = given(st.one_of(CHANGES, st.just([])), MUTATIONS)


def test_class_tables(watch: Watch) -> None:
    table = class_table("camvid")
    document = {**class_table_json(table), "file_ids": {"255": 11}, "table_id": UNREGISTERED}
    document = json.loads(json.dumps(document))

    def read(data: bytes) -> object:
        stored = parse_json(data, dict[str, Any], "it", StreamError)
        made = parse_class_table(stored, StreamError)
        assert parse_class_table(json.loads(json.dumps(class_table_json(made))), DataError).names
        header = container.Header(8, 8, made, 8, bytes(8))
        return container.read_header(container.write(header, [("c", "jxl", b"")]))

    @fuzz(200)
    @BOTH
    def run(changes: list[Change], mutations: list[Mutation]) -> None:
        watch(read, damaged(document, changes, mutations), MOST_BYTES)

    run()
    watch.report("class tables")
    assert watch.outcomes["decoded"] and watch.outcomes["refused"]


def test_model_descriptions(watch: Watch, tiny_bundle: Bundle, tmp_path: Path) -> None:
    measured = [{"pictures": "two", "protocol": "by eye", "rows": [{"codec": "a", "db": 30.0}]}]
    bundles.save(tiny_bundle, tmp_path)
    path = tmp_path / "model.json"
    document = {**json.loads(path.read_text()), "metrics": {"coarse": measured}}
    verify(tmp_path, coding_settings)  # imports and traces what is not timed

    def read(data: bytes) -> object:
        path.write_bytes(data)
        entry = _entry(Entry("a", tmp_path))
        try:
            model = verify(tmp_path, coding_settings)
        except DsslicError:
            assert str(entry.problem).count("\n") == 0
            raise
        assert entry.problem is None
        return model_card(model, "a")

    def forged(data: bytes) -> bytes:
        """A forger's work: the fingerprints of what the description says."""
        try:
            stored = json.loads(data)
            model = bundles.described(stored, tiny_bundle.weights)
        except (ValueError, RecursionError, DsslicError):
            return data
        prints = (fingerprint.hex() for fingerprint in model.fingerprints)
        return json.dumps(stored | dict(zip(FINGERPRINTS, prints, strict=False))).encode()

    @fuzz(100)
    @given(st.one_of(CHANGES, st.just([])), MUTATIONS, st.booleans())
    def run(changes: list[Change], mutations: list[Mutation], forge: bool) -> None:
        data = damaged(document, changes, mutations)
        watch(read, forged(data) if forge else data, MOST_BYTES)

    run()
    watch.report("model descriptions")
    assert watch.outcomes["decoded"] and watch.outcomes["refused"]


def test_weight_files(watch: Watch, tiny_bundle: Bundle, tmp_path: Path) -> None:
    bundles.save(tiny_bundle, tmp_path)
    weights, path = tmp_path / "weights.safetensors", tmp_path / "model.json"
    document, whole = json.loads(path.read_text()), weights.read_bytes()
    head = 8 + int.from_bytes(whole[:8], "little")

    def read(data: bytes) -> object:
        weights.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        path.write_text(json.dumps({**document, "weights_sha256": digest}))
        return bundles.load(tmp_path)

    @fuzz(100)
    @given(MUTATIONS, st.booleans())
    def run(mutations: list[Mutation], in_head: bool) -> None:
        changed = mutated(whole[:head], mutations) + whole[head:]
        watch(read, changed if in_head else mutated(whole, mutations), MOST_BYTES)

    run()
    watch.report("weight files")
    assert watch.outcomes["refused"]


def test_run_files(watch: Watch, tmp_path: Path) -> None:
    line = json.loads(WHOLE.to_json())
    curve = {"codec": "jpeg", "labels": None, "version": "libjpeg 9", "model": None}
    document = {
        "protocols": {"fair": {"rate": "bits_per_pixel"}},
        "picture_files": ["a.png"],
        "codecs": [{**curve, "setting": "quality", "settings": [50]}],
        "left_out": {"webp": "not here"},
        "software": {"python": "3"},
    }
    path, lines = tmp_path / "conditions.json", tmp_path / FILE_NAME

    def read(data: bytes) -> object:
        target = path if b'"picture_files"' in data or data[:14] == b'{"protocols": ' else lines
        shutil.copy(tmp_path / "sound_conditions", path)
        lines.write_text(json.dumps(line) + "\n")
        target.write_bytes(data + b"\n")
        for told in Store(tmp_path).damaged:
            assert "\n" not in told
        run = read_run(tmp_path)
        return json.dumps([subtitle(run), notes(run, False), conditions(run), file_table(run)])

    (tmp_path / "sound_conditions").write_text(json.dumps(document))

    @fuzz(200)
    @given(st.booleans(), st.one_of(CHANGES, st.just([])), MUTATIONS)
    def run(of_line: bool, changes: list[Change], mutations: list[Mutation]) -> None:
        watch(read, damaged(line if of_line else document, changes, mutations), MOST_BYTES)

    run()
    watch.report("run files")
    assert watch.outcomes["decoded"] and watch.outcomes["refused"]
