"""Measurements: the key from the fields, looking up by fields, the file."""

import json
import math
from pathlib import Path

import pytest

from unimedi.errors import InputError, MissingError
from unimedi.metrics.bootstrap import Estimate
from unimedi.metrics.measurement import Measurement, Measurements, mean_over_seeds, named, percent, with_findings

HIT = named(Estimate(0.5, 0.4, 0.6, 10), task="slice_selection", method="attentive", metric="hit@1")
GAIN = named(HIT, minus="random")
NODULE = named(HIT, finding="nodule", size="under_10mm")
PROBE = Measurement(math.nan, task="linear_probe", modality="ct", variant="sgd", share=0.01, metric="auroc", n=4)
ALL = Measurements([HIT, GAIN, NODULE, PROBE])


def test_the_key_is_the_fields_that_apply_in_their_order() -> None:
    assert list(ALL) == [
        "slice_selection/attentive/hit@1",
        "slice_selection/attentive/minus_random/hit@1",
        "slice_selection/attentive/hit@1/nodule/under_10mm",
        "linear_probe/ct/sgd/1%/auroc",
    ]
    assert [percent(share) for share in (0.01, 0.125, 1.0)] == ["1%", "12.5%", "100%"]


def test_one_is_of_exactly_the_fields_and_select_of_at_least_these() -> None:
    assert ALL.one(task="slice_selection", method="attentive", metric="hit@1") is HIT
    assert ALL.one(task="slice_selection", metric="hit@1") is None
    assert list(ALL.select(metric="hit@1", minus="").values()) == [HIT, NODULE]
    assert len(ALL.select(share=None)) == 3
    assert not ALL.select(task="retrieval")
    with pytest.raises((TypeError, AttributeError), match="sise"):
        ALL.select(sise="under_10mm")


def test_a_measurement_twice_is_an_error() -> None:
    with pytest.raises(InputError, match="slice_selection/attentive/hit@1 twice"):
        ALL | Measurements([named(HIT, n=3)])
    with pytest.raises(InputError, match="twice"):  # a key that two names share
        Measurements([Measurement(0.5, task="a", modality="b"), Measurement(0.5, task="a", method="b")])
    assert len(ALL | Measurements([named(HIT, metric="hit@2")])) == 5


def test_a_caller_names_all_and_the_numbers_stay() -> None:
    found = Measurements(named(row, minus="") for row in [GAIN]).named(modality="ct")
    assert found["slice_selection/ct/attentive/hit@1"].value == HIT.value
    mean, each = Estimate(0.5, n=9), {"mass": Estimate(0.25, n=4), "nodule": Estimate(0.75, n=5)}
    runs = [with_findings("ap", mean, each), with_findings("ap", Estimate(0.75, n=9), each)]
    over = mean_over_seeds(runs)
    assert {key: (row.value, row.n) for key, row in over.items()} == {
        "ap": (0.625, 9), "ap/mass": (0.25, 4), "ap/nodule": (0.75, 5),
    }  # fmt: skip
    assert over["ap/mass"].finding == "mass"


def test_the_file_has_the_fields_beside_the_numbers_and_null_for_nan(tmp_path: Path) -> None:
    file = tmp_path / "metrics.json"
    ALL.write(file)
    raw = json.loads(file.read_text())
    assert raw["slice_selection/attentive/minus_random/hit@1"] == {
        "task": "slice_selection", "method": "attentive", "minus": "random", "metric": "hit@1",
        "value": 0.5, "low": 0.4, "high": 0.6, "n": 10,
    }  # fmt: skip
    assert raw["linear_probe/ct/sgd/1%/auroc"]["value"] is None
    back = Measurements.read(file)
    assert list(back) == list(ALL)
    assert [back[key] for key in list(ALL)[:3]] == [HIT, GAIN, NODULE]
    assert math.isnan(back["linear_probe/ct/sgd/1%/auroc"].value)
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]


def test_a_file_of_before_is_told_to_be_measured_again(tmp_path: Path) -> None:
    file = tmp_path / "metrics.json"
    file.write_text('{"zero_shot/ct/auroc": {"value": 0.5, "low": null, "high": null, "n": 4}}')
    with pytest.raises(InputError, match=r"metrics.json: zero_shot/ct/auroc .*evaluate the run again"):
        Measurements.read(file)


@pytest.mark.parametrize("text", ["{", "[1]", '{"auroc": 0.5}', '{"auroc": {"metric": "auroc"}}'])
def test_a_file_of_something_else_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "metrics.json"
    with pytest.raises(MissingError, match=r"metrics.json, which unimedi evaluate writes"):
        Measurements.read(file)
    file.write_text(text)
    with pytest.raises(InputError, match=r"metrics.json: expected measurements"):
        Measurements.read(file)
