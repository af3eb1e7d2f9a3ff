"""Marked words: by their stems, with every letter of the report kept."""

from hypothesis import given
from hypothesis import strategies as st

from unimedi.web.marks import marked


def words(report: str, query: str, *languages: str) -> list[str]:
    return [piece for piece, mark in marked(report, query, languages) if mark]


def test_endings_and_capitals_do_not_matter() -> None:
    report = "Bilateral pleural effusions. No consolidation; the Effusion is small."
    assert words(report, "effusion, CONSOLIDATIONS") == ["effusions", "consolidation", "Effusion"]
    assert words(report, "no") == ["No"]
    assert words(report, "fusion") == []


def test_the_language_is_the_archives() -> None:
    assert words("Kein Erguss. Pleuraergüsse beidseits.", "pleuraerguss", "de") == ["Pleuraergüsse"]
    assert words("Derrames pleurales.", "derrame", "xx", "es") == ["Derrames"]


@given(st.text(max_size=60), st.text(max_size=20))
def test_the_pieces_are_the_report(report: str, query: str) -> None:
    assert "".join(piece for piece, _ in marked(report, query)) == report
