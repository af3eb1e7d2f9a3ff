"""Every report tells what the labels say, on the right side, and asserts nothing else."""

import re

import pytest

from unimedi.cohort.reports.language import detect_language
from unimedi.cohort.reports.report import sections, training_text
from unimedi.cohort.study import Modality
from unimedi.phantom.patient.catalogue import FINDINGS, Finding
from unimedi.phantom.patient.patient import Patient, sample_patient
from unimedi.phantom.reports.write import READERS, WORDINGS, labels_for, reportable, write_report

DENIALS = {
    "en": r"\b(no|not|without|negative for|free of)\b(?! be excluded)",
    "es": r"\b(sin|no|ni|negativo)\b(?! se puede descartar)",
}
DOUBTS = r"cannot (be )?exclude|no se puede descartar"
SIDES = {
    "en": {"right": r"\bright\b|\bR[UML]L\b", "left": r"\bleft\b|\bL[UML]L\b", "both": r"\bboth\b|\bbilateral"},
    "es": {"right": r"\bderech[oa]\b", "left": r"\bizquierd[oa]\b", "both": r"\bambos|\bambas|\bbilateral"},
}
LOBES = {
    "en": {
        "upper": r"upper lobe|\b[RL]UL\b",
        "middle": r"middle lobe|\bRML\b|lingula",
        "lower": r"lower lobe|\b[RL]LL\b|bases?\b",
    },
    "es": {"upper": r"superior", "middle": r"lóbulo medio|língula", "lower": r"inferior|\bbases?\b"},
}


@pytest.fixture(scope="module")
def patients() -> list[Patient]:
    return [sample_patient(f"P{number:06d}", 11) for number in range(200)]


def sentences(text: str) -> list[str]:
    """Full stops that end a sentence: not those of 1.2 cm or of a numbered list."""
    return re.split(r"(?<=[^\d])\.\s+|(?<=\d)\.\s+(?=[A-ZÁÉÍÓÚ])|\n", text)


def asserted(text: str, name: str, language: str) -> list[str]:
    """The sentences that say the finding is there: it is named, and nothing denies it."""
    named = "|".join(WORDINGS[language].findings[name].named)
    return [
        sentence
        for sentence in sentences(text)
        if re.search(named, sentence, re.IGNORECASE)
        and (re.search(DOUBTS, sentence, re.IGNORECASE) or not re.search(DENIALS[language], sentence, re.IGNORECASE))
    ]


def told_of(finding: Finding, text: str, language: str) -> list[str]:
    return asserted(text, finding.name, language)


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("modality", [Modality.DX, Modality.CT])
def test_what_is_asserted_is_what_the_labels_say(patients: list[Patient], modality: Modality, language: str) -> None:
    for number, patient in enumerate(patients):
        text = training_text(write_report(patient, modality, seed=3, language=language, reader=number % len(READERS)))
        for name, present in labels_for(patient, modality).items():
            found = asserted(text, name, language)
            assert bool(found) == present, f"{patient.patient_id} {modality} {name}: {present}, but {found} in\n{text}"


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("modality", [Modality.DX, Modality.CT])
def test_nothing_that_is_there_is_denied(patients: list[Patient], modality: Modality, language: str) -> None:
    """Neither by name ("No pleural effusion.") nor by a phrase that calls its whole organ normal."""
    wording, denials = WORDINGS[language], 0
    for patient in patients:
        text = training_text(write_report(patient, modality, seed=9, language=language))
        names = {finding.name for finding in reportable(patient, modality)}
        denied = [
            sentence[match.end() :]
            for sentence in sentences(text)
            if (match := re.search(DENIALS[language], sentence, re.I)) and not re.search(DOUBTS, sentence, re.I)
        ]
        denials += len(denied)
        for name in names:
            nouns = "|".join(map(re.escape, wording.findings[name].absent))
            assert not [part for part in denied if re.search(rf"\b({nouns})\b", part, re.I)], (name, text)
        for phrase in (phrase for organ in wording.normals.values() for phrase in organ):
            assert not (phrase.rules_out & names and phrase.text.rstrip(".") in sentences(text)), (phrase, names, text)
    assert denials > 50


@pytest.mark.parametrize("language", ["en", "es"])
def test_severity_is_told_in_its_own_words(patients: list[Patient], language: str) -> None:
    checked = 0
    for patient in patients:
        text = training_text(write_report(patient, Modality.CT, seed=10, language=language))
        for finding in reportable(patient, Modality.CT):
            own = WORDINGS[language].findings[finding.name].severity
            others = {word for grade, words in own.items() if grade != finding.severity for word in words}
            wrong = others - set(own.get(finding.severity, ()))
            for sentence in told_of(finding, text, language) if len(reportable(patient, Modality.CT)) == 1 else ():
                assert not [word for word in wrong if re.search(rf"\b{word}\b", sentence, re.I)], (finding, sentence)
                checked += any(re.search(rf"\b{word}\b", sentence, re.I) for word in own.get(finding.severity, ()))
    assert checked > 20


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("modality", [Modality.DX, Modality.CT])
def test_side_and_lobe_are_the_finding_s(patients: list[Patient], modality: Modality, language: str) -> None:
    for patient in patients:
        text = training_text(write_report(patient, modality, seed=4, language=language))
        for finding in reportable(patient, modality):
            told = told_of(finding, text, language)
            if finding.side in ("left", "right"):
                other = "left" if finding.side == "right" else "right"
                assert any(re.search(SIDES[language][finding.side], s, re.I) for s in told), (finding, told)
                assert not any(re.search(SIDES[language][other], s, re.I) for s in told), (finding, told)
            if modality == Modality.CT and finding.lobe and finding.side != "both":
                assert any(re.search(LOBES[language][finding.lobe], s, re.I) for s in told), (finding, told)


@pytest.mark.parametrize("language", ["en", "es"])
def test_sizes_are_near_the_truth(patients: list[Patient], language: str) -> None:
    checked = 0
    for patient in patients:
        text = training_text(write_report(patient, Modality.CT, seed=5, language=language))
        for finding in reportable(patient, Modality.CT):
            if finding.name not in ("nodule", "mass", "lymph_node"):
                continue
            for sentence in told_of(finding, text, language):
                if measured := re.search(r"([\d.,]+)(?: x [\d.,]+)? (mm|cm)", sentence):
                    size = float(measured[1].replace(",", ".")) * (10 if measured[2] == "cm" else 1)
                    assert size == pytest.approx(finding.size_mm, rel=0.2, abs=1.1), sentence
                    checked += 1
    assert checked > 50


def test_rib_numbers_are_told(patients: list[Patient]) -> None:
    ordinals = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"]
    broken = [(patient, found) for patient in patients if (found := patient.finding("rib_fracture"))]
    assert broken
    for patient, fracture in broken:
        told = told_of(fracture, training_text(write_report(patient, Modality.CT, seed=6)), "en")
        number = fracture.rib or 0
        assert any(re.search(rf"\b{number}(st|nd|rd|th)\b|{ordinals[number - 1]}", sentence) for sentence in told), told


@pytest.mark.parametrize("language", ["en", "es"])
def test_reports_are_clean_text_in_their_language(patients: list[Patient], language: str) -> None:
    for patient in patients:
        for modality in (Modality.CT, Modality.CR):
            report = write_report(patient, modality, seed=7, language=language)
            text = training_text(report)
            assert not re.search(r"[{}]|  |\.\.| ,| \.", report.text.strip()), report.text
            assert language == "es" or not re.search(r"\ba (?=[aeio]|8 |11 |18 )", report.text), report.text
            assert 4 <= len(text.split()) <= 100, text
            assert all(s[0].isupper() or s[0].isdigit() or s[0] == "-" for s in sentences(text) if s), text
            assert report.language == language
    assert detect_language(report.text) == language


def test_sections_survive_the_reading_of_reports(patients: list[Patient]) -> None:
    for reader in (0, 1, 2, 3):
        for patient in patients[:40]:
            for language in ("en", "es"):
                found = sections(write_report(patient, Modality.CT, seed=8, reader=reader, language=language).text)
                assert found.findings
                assert found.impression


def test_wording_varies_and_is_drawn_again_by_attempt(patients: list[Patient]) -> None:
    healthy = [patient for patient in patients if not patient.findings]
    assert len(healthy) > 10
    texts = [training_text(write_report(healthy[0], Modality.DX, seed=1, attempt=attempt)) for attempt in range(100)]
    assert len(set(texts)) > 80
    everyone = {training_text(write_report(patient, Modality.CT, seed=1)) for patient in patients}
    assert len(everyone) > 195


def test_a_report_is_a_function_of_its_arguments(patients: list[Patient]) -> None:
    patient = patients[0]
    first = write_report(patient, Modality.CT, seed=2)
    assert write_report(patient, Modality.CT, seed=2) == first
    assert write_report(patient, Modality.CT, seed=3) != first
    with pytest.raises(ValueError, match=r"\['en', 'es'\], not 'fr' \(patient P000000\)"):
        write_report(patient, Modality.CT, seed=2, language="fr")


def test_labels_name_every_finding_and_only_what_the_modality_shows(patients: list[Patient]) -> None:
    hidden = [p for p in patients for f in p.findings if f.visible_on == {"ct"}]
    assert hidden
    for patient in hidden:
        xray, ct = labels_for(patient, Modality.DX), labels_for(patient, Modality.CT)
        assert tuple(xray) == tuple(ct) == FINDINGS
        assert sum(ct.values()) == len(patient.findings) > sum(xray.values())
