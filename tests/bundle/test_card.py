"""Model cards: front matter that the Hub reads, and text that tells what model.json does."""

from dataclasses import replace
from typing import Any

import pytest
import yaml

from dsslic_jax.bundle.card import model_card
from dsslic_jax.bundle.measured import entry
from dsslic_jax.bundle.model import Bundle
from tests.model_fixture import changed, segnet_part


def front_matter(card: str) -> dict[str, Any]:
    begin, matter, _ = card.split("---\n", 2)
    assert begin == ""
    return yaml.safe_load(matter)


def licensed(bundle: Bundle, **licences: Any) -> Bundle:
    for part in bundle.parts:
        told = {"licence": licences[part]} if part in licences else {}
        bundle = changed(bundle, part, provenance=told)
    return bundle


def test_the_front_matter_says_what_the_hub_sorts_by(tiny_bundle: Bundle) -> None:
    told = front_matter(model_card(tiny_bundle, "tiny"))
    assert (told["library_name"], told["pipeline_tag"]) == ("dsslic_jax", "image-to-image")
    assert "image-compression" in told["tags"]


@pytest.mark.parametrize(
    ("licences", "expected"),
    [
        ({"coarse": "Apache-2.0", "segnet": "Apache-2.0"}, "apache-2.0"),
        ({"coarse": "CC-BY-NC-4.0"}, "cc-by-nc-4.0"),
        ({"coarse": "Apache-2.0", "segnet": "MIT"}, "other"),
        ({"coarse": "Apache-2.0", "segnet": ""}, "other"),
        ({"coarse": None}, "other"),
        ({"coarse": "unknown"}, "other"),
        ({"coarse": ["mit"]}, "other"),
        ({"coarse": "mit\ntags: [stolen]"}, "other"),
        ({}, "other"),
    ],
)
def test_a_licence_is_told_where_all_parts_have_the_same(
    licences: dict[str, Any], expected: str, tiny_bundle: Bundle
) -> None:
    told = front_matter(model_card(licensed(tiny_bundle, **licences), "tiny"))
    assert told["license"] == expected
    assert ("license_name" in told) == (expected == "other")


def test_the_text_tells_classes_training_data_and_figures(tiny_bundle: Bundle) -> None:
    rows = [
        {"codec": "dsslic:files", "layer": "s", "bits_per_pixel": 0.03125},
        {"codec": "jpeg", "layer": "all", "bits_per_pixel": 0.5, "psnr_rgb_db": 29.987},
    ]
    metrics = {"coarse": [entry("two scenes", "by eye", rows)]}
    provenance = {"trained_on": "a few streets", "terms": "CC BY-NC 4.0"}
    told = changed(tiny_bundle, "coarse", provenance=provenance)
    card = model_card(replace(told, metrics=metrics), "tiny")
    assert "\n# tiny\n" in card
    assert "; 3 Road; " in card and f"; 11 {tiny_bundle.classes.names[11]} (void)\n" in card
    assert "| trained on | a few streets |" in card and "| terms | CC BY-NC 4.0 |" in card
    assert "CompNet and FineNet: two scenes. by eye." in card
    assert (
        "| codec | layer | bits per pixel | psnr rgb db |\n| --- | --- | --- | --- |\n"
        "| dsslic:files | s | 0.03125 |  |\n| jpeg | all | 0.5 | 29.99 |\n"
    ) in card
    for fingerprint in tiny_bundle.fingerprints:
        assert f"`{fingerprint.hex()}`" in card
    assert "Nothing was recorded." in model_card(tiny_bundle, "tiny")


def test_a_segnet_s_card_says_how_to_use_one(tiny_bundle: Bundle) -> None:
    card = model_card(segnet_part(tiny_bundle), "segnet")
    assert "dsslic join" in card and "dsslic encode" not in card and "fingerprint" not in card


def test_descriptions_from_outside_are_shown_and_not_obeyed(tiny_bundle: Bundle) -> None:
    hostile = "streets |\n---\n# <script>x</script> [here](javascript:x) `quoted` *b*\x1b[2J"
    rows = [{hostile: hostile}]
    made = replace(
        changed(tiny_bundle, "segnet", provenance={hostile: hostile}),
        metrics={hostile: [entry(hostile, hostile, rows)]},
    )
    card = model_card(made, hostile)
    plain = model_card(replace(tiny_bundle, metrics={"x": [entry("x", "x", rows)]}), "x")
    assert front_matter(card).keys() == front_matter(plain).keys()
    assert card.count("\n---\n") == 1  # the front matter's own end
    assert "\x1b" not in card
    for sign in ("<script", "[here", "`quoted", "*b"):
        assert card.count(sign) == card.count(f"\\{sign}") > 0
