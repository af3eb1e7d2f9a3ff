"""Every file under a folder, each once; what is not looked at is told with the reason. The one walk of the package.

A linked folder is read where it leads to a place inside the root that has no name of its own there (as datalad links
into a hidden folder); otherwise it is told: it leads out, or what it shows is read under its own name. So no file
comes twice by a link to a folder, and a circle of links ends.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from unimedi.files.inside import inside

LITTER = {"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found", "thumbs.db", "desktop.ini"}
Tell = Callable[[str, str], None]  # takes a path relative to the root, and the reason why it is left out


def walk(root: Path, tell: Tell) -> Iterator[tuple[Path, list[str]]]:
    """Each folder under ``root`` with the sorted names of its files, folders by name, linked ones last.

    ``tell`` hears of every hidden or unreadable entry, of what operating systems leave behind, of broken links, pipes
    and the like, and of names that are not Unicode; a folder that is left out is told as one.
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
    """The path relative to the root, in letters that any file takes."""
    return os.fsencode(path.relative_to(root)).decode("utf-8", "backslashreplace")


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
    kind = "folder" if entry.is_dir() else "file"
    if entry.name.casefold() in LITTER:
        return f"a {kind} of an operating system"
    if entry.name.startswith("."):
        return f"a hidden {kind}"
    try:
        entry.name.encode()
    except UnicodeEncodeError:
        return "a name that is not Unicode"
    if kind == "file" and not entry.is_file():
        return "a broken link" if entry.is_symlink() else "neither a file nor a folder"
    if not os.access(entry.path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
        return f"a {kind} that cannot be read: Permission denied"
    return ""
