"""Which code page a text was written in is told by its letters."""

import pytest

from unimedi.files.code_page import decode_code_page


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("Sin nódulos en el pulmón derecho, corazón pequeño", "cp1252"),
        ("Grosses cœur, épanchement pleural", "cp1252"),
        ("Nódulo pulmonar, tórax sin lesión", "cp850"),
        ("Przewlekłe zapalenie płuc, węzły", "cp1250"),
        ("Очаговых изменений в лёгких нет", "cp1251"),
        ("肺に結節はありません", "cp932"),
        ("폐에 결절이 없습니다", "cp949"),
    ],
)
def test_what_was_written_in_a_code_page_is_read(text: str, page: str) -> None:
    assert decode_code_page(text.encode(page)) == text


def test_bytes_that_no_language_writes_are_refused() -> None:
    assert decode_code_page(bytes(range(0x80, 0x100)) * 3) is None
