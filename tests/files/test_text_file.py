import gzip
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unimedi.files.text_file import TextError, decode, read_text

SPANISH = (
    "HALLAZGOS: Nódulo en el lóbulo superior. Ángulo libre, pequeño derrame.\nIMPRESIÓN DIAGNÓSTICA: NÓDULO (37°C)."
)
FRENCH = "Résultats\xa0: nodule du lobe supérieur, œdème. Pas d’épanchement – contrôle."
GERMAN = "Beurteilung: Größe des Herzens übernormal, Lungengefäße regelrecht, Öffnung 5 µm."
PORTUGUESE = "Achados: Não há derrame. Nódulo à direita, pulmões limpos."
SWEDISH = "Hjärtat är normalt. Ingen pleuravätska på båda sidor."
CZECH = "Nález přiměřený věku, plicní křídla čistá."
POLISH = "Płuca bez zmian ogniskowych. Serce w normie, żebra całe."
HUNGARIAN = "Tüdő: kóros eltérés nem látható, szív normális nagyságú, fiú."
TURKISH = "Akciğerlerde nodül saptanmadı, kalp büyüklüğü doğal."
RUSSIAN = "Лёгкие без очаговых изменений. Плевральный выпот СПРАВА."
GREEK = "Δεν υπάρχει πλευριτική συλλογή."
JAPANESE = "胸水はありません。8 mmの結節影を認めます。"
KOREAN = "흉수 없음. 결절이 있습니다."
CHINESE = "胸部CT: 右上叶结节。无胸腔积液。"
ALL = [
    SPANISH,
    FRENCH,
    GERMAN,
    PORTUGUESE,
    SWEDISH,
    CZECH,
    POLISH,
    HUNGARIAN,
    TURKISH,
    RUSSIAN,
    GREEK,
    JAPANESE,
    CHINESE,
]
UNICODE = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")


@pytest.mark.parametrize("encoding", UNICODE)
@pytest.mark.parametrize("text", ALL)
def test_unicode_in_every_form(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding), "a.txt") == text


@pytest.mark.parametrize(
    ("text", "encodings"),
    [
        (SPANISH, ("cp1252", "latin-1", "iso8859-15", "cp850")),
        ("Œdème – “ground–glass”", ("cp1252",)),
        ("The patient’s heart – normal…", ("cp1252",)),
        (FRENCH, ("cp1252",)),
        ("Œdème du cœur, sœur opérée.", ("cp1252", "iso8859-15")),
        (GERMAN, ("cp1252", "latin-1", "cp850")),
        (PORTUGUESE, ("cp1252", "latin-1", "cp850")),
        (SWEDISH, ("cp1252", "latin-1")),
        (CZECH, ("cp1250", "iso8859-2", "cp852")),
        (POLISH, ("cp1250", "iso8859-2")),
        (HUNGARIAN, ("cp1250", "iso8859-2")),
        (TURKISH, ("cp1254",)),
        (RUSSIAN, ("cp1251", "koi8-r", "cp866", "iso8859-5")),
        (GREEK, ("cp1253", "iso8859-7")),
        (JAPANESE, ("cp932", "euc-jp", "iso2022_jp")),
        (KOREAN, ("euc-kr", "cp949")),
        (CHINESE, ("gb2312", "gb18030")),
        ("胸部X光：右上肺葉結節，無胸腔積液。心臟大小正常。", ("big5",)),
    ],
)
def test_code_pages_by_the_letters_of_the_languages(text: str, encodings: tuple[str, ...]) -> None:
    assert {name: decode(text.encode(name), "a.txt") for name in encodings} == dict.fromkeys(encodings, text)


def test_an_encoding_that_a_page_states_is_believed() -> None:
    page = '<html><head><meta charset="iso-8859-5"></head><body>Р</body></html>'
    assert decode(page.encode("iso-8859-5"), "a.html") == page


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"%PDF-1.7\n1 0 obj", "a PDF document"),
        (b"PK\x03\x04\x14\x00word/document.xml", "a Word, Excel or other zipped document"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504), "an old Word or Excel document"),
        (gzip.compress(b"FINDINGS: clear.", mtime=0), "a gzip archive"),
        (bytes(128) + b"DICM" + bytes(8), "a DICOM file"),
        (bytes(range(256)), "cannot be told"),
        (b"\x00\x01\x02\x03", "cannot be told"),
        (b"FINDINGS: \x01\x02 clear.", "control characters"),
        ("NÃ³dulo y pulmón, ".encode() + "tórax".encode("cp1252"), "cannot be told"),  # two encodings in one file
        ("\ufeffFINDINGS".encode("utf-16-le")[:-1], "cannot be told"),  # half a character
    ],
)
def test_what_is_no_text_is_refused_by_name(data: bytes, reason: str) -> None:
    with pytest.raises(TextError, match=f"p7.txt: .*{reason}"):
        decode(data, "p7.txt")


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn", "Co"])))
def test_what_was_saved_as_utf8_comes_back(text: str) -> None:
    assert decode(text.encode("utf-8-sig"), "a.txt") == text


@given(st.binary(max_size=64))
def test_any_bytes_are_text_or_refused(data: bytes) -> None:
    with suppress(TextError):
        assert "\0" not in decode(data, "a.txt")


def test_a_file_gives_its_words(tmp_path: Path) -> None:
    (tmp_path / "a.htm").write_bytes("<p>HALLAZGOS: N&oacute;dulo.</p><p>IMPRESIÓN: Benigno</p>".encode("utf-16"))
    assert read_text(tmp_path / "a.htm") == "HALLAZGOS: Nódulo.\n\nIMPRESIÓN: Benigno"
    (tmp_path / "a.rtf").write_bytes(rb"{\rtf1\ansi\ansicpg1252 HALLAZGOS: N\'f3dulo.\par IMPRESI\'d3N: Benigno}")
    assert read_text(tmp_path / "a.rtf") == "HALLAZGOS: Nódulo.\nIMPRESIÓN: Benigno"
