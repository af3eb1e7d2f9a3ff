"""Every file under a folder, each once, and the reason why an entry is left out. All folders are read by this walk.

A linked folder is read where it leads to a folder inside the root that is not read under its own name (datalad links
into a hidden folder). Otherwise it is left out: it leads out of the root, or its files are read already. So no file
comes twice by a link, and a circle of links ends.
"""

import os
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

LITTER = {"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found", "thumbs.db", "desktop.ini"}
Tell = Callable[[str, str], None]  # takes a path relative to the root, and the reason why it is left out


def walk(root: Path, tell: Tell) -> Iterator[tuple[Path, list[str]]]:
    """Go through a folder and all that is below it.

    Args:
        root: the folder.
        tell: is called with each entry that is left out, as a path relative to the root, and the reason: hidden or not
            readable, left behind by an operating system, a broken link, a pipe, a name that is not Unicode. A folder
            that is left out is one call.

    Yields:
        A folder and the sorted names of its files; folders by name, linked ones last.
    """
    seen: set[str] = set()
    links: list[Path] = []
    yield from _below(root, root, seen, links, tell)
    while links:
        link = links.pop(0)
        if not inside(link, root):
            tell(name_of(link, root), "a linked folder outside the root")
        elif (real := os.path.realpath(link)) in seen:
            own = os.path.relpath(real, os.path.realpath(root))
            tell(name_of(link, root), f"a link to a folder that is read as {own}")
        else:
            yield from _below(link, root, seen, links, tell)


def name_of(path: Path, root: Path) -> str:
    """The path relative to the root as text that can be written; bytes that are not UTF-8 become ``\\xff``."""
    return os.fsencode(path.relative_to(root)).decode("utf-8", "backslashreplace")


def inside(path: str | os.PathLike[str], root: str | os.PathLike[str]) -> bool:
    """Whether ``path`` is ``root`` or lies under it, ``..`` and symbolic links followed."""
    folder, name = os.path.split(path)
    whole = not name or ".." in os.fspath(path).split(os.sep) or os.path.islink(path)
    here = os.getcwd()  # a relative folder is another one after chdir
    # a folder of thousands: asked once
    real = os.path.realpath(path) if whole else os.path.join(_real(os.path.join(here, folder)), name)
    top = _real(os.path.join(here, root))
    return os.path.commonpath([real, top]) == top


def _below(folder: Path, root: Path, seen: set[str], links: list[Path], tell: Tell) -> Iterator[tuple[Path, list[str]]]:
    seen.add(os.path.realpath(folder))
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        return tell(name_of(folder, root), f"a folder that cannot be read: {error.strerror}")
    files: list[str] = []
    folders: list[Path] = []
    for entry in entries:
        path = folder / entry.name
        if reason := _passed_over(entry):
            tell(name_of(path, root), reason)
        elif not entry.is_dir():
            files.append(entry.name)
        elif entry.is_symlink():
            links.append(path)
        else:
            folders.append(path)
    yield folder, files
    for path in folders:
        yield from _below(path, root, seen, links, tell)
    return None


def _passed_over(entry: "os.DirEntry[str]") -> str:
    """Why an entry is not looked at; empty where it is."""
    what = "folder" if entry.is_dir() else "file"
    if entry.name.casefold() in LITTER:
        return f"a {what} of an operating system"
    if entry.name.startswith("."):
        return f"a hidden {what}"
    try:
        entry.name.encode()
    except UnicodeEncodeError:
        return "a name that is not Unicode"
    if what == "file" and not entry.is_file():
        return "a broken link" if entry.is_symlink() else "neither a file nor a folder"
    if not os.access(entry.path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
        return f"a {what} that cannot be read: Permission denied"
    return ""


@lru_cache(maxsize=4096)
def _real(folder: str) -> str:
    return os.path.realpath(folder)
