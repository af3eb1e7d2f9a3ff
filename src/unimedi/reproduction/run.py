"""``unimedi reproduce``: trains and evaluates every row of the comparison on one store, one after the other.

Each row is a recipe of ``recipes/comparison``. A row that has its result is skipped, a run that was cut off goes on
from its checkpoint: the command may be stopped and started at will, and the table grows.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from unimedi.errors import InputError, nearest
from unimedi.files.lock import alone_at
from unimedi.inputs.preprocess_settings import PreprocessSettings
from unimedi.inputs.store import Store, StoreError
from unimedi.reproduction.data import shared_preprocess
from unimedi.reproduction.downstream import Downstream
from unimedi.reproduction.results import REFERENCE, find_result, result_file, write_result
from unimedi.reproduction.row import Row, Say
from unimedi.reproduction.terms import Budget, terms_of


def chosen_rows(folder: Path, names: Sequence[str] = ()) -> list[Path]:
    """The recipes of a folder, or those named: the reference, then the others by name. InputError names what is not
    there."""
    found = sorted(folder.glob("*.yaml"), key=lambda path: (path.stem != REFERENCE, path.stem))
    recipes = {path.stem: path for path in found}
    if not recipes:
        raise InputError(f"expected recipes, one a row, found none in {folder}")
    if unknown := sorted(set(names) - set(recipes)):
        told = ", ".join(f"{name}{nearest(name, recipes)}" for name in unknown)
        raise InputError(f"no row {told} in {folder}")
    return [path for name, path in recipes.items() if name in (names or recipes)]


def reproduce(
    store: Path,
    recipes: Sequence[Path],
    out: Path,
    results: Path,
    budget: Budget,
    seeds: int = 1,
    tasks: Sequence[Downstream] = (),
    say: Say = print,
) -> list[Path]:
    """Run each recipe with seeds 0, 1, … on equal terms; returns the files of the results.

    A finished row is one of the same store, recipe, seed and budget (:class:`Terms`). Runs lie in
    ``out/<budget>/<recipe>-<seed>-<digest>``. ``tasks`` are answered by every row as well. What is asked for later, a
    task or the difference to the reference, is added to a result that is there.

    Raises:
        InputError: a store cannot be used; said before anything is trained.
    """
    preprocess = shared_preprocess(recipes)
    fingerprint = trainable(store, preprocess).fingerprint
    asked = [(task, Store.open(task.store, expect=preprocess).fingerprint) for task in tasks]
    written = []
    for seed in range(seeds):
        for recipe in recipes:
            row = Row(store, recipe, terms_of(recipe, seed, budget, fingerprint), budget, out, say)
            with alone_at(row.run):
                written.append(_finished(row, results, asked))
    return written


def trainable(path: Path, preprocess: PreprocessSettings) -> Store:
    """The store, opened; StoreError where rows cannot train on it or cannot be measured."""
    store = Store.open(path, expect=preprocess)
    for split, use in (("train", "train on"), ("test", "measure on")):
        if not store.select(split=split):
            raise StoreError(f"{path}: expected studies of the {split} split to {use}, found none")
    return store


def _finished(row: Row, results: Path, tasks: Sequence[tuple[Downstream, str]]) -> Path:
    """Bring a row to where nothing that is asked of it lacks; its file."""
    result = find_result(results, row.terms)
    if result is None:
        result = row.measured()
        write_result(result, results)
    else:
        row.say(f"{row.title}: finished before, taken from {results}")
    if (result.reference != row.reference_key or not result.minus_reference) and (gaps := row.minus_reference()):
        result = replace(result, minus_reference=gaps, reference=row.reference_key)
        write_result(result, results)
    for asked, store in tasks:
        if not any((said.task, said.store) == (asked.key, store) for said in result.tasks):
            result = replace(result, tasks=[*result.tasks, row.answered(asked, store)])
            write_result(result, results)
    return result_file(results, row.terms)
