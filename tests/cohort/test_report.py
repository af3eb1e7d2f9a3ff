import importlib.metadata
import re
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unimedi.cohort.report import Sections, detect_language, sections, training_text
from unimedi.cohort.study import Report

MIMIC = """                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)

 INDICATION:  ___ year old woman with cough  // pneumonia?

 TECHNIQUE:  Chest PA and lateral

 COMPARISON:  ___

 FINDINGS:

 The lungs are clear.  No pleural effusion.  Two views: nothing else.
 Compared with the prior
 examination
 nothing changed.

 IMPRESSION:

 No acute cardiopulmonary process.
"""
SPANISH = """MOTIVO DE CONSULTA: tos.
Técnica: TC de tórax sin contraste.
HALLAZGOS: Nódulo en el lóbulo superior derecho de 8 mm. No hay derrame pleural.
IMPRESIÓN DIAGNÓSTICA: Nódulo pulmonar."""


def test_a_mimic_report() -> None:
    assert sections(MIMIC) == Sections(
        indication="year old woman with cough // pneumonia?",
        comparison="",
        findings="The lungs are clear. No pleural effusion. Two views: nothing else. Compared with the prior "
        "examination nothing changed.",
        impression="No acute cardiopulmonary process.",
    )


@pytest.mark.parametrize("strip", [False, True])
def test_a_spanish_report_with_and_without_accents(strip: bool) -> None:
    text = SPANISH.translate(str.maketrans("áéíóúÁÉÍÓÚ", "aeiouAEIOU")) if strip else SPANISH
    found = sections(text)
    assert found.indication == "tos."
    assert found.findings.endswith("No hay derrame pleural.")
    assert found.impression.startswith("N")
    assert "contraste" not in training_text(Report(text, "es"))


@pytest.mark.parametrize(
    ("text", "findings", "impression"),
    [
        ("FINDINGS: Clear. IMPRESSION: Normal.", "Clear.", "Normal."),
        ("Findings: Clear. Impression: Normal.", "Clear.", "Normal."),
        ("INDICATION: Cough FINDINGS: Clear IMPRESSION: Normal", "Clear", "Normal"),
        ("Findings\nClear.\n\nConclusion\nNormal.", "Clear.", "Normal."),
        ("FINDINGS AND IMPRESSION: Clear.", "Clear.", ""),
        ("FINDINGS: Clear.\r\nOPINION: Normal.\r\nADDENDUM: none", "Clear.", "Normal."),
        ("FINDINGS: Clear.\nRECOMMENDATION: CT.\nFINDINGS: Old scar.", "Clear. Old scar.", ""),
        ("IMPRESSION: Normal.", "", "Normal."),
    ],
)
def test_headings_in_all_their_places(text: str, findings: str, impression: str) -> None:
    found = sections(text)
    assert (found.findings, found.impression) == (findings, impression)


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        ("The lungs are clear.", "The lungs are clear."),
        ("The findings are stable in comparison: no change.", "The findings are stable in comparison: no change."),
        ("Clear lungs.\nRECOMMENDATION: none", "Clear lungs."),
        ("FINAL REPORT\nPA and lateral views. Clear lungs.", "PA and lateral views. Clear lungs."),
        ("INDICATION: Cough.\n\nClear lungs.\n\nNo effusion.", "Clear lungs. No effusion."),
        ("INDICATION: Cough, lungs clear.", "INDICATION: Cough, lungs clear."),
    ],
)
def test_without_headings_the_text_is_findings(text: str, findings: str) -> None:
    assert sections(text) == Sections(findings=findings, indication=sections(text).indication)
    assert training_text(Report(text)) == findings


def test_training_text_is_findings_then_impression() -> None:
    assert training_text(Report("IMPRESSION: Normal.\nFINDINGS: Clear.")) == "Clear. Normal."


@given(st.text())
def test_no_text_breaks_the_rules_and_none_is_lost_altogether(text: str) -> None:
    kept = training_text(Report(text))
    assert bool(kept) == bool(re.sub(r"_{2,}", " ", text).strip())


def test_language_by_function_words() -> None:
    assert detect_language(SPANISH) == "es"
    assert detect_language(MIMIC) == "en"
    assert detect_language("Sin hallazgos en el pulmón.") == "es"
    assert detect_language("No acute disease.") == "en"
    assert detect_language("") == "en"


def test_real_reports_have_their_sections_found() -> None:
    try:
        files = importlib.metadata.files("torchxrayvision") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package torchxrayvision, which ships OpenI's reports, is not installed")
    archive = next(Path(str(f.locate())) for f in files if f.name == "NLMCXR_reports.tgz")
    agreed, count = 0, 0
    with tarfile.open(archive) as reports:
        for member in reports:
            if not member.name.endswith(".xml") or count == 300:
                continue
            xml = reports.extractfile(member).read().decode("utf-8")  # type: ignore[union-attr]
            parts = dict(re.findall(r'<AbstractText Label="(\w+)">(.*?)</AbstractText>', xml, re.DOTALL))
            if not parts.get("FINDINGS") or not parts.get("IMPRESSION"):
                continue
            count += 1
            found = sections("\n".join(f"{heading}: {text}" for heading, text in parts.items()))
            expected = [" ".join(re.sub("_{2,}", " ", parts[name]).split()) for name in ("FINDINGS", "IMPRESSION")]
            agreed += [found.findings, found.impression] == expected
            assert detect_language(parts["FINDINGS"]) == "en"
    assert count == 300
    assert agreed >= 295
