"""What counts as inside a folder, against the system's own resolution of every path."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unimedi.cohort.inside import inside


@pytest.fixture(scope="module")
def top(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``root`` with a folder, links within it and out of it; ``out`` beside it."""
    top = tmp_path_factory.mktemp("inside")
    (top / "root" / "a" / "b").mkdir(parents=True)
    (top / "out").mkdir()
    for name, target in (("in", "a"), ("away", "../out"), ("a/up", ".."), ("a/off", "../../out"), ("gone", "../no")):
        os.symlink(target, top / "root" / name)
    return top


@given(parts=st.lists(st.sampled_from(["a", "b", "in", "away", "up", "off", "gone", "..", "x.png"]), max_size=5))
def test_it_agrees_with_the_system(top: Path, parts: list[str]) -> None:
    root = top / "root"
    path = root.joinpath(*parts)
    assert inside(path, root) == Path(os.path.realpath(path)).is_relative_to(root.resolve())


def test_the_root_may_be_a_link_itself(top: Path) -> None:
    link = top / "link"
    link.symlink_to("root")
    assert inside(link, link)
    assert inside(link / "a" / "x.png", link)
    assert inside(top / "root" / "a", link)
    assert not inside(link / "away" / "x.png", link)
    assert not inside(f"{link}/..", link)
