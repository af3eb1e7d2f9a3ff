"""A recipe from YAML and words: typed, unknown keys refused with a suggestion."""

from pathlib import Path

import pytest

from unimedi.pretraining.recipe_file import RecipeError, load_recipe

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
        (["--model.slize", "3"], r"unknown key model\.slize; did you mean model\.slices\?"),
        (["--slices", "3"], r"unknown key slices; did you mean model\.slices\?"),
        (["--optimisation.learning_rate", "3"], r"did you mean optimization\.learning_rate\?"),
        (["--zzz", "3"], "unknown key zzz; known are batch, "),
        (["--seed", "x"], "seed: Expected a int"),
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
        ("modle: {slices: 3}", r"unknown key modle; did you mean model\?"),
        ("model: {slize: 3}", r"unknown key model\.slize; did you mean model\.slices\?"),
        ("[1, 2", "is not YAML"),
        ("just words", "expected keys and values, got str"),
        ("model: 3", "model is a section: expected keys and values, got 3"),
        ("seed: [1]", "seed: Expected a int"),
    ],
)
def test_mistakes_in_the_file(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=sentence):
        load_recipe(path)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no such file"):
        load_recipe(tmp_path / "none.yaml")


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("")
    assert load_recipe(tmp_path / "empty.yaml").duration == "50 epochs"
