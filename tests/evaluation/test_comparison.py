"""Two runs are paired where they were measured on the same draws, and only there."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from unimedi.errors import InputError
from unimedi.evaluation.comparison import (
    RESAMPLES,
    MeasuredRun,
    differences,
    read_runs,
    why_not_paired,
    write_differences,
    write_resamples,
)
from unimedi.evaluation.recorded import other_run
from unimedi.metrics.bootstrap import Estimate, PatientBootstrap, interval, mean_estimate, paired_difference
from unimedi.metrics.formatting import verdict
from unimedi.metrics.measurement import Measurements, named
from unimedi.reporting.other_runs import other_runs_section
from unimedi.reporting.schema import Cell

NAME = {"task": "zero_shot", "modality": "ct", "metric": "auroc"}
KEY = "zero_shot/ct/auroc"
SAME = {"store": "abc", "split": "test"}


def only(estimate: Estimate) -> Measurements:
    return Measurements([named(estimate, **NAME)])


def write_run(folder: Path, measurements: Measurements, measured_on: dict[str, str]) -> Path:
    folder.mkdir(parents=True)
    measurements.write(folder / "metrics.json")
    write_resamples(measurements, measured_on, folder / RESAMPLES)
    return folder


def only_row(ours: Measurements, others: list[MeasuredRun]) -> tuple[str, *tuple[Cell, ...]]:
    """The one row of the table of several runs: its name, our cell, a cell of each other run."""
    section = other_runs_section("ours", ours, [other_run(ours, SAME, other) for other in others])
    ((row,),) = (table.rows for table in section.tables)
    name, *cells = row
    assert isinstance(name, str)
    return name, *(cell for cell in cells if isinstance(cell, Cell))


def two_runs(gap: float, studies: int = 200) -> tuple[Estimate, Estimate]:
    """The same hard and easy patients for both: each run's own interval is wide, their difference's is not."""
    draws = np.random.default_rng(0)
    bootstrap = PatientBootstrap([f"p{i // 2}" for i in range(studies)], 300, 1)
    hard = draws.normal(size=studies)
    return tuple(mean_estimate(hard + draws.normal(0, 0.05, studies) + own, bootstrap) for own in (gap, 0.0))  # type: ignore[return-value]


def test_difference_is_the_mean_difference_of_the_same_patients() -> None:
    draws = np.random.default_rng(0)
    patients = [f"p{i // 3}" for i in range(60)]
    ours, other = draws.random(60), draws.random(60)
    bootstrap, again = (PatientBootstrap(patients, 100, 5) for _ in range(2))
    gained = paired_difference(mean_estimate(ours, bootstrap), mean_estimate(other, again))
    slow = [sum(w * (ours - other)) / sum(w) for w in bootstrap.weights]
    assert gained.value == pytest.approx(float((ours - other).mean()), abs=1e-9)
    assert (gained.low, gained.high) == pytest.approx(interval(np.array(slow)), abs=1e-9)
    with pytest.raises(ValueError, match="100 and None"):
        paired_difference(mean_estimate(ours, bootstrap), Estimate(0.5))


@pytest.mark.parametrize(("gap", "said"), [(0.1, "higher"), (-0.1, "lower"), (0.0, "not significant")])
def test_a_small_gap_of_paired_runs_is_told_from_none(gap: float, said: str, tmp_path: Path) -> None:
    ours, theirs = two_runs(gap)
    assert ours.low < theirs.value < ours.high  # unpaired intervals say nothing
    (other,) = read_runs([write_run(tmp_path / "other", only(theirs), SAME)])
    assert verdict(differences(only(ours), other)[KEY]) == said
    _, mine, theirs_beside = only_row(only(ours), [other])
    assert mine.below == ()
    assert [text for _, text in theirs_beside.below][1:] == [said]
    write_differences(only(ours), SAME, [other], tmp_path / "differences.json")
    stored = json.loads((tmp_path / "differences.json").read_text())["other"][KEY]
    assert stored["verdict"] == said
    assert stored["value"] == pytest.approx(ours.value - theirs.value, abs=2e-6)


def test_an_equal_run_is_not_significant(tmp_path: Path) -> None:
    """Not even where all resamples agree, so that what a rounding of them adds would leave 0 out."""
    ours, _ = two_runs(0.1)
    steady = mean_estimate(np.full(9, 0.1), PatientBootstrap([str(i) for i in range(9)], 300, 0))
    both = only(ours) | Measurements([named(steady, metric="b")])
    (again,) = read_runs([write_run(tmp_path / "again", both, SAME)])
    found = differences(both, again)
    assert list(found) == [KEY, "b"]
    for figure in found.values():
        assert (figure.low, figure.high, verdict(figure)) == (0, 0, "not significant")


def test_other_conditions_and_runs_without_resamples_are_shown_but_not_paired(tmp_path: Path) -> None:
    ours, theirs = two_runs(0.1)
    only(theirs).write(tmp_path / "bare.json")
    others = read_runs(
        [write_run(tmp_path / "x" / "run", only(theirs), SAME | {"split": "validation"}), tmp_path / "bare.json"]
    )
    assert [other.name for other in others] == ["run", "bare"]
    assert "not the same split" in why_not_paired(SAME, others[0])
    assert "evaluate it again" in why_not_paired(SAME, others[1])
    section = other_runs_section("ours", only(ours), [other_run(only(ours), SAME, other) for other in others])
    assert [len(sentences) for _, sentences in section.lists] == [2]
    assert [cell.below for cell in only_row(only(ours), others)[1:]] == [(), (), ()]
    write_differences(only(ours), SAME, others, tmp_path / "d.json")
    assert json.loads((tmp_path / "d.json").read_text()) == {}


def test_runs_of_one_name_are_told_apart_and_a_missing_one_is_named(tmp_path: Path) -> None:
    ours, theirs = two_runs(0.1)
    folders = [write_run(tmp_path / seed / "run", only(theirs), SAME) for seed in ("one", "two")]
    assert [run.name for run in read_runs(folders)] == ["one/run", "two/run"]
    with pytest.raises(FileNotFoundError, match="evaluate that run first"):
        read_runs([tmp_path / "three"])
    assert not other_runs_section("ours", only(ours), []).filled


@pytest.mark.parametrize("damage", [lambda data: data[:-40], lambda data: b"", lambda data: b"[]" * 50])
def test_damaged_resamples_are_told_with_their_file(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", only(two_runs(0.1)[0]), {"split": "test"})
    kept = folder / RESAMPLES
    kept.write_bytes(damage(kept.read_bytes()))
    with pytest.raises(InputError, match=r"resamples\.npz is damaged; evaluate that run again"):
        read_runs([folder])
