from unimedi.cohort.reports.counts import count_report, report_lines
from unimedi.cohort.study import Report


def test_each_thing_that_does_not_train_is_counted_in_a_line() -> None:
    reports = [
        "INDICATION: Cough.\nFINDINGS: The lungs are clear.\nIMPRESSION: Normal. Discussed with Dr. X by phone.",
        "INDICATION: Fever.\nMY OWN HEADING: Small effusion.\nMY OWN HEADING: Clear.\nIMPRESSION: Effusion on left.",
        "Befund: Kein Erguss.",
    ]
    lines = report_lines([count_report(Report(text, "en")) for text in reports], text_length=3)
    assert lines == [
        "reports, left out of the text that trains: indication in 2 (12 characters), "
        "notes and signatures in 1 (30 characters)",
        "headings that are in no table, in 1 reports; their text counts as findings: 'MY OWN HEADING' (1)",
        "at least 2 of 3 reports are longer than the 3 tokens that the model reads, and lose their end; "
        "the impression comes first",
    ]


def test_unknown_languages_and_wrong_letters_are_counted() -> None:
    counted = [count_report(Report("N\xc3\xb3dulo en el l\xc3\xb3bulo.", "und")), count_report(Report("Nódulo.", "es"))]
    assert report_lines(counted) == [
        "1 of 2 reports are in a language that could not be told",
        "1 of 2 reports have letters that come of a wrong encoding (Ã³, �): read them from the files again",
    ]


def test_of_plain_findings_there_is_nothing_to_say() -> None:
    assert report_lines([count_report(Report("The lungs are clear."))], text_length=80) == []
    assert report_lines([]) == []
