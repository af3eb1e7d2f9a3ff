"""From an evaluation in memory to its record: the examples are chosen here, as the store may be gone later."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from unimedi.evaluation.comparison import MeasuredRun, differences, sha256, why_not_paired
from unimedi.evaluation.examples.attention import radiograph_attention, volume_attention
from unimedi.evaluation.examples.choice import cohort_examples, patient_queries, report_queries, slice_examples
from unimedi.evaluation.examples.failures import failures
from unimedi.evaluation.examples.space_map import space_map
from unimedi.evaluation.record import (
    LOSSES,
    Attention,
    EvaluationRecord,
    OtherRun,
    Queries,
    TaskAnswer,
    Training,
    ZeroShot,
)
from unimedi.evaluation.result import Evaluation
from unimedi.evaluation.task_file import METRICS, TaskFile, answers
from unimedi.evaluation.training_log import SELECTION, curves, health_keys, selection_keys, warnings_in
from unimedi.evaluation.zero_shot.prompts import shipped_prompts
from unimedi.files.json_lines import read_json_lines
from unimedi.metrics.measurement import Measurements
from unimedi.representation.embedder import pretrained_folder


def record_of(evaluation: Evaluation) -> EvaluationRecord:
    """The record of an evaluation, with the pictures that its page shows.

    Args:
        evaluation: all that was measured, with the store and the model that it was measured on.

    Returns:
        What :func:`unimedi.evaluation.saved.save` writes.
    """
    splits, store = evaluation.splits, evaluation.store
    recipe = evaluation.run / "recipe.yaml"
    selector = evaluation.embedder.model.config.selector
    return EvaluationRecord(
        run=_run_name(evaluation.run),
        split=evaluation.split,
        studies={name: len(split) for name, split in splits.items()},
        patients=evaluation.patients,
        phantom=store.phantom,
        prompts=evaluation.options.prompt_file.stem,
        notes=tuple(evaluation.notes),
        origin=_origin(evaluation),
        recipe=recipe.read_text(encoding="utf-8") if recipe.is_file() else "",
        training=_training(evaluation.run),
        cohort={name: cohort_examples(split, store) for name, split in splits.items()},
        zero_shot={
            name: ZeroShot(said.log_odds, {one: splits[name].labels[one] for one in said.log_odds}, said.thresholds)
            for name, said in evaluation.predictions.items()
        },
        failures=failures(splits, evaluation.predictions, evaluation.slices, store),
        slices=slice_examples(splits["ct"], store, evaluation.slices, selector) if evaluation.slices else None,
        attention=_attention(evaluation),
        space=space_map(splits, evaluation.options.seed),
        reports=tuple(queries for split in splits.values() for queries in report_queries(split.reported, store)),
        patients_between=_patients_between(evaluation),
        others=tuple(other_run(evaluation.measurements, evaluation.conditions, other) for other in evaluation.compare),
        task=_task(evaluation.task, evaluation) if evaluation.task else None,
    )


def _run_name(run: Path) -> str:
    resolved = run.resolve()
    return resolved.parent.name if resolved.name == "pretrained" else resolved.name


def _training(run: Path) -> Training:
    log = read_json_lines(run / "log.jsonl")
    selection = {key.removeprefix(SELECTION): curve for key, curve in curves(log, selection_keys(log)).items()}
    return Training(len(log), curves(log, (*LOSSES, *health_keys(log))), tuple(warnings_in(log)), selection)


def _attention(evaluation: Evaluation) -> dict[str, tuple[Attention, ...]]:
    found = {}
    model, splits = evaluation.embedder.model, evaluation.splits
    if "xray" in splits:
        height, width = (
            side // model.config.patch_size for side in evaluation.embedder.processor.preprocess.radiograph_size
        )
        found["xray"] = radiograph_attention(splits["xray"], evaluation.store, (height, width))
    if "ct" in splits:
        rows = evaluation.slices.lesion_rows if evaluation.slices else []
        found["ct"] = volume_attention(splits["ct"], evaluation.store, model.vision.volume_grid, rows)
    return found


def _patients_between(evaluation: Evaluation) -> tuple[Queries, ...]:
    if len(evaluation.splits) < 2:
        return ()
    xray, ct = evaluation.splits["xray"], evaluation.splits["ct"]
    return patient_queries(xray, ct, evaluation.store), patient_queries(ct, xray, evaluation.store)


def other_run(ours: Measurements, measured_on: Mapping[str, str], other: MeasuredRun) -> OtherRun:
    """Another run beside ours, with paired differences where both were measured on the same."""
    reason = why_not_paired(measured_on, other)
    return OtherRun(other.name, reason, other.measurements, Measurements() if reason else differences(ours, other))


def _task(task: TaskFile, evaluation: Evaluation) -> TaskAnswer:
    return TaskAnswer(
        name=task.name,
        about=task.about,
        protocol=task.protocol,
        metric=task.metric,
        sought=METRICS[task.protocol][task.metric],
        classes=task.classes,
        official_split=task.official_split,
        notes=task.notes,
        source=task.source,
        answers=answers(task, evaluation.measurements),
    )


def _origin(evaluation: Evaluation) -> dict[str, str]:
    """What the figures come from: the command, and hashes of the model, the store, the prompts and the recipe."""
    recipe, folder, store = evaluation.run / "recipe.yaml", pretrained_folder(evaluation.run), evaluation.store
    command = [Path(sys.argv[0]).name.replace("__main__.py", "unimedi"), *sys.argv[1:]]
    return {
        "command": shlex.join(command),
        "unimedi": version("unimedi"),
        "store (fingerprint)": store.fingerprint,
        "studies in the store": f"{len(store)}, {len(store.refused)} refused",
        "preprocessing (fingerprint)": store.preprocess.fingerprint(),
        "model.safetensors (sha256)": sha256(folder / "model.safetensors"),
        "config.json (sha256)": sha256(folder / "config.json"),
        "model (sha256 of weights, settings, vocabulary)": evaluation.embedder.fingerprint,
        **{f"{path.name} (sha256)": sha256(path) for path in _prompt_files(evaluation)},
        "recipe.yaml (sha256)": sha256(recipe) if recipe.is_file() else "none beside the model",
        "resamples of patients": f"{evaluation.options.resamples}, seed {evaluation.options.seed}",
    }


def _prompt_files(evaluation: Evaluation) -> Sequence[Path]:
    """The prompts that were used, and the other shipped files that were measured."""
    used = evaluation.options.prompt_file
    measured = {row.variant for row in evaluation.measurements.select(task="zero_shot_by_prompts").values()} - {
        used.stem
    }
    return [used, *(path for name, path in shipped_prompts().items() if name in measured)]
