"""Whether a line of a ``bash`` block would be understood: its command, its options, the files it names."""

import re
import shlex
import tomllib

from tests.architecture.repository import ROOT
from unimedi.cli.commands import find
from unimedi.settings import keys_of, options_in, unknown

EXTRAS = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
TARGETS = set(re.findall(r"^([\w./-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def check(line: str) -> None:
    """AssertionError with the reason where the line would be refused, or is of a kind that nobody checks."""
    program, *words = shlex.split(line)
    if program == "unimedi":
        check_unimedi(words)
    elif program == "make":
        targets = [word for word in words if "=" not in word]
        assert targets, f"{line}: no target"
        assert set(targets) <= TARGETS, f"{line}: Makefile has no such target"
    elif program == "python":
        assert (ROOT / words[0]).is_file(), f"{line}: no such program"
    elif program == "pip":
        extras = re.search(r"\[(\w+(?:,\w+)*)\]", line)
        assert extras, f"{line}: names no extra"
        assert set(extras[1].split(",")) <= EXTRAS, f"{line}: pyproject.toml has no such extra"
    elif program == "curl":
        address = next((word for word in words if "://" in word), "")
        assert address.startswith("http://127.0.0.1:"), f"{line}: expected an address of this machine"
    else:
        raise AssertionError(f"{line}: expected unimedi, make, python, pip or curl, got {program}")


def check_unimedi(words: list[str]) -> None:
    """By the parser of the command itself; of ``--a.b VALUE``, that the recipe or the settings know ``a.b``."""
    said = f"unimedi {' '.join(words)}"
    try:
        command, rest = find(words)
        _, settings = command.read(rest)
    except SystemExit as stopped:
        raise AssertionError(f"{said}: refused, see what was printed") from stopped
    if command.settings:
        known = keys_of(command.settings())
        wrong = [key for key in options_in(settings) if unknown(key, known)]
        assert not wrong, f"{said}: no setting {', '.join(wrong)}"
