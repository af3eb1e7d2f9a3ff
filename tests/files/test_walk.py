"""The one walk over folders: links, litter, what cannot be read. Every entry is a file that comes, or is told."""

import os
import tempfile
from pathlib import Path

import pytest

from tests.cohort.trees import put
from unimedi.files.walk import walk


def walked(root: Path) -> tuple[list[str], dict[str, str]]:
    told: dict[str, str] = {}
    found = [folder / name for folder, names in walk(root, told.__setitem__) for name in names]
    return [str(path.relative_to(root)) for path in found], told


def test_files_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b/2.png", "b/1.png", "a/ä ö/x.png", "c.png"):
        put(tmp_path / name)
    assert walked(tmp_path) == (["c.png", "a/ä ö/x.png", "b/1.png", "b/2.png"], {})


def test_linked_folders_are_read_once_or_told(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("p1/x.png", ".store/p2/x.png", "p1/deep/y.png"):
        put(root / name)
    put(tmp_path / "archive" / "p3" / "x.png")
    (root / "p2").symlink_to(root / ".store" / "p2")  # no name of its own inside the root
    (root / "p2 again").symlink_to(root / "p2")
    (root / "p3").symlink_to(tmp_path / "archive" / "p3")
    (root / "twin").symlink_to("p1")
    (root / "p1" / "deep" / "up").symlink_to(root)  # a circle
    files, told = walked(root)
    assert files == ["p1/x.png", "p1/deep/y.png", "p2/x.png"]
    assert told == {
        ".store": "a hidden folder",
        "p2 again": "a link to a folder that is read as .store/p2",
        "p3": "a linked folder outside the root",
        "twin": "a link to a folder that is read as p1",
        "p1/deep/up": "a link to a folder that is read as .",
    }


def test_a_root_that_is_a_link_and_a_link_to_a_file(tmp_path: Path) -> None:
    put(tmp_path / "real" / "x.png")
    (tmp_path / "real" / "y.png").symlink_to("x.png")
    (tmp_path / "link").symlink_to("real")
    assert walked(tmp_path / "link") == (["x.png", "y.png"], {})


def test_litter_pipes_broken_links_and_odd_names_are_told(tmp_path: Path) -> None:
    for name in ("__MACOSX/._x.png", ".DS_Store", "Thumbs.db", "@eaDir/x.png/thumb.jpg", "desktop.ini", "x.png"):
        put(tmp_path / name)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))).write_text("x")
    assert walked(tmp_path) == (
        ["x.png"],
        {
            "__MACOSX": "a folder of an operating system",
            ".DS_Store": "a hidden file",
            "Thumbs.db": "a file of an operating system",
            "@eaDir": "a folder of an operating system",
            "desktop.ini": "a file of an operating system",
            "pipe": "neither a file nor a folder",
            "gone": "a broken link",
            "caf\\xe9.png": "a name that is not Unicode",
        },
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can lay down its rights here")
def test_what_one_may_not_read_is_told() -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made:
        root = Path(made)
        put(root / "closed" / "x.png")
        put(root / "secret.png")
        root.chmod(0o755)
        (root / "closed").chmod(0o700)
        (root / "secret.png").chmod(0o600)
        os.seteuid(65534)
        try:
            files, told = walked(root)
        finally:
            os.seteuid(0)
    assert files == []
    assert told == {
        "closed": "a folder that cannot be read: Permission denied",
        "secret.png": "a file that cannot be read: Permission denied",
    }
