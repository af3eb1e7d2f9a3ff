"""The documents name functions, tests and options that exist."""

import dataclasses
import re
from importlib import import_module
from typing import Any, get_type_hints

import pytest

from .repository import PACKAGE, ROOT

PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
DOCUMENTS = ["README.md", "CONTRIBUTING.md", *PAGES]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_and_named_files_exist(document: str) -> None:
    path = ROOT / document
    text = path.read_text()
    links = [path.parent / link for link in re.findall(r"\]\((?!http|#)([^)#]+)", text)]
    named = re.findall(r"`((?:src|recipes|docs|tests|examples|benchmarks)/[\w./-]+\.\w+)(?:::\w+)?`", text)
    named += re.findall(r"\brecipes/\w+\.yaml", text)
    places = [(PACKAGE if name.startswith("recipes/") else ROOT) / name for name in named]
    missing = [str(place) for place in [*links, *places] if not place.exists()]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS)
def test_named_objects_exist(document: str) -> None:
    for dotted in re.findall(r"`(unimedi(?:\.\w+){2,})`", (ROOT / document).read_text()):
        module, _, name = dotted.rpartition(".")
        assert hasattr(import_module(module), name), f"{document} names {dotted}, which does not exist"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_named_tests_exist(document: str) -> None:
    for file, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / document).read_text()):
        assert re.search(rf"def {name}\(", (ROOT / file).read_text()), f"{document} names {file}::{name}"


def test_named_options_exist() -> None:
    """Every `section.field: a | b` of docs/paper.md is a field of the recipe, and its values are accepted."""
    from unimedi.pretraining.recipe import Recipe

    text = (ROOT / "docs" / "paper.md").read_text()
    hints = get_type_hints(Recipe)
    sections = {name: kind for name, kind in hints.items() if dataclasses.is_dataclass(kind)}
    for section, option in re.findall(rf"`({'|'.join(sections)})\.(\w+)", text):
        fields = {field.name for field in dataclasses.fields(sections[section])}
        assert option in fields, f"docs/paper.md names {section}.{option}, which no recipe has"


def choices() -> list[tuple[str, str]]:
    text = (ROOT / "docs" / "paper.md").read_text()
    found = re.findall(r"`model\.(\w+): ([\w |\\]+)`", text)
    return [(field, value.strip()) for field, values in found for value in values.replace("\\", "").split("|")]


@pytest.mark.parametrize(("field", "value"), choices())
def test_named_choices_are_accepted(field: str, value: str) -> None:
    from unimedi.model.config import UniMediConfig

    settings: dict[str, Any] = {field: type(getattr(UniMediConfig, field, value))(value)}
    assert getattr(UniMediConfig(**settings), field) == settings[field]
