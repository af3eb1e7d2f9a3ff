"""From an evaluation in memory to its record: the examples are chosen here, as the store may be gone later."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from unimedi.evaluation.comparison import MeasuredRun, differences, sha256, why_not_paired
from unimedi.evaluation.examples.attention import radiograph_attention, volume_attention
from unimedi.evaluation.examples.choice import cohort_examples, patient_queries, report_queries, slice_examples
from unimedi.evaluation.examples.failures import failures
from unimedi.evaluation.examples.space_map import space_map
from unimedi.evaluation.record import Attention, EvaluationRecord, OtherRun, Queries, TaskAnswer, Training, ZeroShot
from unimedi.evaluation.result import Evaluation
from unimedi.evaluation.task_file import METRICS, TaskFile, answers
from unimedi.evaluation.training_log import LOSSES, health_keys, warnings_in
from unimedi.evaluation.zero_shot.prompts import shipped_prompts
from unimedi.files.json_lines import read_json_lines
from unimedi.metrics.measurement import Measurements
from unimedi.representation.embedder import pretrained_folder


def record_of(inputs: Evaluation) -> EvaluationRecord:
    """The record of an evaluation, with the pictures that its page shows.

    Args:
        inputs: all that was measured, with the store and the model that it was measured on.

    Returns:
        What :func:`unimedi.evaluation.saved.save` writes.
    """
    views, store = inputs.splits, inputs.store
    recipe = inputs.run / "recipe.yaml"
    selector = inputs.embedder.model.config.selector
    return EvaluationRecord(
        run=_run_name(inputs.run),
        split=inputs.split,
        studies={name: len(seen) for name, seen in views.items()},
        patients=inputs.patients,
        phantom=store.phantom,
        prompts=inputs.options.prompt_file.stem,
        notes=tuple(inputs.notes),
        origin=_origin(inputs),
        recipe=recipe.read_text(encoding="utf-8") if recipe.is_file() else "",
        training=_training(inputs.run),
        cohort={name: cohort_examples(seen, store) for name, seen in views.items()},
        zero_shot={
            name: ZeroShot(said.log_odds, {one: views[name].labels[one] for one in said.log_odds}, said.thresholds)
            for name, said in inputs.predictions.items()
        },
        failures=failures(views, inputs.predictions, inputs.slices, store),
        slices=slice_examples(views["ct"], store, inputs.slices, selector) if inputs.slices else None,
        attention=_attention(inputs),
        space=space_map(views, inputs.options.seed),
        reports=tuple(
            queries for seen in views.values() if len(seen.reported) for queries in report_queries(seen.reported, store)
        ),
        patients_between=_patients_between(inputs),
        others=tuple(other_run(inputs.measurements, inputs.conditions, other) for other in inputs.compare),
        task=_task(inputs.task, inputs) if inputs.task else None,
    )


def _run_name(run: Path) -> str:
    resolved = run.resolve()
    return resolved.parent.name if resolved.name == "pretrained" else resolved.name


def _training(run: Path) -> Training:
    log = read_json_lines(run / "log.jsonl")
    curves = {}
    for key in (*LOSSES, *health_keys(log)):
        logged = [(line["step"], line[key]) for line in log if isinstance(line.get(key), float)]
        if logged:
            steps, values = zip(*logged, strict=True)
            curves[key] = np.array(steps, np.int64), np.array(values, np.float64)
    return Training(len(log), curves, tuple(warnings_in(log)))


def _attention(inputs: Evaluation) -> dict[str, tuple[Attention, ...]]:
    found = {}
    model, views = inputs.embedder.model, inputs.splits
    if "xray" in views:
        height, width = (
            side // model.config.patch_size for side in inputs.embedder.processor.preprocess.radiograph_size
        )
        found["xray"] = radiograph_attention(views["xray"], inputs.store, (height, width))
    if "ct" in views:
        rows = inputs.slices.lesion_rows if inputs.slices else []
        found["ct"] = volume_attention(views["ct"], inputs.store, model.vision.volume_grid, rows)
    return found


def _patients_between(inputs: Evaluation) -> tuple[Queries, ...]:
    if len(inputs.splits) < 2:
        return ()
    xray, ct = inputs.splits["xray"], inputs.splits["ct"]
    return patient_queries(xray, ct, inputs.store), patient_queries(ct, xray, inputs.store)


def other_run(ours: Measurements, measured_on: Mapping[str, str], other: MeasuredRun) -> OtherRun:
    """Another run beside ours, with paired differences where both were measured on the same."""
    reason = why_not_paired(measured_on, other)
    return OtherRun(other.name, reason, other.measurements, Measurements() if reason else differences(ours, other))


def _task(task: TaskFile, inputs: Evaluation) -> TaskAnswer:
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
        answers=answers(task, inputs.measurements),
    )


def _origin(inputs: Evaluation) -> dict[str, str]:
    """What the figures come from: the command, and hashes of the model, the store, the prompts and the recipe."""
    recipe, folder, store = inputs.run / "recipe.yaml", pretrained_folder(inputs.run), inputs.store
    command = [Path(sys.argv[0]).name.replace("__main__.py", "unimedi"), *sys.argv[1:]]
    return {
        "command": shlex.join(command),
        "unimedi": version("unimedi"),
        "store (fingerprint)": store.fingerprint,
        "studies in the store": f"{len(store)}, {len(store.refused)} refused",
        "preprocessing (fingerprint)": store.preprocess.fingerprint(),
        "model.safetensors (sha256)": sha256(folder / "model.safetensors"),
        "config.json (sha256)": sha256(folder / "config.json"),
        "model (sha256 of weights, settings, vocabulary)": inputs.embedder.fingerprint,
        **{f"{path.name} (sha256)": sha256(path) for path in _prompt_files(inputs)},
        "recipe.yaml (sha256)": sha256(recipe) if recipe.is_file() else "none beside the model",
        "resamples of patients": f"{inputs.options.resamples}, seed {inputs.options.seed}",
    }


def _prompt_files(inputs: Evaluation) -> Sequence[Path]:
    """The prompts that were used, and the other shipped files that were measured."""
    used = inputs.options.prompt_file
    measured = {row.variant for row in inputs.measurements.select(task="zero_shot_by_prompts").values()} - {used.stem}
    return [used, *(path for name, path in shipped_prompts().items() if name in measured)]
