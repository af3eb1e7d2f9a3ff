import pytest

from unimedi.cohort.reports.notes import without_notes
from unimedi.cohort.reports.report import training_text
from unimedi.cohort.study import Report


@pytest.mark.parametrize(
    "note",
    [
        "These findings were discussed with Dr. Smith by telephone at 10:00 am on 3/4.",
        "Findings were communicated by phone to the ED team.",
        "Dr. ___ was informed of the findings by phone.",
        "The ordering physician was notified of this finding.",
        "Results were called to the floor at 5:30 p.m.",
        "I have personally reviewed the images and agree with the above.",
        "Electronically signed by John Smith on 3/4/2020.",
        "This report was dictated by Dr. Smith.",
        "Thank you for the referral of this patient.",
        "END OF REPORT",
        "Dr. Jones paged at 3pm.",
        "Se informa al médico de guardia por teléfono.",
        "Hallazgos comentados con el Dr. Pérez.",
        "Firmado electrónicamente por Dr. Pérez.",
        "Un cordial saludo.",
        "Résultats communiqués au médecin par téléphone.",
        "Le Dr Martin a été prévenu.",
        "Bien confraternellement.",
        "Der Befund wurde telefonisch an Dr. Meier übermittelt.",
        "Der Stationsarzt wurde informiert.",
        "Mit freundlichen kollegialen Grüßen",
        "Achados comunicados ao Dr. Silva.",
        "Cordiali saluti",
    ],
)
def test_notes_to_colleagues_and_signatures_do_not_train(note: str) -> None:
    assert training_text(Report(f"IMPRESSION: Small effusion. {note}")) == "Small effusion."
    kept, left = without_notes(f"Small effusion. {note}")
    assert (kept.strip(), left) == ("Small effusion.", note)


@pytest.mark.parametrize(
    "sentence",
    [
        *(
            "The nodule communicates with the bronchus.",
            "Small pneumothorax.",
            "Nodule reported as benign on the prior CT.",
        ),
        *(
            "Se comunica con el bronquio principal.",
            "Kein Pneumothorax.",
            "Effusion, read on lateral view.",
            "Phone not seen.",
        ),
        *(
            "Clinical correlation is advised.",
            "Called by the shape, a bulla.",
            "Team of nodules.",
            "Lungs were not discussed.",
        ),
        *(
            "Reviewed on lung windows, a nodule.",
            "I-131 uptake was present.",
            "The study is reviewed with a prior CT.",
        ),
    ],
)
def test_findings_are_no_notes(sentence: str) -> None:
    assert without_notes(sentence) == (sentence, "")


def test_the_line_that_ends_a_report_goes() -> None:
    assert training_text(Report("IMPRESSION: Small effusion\n*** End of Report ***")) == "Small effusion"


def test_of_a_sentence_with_a_finding_only_the_note_goes() -> None:
    text = "IMPRESSION: Small pneumothorax, discussed with Dr. Jones by phone at 5 pm. Clear lungs."
    assert training_text(Report(text)) == "Small pneumothorax. Clear lungs."


def test_a_signature_on_a_line_of_its_own() -> None:
    text = "Beurteilung: Rundherd.\nMit freundlichen Grüßen\nDr. med. Hans Meier"
    assert training_text(Report(text)) == "Rundherd."
    assert training_text(Report("IMPRESSION: Normal.\nJohn Smith, MD")) == "Normal."
    assert training_text(Report("IMPRESSION: Normal.\nOA Knee")) == "Normal. OA Knee"


def test_a_report_of_notes_alone_keeps_its_text() -> None:
    assert training_text(Report("Findings discussed with Dr. X.")) == "Findings discussed with Dr. X."
