"""What stands where a person wants something written."""

import io
import os
import stat
import sys
import threading
from pathlib import Path

import pytest

from dsslic_jax.errors import OutputRefused
from dsslic_jax.system.outputs import Kind, Output, check_folder


def _is_ours(path: Path) -> bool:
    return path.read_bytes().startswith(b"ours")


KIND = Kind("a thing", (".thing",), _is_ours)
DATA = b"ours, new"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(output: Output, why: str) -> None:
    """Refused before work and when written, and nothing changed."""
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    for act in (output.check, lambda: output.write(DATA)):
        with pytest.raises(OutputRefused, match=why):
            act()
    assert before == {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def test_what_this_program_wrote_is_replaced_and_nothing_else() -> None:
    path = Path("a.thing")
    output = Output(path, KIND)
    for there in (None, b"", b"ours, old"):
        if there is not None:
            path.write_bytes(there)
        output.check()
        output.write(DATA)
        assert path.read_bytes() == DATA
    path.write_bytes(b"theirs")
    refused(output, "a.thing is there and not a thing that this program wrote")
    Output(path, KIND, overwrite=True).write(DATA)
    assert path.read_bytes() == DATA


def test_the_input_is_never_replaced_by_whatever_name() -> None:
    Path("in.thing").write_bytes(b"ours")
    Path("link.thing").symlink_to("in.thing")
    os.link("in.thing", "other.thing")
    for name in ("in.thing", "link.thing", "other.thing", "./in.thing"):
        refused(Output(Path(name), KIND, [Path("in.thing")], overwrite=True), "is the input")


def test_other_suffixes_and_folders_are_refused() -> None:
    Path("folder.thing").mkdir()
    refused(Output(Path("photo.jpg"), KIND), r"the name of a thing ends in \.thing")
    refused(Output(Path("photo"), KIND, overwrite=True), r"the name of a thing ends in \.thing")
    refused(Output(Path("folder.thing"), KIND, overwrite=True), "is a folder")


def test_links_are_followed_and_modes_and_other_names_kept() -> None:
    Path("target.thing").write_bytes(b"ours")
    Path("target.thing").chmod(0o600)
    os.link("target.thing", "other.thing")
    Path("link.thing").symlink_to("target.thing")
    Path("dangling.thing").symlink_to("new.thing")
    Output(Path("link.thing"), KIND).write(DATA)
    assert Path("link.thing").is_symlink() and Path("other.thing").read_bytes() == DATA
    assert stat.S_IMODE(Path("target.thing").stat().st_mode) == 0o600
    Output(Path("dangling.thing"), KIND).write(DATA)
    assert Path("dangling.thing").is_symlink() and Path("new.thing").read_bytes() == DATA


def test_pipes_are_written_to() -> None:
    os.mkfifo("pipe")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(Path("pipe").read_bytes()))
    reader.start()
    Output(Path("pipe"), KIND).write(DATA)
    reader.join(10)
    assert read == [DATA] and Path("pipe").is_fifo()


def test_a_dash_is_standard_output_but_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", out)
    Output(Path("-"), KIND).write(DATA)
    assert out.buffer.getvalue() == DATA  # type: ignore[attr-defined]
    monkeypatch.setattr(out, "isatty", lambda: True)
    refused(Output(Path("-"), KIND), "standard output is a terminal")


def test_the_longest_names_are_written() -> None:
    path = Path("a" * 249 + ".thing")  # 255 bytes
    Output(path, KIND).write(DATA)
    assert path.read_bytes() == DATA


def test_a_folder_is_replaced_only_when_told_and_only_by_its_like() -> None:
    def check(name: str, overwrite: bool = False, *inputs: str) -> None:
        check_folder(Path(name), "a box", [Path(i) for i in inputs], overwrite, "box.json")

    Path("box").mkdir()
    for name in ("new", "box"):  # not there, empty
        check(name)
    Path("box", "notes").write_text("")
    with pytest.raises(OutputRefused, match="box holds other files"):
        check("box", True)
    Path("box", "box.json").write_text("")
    with pytest.raises(OutputRefused, match="box is a box already"):
        check("box")
    check("box", True)
    with pytest.raises(OutputRefused, match="box is an input"):
        check("box", True, "./box")
    with pytest.raises(OutputRefused, match="is no folder"):
        check("box/notes", True)
