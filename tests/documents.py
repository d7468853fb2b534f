"""What README.md, docs/*.md and launch/README.md tell a reader to type: found, run, or at least parsed.

A block that cannot run where tests run has a comment above it, `<!-- not run: why -->`; commands inside sentences are
examples of what may be typed. Both are parsed by the programs that they name.
"""

import argparse
import contextlib
import io
import json
import os
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from unittest import mock

from dsslic_jax import cli
from tests.conftest import ROOT

_BEGINS = r"(?:\w+=\S+ )*(?:dsslic|python|pip|launch/\S+)(?: |$)"
_MARK = re.compile(r"<!-- not run: (.+) -->")
# Of programs that take a configuration: each line is parsed in a child of a process that imports the program once.
_CONFIGURATIONS = """
import json, os, runpy, sys, traceback
from absl import app, flags
from dsslic_jax.plan import environment

lines, module = json.loads(sys.argv[1]), sys.argv[2]

def parse(main, flags_parser):
    from dsslic_jax.train.tasks.registry import make_task
    for line in lines:
        if not (child := os.fork()):
            status = 1
            try:
                sys.argv = ["", *line]
                flags_parser(sys.argv)
                make_task(flags.FLAGS.config)
                status = 0
            except Exception:
                traceback.print_exc()
            finally:
                os._exit(status)
        if os.waitpid(child, 0)[1]:
            sys.exit(f"not parsed: {line}")

environment.prepare = lambda *given: None  # the TPU compiler need not be here
app.run = parse
runpy.run_module(module, run_name="__main__")
"""


@dataclass(frozen=True)
class Example:
    """A Python block, a command of a block, or (`inline`) a command in a sentence."""

    where: str  # document and line
    text: str  # a command is one line
    python: bool = False
    inline: bool = False
    not_run: str = ""  # why

    @property
    def words(self) -> list[str]:
        """The command, without variables set for it."""
        words = shlex.split(self.text, comments=True)
        while re.match(r"\w+=", words[0]):
            del words[0]
        return words

    @property
    def runs(self) -> bool:
        return not (self.inline or self.not_run)


def documents() -> list[str]:
    pages = sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))
    return ["README.md", *pages, "launch/README.md"]


def examples(document: str) -> list[Example]:
    """All of a document, blocks first.

    Raises ValueError for a block of commands with something else in it, and for a mark without a block.
    """
    lines = (ROOT / document).read_text(encoding="utf-8").splitlines()
    prose, found, reason, i = [*lines], [], "", 0
    while i < len(lines):
        end = _end_of_block(lines, i)
        if mark := _MARK.fullmatch(lines[i]):
            reason = mark[1]
        elif end == i:
            if lines[i] and reason:
                raise ValueError(f"{document}:{i + 1}: no block below the mark")
        else:
            if lines[i] == "```python":
                text = "\n".join(lines[i + 1 : end - 1])
                found.append(Example(f"{document}:{i + 1}", text, python=True, not_run=reason))
            else:
                fence = lines[i].startswith("```")
                found += _commands(document, i + fence, lines[i + fence : end - fence], reason)
            prose[i:end], reason = [""] * (end - i), ""
        i = max(end, i + 1)
    text = "\n".join(prose)
    for span in re.finditer(r"`([^`]+)`", text):
        if re.match(_BEGINS, span[1]):
            where = f"{document}:{text.count(chr(10), 0, span.start()) + 1}"
            found.append(Example(where, " ".join(span[1].split()), inline=True))
    return found


def _end_of_block(lines: Sequence[str], i: int) -> int:
    """Where the block ends that begins at line `i`; `i` where none does."""
    if lines[i].startswith("```"):
        return lines.index("```", i + 1) + 1
    while i < len(lines) and lines[i].startswith("    "):
        i += 1
    return i


def _commands(document: str, first: int, lines: Sequence[str], reason: str) -> list[Example]:
    """The commands of a block; none of a block that holds something else."""
    found, begun = [], ""
    for i, line in enumerate(lines, first + 1):
        begun += line.strip().removesuffix("\\")
        if not line.endswith("\\"):
            found.append(Example(f"{document}:{i}", begun, not_run=reason))
            begun = ""
    strange = [example for example in found if not re.match(_BEGINS, example.text)]
    if strange and len(strange) < len(found):
        raise ValueError(f"{strange[0].where}: no command: {strange[0].text}")
    return [] if strange else found


def run(example: Example, names: dict[str, object]) -> None:
    """Runs it in the working directory; `names` are those that Python blocks of the document have bound."""
    if example.python:
        exec(compile(example.text, example.where, "exec"), names)
        return
    program, *arguments = example.words
    if program == "dsslic":
        assert cli.main(arguments) == 0, f"{example.where}: {example.text}"
    elif program == "python":
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        environment.pop("XLA_FLAGS", None)  # a reader has no simulated devices
        subprocess.run([sys.executable, *arguments], env=environment, check=True)
    else:
        raise ValueError(f"{example.where}: not known how to run {program}")


def check_parsed(all_of_them: Sequence[Example]) -> None:
    """What does not run names programs, options, choices, settings and extras that there are."""
    configurations: dict[str, list[list[str]]] = {}
    for example in all_of_them:
        if example.python:
            compile(example.text, example.where, "exec")
            continue
        try:
            module, arguments = _parsed(example)
        except Exception as error:
            raise ValueError(f"{example.where}: {example.text}: {error}") from error
        if module:
            configurations.setdefault(module, []).append(arguments)
    for module, lines in configurations.items():
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", _CONFIGURATIONS, json.dumps(lines), module]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT
        )
        assert done.returncode == 0, done.stderr


def _parsed(example: Example) -> tuple[str, list[str]]:
    """Checks a command; the module and its arguments where that takes a configuration, else ("", [])."""
    program, *arguments = example.words
    if program == "dsslic":
        _parse_dsslic(arguments, fragment=example.inline)
    elif program == "pip":
        assert "dsslic_jax" not in example.text, "the package is on no index"
        extras = _extras()
        named = [
            name for word in arguments for name in re.findall(r"\w+", word) if word[:2] == ".["
        ]
        assert {*named} <= {*extras}, f"extras are {', '.join(extras)}"
    elif program.startswith("launch/"):
        script = [ROOT / program, "--dry-run", *arguments] if arguments else ["-n", ROOT / program]
        name = "".join(arguments[1:2]) + "\n"  # which deleting asks for again
        subprocess.run(["bash", *script], check=True, capture_output=True, input=name.encode())
    elif arguments[0] == "-c":
        compile(arguments[1], example.where, "exec")
    elif arguments[0] != "-m":
        assert (ROOT / arguments[0]).is_file(), "no such program"
    elif arguments[1] in ("dsslic_jax.main", "dsslic_jax.plan"):
        named_alone = example.inline and not arguments[2:]
        return ("", []) if named_alone else (arguments[1], arguments[2:])
    elif arguments[1] == "pytest":
        paths = [word for word in arguments[2:] if word[0] != "-"]
        assert paths and all((ROOT / path).exists() for path in paths), "no such tests"
    else:
        with mock.patch("sys.argv", ["", *arguments[2:]]), _stopping_when_parsed():
            runpy.run_module(arguments[1], run_name="__main__")
    return "", []


def _parse_dsslic(arguments: list[str], fragment: bool) -> None:
    """A `fragment` may lack arguments."""
    try:
        with _stopping_when_parsed():
            cli._parser().parse_args(arguments)
    except ValueError as error:
        if not (fragment and re.search("are required|expected one argument", str(error))):
            raise


class _Parsed(Exception):
    """Stands for the end of the program."""


@contextlib.contextmanager
def _stopping_when_parsed() -> Iterator[None]:
    """Inside, argparse parses, tells mistakes as ValueError, and nothing is done after it."""
    parse = argparse.ArgumentParser.parse_args

    def only_parsed(*given: object) -> argparse.Namespace:
        parse(*given)  # type: ignore[call-overload]
        raise _Parsed

    def mistaken(parser: argparse.ArgumentParser, message: str) -> None:
        raise ValueError(message)

    changes = {"parse_args": only_parsed, "error": mistaken}
    patched = mock.patch.multiple(argparse.ArgumentParser, **changes)
    with patched, contextlib.suppress(_Parsed), contextlib.redirect_stdout(io.StringIO()):
        try:
            yield
        except SystemExit as asked_for_help:
            assert asked_for_help.code == 0


def _extras() -> Mapping[str, object]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return project["project"]["optional-dependencies"]


def summary() -> str:
    """How many examples each document has, how many run, and why others do not."""
    lines = []
    for document in documents():
        found = examples(document)
        blocks = [example for example in found if example.python]
        inline = [example for example in found if example.inline]
        commands = len(found) - len(blocks) - len(inline)
        lines.append(
            f"{document}: {commands} commands, {len(blocks)} Python blocks, "
            f"{sum(example.runs for example in found)} run; {len(inline)} commands in sentences, parsed"
        )
        for example in found:
            if example.not_run:
                lines.append(f"  not run, parsed: {example.where}: {example.not_run}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(summary())
