"""``unimedi slice-eval`` from the words of a command line to the file, the table and the picture."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.hospital import write_hospital, write_pretrained
from tests.tiny import PREPROCESS
from unimedi.cli import main
from unimedi.evaluation.options import EvaluationOptions
from unimedi.inputs.store import Store
from unimedi.inputs.store_writer import Record, write_store
from unimedi.metrics.measurement import Measurements
from unimedi.reporting.commands import evaluate, slice_eval

FOCAL = ("nodule", "pleural_effusion", "cardiomegaly")


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slices")
    write_hospital(folder / "store")
    for run in ("run", "other"):
        write_pretrained(folder / run / "pretrained")
    return folder


def test_from_words_to_file_table_and_picture(ground: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ground / "new" / "slices.json"
    words = ["slice-eval", ground / "run", "--data", ground / "store", "--out", out, "--with", ground / "other"]
    assert main([str(word) for word in [*words, "--focal", *FOCAL, "noduel"]]) == 0
    said = capsys.readouterr().out
    stored = json.loads(out.read_text())
    selectors = (
        "attentive", "random", "uniform", "centre", "intensity", "brightest", "prior", "untrained", "oracle",
        "volume_mean", "volume_max", "volume_top_mean", "volume_head_max", "joint", "separate_max", "coarse_to_fine",
        "text_knows_the_report", "with_other",
        "layer_1", "layer_2", "attentive_depth_shuffled", "attentive_tokens_shuffled", "attentive_position_removed",
    )  # fmt: skip
    measures = ("hit", "slab_hit", "precision", "coverage", "depth_error_mm", "centre_error_mm", "enrichment")
    assert {
        f"slice_selection/{name}/{measure}@{k}"
        for name in selectors
        for measure in measures
        for k in (1, 2, 4)
        if name != "oracle" or measure in ("hit", "precision", "enrichment")
    } <= set(stored)
    assert {
        f"slice_selection/attentive/minus_{name}/{measure}"
        for name in selectors[1:]
        for measure in ("hit@1", "coverage@2", "depth_error_mm@4")
        if name != "oracle" or measure == "hit@1"
    } <= set(stored)
    for key in ("auroc", "ap", "slice_auroc", "slice_ap", "hit@1/nodule", "hit@2/under_10mm"):
        assert f"slice_selection/attentive/{key}" in stored
    assert not any(key.startswith("slice_selection/separate/") for key in stored)  # its mean tells no slabs apart
    assert {"slice_selection/random/ap", "slice_selection/random/slice_ap"} <= set(stored)
    assert not any(key.startswith("slice_selection/layer_1_") for key in stored)  # no control of every layer
    assert stored["selection_stability/other/jaccard@2"]["value"] == 1  # the same weights
    inputs = ("as_shipped", "volume_alone", "slices_alone", "random_slices", "centre_slices", "oracle_slices")
    columns = ("auroc", "r@10", *(f"auroc/{name}" for name in FOCAL))
    for name in (*inputs, "depth_shuffled"):
        assert {f"input_ablation/{name}/{column}" for column in columns} <= set(stored)
        for base in {"as_shipped", "volume_alone"} - {name}:
            assert {f"input_ablation/{name}/minus_{base}/{column}" for column in columns} <= set(stored)
    assert all({"task", "method", "metric", "value", "low", "high", "n"} <= set(row) for row in stored.values())
    assert not any("@8" in key for key in stored)  # four slabs
    for part in (
        "text (knows the report)",
        "nodule",
        "under 10mm",
        "the same slabs chosen (Jaccard)",
        "\nother ",
        "layer 1 of 2 alone",
        "\nvolume alone, no slices",
        "\nslabs in another order",
        "no AUROC: nodule under_10mm (",
        "no label column 'noduel'",
    ):
        assert part in said
    assert max(map(len, said.split("hit@k: ")[0].splitlines())) <= 125
    with Image.open(out.with_suffix(".png")) as picture:
        assert picture.format == "PNG"
        assert picture.width > 600
    assert not list(out.parent.glob(".*.tmp.*"))


def test_what_evaluate_measures_too_is_equal(ground: Path) -> None:
    options = EvaluationOptions(resamples=50, probe_cap=10, probe_seeds=(0,), focal=FOCAL)
    whole = evaluate(ground / "run", ground / "store", ground / "evaluated", options=options, say=lambda _: None)
    whole = whole.measurements
    alone = slice_eval(ground / "run", ground / "store", options=options, say=lambda _: None)
    assert (ground / "run" / "slice_eval.json").is_file()
    mine = {key: figure for key, figure in whole.items() if key.startswith("slice_selection/")}
    assert len(mine) > 100
    theirs = {"auroc": "zero_shot/ct/auroc", "r@10": "retrieval/ct/image_to_report/r@10"}
    theirs |= {f"auroc/{name}": f"zero_shot/ct/auroc/{name}" for name in FOCAL}
    mine |= {f"input_ablation/as_shipped/{key}": whole[other] for key, other in theirs.items()}
    for key, figure in mine.items():
        for field in ("value", "low", "high", "n"):
            assert getattr(alone[key], field) == pytest.approx(getattr(figure, field), abs=1e-9, nan_ok=True), key


def test_a_model_without_slices_says_so_and_is_measured_as_before(ground: Path, tmp_path: Path) -> None:
    shutil.copytree(ground / "run" / "pretrained", tmp_path / "pretrained")
    config = tmp_path / "pretrained" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"slices": 0}))
    said: list[str] = []
    options = EvaluationOptions(resamples=20, focal=FOCAL)
    figures = slice_eval(tmp_path, ground / "store", options=options, say=said.append)
    assert "slice_selection/attentive/hit@2" in figures
    assert not any(key.startswith("input_ablation/") for key in figures)
    told = "\n".join(said)
    assert "input ablation: the model takes no slices" in told
    assert "volume alone" not in told


def test_a_model_of_a_language_without_prompts_is_asked_in_english_and_told(ground: Path, tmp_path: Path) -> None:
    shutil.copytree(ground / "run" / "pretrained", tmp_path / "pretrained")
    config = tmp_path / "pretrained" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"report_languages": ["de"]}))
    said: list[str] = []
    options = EvaluationOptions(resamples=20, focal=FOCAL)
    figures = slice_eval(tmp_path, ground / "store", options=options, say=said.append)
    assert "input_ablation/as_shipped/auroc" in figures
    assert "no prompts in 'de', which the model was trained with: chest_en_v2 is used" in "\n".join(said)


def test_same_seed_same_file(ground: Path, tmp_path: Path) -> None:
    options = EvaluationOptions(resamples=20, focal=FOCAL)
    for name in ("one.json", "two.json"):
        slice_eval(ground / "run", ground / "store", tmp_path / name, options=options, say=lambda _: None)
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_a_cohort_of_a_test_split_alone_says_what_it_lacks(ground: Path, tmp_path: Path) -> None:
    whole = Store.open(ground / "store")
    test = whole.select(split="test", image_kind="ct")
    records = [Record(whole.studies[i], whole.pixels(i), whole.mask(i)) for i in test]
    write_store(tmp_path / "store", records, whole.preprocess, whole.findings)
    said: list[str] = []
    options = EvaluationOptions(resamples=20, focal=("nodule",))
    figures = slice_eval(ground / "run", tmp_path / "store", tmp_path / "out.json", options=options, say=said.append)
    assert "slice_selection/attentive/hit@1" in figures
    assert not any("/intensity/" in key or "/prior/" in key for key in figures)
    told = "\n".join(said)
    assert "intensity: no training volume" in told
    assert "prior: no training volume has a mask of a focal lesion, and no validation" in told
    assert Measurements.read(tmp_path / "out.json").keys() == figures.keys()


def test_one_volume_has_no_usual_score(ground: Path, tmp_path: Path) -> None:
    whole = Store.open(ground / "store")
    one = next(i for i in whole.select(split="test", image_kind="ct") if whole.studies[i].labels["nodule"])
    write_store(tmp_path, [Record(whole.studies[one], whole.pixels(one), whole.mask(one))], PREPROCESS, whole.findings)
    said: list[str] = []
    options = EvaluationOptions(resamples=20, focal=("nodule",))
    figures = slice_eval(ground / "run", tmp_path, tmp_path / "out.json", options=options, say=said.append)
    assert figures["slice_selection/attentive/hit@1"].n == 1
    assert not any("position_removed" in key for key in figures)
    assert "position removed: no other volume to learn a slab's usual score from" in "\n".join(said)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["--focal", "noduel"],
            "no label column 'noduel' in the store (did you mean 'nodule'?); it has nodule, pleural",
        ),
        (["--with", "nowhere"], "found none in nowhere"),
    ],
)
def test_errors_are_sentences(
    ground: Path, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["slice-eval", str(ground / "run"), "--data", str(ground / "store"), *words]) == 2
    assert sentence in capsys.readouterr().err


def test_a_cohort_of_radiographs_has_no_slices(
    ground: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_hospital(tmp_path, ndims=(2,))
    assert main(["slice-eval", str(ground / "run"), "--data", str(tmp_path)]) == 2
    assert "expected volumes in the test split, found none" in capsys.readouterr().err
