"""A recipe from YAML and words: typed, unknown keys refused with a suggestion."""

from pathlib import Path

import pytest

from unimedi.pretraining.earlier_recipe import completed
from unimedi.pretraining.recipe import Recipe
from unimedi.pretraining.recipe_file import REMOVED, RENAMED, RecipeError, load_recipe
from unimedi.pretraining.recipe_names import RECIPES, ROWS
from unimedi.pretraining.run_folder import plain

TEXT = """
seed: 3
duration: 5 epochs
preprocess:
  radiograph_size: [64, 64]
optimization:
  learning_rate: 1e-3
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(TEXT)
    return path


def test_file_then_words_then_defaults(path: Path) -> None:
    recipe = load_recipe(path, ["--seed=4", "--model.slices", "3", "--batch.radiograph_augmentation.shift", "0"])
    assert (recipe.seed, recipe.duration, recipe.method) == (4, "5 epochs", "unimedi")
    assert recipe.preprocess.radiograph_size == (64, 64)
    assert recipe.preprocess.slice_size == (128, 128)
    assert recipe.model.slices == 3
    assert recipe.optimization.learning_rate == 1e-3  # YAML reads 1e-3 as text
    assert recipe.batch.radiograph_augmentation.shift == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--model.slize", "3"], r"unknown key model\.slize \(did you mean 'model\.slices'\?\)"),
        (["--slices", "3"], r"unknown key slices \(did you mean 'model\.slices'\?\)"),
        (["--optimisation.learning_rate", "3"], r"did you mean 'optimization\.learning_rate'\?"),
        (["--zzz", "3"], "unknown key zzz; known are batch, batch.effective, batch.full_report_fraction, "),
        (["--seed", "x"], "seed: expected a whole number"),
        (["--preprocess.radiograph_size=[1,2,3]"], "radiograph_size"),
        (["--method", "magic"], "expected one of unimedi, joint, convirt, got 'magic'"),
        (["--method", "convirt"], "one modality"),
    ],
)
def test_mistakes_on_the_command_line(path: Path, words: list[str], sentence: str) -> None:
    with pytest.raises(RecipeError, match=sentence):
        load_recipe(path, words)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("modle: {slices: 3}", r"unknown key modle \(did you mean 'model'\?\)"),
        ("model: {slize: 3}", r"unknown key model\.slize \(did you mean 'model\.slices'\?\)"),
        ("[1, 2", "is not YAML"),
        ("just words", "expected keys and values, got str"),
        ("model: 3", "model is a section: expected keys and values, got 3"),
        ("seed: [1]", "seed: expected a whole number"),
        ("seed: 1\nmodel: {slices: 2}\nmodel: {patch_size: 8}", "model is there twice"),
        ("model:\n  slices: 2\n  slices: 3\n", "slices is there twice"),
        ("batch:\n  volumes:\n", "batch.volumes: expected a value, got none"),
    ],
)
def test_mistakes_in_the_file(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=sentence):
        load_recipe(path)


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_key_is_told_its_new_name(path: Path, old: str) -> None:
    new = RENAMED[old].split()[0]
    with pytest.raises(RecipeError, match=f"command line: {old} has been renamed: it is {new}"):
        load_recipe(path, [f"--{old}", "2"])
    section, _, leaf = old.rpartition(".")
    path.write_text(f"{section}:\n  {leaf}: 2\n" if section else f"{leaf}: 2\n")
    with pytest.raises(RecipeError, match=f"recipe .*: {old} has been renamed: it is {new}"):
        load_recipe(path)
    reached = Recipe()
    for part in new.split("."):
        reached = getattr(reached, part)  # the new name is a key


@pytest.mark.parametrize("gone", REMOVED)
def test_a_key_that_is_gone_is_not_taken_for_another(path: Path, gone: str) -> None:
    with pytest.raises(RecipeError, match=f"command line: {gone} has been taken out"):
        load_recipe(path, [f"--{gone}", "1"])


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no such file"):
        load_recipe(tmp_path / "none.yaml")


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("")
    assert load_recipe(tmp_path / "empty.yaml").duration == "50 epochs"


def test_a_base_is_what_the_file_does_not_say(path: Path) -> None:
    inner = path.parent / "comparison"
    inner.mkdir()
    (inner / "seed.yaml").write_text("base: ../recipe.yaml\nseed: 7\n")
    (inner / "rate.yaml").write_text("base: seed.yaml\noptimization: {max_grad_norm: 2}\n")
    recipe = load_recipe(inner / "rate.yaml", ["--duration", "3 steps"])
    assert (recipe.seed, recipe.duration) == (7, "3 steps")
    assert recipe.optimization.max_grad_norm == 2
    assert recipe.optimization.learning_rate == 1e-3  # the section is merged, not replaced


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("base: none.yaml", r"none\.yaml, the base of .*recipe\.yaml: no such file"),
        ("base: recipe.yaml", "its own base"),
    ],
)
def test_a_base_that_is_not_there_or_never_ends(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "recipe.yaml").write_text(text)
    with pytest.raises(RecipeError, match=sentence):
        load_recipe(tmp_path / "recipe.yaml")


def test_every_recipe_of_the_project_can_be_read() -> None:
    recipes = sorted(RECIPES.rglob("*.yaml"))
    assert len(recipes) > 10
    tiny = load_recipe(next(path for path in recipes if path.stem == "tiny"))
    for path in recipes:
        if path.parent.name == "comparison":
            assert load_recipe(path).duration == tiny.duration  # the rows of a table differ in one thing
        else:
            load_recipe(path)


def test_a_recipe_must_learn_from_something(path: Path) -> None:
    load_recipe(path, ["--contrastive_weight", "0"])
    with pytest.raises(RecipeError, match="nothing to learn from"):
        load_recipe(path, ["--contrastive_weight", "0", "--method", "joint"])


@pytest.mark.parametrize("name", ["tiny", "tiny.yaml", "recipes/tiny.yaml"])
def test_a_recipe_that_ships_is_found_by_its_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where no clone is
    assert load_recipe(name) == load_recipe(RECIPES / "tiny.yaml")
    assert load_recipe(Path(name), ["--method", "joint"]) == load_recipe("comparison/joint")


def test_a_file_comes_before_a_name_that_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text("base: small\nseed: 9\n")
    (tmp_path / "tiny").mkdir()  # a folder is no recipe
    assert load_recipe("tiny.yaml") == load_recipe("small", ["--seed", "9"])
    assert load_recipe("tiny") == load_recipe(RECIPES / "tiny.yaml")


def test_a_name_that_does_not_ship_is_told_the_choices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        RecipeError, match=r"no recipe tyni: no such file.*base, focal, small, tiny, comparison/aclip, .*joint"
    ):
        load_recipe("tyni")
    assert all(load_recipe(f"comparison/{path.stem}") for path in ROWS.glob("*.yaml"))


def test_a_key_that_is_gone_at_the_value_that_every_run_has_now_is_passed_over(path: Path) -> None:
    """Run folders of before hold it: their recipes are read as they stand."""
    path.write_text("batch:\n  grad_accum_steps: 1\n  volumes: 3\n")
    assert load_recipe(path).batch.volumes == 3
    defaults = plain(Recipe())
    saved = {**defaults, "batch": {"grad_accum_steps": 1, "volumes": 3}}
    whole, missing = completed(saved, defaults, defaults)
    assert whole == {**defaults, "batch": {**defaults["batch"], "volumes": 3}}
    assert "batch.effective 0" in missing
    assert "grad_accum_steps" in completed({"batch": {"grad_accum_steps": 2}}, defaults, defaults)[0]["batch"]
