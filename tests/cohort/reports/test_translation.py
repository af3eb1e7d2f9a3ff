import json
from pathlib import Path

import pytest

from unimedi.cohort.reports.report import training_text
from unimedi.cohort.reports.translation import translate_reports
from unimedi.cohort.study import Modality, Report, Split, Study


def study(name: str, text: str, language: str = "es", translation: str = "") -> Study:
    report = Report(text, language, translation)
    return Study(name, f"p{name}", Modality.CT, Path("x.nii"), report, Split.TRAIN)


STUDIES = [
    study("a", "HALLAZGOS: Derrame. Nódulo. Derrame.\nIMPRESIÓN: Nódulo."),
    study("b", "Nódulo. Sin fractura."),
    study("c", "FINDINGS: Effusion.", "en"),
    study("d", "Ya traducido.", translation="Already translated."),
    study("e", ""),
]


class Shouts:
    """Translates into capitals and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, sentences: list[str]) -> list[str]:
        self.asked += sentences
        return [sentence.upper() for sentence in sentences]


def test_each_sentence_is_translated_once_and_the_rest_left_alone(tmp_path: Path) -> None:
    shouts = Shouts()
    done = list(translate_reports(STUDIES, "es", shouts, "shouts", tmp_path / "cache"))
    assert sorted(shouts.asked) == ["Derrame.", "Nódulo.", "Sin fractura."]
    assert done[0].report == Report(
        STUDIES[0].report.text, "es", "FINDINGS: DERRAME. NÓDULO. DERRAME.\nIMPRESSION: NÓDULO."
    )
    assert training_text(done[1].report) == "NÓDULO. SIN FRACTURA."
    assert done[2:] == STUDIES[2:]


def test_what_was_interrupted_goes_on(tmp_path: Path) -> None:
    first = translate_reports(STUDIES, "es", Shouts(), "shouts", tmp_path / "cache")
    next(first)  # the process dies after one study, in the middle of a line
    with (tmp_path / "cache").open("a", encoding="utf-8") as file:
        file.write('["half of a l')
    shouts = Shouts()
    done = list(translate_reports(STUDIES, "es", shouts, "shouts", tmp_path / "cache"))
    assert shouts.asked == ["Sin fractura."]
    assert done == list(translate_reports(STUDIES, "es", Shouts(), "shouts", tmp_path / "cache"))
    lines = (tmp_path / "cache").read_text(encoding="utf-8").splitlines()
    assert sorted(json.loads(line)[1] for line in lines) == ["DERRAME.", "NÓDULO.", "SIN FRACTURA."]


def test_another_translator_has_sentences_of_its_own(tmp_path: Path) -> None:
    list(translate_reports(STUDIES, "es", Shouts(), "one", tmp_path / "cache"))
    shouts = Shouts()
    list(translate_reports(STUDIES, "es", shouts, "two", tmp_path / "cache"))
    assert len(shouts.asked) == 3


def test_half_a_translation_is_none(tmp_path: Path) -> None:
    deaf = lambda sentences: ["" if "Nódulo" in text else "X." for text in sentences]  # noqa: E731
    done = list(translate_reports(STUDIES[:2], "es", deaf, "deaf", tmp_path / "cache"))
    assert done == STUDIES[:2]
    with pytest.raises(ValueError, match="was given 2 sentences and came back with 1"):
        list(translate_reports(STUDIES[:1], "es", lambda sentences: ["X."], "short", tmp_path / "cache"))


def test_a_file_that_is_no_cache_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a diary\n")
    with pytest.raises(ValueError, match="no line of a translation cache"):
        list(translate_reports(STUDIES, "es", Shouts(), "shouts", tmp_path / "cache"))
