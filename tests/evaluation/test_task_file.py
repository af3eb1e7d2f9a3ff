"""Every shipped task loads and fits its command; a mistake in a file is a sentence that says what was meant."""

from pathlib import Path

import pytest
import yaml

from unimedi.adaptation.fine_tune import FineTuneSettings
from unimedi.adaptation.segmentation.segment import SegmentSettings
from unimedi.adaptation.settings import read_settings
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
from unimedi.reporting.task import named

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
        assert options.exclusive == (task.metric == "accuracy")
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


def test_answers_are_the_metric_of_every_row_and_share_and_nothing_else() -> None:
    keys = ["linear_probe/ct/1%/choice_acc", "linear_probe/ct/1%/auroc", "pca_sgd/ct/100%/choice_acc"]
    keys += ["linear_probe/xray/1%/choice_acc", "linear_probe/ct/1%/choice_acc/x", "zero_shot/ct/choice_acc"]
    figures = {key: Estimate(0.5) for key in keys}
    assert list(answers(find_task("cc_ccii"), figures)) == [keys[0], keys[2]]
    keys = ["segmentation/ct/unetr/100%/dice_positive", "segmentation_random_init/ct/unetr/10%/dice_positive"]
    keys += ["segmentation/ct/unetr/100%/dice_positive/liver", "segmentation/ct/unetr/100%/dice_all"]
    assert list(answers(find_task("btcv"), {key: Estimate(0.5) for key in keys})) == keys[:2]


@pytest.mark.parametrize("name", ["ricord", "luna16"])
def test_fine_tuning_answers_with_auroc_and_accuracy(name: str) -> None:
    keys = [f"{row}/ct/100%/{metric}" for row in ("fine_tune", "fine_tune_random_init") for metric in ("auroc", "acc")]
    others = ["fine_tune/ct/100%/balanced_acc", "fine_tune/ct/100%/acc/x", "fine_tune/ct/100%/auroc_seed_sd"]
    figures = {key: Estimate(0.5, 0.25, 0.75, 6) for key in [*keys, *others, "fine_tune/xray/100%/acc"]}
    assert answer_lines(find_task(name), figures) == [f"{key} 0.500 (0.25–0.75)" for key in keys]
    assert len({named(key) for key in keys}) == 4


def test_accuracy_of_a_fine_tuned_finding_is_that_of_its_threshold(tmp_path: Path) -> None:
    task = find_task(str(written(tmp_path / "mine.yaml", protocol="fine_tune", metric="accuracy")))
    figures = {f"fine_tune/xray/10%/{metric}": Estimate(0.5) for metric in ("auroc", "acc", "choice_acc")}
    assert list(answers(task, figures)) == ["fine_tune/xray/10%/acc"]


def test_what_a_command_says_of_its_task() -> None:
    task = find_task("btcv")
    figures = {"segmentation/ct/unetr/100%/dice_positive": Estimate(0.5, 0.25, 0.75, 6), "other": Estimate(0.1)}
    assert answer_lines(task, figures) == ["segmentation/ct/unetr/100%/dice_positive 0.500 (0.25–0.75)"]
    assert answer_lines(task, {}) == ["btcv: no dice_positive could be computed"]
    assert answer_lines(None, figures) == []
