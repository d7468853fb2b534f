"""Whole numbers of few bytes: groups of seven bits, the highest first, 0x80 set on all but the last (BPG's ue7)."""

from dsslic_jax.errors import StreamError

_MAX_BYTES = 5  # for numbers below 2**32


class NumberCut(StreamError):
    """The data end inside a number."""


def write_varint(number: int) -> bytes:
    """`number`, 0 <= number < 2**32."""
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(0x80 | (number & 0x7F))
    return bytes(reversed(groups))


def read_varint(data: bytes, position: int, where: str) -> tuple[int, int]:
    """The number at `position` and the position after it.

    Raises NumberCut, naming `where`, if it is cut short, StreamError if not below 2**32 or longer than it need be.
    """
    number = 0
    for count in range(_MAX_BYTES):
        if position + count >= len(data):
            raise NumberCut(f"{where} is cut short inside a number")
        byte = data[position + count]
        if byte == 0x80 and not count:
            break
        number = (number << 7) | (byte & 0x7F)
        if byte < 0x80 and number < 1 << 32:
            return number, position + count + 1
    raise StreamError(f"{where} holds an impossible number")
