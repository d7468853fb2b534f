"""The search for the largest batch, on memories worked by hand."""

import pytest

from dsslic_jax.plan.largest_batch import COMPILATIONS, largest_batch


class Compiler:
    """Accepts batches up to a limit; remembers what it was asked."""

    def __init__(self, limit: int, fixed: int = 100, each: int = 10) -> None:
        self.limit, self.fixed, self.each = limit, fixed, each
        self.asked: list[int] = []

    def __call__(self, batch: int) -> int | None:
        self.asked.append(batch)
        return self.fixed + self.each * batch if batch <= self.limit else None


def test_where_memory_grows_on_a_line_the_third_compilation_is_the_answer() -> None:
    compiler = Compiler(limit=75)
    found = largest_batch(compiler, 8, memory_bytes=100 + 10 * 75 + 9)
    assert found.fits == 75
    assert compiler.asked == [8, 16, 75]
    assert found.reserved_bytes == {8: 180, 16: 260, 75: 850}


@pytest.mark.parametrize("limit", [17, 40, 60, 74])
def test_a_compiler_that_refuses_sooner_than_the_line_is_believed(limit: int) -> None:
    compiler = Compiler(limit)
    found = largest_batch(compiler, 8, memory_bytes=850)
    assert found.fits == max(b for b in compiler.asked if b <= limit)
    assert found.too_large == min(b for b in compiler.asked if b > limit)
    assert found.too_large - found.fits <= 75 // 2 ** (COMPILATIONS - 4)
    assert len(compiler.asked) <= COMPILATIONS


def test_a_first_batch_that_does_not_fit_is_halved() -> None:
    compiler = Compiler(limit=3)
    found = largest_batch(compiler, 16, memory_bytes=130)
    assert compiler.asked[:4] == [16, 8, 4, 2]
    assert (found.fits, found.too_large) == (3, 4)


def test_where_not_even_one_picture_fits_the_answer_is_none() -> None:
    compiler = Compiler(limit=0)
    assert largest_batch(compiler, 2, memory_bytes=50).fits == 0
    assert compiler.asked == [2, 1]


def test_nothing_is_compiled_twice() -> None:
    for limit in range(0, 90, 7):
        compiler = Compiler(limit)
        largest_batch(compiler, 8, memory_bytes=850)
        assert len(set(compiler.asked)) == len(compiler.asked)
