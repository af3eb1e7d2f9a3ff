"""A task file is the same run as the options given by hand; what it names and the store lacks is said."""

import dataclasses
import json
from pathlib import Path

import pytest
import yaml

from tests.hospital import write_hospital, write_pretrained
from unimedi.cli import main
from unimedi.evaluation.options import EvaluationOptions
from unimedi.evaluation.task_file import read_task
from unimedi.inputs.store import Store
from unimedi.inputs.store_writer import Record, write_store
from unimedi.metrics.formatting import with_interval
from unimedi.metrics.measurement import Measurements
from unimedi.reporting.commands import evaluate

SHORT = ["--steps=3", "--batch=2", "--checks=1", "--learning_rates=[0.001]", "--resamples=20"]
QUICK = EvaluationOptions(resamples=20, probe_cap=16)
OWN = ("one", "two", "three")
PLAIN = {
    "about": "Two findings of the tiny hospital.",
    "kind": "xray",
    "protocol": "linear_probe",
    "metric": "auroc",
    "classes": {"nodule": "a nodule", "cardiomegaly": "a large heart"},
    "official_split": {"train": "as it is", "validation": "as it is", "test": "as it is"},
    "source": ["tests/hospital.py"],
    "fractions": [0.5, 1.0],
    "seeds": [3, 4],
}


def silent(_: str) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("task")
    write_hospital(folder / "store", masked_ndims=(2, 3))
    write_pretrained(folder / "model")
    return folder


def written(path: Path, **changes: object) -> Path:
    path.write_text(yaml.safe_dump(PLAIN | changes, sort_keys=False))
    return path


def test_a_task_file_is_the_options_by_hand(ground: Path, tmp_path: Path) -> None:
    task = read_task(written(tmp_path / "mine.yaml"))
    by_hand = dataclasses.replace(
        QUICK,
        kinds=("xray",),
        classes=("nodule", "cardiomegaly"),
        fractions=(0.5, 1.0),
        probe_seeds=(3, 4),
        probe_cap=None,
    )
    for name, options, given in (("file", QUICK, task), ("hand", by_hand, None)):
        evaluate(ground / "model", ground / "store", tmp_path / name, options=options, task=given, say=silent)
    figures = (tmp_path / "file" / "metrics.json").read_bytes()
    assert figures == (tmp_path / "hand" / "metrics.json").read_bytes()
    keys = json.loads(figures)
    assert {"linear_probe/xray/50%/auroc", "zero_shot/xray/auroc/nodule"} <= set(keys)
    assert not any("/ct/" in key or "pleural_effusion" in key or "/10%/" in key for key in keys)
    page = (tmp_path / "file" / "report.html").read_text()
    for words in (
        "The task: mine",
        "linear probe, 50% of the labels",
        "a large heart",
        ">tests/hospital.py</td>",
    ):
        assert words in page
    assert "The task" not in (tmp_path / "hand" / "report.html").read_text()


def test_a_misspelt_column_is_named_and_the_rest_computed(ground: Path, tmp_path: Path) -> None:
    task = read_task(written(tmp_path / "mine.yaml", classes={"nodule": "a nodule", "cardiomegly": "a large heart"}))
    figures = evaluate(ground / "model", ground / "store", tmp_path, options=QUICK, task=task, say=silent).measurements
    assert "zero_shot/xray/auroc/nodule" in figures
    page = (tmp_path / "report.html").read_text()
    assert "no label column &#39;cardiomegly&#39; in the store (did you mean &#39;cardiomegaly&#39;?)" in page
    assert "it has nodule, pleural_effusion, cardiomegaly" in page


def test_the_accuracy_of_a_choice_needs_every_class(ground: Path, tmp_path: Path) -> None:
    """With one column misspelt the choice would be easier than the one that was asked for."""
    classes = {"nodule": "a nodule", "pleural_effusion": "fluid", "cardiomegly": "a large heart"}
    task = read_task(written(tmp_path / "mine.yaml", metric="accuracy", classes=classes))
    figures = evaluate(ground / "model", ground / "store", tmp_path, options=QUICK, task=task, say=silent).measurements
    assert "zero_shot/xray/auroc/nodule" in figures
    assert "linear_probe/xray/100%/auroc" in figures
    assert not any("choice" in key for key in figures)
    page = (tmp_path / "report.html").read_text()
    assert "the choice between the classes is not measured: some of them are not in the store" in page
    assert "no multiclass_accuracy could be computed" in page


def test_a_task_leaves_the_report_of_the_run_as_it_is(ground: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    write_pretrained(run / "pretrained")
    (run / "metrics.json").write_text("{}")
    mine = written(tmp_path / "mine.yaml", classes={"nodule": "a nodule"}, fractions=[1.0], seeds=[0])
    words = ["evaluate", str(run), "--data", str(ground / "store"), "--task", str(mine)]
    assert main(words) == 0
    assert (run / "metrics.json").read_text() == "{}"
    assert {path.name for path in (run / "tasks" / "mine").iterdir()} >= {"metrics.json", "report.html"}
    assert main([*words, "--out", str(tmp_path / "here")]) == 0
    assert (tmp_path / "here" / "report.html").is_file()


def test_no_column_at_all_is_an_error_and_writes_nothing(
    ground: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = written(tmp_path / "mine.yaml", classes={"edema": "water"})
    assert main(["evaluate", str(ground / "model"), "--data", str(ground / "store"), "--task", str(mine)]) == 2
    assert "no label column 'edema' in the store; it has nodule, pleural_effusion" in capsys.readouterr().err
    assert not (ground / "model" / "metrics.json").exists()
    place = ["--data", str(ground / "store"), "--out", str(tmp_path / "out"), "--task", "btcv"]
    assert main(["finetune", str(ground / "model"), *place]) == 2
    assert "btcv asks for segmentation: run unimedi segment, not finetune" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("verb", "protocol", "metrics", "more", "row"),
    [
        ("finetune", "fine_tune", ("auroc", "acc"), {}, "fine_tune/xray/{}100%"),
        (
            "segment",
            "segmentation",
            ("dice_positive",),
            {"xray_decoders": ["linear"]},
            "segmentation/xray/linear/{}100%",
        ),
    ],
)
def test_training_commands_take_the_same_words_from_a_file(
    ground: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    verb: str,
    protocol: str,
    metrics: tuple[str, ...],
    more: dict[str, object],
    row: str,
) -> None:
    changes = {
        "protocol": protocol,
        "metric": metrics[0],
        "fractions": [1.0],
        "training": {"weight_decay": 0.01, **more},
    }
    mine = written(tmp_path / "mine.yaml", **changes)
    by_hand = ["--kinds=[xray]", "--classes=[nodule,cardiomegaly]", "--fractions=[1.0]", "--seeds=[3,4]"]
    by_hand += ["--weight_decay=0.01", *(f"--{name}={json.dumps(value)}" for name, value in more.items())]
    start = [verb, str(ground / "model"), "--data", str(ground / "store")]
    assert main([*start, "--out", str(tmp_path / "file"), "--task", str(mine), *SHORT]) == 0
    said = capsys.readouterr().out.splitlines()
    assert main([*start, "--out", str(tmp_path / "hand"), *by_hand, *SHORT]) == 0
    assert f"/{metrics[0]} " not in capsys.readouterr().out
    answers = {row.format(ending) + f"/{metric}" for ending in ("", "random_init/") for metric in metrics}
    measured = Measurements.read(tmp_path / "file" / "metrics.json")
    assert said[-len(answers) :] == [f"{key} {with_interval(measured[key])}" for key in measured if key in answers]
    figures = (tmp_path / "file" / "metrics.json").read_bytes()
    assert figures == (tmp_path / "hand" / "metrics.json").read_bytes()
    assert not any("pleural_effusion" in key or "/ct/" in key for key in json.loads(figures))


def test_of_classes_that_exclude_each_other_the_accuracy_is_a_figure(ground: Path, tmp_path: Path) -> None:
    store = Store.open(ground / "store")
    records = []
    for number, index in enumerate(store.select(image_kind="xray")):
        labels = {name: number % 3 == place for place, name in enumerate(OWN)}
        study = dataclasses.replace(store.studies[index], labels=labels, has_mask=False)
        records.append(Record(study, store.pixels(index)))
    write_store(tmp_path / "store", records, store.preprocess, OWN)
    task = read_task(written(tmp_path / "mine.yaml", metric="accuracy", classes=dict.fromkeys(OWN, "one of three")))
    figures = evaluate(
        ground / "model", tmp_path / "store", tmp_path, options=QUICK, task=task, say=silent
    ).measurements
    for row in ("", "sgd/", "random_init/", "pca/"):
        figure = figures[f"linear_probe/xray/{row}100%/multiclass_accuracy"]
        assert 0 <= figure.value <= 1
        assert figure.n == len(store.select("test", "xray"))
    page = (tmp_path / "report.html").read_text()
    assert "untrained encoder, linear probe, 50% of the labels" in page
    assert f"no prompts in chest_en_v2 for any of {', '.join(OWN)}" in page
