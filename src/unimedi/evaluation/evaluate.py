"""``unimedi evaluate``: each test image is encoded once, every task reads from that, one JSON and one HTML come out."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from unimedi.cohort.image_kind import ImageKind
from unimedi.cohort.study import Split
from unimedi.errors import InputError
from unimedi.evaluation import space as on_space
from unimedi.evaluation.comparison import RESAMPLES, conditions, read_runs, write_differences, write_resamples
from unimedi.evaluation.probes.tasks import probe_figures
from unimedi.evaluation.recorded import record_of
from unimedi.evaluation.result import ReportInputs
from unimedi.evaluation.retrieval import tasks as on_embeddings
from unimedi.evaluation.retrieval.protocols import CLASSES, PER_CLASS
from unimedi.evaluation.saved import save
from unimedi.evaluation.slices.tasks import selection_figures
from unimedi.evaluation.supervised import supervised_figures
from unimedi.evaluation.task import EvaluationOptions, Outcome, View, cut_reports, foreign_reports, unlabelled, view
from unimedi.evaluation.task_file import TaskFile, answer_lines, evaluation_options
from unimedi.evaluation.training_log import training_figures
from unimedi.evaluation.zero_shot import tasks as on_prompts
from unimedi.evaluation.zero_shot.files import with_prompts
from unimedi.evaluation.zero_shot.tasks import Verdicts
from unimedi.files.lock import alone_in
from unimedi.inputs.labels import known_classes
from unimedi.inputs.store import Store
from unimedi.metrics.bootstrap import Estimate
from unimedi.metrics.checks import NotComputable
from unimedi.metrics.measurement import write_metrics
from unimedi.model.untrained import untrained
from unimedi.representation.embedder import Embedder, pretrained_folder
from unimedi.representation.encoded_once import EncodedOnce

Task = Callable[[], Mapping[str, Estimate]]


def evaluate(
    run: Path,
    data: Path,
    out: Path | None = None,
    split: str = "test",
    compare: Sequence[Path] = (),
    options: EvaluationOptions | None = None,
    task: TaskFile | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Estimate]:
    """Measure a run (a run folder, or a ``pretrained`` folder itself) on a split of a store.

    Writes ``metrics.json``, ``resamples.npz`` and ``evaluation/`` (what the page is drawn from) into ``out`` (default:
    the run folder, of a task ``tasks/<task>`` in it) and returns the figures.
    ``compare`` are evaluated runs that stand beside ours in the
    report, with paired differences (also in ``differences.json``) where they were measured on the same. ``task`` sets
    the kind, the classes and the shares of the labels. Raises FileNotFoundError where there is no model or a run to
    compare with was not evaluated, ValueError where the store was prepared for another model, has none of the classes,
    or the split is empty; LockedError where the run still trains or is evaluated.
    """
    pretrained_folder(run)  # a run that is not there is not made
    out = out or (run / "tasks" / task.name if task else run)
    with alone_in(out):
        return _evaluate(run, data, out, split, compare, options or EvaluationOptions(), task, say)


def _evaluate(
    run: Path,
    data: Path,
    out: Path,
    split: str,
    compare: Sequence[Path],
    options: EvaluationOptions,
    task: TaskFile | None,
    say: Callable[[str], None],
) -> dict[str, Estimate]:
    if task:
        options = evaluation_options(task, options)
    started = time.monotonic()
    others = read_runs(compare)
    embedder = EncodedOnce.from_pretrained(run, options.batch_size)
    options, unspoken = with_prompts(options, embedder.model.config.report_languages)
    store = Store.open(data, expect=embedder.processor.preprocess)
    fresh = EncodedOnce(untrained(embedder.model, options.seed), embedder.processor, options.batch_size)
    classes, lacking = known_classes(store, options.classes)
    if lacking and options.exclusive:
        lacking.append("the choice between the classes is not measured: some of them are not in the store")
    options = replace(options, classes=classes, exclusive=options.exclusive and not lacking)
    views: dict[str, View] = {}
    for kind in map(str, ImageKind):
        if kind in options.kinds and (indices := store.select(split=Split(split), image_kind=kind)):
            say(f"encoding {len(indices)} {kind} studies of the {split} split")
            views[kind] = view(kind, store, indices, embedder, options)
    if not views:
        raise InputError(f"{data}: expected {' or '.join(options.kinds)} studies in the {split} split, found none")
    absent = [f"no {kind} study in the {split} split" for kind in options.kinds if kind not in views]
    asked = options.classes or store.findings
    absent += [note for seen in views.values() for note in unlabelled(seen, asked, split)]
    unread = foreign_reports(store, split, embedder.model.config.report_languages)
    unread += cut_reports(store, split, embedder.processor)
    for note in unspoken + unread:
        say(note)
    outcome = Outcome(notes=lacking + absent + unspoken + unread)
    verdicts: dict[str, Verdicts] = {}
    figures: dict[str, Estimate] = {}
    for name, measure in _tasks(run, views, store, split, embedder, fresh, options, outcome, verdicts).items():
        begun = time.monotonic()
        try:
            figures |= measure()
        except NotComputable as reason:
            outcome.notes.append(f"{name}: {reason}")
        say(f"{name}: {time.monotonic() - begun:.1f} s")
    write_metrics(figures, out / "metrics.json")
    measured_on = conditions(store.fingerprint, split, views, options)
    write_resamples(figures, measured_on, out / RESAMPLES)
    if others:
        write_differences(figures, measured_on, others, out / "differences.json")
    save(
        record_of(
            ReportInputs(
                run=run,
                store=store,
                split=split,
                views=views,
                figures=figures,
                outcome=outcome,
                embedder=embedder,
                options=options,
                verdicts=verdicts,
                measured_on=measured_on,
                compare=others,
                task=task,
            )
        ),
        out,
    )
    for line in answer_lines(task, figures):
        say(line)
    say(f"evaluated in {time.monotonic() - started:.0f} s: {out / 'metrics.json'}")
    return figures


def _tasks(
    run: Path,
    views: dict[str, View],
    store: Store,
    split: str,
    embedder: Embedder,
    fresh: Embedder,
    options: EvaluationOptions,
    outcome: Outcome,
    verdicts: dict[str, Verdicts],
) -> dict[str, Task]:
    tasks, notes, seed, resamples = dict[str, Task](), outcome.notes, options.seed, options.resamples
    for kind, seen in views.items():
        tasks[f"zero-shot, {kind}"] = partial(
            on_prompts.zero_shot, seen, store, embedder, split, options, verdicts, notes
        )
        tasks[f"other prompts, {kind}"] = partial(on_prompts.other_prompts, seen, store, embedder, options, notes)
        tasks[f"retrieval, {kind}"] = partial(on_embeddings.report_retrieval, seen)
        for classes in CLASSES:
            tasks[f"retrieval by class, {kind}, {classes}x{PER_CLASS}"] = partial(
                on_embeddings.class_retrieval, seen, classes, seed, resamples, notes
            )
    tasks["space"] = partial(on_space.space, views)
    if len(views) == len(ImageKind):
        tasks |= _cross_modal_tasks(views["xray"], views["ct"], seed, resamples)
    random_init = {kind: fresh.images(store, seen.indices) for kind, seen in views.items()}
    for kind, seen in views.items():
        encoders = {"linear_probe": (embedder, seen.table), "random_init": (fresh, random_init[kind])}
        tasks[f"linear probe, {kind}"] = partial(probe_figures, seen, store, encoders, options, notes)
    if "ct" in views:
        grid = embedder.model.vision.volume_grid
        tasks["slice selection"] = partial(
            selection_figures, views["ct"], store, random_init["ct"], grid, options, outcome
        )
    tasks["training"] = partial(training_figures, run)
    if options.supervised_steps:
        tasks["supervised reference"] = partial(supervised_figures, views, store, embedder, options)
    return tasks


def _cross_modal_tasks(xray: View, ct: View, seed: int, resamples: int) -> dict[str, Task]:
    return {
        "paired retrieval": partial(on_embeddings.paired_retrieval, xray, ct, seed, resamples),
        "retrieval by finding, X-ray to CT": partial(on_embeddings.finding_retrieval, xray, ct, "xray_to_ct"),
        "retrieval by finding, CT to X-ray": partial(on_embeddings.finding_retrieval, ct, xray, "ct_to_xray"),
        "modality probe": partial(on_space.modality_figure, xray, ct, seed, resamples),
        "silhouettes": partial(on_space.silhouette_figures, xray, ct, seed, resamples),
        "linear CKA": partial(on_space.cka_figures, xray, ct, on_embeddings.pairs(xray, ct), seed),
        "neighbours' labels, X-ray to CT": partial(on_space.agreement_figures, xray, ct, "xray_to_ct"),
        "neighbours' labels, CT to X-ray": partial(on_space.agreement_figures, ct, xray, "ct_to_xray"),
    }
