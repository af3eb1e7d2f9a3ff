"""``unimedi report``: a folder without an evaluation is told in a sentence what makes one."""

from pathlib import Path

import pytest

from unimedi.cli import main
from unimedi.cli.evaluate import Report


def test_a_folder_without_an_evaluation_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("unimedi report: expected ")
    assert "unimedi evaluate" in said
    assert Report(tmp_path).run_folder == tmp_path
