import importlib.metadata
import re
import tarfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unimedi.cohort.reports.language import detect_language
from unimedi.cohort.reports.report import (
    Sections,
    last_of_each,
    read_report,
    says_nothing,
    sections,
    training_language,
    training_text,
)
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


def test_the_impression_comes_first_for_the_end_of_a_long_text_is_cut() -> None:
    assert training_text(Report("FINDINGS: Clear.\nIMPRESSION: Normal.")) == "Normal. Clear."
    assert training_text(Report("FINDINGS: Clear.\nIMPRESSION: Normal")) == "Normal. Clear."
    addended = "FINDINGS: Clear.\nIMPRESSION: Normal.\nADDENDUM: A nodule."
    assert training_text(Report(addended)) == "Normal. A nodule. Clear."


@given(st.text())
def test_no_text_breaks_the_rules_and_none_is_lost_altogether(text: str) -> None:
    kept = training_text(Report(text))
    assert bool(kept) or not re.search(r"[^\W\d_xX]", text)  # any letter but of a mark is kept


LAYOUTS = {
    "in capitals": lambda name, text: f"{name}: {text}\n\n",
    "as titles": lambda name, text: f"{name.title()}: {text}\n\n",
    "in lower case": lambda name, text: f"{name.lower()}: {text}\n",
    "over their text": lambda name, text: f"{name}:\n{text}\n\n",
    "alone on a line": lambda name, text: f"{name}\n{text}\n",
    "all in one line": lambda name, text: f"{name}: {text} ",
}
TOLD_TWICE = "ecgen-radiology/2415.xml"  # its impression holds a whole second report with headings of its own


@pytest.fixture(scope="module")
def open_i() -> dict[str, dict[str, str]]:
    """The 3,955 reports of OpenI by file: section to text, as the XML has them."""
    try:
        files = importlib.metadata.files("torchxrayvision") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package torchxrayvision, which ships OpenI's reports, is not installed")
    found = {}
    with tarfile.open(next(Path(str(f.locate())) for f in files if f.name == "NLMCXR_reports.tgz")) as reports:
        for member in reports:
            if member.name.endswith(".xml"):
                tree = ElementTree.fromstring(reports.extractfile(member).read())  # type: ignore[union-attr]
                parts = {str(e.get("Label")): (e.text or "").strip() for e in tree.iter("AbstractText")}
                found[member.name] = {name: text for name, text in parts.items() if text}
    assert len(found) == 3955
    return found


def words(text: str) -> list[str]:
    """Letters alone: no numbers of lists, no marks, whatever the rules do with them."""
    return [word for word in re.findall(r"[a-z]+", text.lower()) if "xxxx" not in word]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_section_of_every_real_report_is_found(open_i: dict[str, dict[str, str]], layout: str) -> None:
    missed = {}
    for name, parts in open_i.items():
        read = read_report("".join(LAYOUTS[layout](heading, text) for heading, text in parts.items()))
        expected = [words(parts.get(heading, "")) for heading in ("FINDINGS", "IMPRESSION")]
        if any(expected) and [words(read.sections.findings), words(read.sections.impression)] != expected:
            missed[name] = read.left_out.get("note", 0)
    assert [name for name, note in missed.items() if not note] == [TOLD_TWICE], missed
    assert len(missed) == 12, missed  # eleven tell somebody, or say that the report ends here


def test_real_reports_are_english_and_say_something(open_i: dict[str, dict[str, str]]) -> None:
    texts = {
        name: f"{parts.get('FINDINGS', '')} {parts.get('IMPRESSION', '')}".strip() for name, parts in open_i.items()
    }
    foreign = {text: told for text in texts.values() if text and (told := detect_language(text)) != "en"}
    assert set(foreign.values()) <= {"und"}
    assert len(foreign) <= 5, foreign
    silent = {text for text in texts.values() if text and says_nothing(training_text(Report(text)))}
    assert silent <= {"None.", "XXXX", "XXXX."}
    assert not any("XXXX" in training_text(Report(text)) for text in texts.values())


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("IMPRESSION:\n1. Clear lungs\n2. No effusion\n", "Clear lungs. No effusion"),
        ("IMPRESSION: 1. Clear lungs. 2. No effusion.", "Clear lungs. No effusion."),
        ("IMPRESIÓN:\n(1) Ángulos libres.\n(2) Óseo normal.", "Ángulos libres. Óseo normal."),
        ("IMPRESSION: Fracture of T 12. Normal heart.", "Fracture of T 12. Normal heart."),
        ("IMPRESSION: Nodule of 1.5 cm. Grade 2. Stable.", "Nodule of 1.5 cm. Grade 2. Stable."),
        (
            "FINDINGS: Compared with XXXX, the heart is larger. XXXX XXXX. Clear.",
            "Compared with, the heart is larger. Clear.",
        ),
        ("FINDINGS: ___ year old. ___. Seen by [**Name 3**] on ___.", "year old. Seen by on."),
    ],
)
def test_lists_and_marks(text: str, kept: str) -> None:
    assert training_text(Report(text)) == kept


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ___ ",
            "None.",
            "N/A",
            "See report of CT.",
            "Please refer to the separately dictated report.",
            "no report",
        ),
        *("Report not available.", "DICTATED BUT NOT READ", "XXXX.", "See above", "Ver informe de TC del mismo día."),
        *("Informe no disponible.", "Sin informe", "Véase informe previo", "Pendiente", "REPORT PENDING", "-"),
    ],
)
def test_boilerplate_says_nothing(text: str) -> None:
    assert says_nothing(text)


@pytest.mark.parametrize(
    "text",
    [
        *("Normal.", "No change.", "No acute disease.", "See comment: nodule of 8 mm.", "None of the lines has moved."),
        *("Sin hallazgos.", "Normal", "Report of nodules unchanged.", "Ver nódulo en LSD."),
    ],
)
def test_short_reports_say_something(text: str) -> None:
    assert not says_nothing(text)


def test_the_last_section_of_each_name_alone() -> None:
    text = "WET READ: none\nFINDINGS: Effusion.\nFINAL REPORT\nFINDINGS: No effusion.\nIMPRESSION: Normal.\n"
    assert sections(text).findings == "Effusion. No effusion."
    assert sections(last_of_each(text)) == Sections(findings="No effusion.", impression="Normal.")
    assert last_of_each("The lungs are clear.") == "The lungs are clear."


def test_a_translation_trains_in_the_place_of_the_report() -> None:
    report = Report("HALLAZGOS: Derrame.", "es", "FINDINGS: There is an effusion.")
    assert (training_text(report), training_language(report)) == ("There is an effusion.", "en")


HEADS = st.sampled_from(["FINDINGS:", "Impression:", "HALLAZGOS:", "INDICATION:", "Técnica:"])
SENTENCES = st.lists(
    st.sampled_from(["clear lungs", "no effusion", "sin derrame", "nodule of 8 mm"]), min_size=1, max_size=3
)


@given(parts=st.lists(st.tuples(HEADS, SENTENCES), min_size=1, max_size=6), gap=st.sampled_from(["\n", "\n\n", " "]))
def test_headed_text_comes_back_whole_and_stays(parts: list[tuple[str, list[str]]], gap: str) -> None:
    text = "\n".join(f"{head}{gap}{'. '.join(said)}." for head, said in parts)
    found = sections(text)
    expected = [f"{'. '.join(said)}." for head, said in parts if head in ("FINDINGS:", "HALLAZGOS:")]
    if expected or any(head == "Impression:" for head, _ in parts):
        assert found.findings == " ".join(expected)
    once = training_text(Report(text))
    assert training_text(Report(once)) == once
