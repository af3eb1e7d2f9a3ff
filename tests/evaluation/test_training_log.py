"""What a run's log says: losses at both ends of the training, warnings, each measure of collapse."""

import json
from pathlib import Path

import pytest

from unimedi.evaluation.training_log import curves, health_keys, selection_keys, training_measurements, warnings_in
from unimedi.metrics.checks import NotComputable


def test_first_and_last_are_means_over_a_tenth_of_the_steps_that_logged_it(tmp_path: Path) -> None:
    lines = [{"step": n, "l_vl": float(n), "ct/teacher_entropy": 2.0, "lr": 0.1} for n in range(40)]
    lines += [{"step": 40, "l_vl": "NaN", "warnings": ["xray/collapse", "nan"]}, {"step": 41, "warnings": ["nan"]}]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, lines)) + '\n{"step": 42, "l_')
    found = training_measurements(tmp_path).measurements
    assert {key: row.value for key, row in found.items()} == {
        "training/steps": 42.0,
        "training/warnings": 2.0,
        "training/l_vl_first": 1.5,
        "training/l_vl_last": 37.5,
        "training/ct/teacher_entropy_first": 2.0,
        "training/ct/teacher_entropy_last": 2.0,
    }
    assert found["training/l_vl_first"].n == 40
    assert warnings_in(lines) == ["nan", "xray/collapse"]
    assert health_keys(lines) == ["ct/teacher_entropy"]


def test_a_run_without_a_log_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotComputable, match=r"no log\.jsonl in"):
        training_measurements(tmp_path)


def test_a_curve_has_the_steps_that_logged_it() -> None:
    log = [{"step": n, "l_vl": float(n)} for n in range(10)]
    log[3] |= {"selection/hit@1": 0.25, "selection/layer_1/hit@1": 0.5}
    log[9] |= {"selection/hit@1": 0.75}
    assert selection_keys(log) == ["selection/hit@1", "selection/layer_1/hit@1"]
    found = curves(log, [*selection_keys(log), "l_icl"])
    assert {key: (steps.tolist(), values.tolist()) for key, (steps, values) in found.items()} == {
        "selection/hit@1": ([3, 9], [0.25, 0.75]),
        "selection/layer_1/hit@1": ([3], [0.5]),
    }
    assert health_keys(log) == []
