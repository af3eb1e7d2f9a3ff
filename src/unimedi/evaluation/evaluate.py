"""``unimedi evaluate``: encode each image once, measure every task on that, write ``metrics.json``."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from unimedi.cohort.image_kind import ImageKind
from unimedi.cohort.study import Split
from unimedi.errors import InputError
from unimedi.evaluation import space as on_space
from unimedi.evaluation.comparison import RESAMPLES, conditions, read_runs, write_differences, write_resamples
from unimedi.evaluation.options import EvaluationOptions, with_prompts
from unimedi.evaluation.probes.tasks import RANDOM_INIT, detail_probe, linear_probe
from unimedi.evaluation.recorded import record_of
from unimedi.evaluation.result import Evaluation, TaskResult
from unimedi.evaluation.retrieval import tasks as on_embeddings
from unimedi.evaluation.retrieval.by_class import CLASSES, PER_CLASS, class_retrieval
from unimedi.evaluation.saved import save
from unimedi.evaluation.slices.tasks import slice_selection
from unimedi.evaluation.split import EvalSplit, cut_reports, eval_split, findings_without_labels, foreign_reports
from unimedi.evaluation.supervised import supervised
from unimedi.evaluation.task_file import TaskFile, evaluation_options
from unimedi.evaluation.training_log import training_measurements
from unimedi.evaluation.zero_shot.tasks import detail_zero_shot, other_prompts, zero_shot
from unimedi.files.lock import alone_in
from unimedi.files.store_address import StorePlace
from unimedi.inputs.labels import known_classes
from unimedi.inputs.store import Store
from unimedi.metrics.checks import NotComputable
from unimedi.metrics.measurement import Measurements
from unimedi.model.untrained import untrained
from unimedi.representation.cached_embedder import CachedEmbedder
from unimedi.representation.devices import find_devices
from unimedi.representation.embedder import Embedder, pretrained_folder

Say = Callable[[str], None]
Task = Callable[[], TaskResult]
XRAY, CT = str(ImageKind.XRAY), str(ImageKind.CT)


def evaluate(
    run: Path,
    data: StorePlace,
    out: Path | None = None,
    split: str = "test",
    compare: Sequence[Path] = (),
    options: EvaluationOptions | None = None,
    task: TaskFile | None = None,
    say: Say = print,
    devices: int | None = None,
) -> Evaluation:
    """Measure a run on a split of a store.

    Writes ``metrics.json``, ``resamples.npz`` and ``evaluation/``, from which the page is drawn.

    Args:
        run: a run folder, or a ``pretrained`` folder itself.
        data: a prepared store, a folder or a URI.
        out: where the files go; by default the run folder, with a ``task`` the folder ``tasks/<task>`` in it.
        split: ``test`` or ``validation``.
        compare: runs that were evaluated before; paired differences to those that were measured under equal conditions
            go into ``differences.json``.
        task: a public collection's question; it sets the kind, the classes and the shares of the labels.
        say: hears of progress.
        devices: that studies are encoded on, as of :func:`~unimedi.representation.devices.find_devices`.

    Returns:
        All measurements, what could not be measured, and results by study.

    Raises:
        MissingError: there is no model, or a run to compare with was not evaluated.
        InputError: the store was prepared for another model or has none of the classes, or the split is empty.
        LockedError: the run still trains, or is evaluated by another process.
    """
    pretrained_folder(run)  # before the lock: a folder that is not there must not be made
    out = out or (run / "tasks" / task.name if task else run)
    options = options or EvaluationOptions()
    with alone_in(out):
        options = evaluation_options(task, options) if task else options
        return _evaluate(run, data, out, split, compare, options, task, say, find_devices(devices))


def _evaluate(
    run: Path,
    data: StorePlace,
    out: Path,
    split: str,
    compare: Sequence[Path],
    options: EvaluationOptions,
    task: TaskFile | None,
    say: Say,
    devices: Sequence[torch.device],
) -> Evaluation:
    others = read_runs(compare)
    embedder = CachedEmbedder.from_pretrained(run, options.batch_size, devices)
    languages = embedder.model.config.report_languages
    options, about_prompts = with_prompts(options, languages)
    store = Store.open(data, expect=embedder.processor.preprocess)
    options, about_classes = _with_known_classes(options, store)
    fresh = CachedEmbedder(untrained(embedder.model, options.seed), embedder.processor, options.batch_size, devices)
    splits = _splits(store, split, embedder, options, say)
    if not splits:
        raise InputError(f"{data}: expected {' or '.join(options.kinds)} studies in the {split} split, found none")
    absent = [f"no {kind} study in the {split} split" for kind in options.kinds if kind not in splits]
    for studies in splits.values():
        absent += findings_without_labels(studies, options.classes or store.findings)
    foreign, cut = foreign_reports(store, split, languages), cut_reports(store, split, embedder.processor)
    about_texts = [*about_prompts, *foreign, *cut]
    for note in about_texts:
        say(note)
    results, notes = _measured(_tasks(run, splits, store, embedder, fresh, options), say)
    measurements = Measurements(row for result in results for row in result.measurements.values())
    measurements.write(out / "metrics.json")
    measured_on = conditions(store.fingerprint, splits, options)
    write_resamples(measurements, measured_on, out / RESAMPLES)
    if others:
        write_differences(measurements, measured_on, others, out / "differences.json")
    evaluation = Evaluation(
        run=run,
        out=out,
        store=store,
        embedder=embedder,
        split=split,
        splits=splits,
        options=options,
        measurements=measurements,
        notes=[*about_classes, *absent, *about_texts, *notes],
        predictions={p.kind: p for result in results if (p := result.predictions)},
        slices=next((result.slices for result in results if result.slices), None),
        conditions=measured_on,
        compare=others,
        task=task,
    )
    save(record_of(evaluation), out)
    return evaluation


def _with_known_classes(options: EvaluationOptions, store: Store) -> tuple[EvaluationOptions, list[str]]:
    """The options with the classes that the store has, and sentences on the others."""
    classes, notes = known_classes(store, options.classes)
    multiclass = options.multiclass and not notes
    if options.multiclass and not multiclass:
        notes.append("the choice between the classes is not measured: some of them are not in the store")
    return replace(options, classes=classes, multiclass=multiclass), notes


def _splits(store: Store, name: str, embedder: Embedder, options: EvaluationOptions, say: Say) -> dict[str, EvalSplit]:
    """Kind → its studies of the split, encoded; kinds without any are left out."""
    splits = {}
    for kind in map(str, ImageKind):
        if kind in options.kinds and (count := len(store.select(split=Split(name), image_kind=kind))):
            say(f"encoding {count} {kind} studies of the {name} split")
            splits[kind] = eval_split(kind, name, store, embedder, options)
    return splits


def _measured(tasks: Mapping[str, Task], say: Say) -> tuple[list[TaskResult], list[str]]:
    """The results of the tasks that this cohort can answer; and all notes, with a sentence on each of the others."""
    results, notes = [], list[str]()
    for name, task in tasks.items():
        begun = time.monotonic()
        try:
            result = task()
        except NotComputable as reason:
            notes.append(f"{name}: {reason}")
        else:
            results.append(result)
            notes += result.notes
        say(f"{name}: {time.monotonic() - begun:.1f} s")
    return results, notes


def _tasks(
    run: Path,
    splits: Mapping[str, EvalSplit],
    store: Store,
    embedder: Embedder,
    fresh: Embedder,
    options: EvaluationOptions,
) -> dict[str, Task]:
    """All tasks by their names, in the order in which they are measured. ``fresh`` was never trained."""
    tasks, seed, resamples = dict[str, Task](), options.seed, options.resamples
    for kind, split in splits.items():
        tasks[f"zero-shot, {kind}"] = partial(zero_shot, split, store, embedder, options)
        if split.details:
            tasks[f"zero-shot of details, {kind}"] = partial(detail_zero_shot, split, embedder, options)
        tasks[f"other prompts, {kind}"] = partial(other_prompts, split, store, embedder, options)
        tasks[f"retrieval, {kind}"] = partial(on_embeddings.report_retrieval, split)
        for classes in CLASSES:
            name = f"retrieval by class, {kind}, {classes}x{PER_CLASS}"
            tasks[name] = partial(class_retrieval, split, classes, seed, resamples)
    tasks["space"] = partial(on_space.space, splits)
    if {XRAY, CT} <= splits.keys():
        tasks |= _cross_modal_tasks(splits[XRAY], splits[CT], seed, resamples)
    random_init = {kind: fresh.images(store, split.indices) for kind, split in splits.items()}
    for kind, split in splits.items():
        encoders = {"": (embedder, split.table), RANDOM_INIT: (fresh, random_init[kind])}
        tasks[f"linear probe, {kind}"] = partial(linear_probe, split, store, encoders, options)
        if split.details:
            tasks[f"linear probe of details, {kind}"] = partial(detail_probe, split, store, encoders, options)
    if CT in splits:
        grid = embedder.model.vision.volume_grid
        tasks["slice selection"] = partial(slice_selection, splits[CT], store, random_init[CT], grid, options)
    tasks["training"] = partial(training_measurements, run)
    if options.supervised_steps:
        tasks["supervised reference"] = partial(supervised, splits, store, embedder, options)
    return tasks


def _cross_modal_tasks(xray: EvalSplit, ct: EvalSplit, seed: int, resamples: int) -> dict[str, Task]:
    to_ct, to_xray = on_embeddings.TO_CT, on_embeddings.TO_XRAY
    return {
        "paired retrieval": partial(on_embeddings.paired_retrieval, xray, ct, seed, resamples),
        "retrieval by finding, X-ray to CT": partial(on_embeddings.finding_retrieval, xray, ct, to_ct),
        "retrieval by finding, CT to X-ray": partial(on_embeddings.finding_retrieval, ct, xray, to_xray),
        "modality probe": partial(on_space.modality_probe, xray, ct, seed, resamples),
        "silhouettes": partial(on_space.silhouettes, xray, ct, seed, resamples),
        "linear CKA": partial(on_space.linear_cka, xray, ct, on_embeddings.pairs(xray, ct), seed),
        "neighbours' labels, X-ray to CT": partial(on_space.neighbour_agreement, xray, ct, to_ct),
        "neighbours' labels, CT to X-ray": partial(on_space.neighbour_agreement, ct, xray, to_xray),
    }
