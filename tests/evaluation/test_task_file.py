"""Every shipped task loads and fits its command; a mistake in a file is a sentence that says what was meant."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from unimedi.adaptation.settings import FineTuneSettings, SegmentSettings
from unimedi.evaluation.options import EvaluationOptions
from unimedi.evaluation.task_file import (
    COMMANDS,
    TASKS,
    TaskFile,
    TaskFileError,
    answer_lines,
    answers,
    cli_args,
    evaluation_options,
    find_task,
    for_command,
    read_task,
)
from unimedi.metrics.bootstrap import Estimate
from unimedi.metrics.measurement import Measurements, named
from unimedi.reporting.task import described
from unimedi.settings import read_settings

SHIPPED = sorted(TASKS.glob("*.yaml"))
SETTINGS = {"finetune": FineTuneSettings, "segment": SegmentSettings}
PLAIN = {
    "about": "Two findings.",
    "kind": "xray",
    "protocol": "linear_probe",
    "metric": "auroc",
    "classes": {"nodule": "a nodule"},
    "official_split": {"test": "all"},
    "source": ["this test"],
}


def written(path: Path, **changes: object) -> Path:
    values = {key: value for key, value in (PLAIN | changes).items() if value is not None}
    path.write_text(yaml.safe_dump(values))
    return path


def test_the_collections_of_the_paper_are_there() -> None:
    names = {path.stem for path in SHIPPED}
    assert {"chexpert", "rsna_pneumonia", "covidx", "cc_ccii", "ricord", "luna16", "btcv", "amos"} <= names


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_task_loads_and_its_command_knows_its_options(path: Path) -> None:
    task = find_task(path.stem)
    assert task.name == path.stem
    assert task.about
    assert set(task.official_split) == {"train", "validation", "test"}
    verb = COMMANDS[task.protocol]
    assert for_command(task, verb) is task
    if verb == "evaluate":
        options = evaluation_options(task, EvaluationOptions(resamples=7))
        assert (options.kinds, options.classes, options.resamples) == ((task.kind,), tuple(task.classes), 7)
        assert options.multiclass == (task.metric == "accuracy")
    else:
        settings = read_settings(SETTINGS[verb], cli_args(task))
        assert (settings.kinds, settings.classes) == ((task.kind,), tuple(task.classes))
        assert settings.fractions == task.fractions
        if task.protocol == "segmentation":
            assert len(task.classes) <= 16  # bits of a stored mask


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"metrik": "auroc"}, "unknown key 'metrik' (did you mean 'metric'?)"),
        ({"about": None}, "missing about"),
        ({"protocol": "linear-probe"}, "did you mean 'linear_probe'?"),
        ({"metric": "dice_all"}, "metric: expected one of auroc, accuracy, got 'dice_all'"),
        ({"kind": "mri"}, "kind: expected one of xray, ct, got 'mri'"),
        ({"metric": "accuracy"}, "accuracy is of a choice between classes"),
        ({"classes": ["nodule"]}, "classes: expected keys and values"),
        ({"classes": {}}, "expected a column and what it says"),
        ({"official_split": {"val": "x"}}, "official_split: expected one of train, validation, test, got 'val'"),
        ({"fractions": [0.1, 10]}, "fractions: expected shares above 0 and up to 1, got [0.1, 10]"),
        ({"fractions": []}, "fractions: expected shares above 0 and up to 1, got []"),
        ({"fractions": [0.1, 0.1]}, "fractions: expected each share once, got [0.1, 0.1]"),
        ({"seeds": []}, "seeds: expected whole numbers from 0 on, got []"),
        ({"seeds": ["a"]}, "seeds: expected whole numbers from 0 on, got ['a']"),
        ({"source": []}, "source: expected where the facts are from"),
        ({"seeds": 3}, "seeds: expected a list, got 3"),
        ({"training": {"steps": 3}}, "linear_probe has no such options, got steps"),
        ({"published": [{"method": "Us", "figures": {"1%": 0.9}}]}, "published: expected method, figures and source"),
        ({"published": [{"method": "Us", "figures": {"1%": 90}, "source": "x"}]}, "published: expected figures from 0"),
    ],
)
def test_a_mistake_is_a_sentence_that_names_the_file(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    with pytest.raises(TaskFileError) as error:
        read_task(written(tmp_path / "mine.yaml", **changes))
    assert said in str(error.value)
    assert "mine.yaml" in str(error.value)


def test_what_is_no_yaml_and_what_is_no_mapping(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("about: [")
    with pytest.raises(TaskFileError, match=r"broken\.yaml: not YAML"):
        find_task(str(tmp_path / "broken.yaml"))
    (tmp_path / "list.yaml").write_text("- about")
    with pytest.raises(TaskFileError, match="expected keys and values, got list"):
        read_task(tmp_path / "list.yaml")


def test_names_paths_and_the_wrong_command(tmp_path: Path) -> None:
    with pytest.raises(TaskFileError, match=r"no task 'chexprt' \(did you mean 'chexpert'\?\)"):
        find_task("chexprt")
    mine = find_task(str(written(tmp_path / "mine.yaml")))
    assert isinstance(mine, TaskFile)
    assert mine.name == "mine"
    with pytest.raises(TaskFileError, match="btcv asks for segmentation: run unimedi segment, not finetune"):
        for_command(find_task("btcv"), "finetune")


def measured(*names: dict[str, Any], modality: str = "ct") -> Measurements:
    return Measurements(named(Estimate(0.5, 0.25, 0.75, 6), modality=modality, **name) for name in names)


def test_answers_are_the_metric_of_every_method_and_share_and_nothing_else() -> None:
    probe = {"task": "linear_probe", "share": 0.01, "metric": "multiclass_accuracy"}
    wanted = measured(probe, probe | {"variant": "sgd", "method": "pca", "share": 1.0})
    others = measured(
        probe | {"metric": "auroc"}, probe | {"finding": "x"}, probe | {"minus": "pca"}, probe | {"task": "zero_shot"}
    )
    others |= measured(probe, modality="xray")
    assert list(answers(find_task("cc_ccii"), wanted | others)) == list(wanted)
    masks = {"task": "segmentation", "variant": "unetr", "share": 1.0, "metric": "dice_positive"}
    wanted = measured(masks, masks | {"method": "random_init"})
    others = measured(masks | {"finding": "liver"}, masks | {"metric": "dice_all"}, masks | {"minus": "random_init"})
    assert list(answers(find_task("btcv"), others | wanted)) == list(wanted)


@pytest.mark.parametrize("name", ["ricord", "luna16"])
def test_fine_tuning_answers_with_auroc_and_accuracy(name: str) -> None:
    one = {"task": "fine_tune", "share": 1.0}
    wanted = measured(*(one | {"method": arm, "metric": m} for arm in ("", "random_init") for m in ("auroc", "acc")))
    others = measured(*(one | {"metric": m} for m in ("balanced_acc", "auroc_seed_sd")))
    others |= measured(one | {"metric": "acc", "finding": "x"}) | measured(one | {"metric": "acc"}, modality="xray")
    assert answer_lines(find_task(name), wanted | others) == [f"{key} 0.500 (0.25–0.75)" for key in wanted]
    assert len({described(row) for row in wanted.values()}) == 4


def test_accuracy_of_a_fine_tuned_finding_is_that_of_its_threshold(tmp_path: Path) -> None:
    task = find_task(str(written(tmp_path / "mine.yaml", protocol="fine_tune", metric="accuracy")))
    metrics = ("auroc", "acc", "multiclass_accuracy")
    found = measured(*({"task": "fine_tune", "share": 0.1, "metric": m} for m in metrics), modality="xray")
    assert list(answers(task, found)) == ["fine_tune/xray/10%/acc"]


def test_what_a_command_says_of_its_task() -> None:
    task = find_task("btcv")
    found = measured({"task": "segmentation", "variant": "unetr", "share": 1.0, "metric": "dice_positive"})
    assert answer_lines(task, found) == ["segmentation/ct/unetr/100%/dice_positive 0.500 (0.25–0.75)"]
    assert answer_lines(task, Measurements()) == ["btcv: no dice_positive could be computed"]
    assert answer_lines(None, found) == []
