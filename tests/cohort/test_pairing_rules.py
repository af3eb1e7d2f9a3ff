"""What decides which text is the report of which image, one rule at a time; whole folders are in test_pairing.py."""

from pathlib import Path

import pytest

from unimedi.cohort.sources.own_files.images import FoundImage
from unimedi.cohort.sources.own_files.pairing import Pairs, by_name, is_no_report, texts_of_other_files
from unimedi.cohort.sources.own_files.sibling_folders import by_sibling_folder

ROOT = Path("archive")


def images(*names: str) -> list[FoundImage]:
    return [FoundImage(ROOT / name, None) for name in names]


def texts(*names: str) -> list[Path]:
    return [ROOT / name for name in names]


@pytest.mark.parametrize(("name", "no_report"), [("README_first.txt", True), ("labels.txt", True), ("log-2.txt", True),
                                                 ("labels of the spine.txt", False), ("p1.txt", False)])  # fmt: skip
def test_names_that_no_report_has(name: str, no_report: bool) -> None:
    assert is_no_report(Path(name)) == no_report


def test_a_text_that_bears_the_name_of_another_file_is_not_free() -> None:
    found, listed = images("a.png"), texts("a.txt", "b.txt", "C.txt")
    files = [*listed, found[0].path, ROOT / "b.dcm", ROOT / "c.nrrd"]
    assert texts_of_other_files(listed, found, files) == {ROOT / "b.txt", ROOT / "C.txt"}


def test_the_same_capitals_go_before_others_and_two_candidates_are_refused() -> None:
    found, pairs = images("A.png", "a.png", "b.png"), Pairs(set())
    by_name(found, texts("A.txt", "a.txt", "B.txt", "b.png.txt"), pairs)
    assert pairs.reports == {ROOT / "A.png": ROOT / "A.txt", ROOT / "a.png": ROOT / "a.txt"}
    assert pairs.refused == {ROOT / "b.png": "several texts of its name: B.txt, b.png.txt"}
    assert pairs.doubtful == {ROOT / "B.txt", ROOT / "b.png.txt"}


@pytest.mark.parametrize(
    ("found", "listed", "paired"),
    [
        (["images/p/a.png"], ["reports/p/a.txt"], 1),  # a folder whose name says what it holds: one pair is enough
        (["x/a.png"], ["y/a.txt"], 0),  # names that say nothing: chance
        (["x/a.png", "x/b.png"], ["y/a.txt", "y/b.txt"], 2),  # unless two agree
        (["x/a.png", "x/b.png", "p/c.png"], ["y/a.txt", "y/b.txt", "p/d.txt"], 0),  # and no folder beside has both
    ],
)
def test_two_trees(found: list[str], listed: list[str], paired: int) -> None:
    pairs = Pairs(set())
    by_sibling_folder(images(*found), texts(*listed), ROOT, pairs)
    assert len(pairs.reports) == len(pairs.elsewhere) == paired
    assert all(image.stem == text.stem for image, text in pairs.reports.items())
