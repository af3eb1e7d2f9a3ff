import pytest
from hypothesis import given
from hypothesis import strategies as st

from unimedi.files.markup import plain


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nodule <5 mm, mass >3 cm, A<B", "nodule <5 mm, mass >3 cm, A<B"),
        ("AT&T; p<0.05", "AT&T; p<0.05"),
        ("nodule &lt;5 mm &amp; effusion&nbsp;", "nodule <5 mm & effusion\xa0"),
        ("<P>Findings: clear.<BR>Heart normal.</P>", "Findings: clear.\nHeart normal."),
        ("&lt;p&gt;Findings: clear.&lt;/p&gt;", "Findings: clear."),
        ("<html><head><title>RIS</title><style>p {}</style></head><body>Clear.</body></html>", "Clear."),
        ("<table><tr><td>Lungs</td><td>clear</td></tr><tr><td>Heart</td><td>large</td></tr></table>", None),
        ("<b>FINDINGS:</b> N&#243;dulo <i>de</i> 8&#xa0;mm", "FINDINGS: Nódulo de 8 mm"),
        (r"{\rtf1\trowd\cellx9\cellx99 FINDINGS\cell A nodule.\cell\row\pard End.}", "FINDINGS\nA nodule.\n\nEnd."),
        (r"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}\f0 N\'f3dulo\par\b Fin\b0 \u8211?}", "Nódulo\nFin–"),
    ],
)
def test_html_and_rtf_become_words(text: str, words: str | None) -> None:
    assert plain(text) == (words if words is not None else "Lungs\nclear\n\nHeart\nlarge")


@pytest.mark.parametrize(
    "text",
    [
        r"HISTORY: cough\nFINDINGS: nodule",
        r"HISTORY: cough\r\nFINDINGS: nodule",
        r"HISTORY: cough\.br\FINDINGS: nodule",
        "HISTORY: cough_x000D_\nFINDINGS: nodule",
    ],
)
def test_line_breaks_that_a_program_wrote_as_letters(text: str) -> None:
    assert plain(text) == "HISTORY: cough\nFINDINGS: nodule"
    assert plain("two\nlines, c:\\new") == "two\nlines, c:\\new"


@given(st.text())
def test_twice_is_once(text: str) -> None:
    assert plain(plain(text)) == plain(text)
