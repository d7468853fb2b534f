"""The bits of HEVC headers: fields, Exp-Golomb numbers (`ue`, H.265 9.2), emulation bytes."""

from dsslic_jax.errors import CoderFailed


class BitReader:
    """Reads fields from the most significant bit on; running out of bytes raises CoderFailed."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def bits(self, count: int) -> int:
        """The next `count` bits as a number."""
        end = self._position + count
        if end > 8 * len(self._data):
            raise CoderFailed("the BPG layer's HEVC header is cut short")
        first, last = self._position // 8, (end + 7) // 8
        word = int.from_bytes(self._data[first:last], "big") >> (8 * last - end)
        self._position = end
        return word & ((1 << count) - 1)

    def ue(self) -> int:
        """The next Exp-Golomb number."""
        zeros = 0
        while not self.bits(1):
            zeros += 1
            if zeros > 31:
                raise CoderFailed("the BPG layer's HEVC header holds an impossible number")
        return (1 << zeros) - 1 + self.bits(zeros)

    def ues(self, count: int) -> list[int]:
        """The next `count` Exp-Golomb numbers."""
        return [self.ue() for _ in range(count)]


class BitWriter:
    """Writes fields from the most significant bit on."""

    def __init__(self) -> None:
        self._digits: list[str] = []

    def bits(self, value: int, count: int) -> None:
        """Appends a number of `count` bits."""
        self._digits.append(format(value, f"0{count}b") if count else "")

    def fields(self, *values: tuple[int, int]) -> None:
        """Appends numbers, each with its count of bits."""
        for value, count in values:
            self.bits(value, count)

    def ue(self, *values: int) -> None:
        """Appends Exp-Golomb numbers."""
        for value in values:
            length = (value + 1).bit_length()
            self.bits(value + 1, 2 * length - 1)

    def padded(self, *, stop_bit: bool) -> bytes:
        """All bits so far, then a stop bit if asked for, then zeros up to a whole byte."""
        digits = "".join(self._digits) + ("1" if stop_bit else "")
        digits += "0" * (-len(digits) % 8)
        return int(digits, 2).to_bytes(len(digits) // 8, "big")


def add_emulation_prevention(payload: bytes) -> bytes:
    """Puts 0x03 after each 00 00 that is followed by a byte of 3 or less (H.265 7.4.1)."""
    out = bytearray()
    zeros = 0
    for byte in payload:
        if zeros == 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


def remove_emulation_prevention(payload: bytes) -> bytes:
    """The inverse of `add_emulation_prevention`."""
    out = bytearray()
    zeros = 0
    for byte in payload:
        if zeros == 2 and byte == 3:
            zeros = 0
            continue
        out.append(byte)
        zeros = min(zeros + 1, 2) if byte == 0 else 0
    return bytes(out)
