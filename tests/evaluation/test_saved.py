"""What an evaluation leaves on disk is read as it was; what is not there, damaged or of another version is said."""

import json
import math
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unimedi.errors import InputError, MissingError
from unimedi.evaluation.record import (
    Attention,
    EvaluationRecord,
    Example,
    Failures,
    LateAnswer,
    LateAnswers,
    OtherRun,
    Plane,
    Queries,
    Query,
    SliceSelection,
    SpaceMap,
    Strip,
    TaskAnswer,
    Training,
    WrongCall,
    WrongCalls,
    WrongSlice,
    ZeroShot,
)
from unimedi.evaluation.saved import load, save
from unimedi.metrics.measurement import Measurement, Measurements


def record() -> EvaluationRecord:
    """One of everything; a picture stands in two places."""
    picture = np.arange(12, dtype=np.uint8).reshape(3, 4)
    study = Example("s1", ("pleural_effusion",), picture)
    written = Example("s2", (), report="Derrame “pequeño”.\nNo más.")
    plane = Plane(picture, (0.5, 1.0), ((0, 3), (1, 4)), "axial", np.ones((2, 2)), picture > 5, (1.5,), upwards=True)
    row = Measurement(0.5, math.nan, math.nan, 3, np.ones(4), task="zero_shot", share=0.1, metric="auroc")
    measurements = Measurements([row])
    return EvaluationRecord(
        run="run",
        split="test",
        studies={"xray": 2},
        patients=2,
        phantom=True,
        prompts="chest_en_v2",
        notes=("no masks",),
        origin={"command": "unimedi evaluate run"},
        recipe="seed: 0\n",
        training=Training(
            2,
            {"l_vl": (np.array([0, 1]), np.array([2.0, 1.0]))},
            ("collapse",),
            {"hit@1": (np.array([1]), np.array([0.5])), "volumes": (np.array([1]), np.array([8.0]))},
        ),
        cohort={"xray": (study, Example("s3", ("normal",), picture))},
        zero_shot={"xray": ZeroShot({"mass": np.zeros(2)}, {"mass": np.array([1.0, math.nan])}, {"mass": 0.5})},
        failures=Failures(
            (WrongCalls("xray", True, 1, (WrongCall(study, "mass", 0.1),)),),
            (LateAnswers("xray", "report", 2, 1, (LateAnswer(study, 2, ()),)),),
            (),
            (WrongSlice(study, 3, 5, 4.0, True),),
            1,
        ),
        slices=SliceSelection(1, None, "attentive", (Strip((), picture[None], np.ones(1), picture[0] > 1, (0,)),)),
        attention={"xray": (Attention(study, (plane,), False),)},
        space=SpaceMap(np.zeros((1, 2)), ("xray",), (("mass", "nodule"),)),
        reports=(Queries("xray", "report", (Query(study, (written,), (True,)),)),),
        patients_between=(),
        others=(OtherRun("other", "", measurements, Measurements()),),
        task=TaskAnswer("t", "about", "zero_shot", "auroc", "auroc", {"mass": "a mass"}, {}, (), (), measurements),
    )


def assert_equal(one: Any, other: Any) -> None:
    """The same types and values all the way down; of a measurement, all but the resamples."""
    assert type(one) is type(other)
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    elif is_dataclass(one):
        for field in fields(one):
            assert_equal(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, Measurements):
        assert one.to_json() == other.to_json()
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_equal(one[key], other[key])
    elif isinstance(one, tuple):
        assert len(one) == len(other)
        for first, second in zip(one, other, strict=True):
            assert_equal(first, second)
    else:
        assert one == other or (math.isnan(one) and math.isnan(other))


def test_what_is_read_is_what_was_saved(tmp_path: Path) -> None:
    save(record(), tmp_path)
    assert_equal(record(), load(tmp_path))


def test_a_record_of_a_run_that_did_not_measure_selection_over_time_is_still_read(tmp_path: Path) -> None:
    file = save(record(), tmp_path) / "record.json"
    whole = json.loads(file.read_text())
    del whole["record"]["training"]["selection"]
    file.write_text(json.dumps(whole))
    assert load(tmp_path).training.selection == {}


def test_a_picture_in_several_sections_is_kept_once_and_nothing_is_pickled(tmp_path: Path) -> None:
    folder = save(record(), tmp_path)
    with np.load(folder / "arrays.npz", allow_pickle=False) as arrays:
        pictures = [name for name in arrays.files if arrays[name].shape == (3, 4) and arrays[name].dtype == np.uint8]
    assert len(pictures) == 1


def test_a_second_evaluation_takes_the_place_of_the_first_and_leaves_nothing(tmp_path: Path) -> None:
    folder = save(record(), tmp_path)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    save(record(), tmp_path)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    assert [path.name for path in tmp_path.iterdir()] == ["evaluation"]


def test_a_folder_without_an_evaluation_says_so(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="evaluate this run first"):
        load(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda whole: whole["record"].pop("split"),
        lambda whole: whole["record"].update(cohort=3),
        lambda whole: whole["record"]["training"]["curves"].update(l_vl=[{"array": "none"}, {"array": "none"}]),
        lambda whole: whole.update(format=0),
    ],
)
def test_a_damaged_record_or_one_of_another_version_is_an_error(tmp_path: Path, change: Any) -> None:
    file = save(record(), tmp_path) / "record.json"
    whole = json.loads(file.read_text())
    change(whole)
    file.write_text(json.dumps(whole))
    with pytest.raises(InputError, match="evaluate this run again"):
        load(tmp_path)


def test_a_cut_file_of_arrays_is_an_error(tmp_path: Path) -> None:
    arrays = save(record(), tmp_path) / "arrays.npz"
    arrays.write_bytes(arrays.read_bytes()[:100])
    with pytest.raises(InputError, match="damaged"):
        load(tmp_path)
