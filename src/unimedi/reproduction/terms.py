"""On which terms a row is trained: store, recipe, seed and budget. A finished row serves where all of it is equal."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from unimedi.errors import InputError
from unimedi.pretraining.earlier_recipe import completed
from unimedi.pretraining.recipe import Recipe
from unimedi.pretraining.recipe_file import load_recipe
from unimedi.pretraining.run_folder import plain

FORMAT = 2  # raised when the same row would be measured otherwise: finished rows are then measured again


@dataclass(frozen=True)
class Budget:
    """What every row of a table gets of training: equal steps, or equal minutes on this machine."""

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise InputError("expected either --steps or --budget: all rows get the same of one")
        if not (self.steps or self.minutes or 0) > 0:
            raise InputError(f"expected a budget above 0, got {self.name}")

    @property
    def name(self) -> str:
        """``600 steps`` or ``5 minutes``."""
        return f"{self.minutes:g} minutes" if self.steps is None else f"{self.steps} steps"


@dataclass(frozen=True)
class Terms:
    """All that decides what is measured of a row. A finished row is taken only where all of it is equal."""

    name: str
    seed: int
    budget: str  # what all rows of a table share: "600 steps" or "5 minutes"
    store: str  # fingerprint of the data
    recipe: Mapping[str, Any]  # resolved, without its duration, which the budget says; {} where it was not recorded
    format: int = FORMAT

    @property
    def folder(self) -> str:
        """``600-steps``."""
        return self.budget.replace(" ", "-")

    @property
    def label(self) -> str:
        """``joint-0-1a2b3c4d``: what its run and its result are called."""
        return f"{self.name}-{self.seed}-{digest(asdict(self))}"

    def serve(self, wanted: "Terms") -> bool:
        """Whether what was measured on these terms is what is wanted."""
        mine, theirs = (replace(terms, recipe=of_today(terms.recipe)) for terms in (self, wanted))
        return mine == theirs

    @property
    def recipe_key(self) -> str:
        """Of the recipe whatever the seed; '' where it was not recorded."""
        unseeded = {key: value for key, value in of_today(self.recipe).items() if key != "seed"}
        return digest(unseeded, self.format) if unseeded else ""


def of_today(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe as today's: a key that came later has its default, which is what every run did before."""
    defaults = {key: value for key, value in plain(Recipe()).items() if key != "duration"}
    return completed(recipe, defaults, defaults)[0] if recipe else {}


def terms_of(recipe: Path, seed: int, budget: Budget, store: str) -> Terms:
    """What a row stands for on the store of that fingerprint."""
    return Terms(recipe.stem, seed, budget.name, store, settings_of(recipe, seed))


def settings_of(recipe: Path, seed: int, words: Sequence[str] = ()) -> dict[str, Any]:
    """A recipe, resolved, without its duration; ``words`` change it as on a command line."""
    resolved = plain(load_recipe(recipe, [*words, "--seed", str(seed)]))
    del resolved["duration"]
    return resolved


def digest(*parts: object) -> str:
    """Eight letters of the sha256 of what JSON can hold."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:8]
