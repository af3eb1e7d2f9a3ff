"""What counts as inside a folder, against the system's own resolution of every path."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unimedi.cohort.manifest import ManifestError, read_manifest
from unimedi.files.walk import inside


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


def test_a_relative_root_is_that_of_the_moment(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place, folder in ((top / "root", "a"), (top / "root" / "a", "b"), (top / "out", "new")):
        monkeypatch.chdir(place)
        assert inside(Path(folder, "x.png"), ".")
        assert not inside(Path("..", "x.png"), ".")


def test_the_root_may_be_a_link_itself(top: Path) -> None:
    link = top / "link"
    link.symlink_to("root")
    assert inside(link, link)
    assert inside(link / "a" / "x.png", link)
    assert inside(top / "root" / "a", link)
    assert not inside(link / "away" / "x.png", link)
    assert not inside(f"{link}/..", link)


@pytest.mark.parametrize("image", ["../out/x.png", "a/../../out/x.png", "away/x.png", "a/off/x.png", "{out}/x.png"])
def test_a_manifest_that_stands_elsewhere_does_not_lead_out_of_its_root(top: Path, tmp_path: Path, image: str) -> None:
    for folder in ("root", "out"):
        (top / folder / "x.png").write_text("an image")
    table = tmp_path / "cohort.csv"
    head = "study_id,patient_id,modality,split,image,report\ns,p,DX,train,"
    table.write_text(f"{head}x.png,Clear.\n")
    assert read_manifest(table, top / "root")[0].image == top / "root" / "x.png"
    table.write_text(f"{head}{image.format(out=top / 'out')},Clear.\n")
    with pytest.raises(ManifestError, match=r"inside it"):
        read_manifest(table, top / "root")
