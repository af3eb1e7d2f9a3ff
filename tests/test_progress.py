"""What is shown of a long command goes to standard error, or nowhere."""

import pytest

from unimedi.progress import progress_bar


def test_the_count_is_shown_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("preparing", 5, done=2) as advance:
        advance(1)
        advance(2)
    out, err = capsys.readouterr()
    assert out == ""
    assert "preparing" in err
    assert "5/5" in err


def test_nothing_is_shown_where_nothing_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("preparing", 5, shown=False) as advance:
        advance(5)
    assert capsys.readouterr() == ("", "")
