"""The results of an evaluation as text tables: "-" for what is not defined, inf for what is lossless."""

from collections.abc import Collection, Mapping, Sequence

from dsslic_jax.evaluate.protocols import Protocol
from dsslic_jax.evaluate.tables.differences import CurveDifference
from dsslic_jax.evaluate.tables.means import Mean
from dsslic_jax.metrics import Difference


def format_report(
    rows: Sequence[Mean],
    differences: Mapping[str, Sequence[CurveDifference]],
    protocols: Sequence[Protocol],
) -> str:
    """The tables of each protocol; `differences` are by protocol, none where its anchor is not measured."""
    parts = []
    for protocol in protocols:
        parts.append(format_means(rows, protocol))
        if found := differences.get(protocol.name):
            parts.append(format_differences(found))
        elif protocol.name not in differences:
            parts.append(
                f"no differences: protocol {protocol.name}'s anchor {protocol.anchor} is not measured; "
                "name another with --anchor"
            )
    return "\n\n".join(parts)


def format_means(rows: Sequence[Mean], protocol: Protocol) -> str:
    """A text table of the means under a protocol, which its first line names."""
    header = (
        *("codec", "setting", "layer", "bytes", "share"),
        protocol.rate.replace("_", " ").replace("per", "/").replace(" / ", "/"),
        *("PSNR dB", "MS-SSIM", "up(c) dB", "encode s", "decode s"),
    )
    lines = [
        (
            row.curve,
            f"{row.setting:g}",
            row.layer,
            f"{row.layer_bytes:.0f}",
            f"{row.layer_share:.0%}",
            f"{row.rate(protocol):.4f}",
            cell(row.metrics.get(protocol.quality), 2),
            cell(row.metrics.get("ms_ssim"), 4),
            cell(row.metrics.get("psnr_upsampled_rgb_db"), 2),
            f"{row.encode_s:.3f}",
            f"{row.decode_s:.3f}",
        )
        for row in rows
    ]
    pictures = max((row.pictures for row in rows), default=0)
    title = f"protocol {protocol.name}, mean over {pictures} picture{'' if pictures == 1 else 's'}"
    return f"{title}\n{aligned([header, *lines])}"


def format_differences(found: Sequence[CurveDifference]) -> str:
    """A text table of differences to one anchor under one protocol, with what each was averaged over."""
    header = ("codec", "quality", "rate %", "over dB", "gain dB", "over rates")
    lines = [
        (row.curve, row.quality)
        + (_cells(row.rate, "+.1f", ".2f") + _cells(row.gain, "+.2f", ".3f"))
        for row in found
    ]
    notes = [f"{row.curve}, {row.quality}: {row.note}" for row in found if row.note]
    title = f"protocol {found[0].protocol}, Bjøntegaard differences to {found[0].anchor}, mean over pictures"
    return "\n".join([title, aligned([header, *lines]), *notes])


def aligned(lines: Sequence[Sequence[str]], left: Collection[int] = (0,)) -> str:
    """Columns of text, to the right but for those numbered in `left`."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            text.ljust(width) if column in left else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def cell(value: float | None, decimals: int) -> str:
    """A number as text, "-" for none."""
    return "-" if value is None else f"{value:.{decimals}f}"


def _cells(found: Difference | None, value: str, end: str) -> tuple[str, str]:
    if found is None:
        return "-", "-"
    return f"{found.value:{value}}", f"{found.low:{end}} to {found.high:{end}}"
