"""The training loop: what happens at each step, in what order, and what survives if the process dies in it.

A step is a function of (weights, optimiser, step number): data order, augmentation and every random draw depend on
(seed, step, micro-batch of the step) alone. So a checkpoint needs no hidden state, and a run that was killed continues
bit for bit (same machine type, same number of threads and processes).
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import nn
from transformers.utils.logging import disable_progress_bar

from unimedi.cohort.image_kind import ImageKind
from unimedi.cohort.study import Split
from unimedi.files.lock import LockedError, alone_in
from unimedi.files.store_address import StorePlace
from unimedi.inputs.dataset import training_loader
from unimedi.inputs.sampling import drawn, micro_batches_of
from unimedi.inputs.store import Store
from unimedi.model.card import write_card
from unimedi.model.config import UniMediConfig
from unimedi.model.processor import UniMediProcessor
from unimedi.optimization.optimizer import OPTIMIZERS
from unimedi.optimization.precision import product_speed
from unimedi.optimization.schedule import EpochLength, steps, warmup_cosine
from unimedi.pretraining import checkpoint
from unimedi.pretraining.build import PAPER, Variant, build
from unimedi.pretraining.engine import computing, device_type, make_fabric, reproducible
from unimedi.pretraining.epoch_length import epoch_length_of, with_what_is_there
from unimedi.pretraining.gradient_cache import twice
from unimedi.pretraining.launcher import SAID
from unimedi.pretraining.metric_logger import MetricLogger
from unimedi.pretraining.monitors import NAN_PATIENCE, WINDOW, skipped_in_a_row, unmoved, warnings_of
from unimedi.pretraining.notices import TrainingError, at_rest, cut_reports, diverged, notices, refuse_one_pair
from unimedi.pretraining.on_validation import OnValidation, begun, due
from unimedi.pretraining.optimizer_step import OptimizerStep
from unimedi.pretraining.progress import ProgressLine
from unimedi.pretraining.recipe import Recipe
from unimedi.pretraining.run_folder import RunFolder, RunFolderError, plain
from unimedi.pretraining.running_means import recompute_running_means
from unimedi.pretraining.step_flops import COUNTED, step_flops
from unimedi.pretraining.step_flops import total as total_of
from unimedi.pretraining.stopping import InterruptedRunError, StopRequest

SAMPLE = 256  # reports whose mean length stands for all


def pretrain(
    recipe: Recipe,
    store_path: StorePlace,
    out: str | Path,
    resume: bool = False,
    devices: int = 1,
    nodes: int = 1,
    workers: int = 0,
    variant: Variant = PAPER,
    on_validation: OnValidation | None = None,
) -> Path:
    """Run a recipe on a store and leave a run folder.

    Args:
        recipe: everything that decides the run.
        store_path: what ``prepare`` left: a folder, or a URI.
        out: the run's folder, made where it is not there.
        resume: go on from the newest whole checkpoint of ``out`` (from the start where there is none).
        devices: ranks a machine, one a device: GPUs where there are any, else CPU processes over gloo.
        nodes: machines.
        workers: processes that read ahead; the batches are the same for any number.
        variant: the experiment that ``recipe`` asks for; :func:`unimedi.experiments.registry.pretrain` finds it.
        on_validation: what is measured of the teacher every 5 % of the run, by rank 0, and goes into the log.

    Returns:
        ``out/pretrained``: the teacher's model and its processor.

    Raises:
        InterruptedRunError: SIGTERM or SIGINT came; everything is saved.
        CheckpointError, LockedError, RunFolderError, StoreError, TrainingError: each says what to do.
    """
    if variant.name != recipe.experiment:
        raise TrainingError(f"the recipe asks for experiment {recipe.experiment}: see unimedi.experiments.registry")
    store, run = Store.open(store_path, expect=recipe.preprocess), RunFolder(out)
    earlier = run.begun() if resume else {}
    computed_in, said = computing(recipe.precision, earlier)
    fabric = make_fabric(computed_in["precision"], devices, nodes)
    devices = fabric.world_size
    epoch_length = epoch_length_of(recipe, store, devices)
    refuse_one_pair(recipe, epoch_length, devices)
    total = steps(recipe.duration, epoch_length)
    facts = {"devices": devices, "device": str(fabric.device), "steps": total} | computed_in | _about(store)
    with _alone(fabric, run, plain(recipe), facts, resume) as taken:
        with reproducible(earlier.get("threads", torch.get_num_threads())):
            if fabric.is_global_zero:
                for notice in [*said, *taken, *notices(recipe, store, devices)]:
                    print(notice, file=sys.stderr)
            module, processor = build(recipe, store, total, epoch_length, variant)
            if fabric.is_global_zero and (cut := cut_reports(store, processor)):
                print(cut, file=sys.stderr)
            figures = None
            if on_validation and fabric.is_global_zero:
                figures = begun(on_validation, module.teacher, processor, store)
            each, ranks = epoch_length.micro_batches, fabric.world_size
            data = variant.data(store, recipe.batch, processor.text, recipe.seed, total * each * ranks)

            def batches_from(step: int) -> Iterator[Any]:
                numbers = micro_batches_of(step, total, each, fabric.global_rank, ranks)
                cached = caches_gradients(recipe, epoch_length)
                return training_loader(data, twice(numbers, each) if cached else numbers, workers)

            def studies_of(step: int) -> list[str]:
                numbers = micro_batches_of(step, step + 1, each * ranks)
                return [study_id for number in numbers for study_id in data.study_ids(number)]

            measure = partial(figures, module.teacher) if figures else None
            seconds = seconds_of_products(
                recipe, module.student.config, store, processor, each, computed_in["precision"]
            )
            stopped = train(
                fabric, recipe, module, batches_from, run, total, epoch_length, studies_of, measure, seconds
            )
        disable_progress_bar()  # transformers' "Writing model shards", for a file that takes milliseconds
        kinds = list(data.sizes)
        recompute_running_means(module.teacher, processor, store, recipe.seed, kinds)  # on every rank: they end alike
        if fabric.is_global_zero:
            run.export(module.teacher.save_pretrained, processor.save_pretrained, partial(write_card, run=run.path))
        fabric.barrier()
    if stopped:
        raise stopped if fabric.is_global_zero else SystemExit(stopped.exit_code)
    return run.pretrained


def _about(store: Store) -> dict[str, Any]:
    """What ``environment.json`` and the model card say of the data."""
    studies = {
        str(split): {str(kind): count for kind in ImageKind if (count := len(store.select(split, kind)))}
        for split in Split
    }
    return {"store": store.fingerprint, "phantom": store.phantom, "studies": studies}


@contextmanager
def _alone(
    fabric: Fabric, run: RunFolder, recipe: Mapping[str, Any], facts: Mapping[str, Any], resume: bool
) -> Iterator[list[str]]:
    """The run folder, begun and held by rank 0 alone; gives what :meth:`RunFolder.begin` has to say.

    What is wrong is raised by rank 0, and the others leave without a word: none waits for one that has left.
    """
    with ExitStack() as held:
        said: list[str] | Exception = []
        if fabric.is_global_zero:
            try:
                held.enter_context(alone_in(run.path))
                said = run.begin(recipe, facts, resume)
            except (LockedError, RunFolderError, OSError) as error:
                said = error
        said = fabric.broadcast(said)
        if isinstance(said, Exception):
            raise said if fabric.is_global_zero else SystemExit(SAID)
        yield said


def train(
    fabric: Fabric,
    recipe: Recipe,
    module: nn.Module,
    batches_from: Callable[[int], Iterator[Any]],
    run: RunFolder,
    total: int,
    epoch_length: EpochLength,
    studies_of: Callable[[int], list[str]],
    measure: Callable[[], Mapping[str, float]] | None = None,
    products: float = 0.0,
) -> InterruptedRunError | None:
    """Train ``module`` up to step ``total``, from the newest checkpoint of ``run``; returns the signal that stopped it.

    ``module(batch, step, part)`` gives an object with ``loss`` and ``logs``; ``module.after_step(step)``
    runs once the weights have moved. ``batches_from(step)`` yields the micro-batches of each step from that step on,
    a step's twice where gradients are cached; ``studies_of(step)`` names their studies, which are logged where a
    step is skipped.
    ``measure()`` gives figures on validation, which join the record of a step that is due; its time is not training's.
    ``products`` is what a step's arithmetic alone would take, in s; 0 where it is not known.
    """
    settings = recipe.optimization
    warmup = steps(settings.warmup, epoch_length, total)
    save_every = max(1, steps(recipe.checkpoint_every, epoch_length, total))
    fabric.to_device(module)
    betas = (settings.beta1, settings.beta2)
    optimizer = OPTIMIZERS[settings.algorithm](module, settings.learning_rate, settings.weight_decay, betas)
    first = fabric.is_global_zero
    newest = fabric.broadcast(checkpoint.newest(run.checkpoints) if first else None)
    done = checkpoint.load(newest, module, optimizer) if newest else 0
    micro_batches, cached = epoch_length.micro_batches, caches_gradients(recipe, epoch_length)
    optimizer_step = OptimizerStep(
        fabric, module, optimizer, recipe.seed, micro_batches, settings.max_grad_norm, cached
    )
    batches = batches_from(done)
    with (
        MetricLogger(run, done, first) as logger,
        ProgressLine(total, done, first) as progress,
        StopRequest(fabric) as stop,
    ):
        recent = fabric.broadcast(logger.recent)
        for step in range(done, total):
            started = time.perf_counter()
            rate = settings.learning_rate * warmup_cosine(
                step, warmup=warmup, total=total, min_lr_ratio=settings.min_lr_ratio
            )
            record = {"step": step, **optimizer_step.update(batches, step, rate), "learning_rate": rate}
            elapsed = time.perf_counter() - started
            record["examples_per_second"] = epoch_length.examples_per_step / elapsed
            record["data_share"] = optimizer_step.waited / elapsed
            if products:
                record["mfu"] = products / elapsed
            if record.get("skipped"):
                record["studies"] = studies_of(step)
            recent = [*recent, record][-WINDOW:]
            warned = warnings_of(recent, recipe.distillation.prototypes)
            record["warnings"] = [warning.name for warning in warned]
            if measure and due(step + 1, total):
                with logger.untimed():
                    record |= measure()
            logger.write(record)
            progress.update(record, warned)
            if skipped_in_a_row(recent) >= NAN_PATIENCE:
                raise TrainingError(diverged(recent, run))
            if still := unmoved(recent):
                raise TrainingError(at_rest(still, step))

            signum, done = stop.requested(), step + 1
            if signum or done % save_every == 0 or done == total:
                if first:
                    logger.to_disk()
                    checkpoint.save(run.checkpoints, done, module, optimizer)
                fabric.barrier()
            if signum:
                return InterruptedRunError(signum, done)
    return None


def seconds_of_products(
    recipe: Recipe, config: UniMediConfig, store: Store, processor: UniMediProcessor, each: int, precision: str
) -> float:
    """What a step's arithmetic would take as one large matrix product: MFU is this by the time of the step.

    Of a step with every part on, ``each`` micro-batches; 0 where an experiment has other parts.
    """
    if recipe.experiment not in COUNTED:
        return 0.0
    studies = drawn(store.select(split="train", reported=True), SAMPLE, recipe.seed)
    lengths = [
        min(length, processor.text_length) for length in processor.lengths([store.studies[i].report for i in studies])
    ]
    words = recipe.batch.sentence_keep_prob * sum(lengths) / len(lengths)
    there = {kind: len(store.select("train", kind, reported=True)) for kind in ImageKind}
    flops = total_of(step_flops(with_what_is_there(recipe, there), config, words, each).values())
    return flops / product_speed(device_type(), precision)


def caches_gradients(recipe: Recipe, epoch_length: EpochLength) -> bool:
    """Whether L_vl is over several micro-batches; without it they are simply summed."""
    return epoch_length.micro_batches > 1 and recipe.contrastive_weight > 0
