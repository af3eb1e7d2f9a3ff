"""docs/tree.md shows every file of the package with the first sentence of its docstring."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from .repository import ROOT


@pytest.fixture(scope="module")
def tree() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tree", ROOT / "docs" / "tree.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_file_has_a_short_caption(tree: ModuleType) -> None:
    names = tree.on_disk(tree.PACKAGE)
    without = [name for name in names if not tree.caption(tree.PACKAGE, name)]
    assert not without, f"no first sentence of at most {tree.LONGEST} words in the docstrings of {without}"
    assert max(len(tree.caption(tree.PACKAGE, name).split()) for name in names) <= 17  # of CAPTIONS, too


def test_the_page_is_as_it_would_be_drawn(tree: ModuleType) -> None:
    assert tree.PAGE.read_text() == tree.drawn(), "`python docs/tree.py` draws docs/tree.md anew"


def test_captions_are_of_files_that_are_there(tree: ModuleType) -> None:
    assert not [name for name in (*tree.CAPTIONS, *tree.ONE_LINE) if not (tree.PACKAGE / name).exists()]


def test_a_caption_is_the_first_sentence_or_its_beginning(tree: ModuleType, tmp_path: Path) -> None:
    long = "A sentence that goes on and on: one two three four five six seven eight nine"
    for docstring, caption in [
        ("One thing.\n\nMore of it.", "One thing"),
        ("By ``name`` (A, b). And more.", "By name (A, b)"),
        ("What is it? A file.", "What is it?"),
        (f"{long}.", "A sentence that goes on and on"),
        ("Too short: a, b c d e f g h i j k l m n o p.", "Too short: a"),
        ("One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen.", ""),
    ]:
        (tmp_path / "module.py").write_text(f'"""{docstring}"""\n')
        assert tree.caption(tmp_path, "module.py") == caption
