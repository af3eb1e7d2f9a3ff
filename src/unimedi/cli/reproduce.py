"""``unimedi reproduce``: every row of the comparison on the same data, and the tables."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from unimedi.cli.options import Argument, Root
from unimedi.errors import InputError
from unimedi.ranges import POSITIVE, at_least

MINUTES = 5.0  # of training for every row, where nothing is said


@dataclass(frozen=True)
class Reproduce:
    """Train and evaluate every row of the comparison on the same data, and build the tables. Resumes."""

    what: Annotated[Literal["phantom", "slices", "tables"] | None, Argument(positional=True)] = None
    """phantom: on a phantom hospital, made in OUT first; slices: the map of when slices are worth their cost, in place
    of the comparison; tables: of all that RESULTS has, nothing is trained"""
    preset: str = "tiny"
    """of the phantom hospital; tiny is the demo's (slices has its own)"""
    cohort: Annotated[Path | None, Argument(metavar="MANIFEST")] = None
    """on a cohort of your own, prepared in OUT first"""
    root: Root = None
    """where the manifest's paths begin (default: its own folder)"""
    data: Annotated[Path | None, Argument(metavar="STORE")] = None
    """on a store at hand"""
    budget: Annotated[float | None, POSITIVE, Argument(metavar="MINUTES")] = None
    """of training for every row, on this machine (default: 5)"""
    steps: int | None = None
    """of every row, in place of equal minutes"""
    seeds: Annotated[int, at_least(1)] = 1
    """how many a row"""
    rows: Annotated[list[str], Argument(metavar="NAME")] = field(default_factory=list)
    """only these recipes, or these points of the map"""
    task: Annotated[list[str], Argument(metavar="NAME=STORE")] = field(default_factory=list)
    """downstream tasks, by name or file, each with its own store, that every row answers as well"""
    recipes: Annotated[Path | None, Argument(metavar="FOLDER")] = None
    """with a recipe a row (default: the rows that ship)"""
    out: Path = Path("runs/reproduce")
    """where hospital, store and runs go"""
    results: Path = Path("docs/results")
    """a JSON for each finished row"""
    page: Path | None = None
    """a Markdown page whose tables are replaced"""

    def run(self) -> None:
        if sum(map(bool, (self.what, self.cohort, self.data))) != 1:
            raise InputError("expected one of: the word phantom, slices or tables, --cohort MANIFEST, --data STORE")
        if self.what == "slices":
            self._map()
        elif self.what != "tables":
            self._train()
        elif self.steps or self.budget or self.task:
            raise InputError("tables are of what is finished: --steps, --budget and --task train and do not go with it")
        else:
            self._show()

    def _show(self) -> None:
        from unimedi.reproduction import slice_map, slice_map_page
        from unimedi.reproduction.results import read_results
        from unimedi.reproduction.table import show

        found = read_results(self.results)
        show([one for one in found if not self.rows or one.terms.name in self.rows], self.page)
        folder = self.results / "slices"
        control = slice_map.of_control(self.out, folder)
        if mapped := control.current(read_results(folder), slice_map.POINTS):
            print()
            slice_map_page.show(mapped, folder, self.page)

    def _map(self) -> None:
        from unimedi.files.destination import file_to_write, folder_to_write
        from unimedi.reproduction import slice_map, slice_map_page
        from unimedi.reproduction.results import read_results
        from unimedi.reproduction.table import around

        if self.budget or self.task or self.recipes:
            raise InputError("the map of slices is of equal steps: --budget, --task and --recipes do not go with it")
        points = slice_map.chosen_points(self.rows)
        results = folder_to_write(self.results / "slices")
        if self.page:
            around(file_to_write(self.page, (".md",)), slice_map_page.BEGIN, slice_map_page.END)
        control = slice_map.of_control(folder_to_write(self.out), results, self.steps)
        control.run(points, self.seeds)
        slice_map_page.show(control.current(read_results(results), slice_map.POINTS), results, self.page)

    def _train(self) -> None:
        from unimedi.files.destination import file_to_write, folder_to_write
        from unimedi.inputs.store import Store
        from unimedi.pretraining.recipe_names import ROWS
        from unimedi.reproduction import data
        from unimedi.reproduction.downstream import read_downstream
        from unimedi.reproduction.results import current, read_results
        from unimedi.reproduction.run import chosen_rows, reproduce
        from unimedi.reproduction.table import around, show
        from unimedi.reproduction.terms import Budget

        budget = Budget(self.steps, MINUTES if self.steps is None and self.budget is None else self.budget)
        recipes = chosen_rows(self.recipes or ROWS, self.rows)
        tasks = [read_downstream(word) for word in self.task]
        folder_to_write(self.out)
        folder_to_write(self.results)
        if self.page:
            around(file_to_write(self.page, (".md",)))
        if self.what == "phantom":
            store = data.phantom_store(self.out, recipes, self.preset)
        elif self.cohort:
            store = data.cohort_store(self.cohort, self.root, self.out, recipes)
        else:
            assert self.data is not None
            store = self.data
        reproduce(store, recipes, self.out, self.results, budget, self.seeds, tasks)
        here, rows = Store.open(store).fingerprint, chosen_rows(self.recipes or ROWS)
        found, others = current(read_results(self.results), here, rows)
        show(found, self.page)
        if others:
            print(others, file=sys.stderr)
