"""No finding is lost: whatever the heading over it, in whatever language; and what does not train is counted."""

import pytest

from unimedi.cohort.reports.heading_names import kind_of
from unimedi.cohort.reports.report import read_report, training_text
from unimedi.cohort.study import Report

NODULE = "8 mm nodule in the right upper lobe."


@pytest.mark.parametrize(
    "heading",
    [
        *("LUNGS", "Lungs", "LUNGS AND PLEURA", "Heart", "Airways", "MEDIASTINUM", "BONES", "LIVER", "UPPER ABDOMEN"),
        *("RESULT", "Result", "RESULTS", "RESULT(S)", "INTERPRETATION", "NARRATIVE", "BODY", "DESCRIPTION", "REPORT"),
        *(
            "CHEST, TWO VIEWS",
            "PA AND LATERAL CHEST RADIOGRAPH",
            "CHEST CT",
            "Chest",
            "PORTABLE CHEST",
            "CT CHEST FINDINGS",
        ),
        *("TECHNIQUE AND FINDINGS", "FINDINS", "MY OWN HEADING", "Note", "Comment", "Right lung shows the following"),
        *("RESULTADO", "Resultados", "HALLAZGOS", "VALORACIÓN", "Valoracion", "PULMONES", "INFORME", "PARÉNQUIMA"),
        *("Résultats", "RESULTATS", "Parenchyme pulmonaire", "Compte-rendu", "Constatations", "Analyse"),
        *("Befund", "BEFUNDE", "Lunge", "Befund und Beurteilung", "Beschreibung", "Ergebnis"),
        *("Achados", "LAUDO", "Relatório", "Reperti", "Referto", "Polmoni", "影像所见"),
    ],
)
@pytest.mark.parametrize(
    "layout", ["{0}: {1}", "{0} : {1}", "**{0}:** {1}", "**{0}**: {1}", "2. {0}: {1}", "{0}:\n{1}"]
)
def test_text_under_any_heading_is_findings(heading: str, layout: str) -> None:
    under = layout.format(heading, NODULE)
    text = f"EXAM: CT chest\nTECHNIQUE: Axial images.\n{under}\nIMPRESSION: Follow up."
    assert NODULE in training_text(Report(text))
    assert "Axial" not in training_text(Report(text))
    line = f"INDICATION: Cough. TECHNIQUE: Axial images. {heading.upper()}: {NODULE} IMPRESSION: Follow up."
    assert NODULE in training_text(Report(line))


@pytest.mark.parametrize(
    ("text", "trained"),
    [
        (  # the programs of issue 13, and their neighbours
            "EXAM: CT CHEST\nTECHNIQUE: Axial images.\nLUNGS: A nodule.\nHEART: Normal.\nIMPRESSION: Follow up.",
            "Follow up. LUNGS: A nodule. HEART: Normal.",
        ),
        ("Comparison: none.\nInterpretation: 8 mm nodule.\nConclusion: As above.", "8 mm nodule. As above."),
        ("MOTIVO: tos.\nTÉCNICA: TC.\nRESULTADO: Nódulo.\nCONCLUSIÓN: Control.", "Control. Nódulo."),
        ("Indication : toux.\nRésultats : Nodule.\nConclusion : Contrôle.", "Contrôle. Nodule."),
        (
            "Klinische Angaben: Husten.\nFragestellung: Krebs?\nTechnik: nativ.\nBefund: Rundherd.\nBeurteilung: Ja.",
            "Ja. Rundherd.",
        ),
        ("Indicação: tosse.\nTécnica: TC.\nAchados: nódulo.\nImpressão: controle.", "controle. nódulo."),
        ("Quesito clinico: tosse.\nTecnica: TC.\nReperti: nodulo.\nConclusioni: controllo.", "controllo. nodulo."),
        ("检查方法：CT平扫。\n影像所见：右上叶结节。\n诊断意见：结节。", "结节。 右上叶结节。"),
        ("## Indication\ncough\n## Findings\nA nodule.\n## Impression\nFollow up.", "Follow up. A nodule."),
        ("=== FINDINGS ===\nA nodule.\n=== IMPRESSION ===\nFollow up.", "Follow up. A nodule."),
        ("1. HISTORY: cough\n2. FINDINGS: A nodule.\n3. CONCLUSION: Follow up.", "Follow up. A nodule."),
        ("IMPRESSION - Normal chest.\nHISTORY - cough", "Normal chest."),
        ("FINDINGS A nodule.\nIMPRESSION Follow up.", "Follow up. A nodule."),
        # unheaded findings
        (
            "HISTORY: cough.\n\nCOMPARISON: none.\n\nA nodule is seen.\n\nIMPRESSION: Follow up.",
            "Follow up. A nodule is seen.",
        ),
        ("TECHNIQUE: Axial images.\nA nodule is seen.\nIMPRESSION: Follow up.", "Follow up. A nodule is seen."),
        ("8 mm nodule in the right lung.\nIMPRESSION: Follow up.", "Follow up. 8 mm nodule in the right lung."),
        # a colon in a sentence does not split it; a small word of technique in a finding's line neither
        ("FINDINGS: There are two lesions: one in the liver.", "There are two lesions: one in the liver."),
        (
            "FINDINGS: Contrast: good. A nodule. Age: old fracture. Comparison: none.\nIMPRESSION: Normal.",
            "Normal. Contrast: good. A nodule. Age: old fracture. Comparison: none.",
        ),
        (
            "FINDINGS:\nContrast: 80 ml.\nA nodule.\nTECHNIQUE: CT.\nIMPRESSION: Normal.",
            "Normal. A nodule.",
        ),
        (
            "COMPARED WITH PRIOR EXAMINATION: NO CHANGE. LUNGS: CLEAR.",
            "COMPARED WITH PRIOR EXAMINATION: NO CHANGE. LUNGS: CLEAR.",
        ),
        (
            "IMPRESSION: Normal.\nNOTIFICATION: Dr. X at 5 pm.\n\nA nodule is also seen.",
            "Normal. A nodule is also seen.",
        ),
    ],
)
def test_what_trains(text: str, trained: str) -> None:
    assert training_text(Report(text)) == trained


@pytest.mark.parametrize(
    "heading",
    [
        *(
            "ADDENDUM",
            "Addendum",
            "ADDENDUM #1",
            "ADDENDUM by Dr. Smith on 3/4/2020",
            "ADDENDA",
            "CORRECTION",
            "AMENDED REPORT",
        ),
        *(
            "ADENDA",
            "Adenda",
            "ADDENDA",
            "CORRECCIÓN",
            "Informe complementario",
            "Addendum ",
            "Rectificatif",
            "Complément",
        ),
        *(
            "NACHTRAG",
            "Nachtrag",
            "Nachtrag vom 3.5.2020",
            "Ergänzung",
            "Korrektur",
            "Adendo",
            "Errata",
            "Integrazione",
        ),
    ],
)
def test_a_correction_is_kept(heading: str) -> None:
    text = f"FINDINGS: No pneumothorax.\nIMPRESSION: Normal.\n{heading}: There is a small pneumothorax."
    assert training_text(Report(text)) == "Normal. There is a small pneumothorax. No pneumothorax."


def test_an_addendum_may_stand_first_and_without_a_colon() -> None:
    text = "*** ADDENDUM ***\nThere is a nodule.\n*** END ADDENDUM ***\nFINDINGS: Clear.\nIMPRESSION: Normal."
    assert training_text(Report(text)) == "Normal. There is a nodule. Clear."
    assert training_text(Report("FINDINGS: Clear.\nADDENDUM: none")) == "Clear."


@pytest.mark.parametrize(
    "name",
    [
        *("Indication", "CLINICAL HISTORY", "Reason for this examination", "Antecedentes", "Renseignements cliniques"),
        *(
            "Klinische Angaben",
            "Fragestellung",
            "Quesito clinico",
            "Comparison",
            "Voraufnahmen",
            "Comparaison",
            "TÉCNICA",
        ),
        *("Technique", "Dictated by", "Electronically signed by", "NOTIFICATION", "Firmado por", "Recommendation(s)"),
    ],
)
def test_what_does_not_train_is_left_out_and_counted(name: str) -> None:
    read = read_report(f"FINDINGS: Clear.\n{name}: something else here.\nIMPRESSION: Normal.")
    assert (read.sections.findings, read.sections.impression) == ("Clear.", "Normal.")
    assert sum(read.left_out.values()) == len("something else here.")


def test_a_heading_that_no_table_has_needs_no_blank_behind_its_colon() -> None:
    for text in (
        "TECHNIQUE: CT.\nWHAT WE SAW:A nodule.\nIMPRESSION: Normal.",
        "检查技术:CT\n胸部情况:A nodule.\n结论:Normal.",
    ):
        assert "A nodule." in read_report(text).sections.findings
    assert read_report("TECHNIQUE: CT at\nSix PM 5:47, see\nhttp://localhost \nIMPRESSION: Normal.").unknown == ()


def test_headings_that_no_table_has_are_told() -> None:
    read = read_report("TECHNIQUE: CT.\nMY OWN HEADING: A nodule.\nLUNGS: Clear.\nIMPRESSION: Normal.")
    assert read.unknown == ("MY OWN HEADING",)
    assert read.left_out == {"technique": 3}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("Impresson", "impression"), ("FINDINGS/ IMPRESSION", "findings"), ("Reference findings", "findings")),
        *(("Comparision", "comparison"), ("IMPRESSION AND PLAN", "impression"), ("Examination reveals", "unknown")),
        *(
            ("Examen du thorax", "unknown"),
            ("Im Vergleich zur Voraufnahme", "unknown"),
            ("Chest, AP portable", "title"),
        ),
        *(("Fragestellung/Indikation", "indication"), ("Comparison & Technique", "comparison")),
        *(("Datos clínicos y motivo", "indication"), ("Heart/Mediastinum", "place"), ("Technique / Lungs", "unknown")),
        *(("Technique and Lungs", "unknown"), ("Findings, Technique", "findings")),
    ],
)
def test_kinds_of_names(name: str, kind: str) -> None:
    assert kind_of(name) == kind
