"""The recipes that ship, by name: ``tiny``, ``base``, ``comparison/joint``; anything else is a file's path."""

from pathlib import Path
from typing import Final

from unimedi.errors import MissingError

RECIPES: Final = Path(__file__).parents[1] / "recipes"
ROWS: Final = RECIPES / "comparison"


def find_recipe(name: str | Path) -> Path:
    """The file of this path, else the shipped recipe of this name.

    Raises:
        MissingError: neither is there; the shipped names are listed.
    """
    path = Path(name)
    if found := path if path.is_file() else shipped(name):
        return found
    choices = ", ".join(sorted(_names(), key=lambda one: ("/" in one, one)))
    raise MissingError(f"no recipe {name}: no such file, and none that ships has this name: {choices}")


def shipped(name: str | Path) -> Path | None:
    """The shipped recipe ``tiny`` or ``comparison/joint``, which may be written ``recipes/tiny.yaml`` too."""
    return _names().get(Path(name).as_posix().removeprefix("recipes/").removesuffix(".yaml"))


def _names() -> dict[str, Path]:
    return {path.relative_to(RECIPES).with_suffix("").as_posix(): path for path in RECIPES.rglob("*.yaml")}
