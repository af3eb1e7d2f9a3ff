"""``unimedi evaluate``: each test image is encoded once, every task reads from that, one JSON and one HTML come out."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from unimedi.cohort.study import Split
from unimedi.inputs.store import Store
from unimedi.representation.embedder import Embedder
from unimedi.transfer import embedding_tasks as on_embeddings
from unimedi.transfer.headline import as_text, headline
from unimedi.transfer.metrics import Figure, NotComputable, write_metrics
from unimedi.transfer.probe_tasks import probe_figures
from unimedi.transfer.references import untrained
from unimedi.transfer.report import write_report
from unimedi.transfer.report_parts import ReportInputs
from unimedi.transfer.run_log import training_figures
from unimedi.transfer.slice_tasks import selection_figures
from unimedi.transfer.supervised import supervised_figures
from unimedi.transfer.task import KINDS, EvaluationOptions, Outcome, View, view
from unimedi.transfer.zero_shot import read_prompts

Task = Callable[[], dict[str, Figure]]


def evaluate(
    run: Path,
    data: Path,
    out: Path | None = None,
    split: str = "test",
    compare: Sequence[Path] = (),
    options: EvaluationOptions | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Figure]:
    """Measure a run (a run folder, or a ``pretrained`` folder itself) on a split of a store.

    Writes ``metrics.json`` and ``report.html`` into ``out`` (default: the run folder) and returns the figures.
    ``compare`` are other runs whose ``metrics.json`` stand beside ours in the report. Raises FileNotFoundError where
    there is no model, ValueError where the store was prepared for another model or the split is empty.
    """
    options = options or EvaluationOptions()
    started = time.monotonic()
    embedder = Embedder.from_pretrained(run, options.batch_size)
    store = Store.open(data, expect=embedder.processor.preprocess)
    fresh = Embedder(untrained(embedder.model, options.seed), embedder.processor, options.batch_size)
    views: dict[str, View] = {}
    for kind, ndim in KINDS.items():
        if indices := store.select(split=Split(split), ndim=ndim):
            say(f"encoding {len(indices)} {kind} studies of the {split} split")
            views[kind] = view(kind, store, indices, embedder, options)
    if not views:
        raise ValueError(f"{data}: expected studies in the {split} split, found none")
    outcome = Outcome(notes=[f"no {kind} study in the {split} split" for kind in KINDS if kind not in views])
    figures: dict[str, Figure] = {}
    for name, task in _tasks(run, views, store, embedder, fresh, options, outcome).items():
        begun = time.monotonic()
        try:
            figures |= task()
        except NotComputable as reason:
            outcome.notes.append(f"{name}: {reason}")
        say(f"{name}: {time.monotonic() - begun:.1f} s")
    out = out or run
    out.mkdir(parents=True, exist_ok=True)
    write_metrics(figures, out / "metrics.json")
    write_report(
        ReportInputs(
            run=run,
            store=store,
            split=split,
            views=views,
            figures=figures,
            outcome=outcome,
            embedder=embedder,
            seed=options.seed,
            prompts=options.prompts.stem,
            compare=compare,
        ),
        out / "report.html",
    )
    patients = len({patient for seen in views.values() for patient in seen.patients})
    say(as_text(headline(figures, patients)))
    say(f"evaluated in {time.monotonic() - started:.0f} s: {out / 'metrics.json'}, {out / 'report.html'}")
    return figures


def _tasks(
    run: Path,
    views: dict[str, View],
    store: Store,
    embedder: Embedder,
    fresh: Embedder,
    options: EvaluationOptions,
    outcome: Outcome,
) -> dict[str, Task]:
    prompts, tasks, notes = read_prompts(options.prompts), dict[str, Task](), outcome.notes
    for kind, seen in views.items():
        tasks[f"zero-shot, {kind}"] = partial(on_embeddings.zero_shot, seen, embedder, prompts, notes)
        tasks[f"retrieval, {kind}"] = partial(on_embeddings.report_retrieval, seen)
    tasks["space"] = partial(on_embeddings.space, views)
    if len(views) == len(KINDS):
        xray, ct = views["xray"], views["ct"]
        tasks["paired retrieval"] = partial(on_embeddings.paired_retrieval, xray, ct, options.seed, options.resamples)
        tasks["retrieval by finding, X-ray to CT"] = partial(on_embeddings.finding_retrieval, xray, ct, "xray_to_ct")
        tasks["retrieval by finding, CT to X-ray"] = partial(on_embeddings.finding_retrieval, ct, xray, "ct_to_xray")
        tasks["modality probe"] = partial(on_embeddings.modality_figure, xray, ct, options.seed, options.resamples)
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
