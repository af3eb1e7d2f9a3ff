import pytest

from unimedi.cohort.reports.language import detect_language
from unimedi.cohort.reports.report import written_report


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "No acute cardiopulmonary process."),
        ("en", "No acute disease."),
        ("en", "Clear lungs."),
        ("en", "Large effusion."),
        ("en", "FINDINGS: CLEAR. IMPRESSION: NORMAL."),
        ("en", "Heart size normal. XXXX XXXX."),
        ("es", "Sin hallazgos en el pulmón."),
        ("es", "No hay derrame pleural. Cardiomegalia."),
        ("es", "sin hallazg patolog edad pacient ."),  # the stems of PadChest
        ("es", "tac sin derrame ."),
        ("de", "Befund: Kein Pleuraerguss. In der Lunge rechts ein Rundherd von 8 mm. Beurteilung: Rundherd."),
        ("de", "Kein Pneumothorax."),
        ("pt", "Achados: Sem derrame pleural. Nódulo no lobo superior direito."),
        ("it", "Reperti: non versamento pleurico. Nodulo del lobo superiore destro."),
        ("fr", "Pas d'épanchement. Nodule de la lingula."),
        ("fr", "Radio de thorax normale."),
        ("it", "Nella norma."),
        ("pt", "Exame normal."),
        ("nl", "Geen pleuravocht. Normaal hart."),
        ("pl", "Płuca bez zmian ogniskowych."),
        ("ru", "Лёгкие без очаговых изменений."),
        ("tr", "Akciğerlerde nodül saptanmadı."),
        ("zh", "胸部CT: 右上叶结节。无胸腔积液。"),
        ("ja", "胸水はありません。"),
        ("ko", "흉수 없음."),
        *(("und", text) for text in ("", "XXXX", "Nodule.", "Normal.", "12 mm", "PA")),
    ],
)
def test_the_language_of_short_reports(language: str, text: str) -> None:
    assert detect_language(text) == language


def test_a_language_that_is_given_goes_before() -> None:
    assert written_report("Kein Erguss.", "en").language == "en"
    assert written_report("Kein Erguss.").language == "de"
    assert written_report("").language == "en"  # of no report: nothing is counted
    assert written_report("<p>N&oacute;dulo en el l&oacute;bulo.</p>").text == "Nódulo en el lóbulo."
