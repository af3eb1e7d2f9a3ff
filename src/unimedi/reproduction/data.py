"""What a comparison is run on: a phantom hospital made for it, a manifest prepared for it, or a store at hand."""

from collections.abc import Sequence
from pathlib import Path

from unimedi.cohort.manifest import read_manifest
from unimedi.cohort.sources.phantom import phantom_cohort
from unimedi.cohort.study import Study
from unimedi.errors import InputError
from unimedi.inputs.prepare import prepare
from unimedi.inputs.preprocess_settings import PreprocessSettings
from unimedi.phantom.hospital import build_hospital
from unimedi.pretraining.recipe_file import load_recipe

PRESET, SEED = "tiny", 0  # the demo's hospital


def phantom_store(out: Path, recipes: Sequence[Path], preset: str = PRESET) -> Path:
    """The store ``out/store`` of a phantom hospital ``out/hospital``; what is finished of both is kept."""
    build_hospital(out / "hospital", preset, SEED)
    return _prepared(phantom_cohort(out / "hospital"), out / "store", recipes)


def cohort_store(manifest: Path, root: Path | None, out: Path, recipes: Sequence[Path]) -> Path:
    """The store ``out/store`` of a manifest, whose paths begin in ``root`` (default: its folder)."""
    return _prepared(read_manifest(manifest, root), out / "store", recipes)


def shared_preprocess(recipes: Sequence[Path]) -> PreprocessSettings:
    """How all of the recipes want images prepared; InputError naming the first that wants it otherwise."""
    wanted = {recipe: load_recipe(recipe).preprocess for recipe in recipes}
    first = recipes[0]
    for recipe, preprocess in wanted.items():
        if preprocess != wanted[first]:
            raise InputError(
                f"expected rows that train on one store, but {recipe.name} prepares images otherwise than {first.name}"
            )
    return wanted[first]


def _prepared(studies: Sequence[Study], out: Path, recipes: Sequence[Path]) -> Path:
    prepare(studies, out, shared_preprocess(recipes))
    return out
