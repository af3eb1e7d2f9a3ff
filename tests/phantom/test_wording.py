"""The phrases of each language: every brace is filled, every finding can be said, measures are written as people do."""

import re
from random import Random

import pytest

from unimedi.phantom.patient.catalogue import FINDINGS
from unimedi.phantom.patient.patient import sample_patient
from unimedi.phantom.reports import english, spanish
from unimedi.phantom.reports.language import ORGANS, Phrases, Wording, measured, read_wording
from unimedi.phantom.reports.write import READERS, WORDINGS

GRAMMARS = {"en": english, "es": spanish}


@pytest.fixture(params=WORDINGS)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def templates(phrases: Phrases) -> list[str]:
    return [*phrases.xray, *phrases.ct, *phrases.unsure, *phrases.impression]


def test_every_brace_of_every_phrase_is_filled(language: str) -> None:
    wording = WORDINGS[language]
    for name in FINDINGS:
        patient = sample_patient(f"only-{name}", 0, {other: float(other == name) for other in FINDINGS})
        finding = patient.finding(name)
        assert finding is not None
        for third in (None, "upper", "middle", "lower"):
            for habits in READERS:
                slots = wording.slots(finding, ("mild",), third, habits, Random(1))
                for text in templates(wording.findings[name]):
                    said = wording.polish(text.format(**slots))
                    assert "{" not in said
                    assert "  " not in said


def test_a_language_speaks_of_every_finding_and_of_every_organ(language: str) -> None:
    wording = WORDINGS[language]
    assert set(wording.findings) == set(FINDINGS)
    assert set(wording.normals) == set(wording.organs) == set(ORGANS)
    for name, phrases in wording.findings.items():
        assert all(phrases.absent), name
    for organ, normals in wording.normals.items():
        assert any(phrase.rules_out >= ORGANS[organ] for phrase in normals), organ
        assert all(phrase.rules_out <= set(FINDINGS) for phrase in normals)


def test_the_file_of_phrases_is_what_is_used(language: str) -> None:
    file = {"en": "english.yaml", "es": "spanish.yaml"}[language]
    grammar = GRAMMARS[language]
    read = read_wording(file, grammar.slots, grammar.polish)
    assert isinstance(read, Wording)
    assert read == WORDINGS[language]


def test_measures_are_rounded_as_readers_do_and_the_second_is_smaller() -> None:
    millimetres, centimetres = READERS[0], READERS[1]
    assert centimetres.centimetres
    assert not millimetres.centimetres
    for seed in range(50):
        size, dims = measured(12.0, millimetres, Random(seed))
        value, other = (int(number) for number in re.fullmatch(r"(\d+) x (\d+) mm", dims).groups())  # type: ignore[union-attr]
        assert size == f"{value} mm"
        assert 10 <= value <= 14
        assert other <= value
        assert re.fullmatch(r"1\.\d cm", measured(12.0, centimetres, Random(seed))[0])


def test_english_puts_articles_before_vowel_sounds() -> None:
    assert (
        english.polish("a 8 mm nodule, a extensive one,  a 12 mm one")
        == "an 8 mm nodule, an extensive one, a 12 mm one"
    )
    assert spanish.polish("nódulo  sólido") == "nódulo sólido"
