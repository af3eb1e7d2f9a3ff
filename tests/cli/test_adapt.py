"""``finetune`` and ``segment`` read a task's settings first and the person's own over them."""

from pathlib import Path

import pytest

from unimedi.cli import main
from unimedi.cli.adapt import FineTune, Segment


@pytest.mark.parametrize("options", [FineTune, Segment])
def test_what_a_person_writes_goes_before_the_task(
    options: type[FineTune] | type[Segment], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither model nor store is there: the settings are read before either is looked for."""
    name, task = options.name, {"finetune": "ricord", "segment": "btcv"}[options.name]
    words = [name, "no-run", "--data", "no-store", "--out", str(tmp_path / "out"), "--task", task]
    assert main([*words, "--steps", "0"]) == 2
    assert "steps: expected a whole number from 1 on, got 0" in capsys.readouterr().err
    assert main(words) == 2
    assert "no-run" in capsys.readouterr().err
    other = "btcv" if name == "finetune" else "ricord"
    assert main([*words[:-1], other]) == 2
    assert f"not {name}" in capsys.readouterr().err
