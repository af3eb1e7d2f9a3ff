"""Paths as tables list them: relative to a root, of Windows or of POSIX, in any case and any form of Unicode.

A listed path is taken as it stands; else with backslashes as separators; else as the one file whose name differs only
in case, in blanks around it or in how its accents are composed (macOS writes ``u`` and ``¨`` where others write ``ü``).
"""

import os
import re
import unicodedata
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

from unimedi.errors import InputError
from unimedi.files.walk import inside

_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")
_DRIVE = re.compile(r"[a-zA-Z]:")
OUTSIDE, ABSENT = "outside the root", "is not there"
SHOWN = 80  # characters of a path in a message


class PathError(InputError):
    """A listed path that leads to no file of the root; ``reason`` says why in words that fit any path."""

    def __init__(self, reason: str, value: str, text: str) -> None:
        self.reason = reason
        super().__init__(f"{value[:SHOWN]!r} {text}")


class ListedPaths:
    """The paths of one table under ``root``; each folder that a spelling is looked up in is listed once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folders: dict[str, dict[str, list[str]]] = {}

    def joined(self, value: str) -> Path:
        """``value`` under the root, whether something is there or not.

        Raises:
            PathError: an address, a path of Windows from its drive on, an absolute path, ``..``, or a NUL.
        """
        within = f"must be a path relative to {self.root}, inside it"
        if "\0" in value:
            raise PathError("holds a NUL character", value, "holds a NUL character")
        if _ADDRESS.match(value):
            raise PathError("is an address", value, f"is an address, expected a file: copy it under {self.root}")
        share, drive = value.startswith(("\\\\", "//")), _DRIVE.match(value)
        inner = not os.path.isabs(value) and ".." not in value.replace("\\", "/").split("/")
        if share or (drive and not (inner and _exists(self.root / value))):  # elsewhere, a name may hold a colon
            reason = "begins at a drive or a share of Windows"
            raise PathError(reason, value, f"{reason}, and {within}: cut that beginning off")
        if not inner:
            raise PathError(OUTSIDE, value, within)
        return self.root / value

    def find(self, value: str) -> Path:
        """The file or folder that a cell names.

        Args:
            value: the cell; see the head of this file for the spellings that are understood.

        Raises:
            PathError: as ``joined``; or nothing is there, several spellings are, or a link leads out of the root.
        """
        path = self.joined(value)
        there = _exists(path)
        if not there and "\\" in value:
            path = self.joined(value.replace("\\", "/"))
        if not there:
            path = self._spelt(path.relative_to(self.root).parts, value)
        if not inside(path, self.root):
            raise PathError(OUTSIDE, value, f"is a link that leads out of {self.root}, and must stay inside it")
        if not there and not _exists(path):  # a broken link
            raise PathError(ABSENT, value, f"does not exist under {self.root}")
        return path

    def _spelt(self, parts: tuple[str, ...], value: str) -> Path:
        path = self.root
        for part in parts:
            if not inside(path, self.root):
                break
            if _exists(path / part):
                path /= part
                continue
            names = self._names(path).get(_folded(part), [])
            if len(names) > 1:
                several = ", ".join(map(repr, sorted(names)))
                raise PathError("could be any of several files", value, f"could be any of {several}")
            if not names:
                raise PathError(ABSENT, value, f"does not exist under {self.root}")
            path /= names[0]
        return path

    def _names(self, folder: Path) -> dict[str, list[str]]:
        """The names in a folder by how they read."""
        key = os.fspath(folder)
        if key not in self.folders:
            found: dict[str, list[str]] = defaultdict(list)
            with suppress(OSError):  # a file, or a folder that may not be read: nothing in it can be meant
                for name in os.listdir(folder):
                    found[_folded(name)].append(name)
            self.folders[key] = found
        return self.folders[key]


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold()).strip()


def _exists(path: Path) -> bool:
    try:
        os.stat(path)
    except (OSError, ValueError):
        return False
    return True
