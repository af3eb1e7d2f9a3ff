"""The prompts are in the model's language unless others are named, and what is no prompt file is said in a sentence."""

from pathlib import Path

import pytest

from unimedi.evaluation.options import EvaluationOptions, with_prompts
from unimedi.evaluation.zero_shot import prompts
from unimedi.evaluation.zero_shot.prompts import DEFAULT_PROMPTS, find_prompts, prompts_for

WHOLE = "version: 1\nlanguage: en\nfindings: {mass: {present: [A mass.], absent: [No mass.]}}\n"


@pytest.mark.parametrize(
    ("languages", "name"),
    [
        ((), "chest_en_v2"),
        (("en",), "chest_en_v2"),
        (("es", "en"), "chest_en_v2"),
        (("es",), "chest_es_v1"),
        (["ca", "es"], "chest_es_v1"),
    ],
)
def test_the_default_speaks_the_language_of_the_model(languages: tuple[str, ...], name: str) -> None:
    path, notes = prompts_for(languages)
    assert (path.stem, notes) == (name, [])
    assert with_prompts(EvaluationOptions(), languages)[0].prompt_file == path


def test_a_language_without_prompts_is_said() -> None:
    path, (note,) = prompts_for(["ca", "de"])
    assert path == DEFAULT_PROMPTS
    assert note == "no prompts in 'ca', 'de', which the model was trained with: chest_en_v2 is used"


def test_a_named_file_goes_before_the_language() -> None:
    asked = EvaluationOptions(prompts=find_prompts("chest_en_v1"))
    assert with_prompts(asked, ["de"]) == (asked, [])


def test_the_newest_plain_file_is_the_one_of_the_highest_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("chest_es_v9", "chest_es_v10", "chest_es_gloria_v11", "chest_en_v12"):
        (tmp_path / f"{name}.yaml").touch()
    monkeypatch.setattr(prompts, "PROMPTS", tmp_path)
    assert prompts_for(["es"])[0].stem == "chest_es_v10"


def test_a_name_or_a_path_is_found(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("version: 1\nlanguage: de\nfindings:\n  mass: {present: [Ein Herd.], absent: [Kein Herd.]}\n")
    assert find_prompts(str(own)) == own
    assert find_prompts("chest_es_v1").stem == "chest_es_v1"


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"no prompts 'chest_es_v2' \(did you mean 'chest_es_v1'\?\): expected a file"):
        find_prompts("chest_es_v2")
    with pytest.raises(ValueError, match="no prompts 'nonsense': expected a file or one of chest_en_gloria_v1, "):
        find_prompts("nonsense")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "not YAML"),
        ("- a", "expected version, language and findings"),
        ("version: 1\nlanguage: en\n", "expected version, language and findings"),
        ("version: 1\nlanguage: en\nfindings: {mass: [a]}\n", "each with a present and an absent side"),
        ("version: 1\nlanguage: en\nfindings: {mass: {present: A., absent: [B.]}}\n", "expected a list of sentences"),
        ("version: 1\nlanguage: en\nfindings: {mass: {present: [1], absent: [B.]}}\n", "expected a list of sentences"),
        (f"{WHOLE}details: [calcified]\n", "and details, if any"),
        (f"{WHOLE}details: {{calcified: [A.]}}\n", "each with a present and an absent side"),
        (
            f"{WHOLE}details: {{calcified: {{present: [A.]}}}}\n",
            "expected at least one 'absent' sentence for calcified",
        ),
        (f"{WHOLE}details: {{mass: {{present: [A.], absent: [B.]}}}}\n", "a finding or a detail, got mass as both"),
        ("version: 1\nlanguage: en\nfindings: {mass: {present: {sign: [a]}, absent: [B.]}}\n", "expected a sentence"),
    ],
)
def test_a_file_that_holds_no_prompts_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(ValueError, match=rf"own\.yaml.*{said}"):
        find_prompts(str(tmp_path / "own.yaml"))
