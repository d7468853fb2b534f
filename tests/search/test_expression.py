"""The search language against truths worked by hand and against Python's own and, or, not."""

import random

import pytest

from dsslic_jax.errors import ConfigError
from dsslic_jax.search.area import parse_minimum
from dsslic_jax.search.expression import FALSE, TRUE, UNKNOWN, parse

AREAS = {"a": 1, "b": 0, "sky": 20, "traffic light": 3, "and": 5}  # of 100 pixels


def truth(text: str, areas: dict[str, int] = AREAS, minimum: str = "1px") -> int:
    """The answer for 100 pixels where areas are known exactly, or not at all."""

    def bounds(name: str) -> tuple[int, int] | None:
        return (areas[name], areas[name]) if name in areas else None

    least, most = parse(text, parse_minimum(minimum)).truth(bounds, 100)
    assert least == most
    return least


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", TRUE),
        ("b", FALSE),
        ("not b", TRUE),
        ("not not a", TRUE),
        ("a and b", FALSE),
        ("a or b", TRUE),
        ("not a or a", TRUE),  # (not a) or a, for not (a or a) is false
        ("not b and b", FALSE),  # (not b) and b, for not (b and b) is true
        ("a or b and b", TRUE),  # a or (b and b)
        ("b and b or a", TRUE),
        ("(a or b) and b", FALSE),
        ("a AnD nOT b", TRUE),
        ("not(b)and(a)", TRUE),
        ('"traffic light"', TRUE),
        ("' traffic light' and a", TRUE),
        ('"and" and a', TRUE),  # quoted, a keyword is a name
        ("sky >= 20%", TRUE),
        ("sky > 20%", FALSE),
        ("sky>19.9% and a", TRUE),
        ("(sky<=20 %)", TRUE),
        ("sky < 20px", FALSE),
        ("b < 5%", TRUE),
        ("not sky > 10%", FALSE),
    ],
)
def test_expressions_mean_what_is_worked_by_hand(text: str, expected: int) -> None:
    assert truth(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("u", UNKNOWN),
        ("not u", UNKNOWN),
        ("a and u", UNKNOWN),
        ("b and u", FALSE),
        ("a or u", TRUE),
        ("b or u", UNKNOWN),
        ("u or not u", UNKNOWN),
        ("u < 50%", UNKNOWN),
    ],
)
def test_a_name_of_which_nothing_is_known_decides_nothing(text: str, expected: int) -> None:
    assert truth(text) == expected


def random_text(generator: random.Random, depth: int) -> str:
    kind = generator.choice(["name", "not", "and", "or", "("] if depth else ["name"])
    if kind == "name":
        return generator.choice("abcd")
    inner = random_text(generator, depth - 1)
    if kind == "not":
        return f"not {inner}"
    return f"({inner})" if kind == "(" else f"{inner} {kind} {random_text(generator, depth - 1)}"


def test_random_expressions_agree_with_python() -> None:
    generator = random.Random(0)
    answers = set()
    for _ in range(300):
        text = random_text(generator, 6)
        areas = {name: generator.randrange(2) for name in "abcd"}
        expected = eval(text, {}, {name: bool(area) for name, area in areas.items()})
        assert truth(text, areas) == (TRUE if expected else FALSE), text
        answers.add(expected)
    assert answers == {True, False}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sky > 20%", (FALSE, TRUE)),
        ("not sky > 20%", (FALSE, TRUE)),
        ("sky > 9%", (TRUE, TRUE)),
        ("sky > 30%", (FALSE, FALSE)),
        ("sky < 20%", (FALSE, TRUE)),
        ("sky > 20% and u", (FALSE, UNKNOWN)),
        ("sky > 20% or u", (UNKNOWN, TRUE)),
    ],
)
def test_areas_within_bounds_give_a_truth_within_bounds(
    text: str, expected: tuple[int, int]
) -> None:
    bounds = {"sky": (10, 30)}  # from 10 to 30 of 100 pixels
    assert parse(text).truth(bounds.get, 100) == expected


def test_shares_are_compared_exactly() -> None:
    # 1.1 * 1000 / 100 is 11.000000000000002 in floating point.
    assert parse("sky >= 1.1%").truth({"sky": (11, 11)}.get, 1000) == (TRUE, TRUE)
    assert parse("sky > 1.1%").truth({"sky": (11, 11)}.get, 1000) == (FALSE, FALSE)


def test_the_least_area_holds_for_wanted_names_without_a_bound_of_their_own() -> None:
    for text, expected in {
        "sky": TRUE,  # 20 %
        "a": FALSE,  # 1 % is less than 2 %
        "a > 0%": TRUE,
        "not a": FALSE,  # one pixel is enough not to be without it
        "not not a": FALSE,
        "a or sky": TRUE,
    }.items():
        assert truth(text, minimum="2%") == expected, text


def test_wanted_are_the_names_of_which_more_can_only_help() -> None:
    text = "a and not b or c < 5% and not (d or not e and f <= 3px) and g > 1%"
    assert [term.name for term in parse(text).terms if term.wanted] == ["a", "e", "f", "g"]
    assert [term.name for term in parse(text).terms] == list("abcdefg")


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("", 1, "expected a class name, found the end"),
        ("   ", 4, "expected a class name, found the end"),
        ("car and", 8, "expected a class name, found the end"),
        ("car or or sky", 8, "expected a class name, found 'or'"),
        ("and car", 1, "expected a class name, found 'and'"),
        ("not", 4, "expected a class name"),
        ("traffic light", 9, "a name of several words is written in quotes, found 'light'"),
        ("car not sky", 5, 'expected "and", "or" or the end'),
        ("(car or sky", 12, 'expected ")", found the end'),
        ("(car sky)", 6, "expected \")\", found 'sky'"),
        ("car)", 4, "found ')'"),
        ("()", 2, "expected a class name, found ')'"),
        ('"car', 1, "expected a class name, found '\"'"),
        ('""', 1, "expected a class name"),
        ('" "', 1, "expected a class name"),
        ("sky > ", 7, "expected an area such as 20% or 500px, found the end"),
        ("sky > 20", 7, "expected an area"),
        ("sky > 120%", 7, "expected an area such as 20% or 500px, found '120%'"),
        ("sky > 20%and car", 7, "expected an area"),
        ("sky > -5%", 7, "expected an area"),
        ("sky > 1e3px", 7, "expected an area"),
        ("sky > ٢٠%", 7, "expected an area"),
        ("sky > 99999999999999999999px", 7, "expected an area"),
        ("sky = 5%", 5, "found '='"),
        ("> 5%", 1, "expected a class name, found '>'"),
        ("car\x1b[2J sky", 9, "found 'sky'"),
    ],
)
def test_bad_input_is_refused_with_its_position(text: str, position: int, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    message = str(caught.value)
    assert message.startswith(f"search expression, character {position}: ")
    assert expected in message and message.isprintable()


@pytest.mark.parametrize("opening", ["(", "not ", "not ("])
def test_deep_nesting_is_refused_and_not_followed(opening: str) -> None:
    with pytest.raises(ConfigError, match="at most 64 parentheses and nots"):
        parse(opening * 100_000 + "car")
    parse(opening * 32 + "car" + ")" * (32 * opening.count("(")))


def test_a_long_flat_expression_is_no_deep_one() -> None:
    assert truth(" or ".join(["b"] * 20_000 + ["a"])) == TRUE


@pytest.mark.parametrize("text", ["", "2", "%", "0%", "0px", "101%", "-1%", "two%", "2% 3%"])
def test_a_least_area_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--min-area"):
        parse_minimum(text)
