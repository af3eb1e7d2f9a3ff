"""``unimedi explain-eval``: how faithful a model's maps are, on the studies of a split whose findings are known."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from unimedi.cohort.image_kind import ImageKind
from unimedi.errors import InputError
from unimedi.evaluation.options import EvaluationOptions, with_prompts
from unimedi.evaluation.zero_shot.prompts import embed_prompts, read_prompts
from unimedi.explanation.faithfulness import (
    ERASED,
    FILLS,
    FRACTIONS,
    MAPS,
    NAMED,
    TEXT,
    Answer,
    Examiner,
    Question,
    area,
)
from unimedi.explanation.faithfulness_page import as_text, faithfulness_picture
from unimedi.explanation.kept_answers import KeptAnswers
from unimedi.files.atomic import write_bytes
from unimedi.files.destination import file_to_write
from unimedi.files.store_address import StorePlace
from unimedi.inputs.labels import subsample
from unimedi.inputs.store import Store
from unimedi.metrics.bootstrap import PatientBootstrap, mean_estimate, paired_difference
from unimedi.metrics.measurement import Measurements, named, percent
from unimedi.progress import progress_bar
from unimedi.representation.embedder import Embedder, pretrained_folder

STUDIES = 200  # of each kind of image, at most: a CT takes seconds
TASK = "explanation"
MIN_BY_FINDING = 5  # studies; with fewer a finding has no row


def explain_eval(
    run: Path,
    data: StorePlace,
    out: Path | None = None,
    split: str = "test",
    options: EvaluationOptions | None = None,
    say: Callable[[str], None] = print,
) -> Measurements:
    """Measure how faithful a model's maps are on at most ``STUDIES`` X-rays and as many CTs with a known finding.

    What each study gave is kept in a hidden folder beside ``out`` until all is measured: a stopped run goes on.

    Args:
        run: a run folder, or a ``pretrained`` folder itself.
        data: the prepared store, a folder or a URI.
        out: the JSON file to write, with a picture beside it (default: ``explain_eval.json`` in the run folder).
        split: train, validation or test.
        options: resamples, seed, prompts, batch size.
        say: hears one line at a time.

    Returns:
        Measurements of the task ``explanation``. ``method`` is a map or a mask, ``variant`` the fill; ``drop@10%`` and
        ``area`` are of deletion, ``erased`` of masks, ``pointing`` of maps.

    Raises:
        MissingError: there is no model.
        InputError: the store was prepared for another model, or no study of the split has a finding with prompts.
    """
    options = options or EvaluationOptions()
    started = time.monotonic()
    pretrained_folder(run)  # a run that is not there is not made
    out = file_to_write(out or run / "explain_eval.json", (".json",), beside=(".png",))
    folder = out.with_name(f".{out.name}.answers")
    embedder = Embedder.from_pretrained(run, options.batch_size)
    options, notes = with_prompts(options, embedder.model.config.report_languages)
    store = Store.open(data, expect=embedder.processor.preprocess)
    vectors = _vectors(embedder, store, options)
    found = Measurements()
    for kind in ImageKind:
        questions = asked(store, split, kind, vectors, options.seed)
        if not questions or not store.select(split="train", image_kind=kind):
            notes.append(f"{kind.label}: no study of the {split} split with a finding that has sentences")
            continue
        examiner = Examiner(embedder, store, kind, options.seed)
        kept = KeptAnswers(folder, embedder.fingerprint, store.fingerprint, kind, options.seed, options.batch_size)
        answers = _answers(examiner, questions, kept)
        found |= measured(answers, questions, store, options).named(task=TASK, modality=str(kind))
    if not found:
        raise InputError(f"{data}: {'; '.join(notes)}")
    found.write(out)
    write_bytes(out.with_suffix(".png"), faithfulness_picture(found))
    KeptAnswers(folder).clear()
    say(as_text(found, notes))
    say(f"measured in {time.monotonic() - started:.0f} s: {out}, {out.with_suffix('.png')}")
    return found


def _answers(examiner: Examiner, questions: Sequence[Question], kept: KeptAnswers) -> list[Answer]:
    """Those that were kept, and all others, which are kept now."""
    answers = [kept.get(number, question) for number, question in enumerate(questions)]
    before = sum(answer is not None for answer in answers)
    found = []
    with progress_bar(f"{examiner.kind.label}s explained", len(questions), before) as done:
        for number, (question, answer) in enumerate(zip(questions, answers, strict=True)):
            drawn = examiner.draw()
            if answer is None:
                answer = examiner.ask(question, drawn)
                kept.put(number, question, answer)
                done(1)
            found.append(answer)
    return found


def _vectors(embedder: Embedder, store: Store, options: EvaluationOptions) -> dict[str, Float[ndarray, "dim"]]:
    """Finding → the mean of its sentences, at unit length."""
    prompts = embed_prompts(embedder.texts, read_prompts(options.prompt_file), list(store.findings))
    means = {name: both.present.mean(axis=0) for name, both in prompts.items() if name not in options.details}
    return {name: np.asarray(mean / np.linalg.norm(mean), np.float32) for name, mean in means.items()}


def asked(
    store: Store, split: str, kind: ImageKind, vectors: dict[str, Float[ndarray, "dim"]], seed: int
) -> list[Question]:
    """Of each study one of its findings, with a mask where it has any, and one that it is known not to have."""
    draws, questions = np.random.default_rng(seed), []
    for index in store.select(split=split, image_kind=kind):
        labels = store.studies[index].labels
        there = [name for name in vectors if labels.get(name) is True]
        absent = [name for name in vectors if labels.get(name) is False]
        if there and absent:
            masked = [name for name in there if _is_masked(store, index, name)] or there
            finding, other = (names[draws.integers(len(names))] for names in (masked, absent))
            questions.append(Question(index, finding, vectors[finding], vectors[other]))
    return [questions[place] for place in subsample(range(len(questions)), STUDIES, seed)]


def _is_masked(store: Store, index: int, finding: str) -> bool:
    mask = store.mask(index)
    return mask is not None and bool((mask >> store.findings.index(finding) & 1).any())


def measured(
    answers: Sequence[Answer], questions: Sequence[Question], store: Store, options: EvaluationOptions
) -> Measurements:
    """The mean over studies of all that they gave, with intervals, and paired differences to the map and the mask."""
    patients = [store.studies[question.index].patient_id for question in questions]
    bootstrap = PatientBootstrap(patients, options.resamples, options.seed)
    rows = []

    def add(values: Sequence[float], **name: str) -> None:
        if not np.isnan(values).all():
            rows.append(named(mean_estimate(np.asarray(values, np.float64), bootstrap), **name))

    def compare(ours: Sequence[float], theirs: Sequence[float], **name: str) -> None:
        both = np.asarray(ours) + 0 * np.asarray(theirs), np.asarray(theirs) + 0 * np.asarray(ours)  # NaN in either
        if not np.isnan(both[0]).all():
            difference = paired_difference(*(mean_estimate(values, bootstrap) for values in both))
            rows.append(named(difference, **name))

    for fill in FILLS:
        areas = {name: [area(answer.drops[fill][name]) for answer in answers] for name in MAPS}
        for name in MAPS:
            for place, share in enumerate(FRACTIONS):
                drops = [float(answer.drops[fill][name][place]) for answer in answers]
                add(drops, variant=fill, method=name, metric=f"drop@{percent(share)}")
            add(areas[name], variant=fill, method=name, metric="area")
            if name != TEXT:
                compare(areas[TEXT], areas[name], variant=fill, method=TEXT, minus=name, metric="area")
        falls = {name: [answer.erased[fill][name] for answer in answers] for name in ERASED}
        for name in ERASED:
            add(falls[name], variant=fill, method=name, metric="erased")
            if name != NAMED:
                compare(falls[NAMED], falls[name], variant=fill, method=NAMED, minus=name, metric="erased")
        for finding in dict.fromkeys(question.finding for question in questions):
            of_it = [
                fall if question.finding == finding else np.nan
                for fall, question in zip(falls[NAMED], questions, strict=True)
            ]
            if np.count_nonzero(~np.isnan(of_it)) >= MIN_BY_FINDING:
                add(of_it, variant=fill, method=NAMED, metric="erased", finding=finding)
    for name in MAPS:
        pointed = [answer.pointed[name] for answer in answers]
        add(pointed, method=name, metric="pointing")
        if name != TEXT:
            compare([answer.pointed[TEXT] for answer in answers], pointed, method=TEXT, minus=name, metric="pointing")
    return Measurements(rows)
