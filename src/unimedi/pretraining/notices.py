"""What people are told: before a run begins, what it cannot give; when it stops, why, and what to change."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from unimedi.cohort.image_kind import ImageKind
from unimedi.errors import StateError
from unimedi.inputs.store import Store
from unimedi.model.processor import UniMediProcessor
from unimedi.optimization.schedule import EpochLength
from unimedi.pretraining.monitors import GRADIENT_PATIENCE, NAN_PATIENCE
from unimedi.pretraining.recipe import Recipe
from unimedi.pretraining.run_folder import RunFolder


class TrainingError(StateError):
    """Training cannot go on; the sentence says what to change."""


class NothingToTrainError(TrainingError):
    """No study that a recipe could train with."""


def refuse_one_pair(recipe: Recipe, epoch_length: EpochLength, devices: int) -> None:
    """L_vl tells a report from others of the same step, on all ranks; local alignment from those of a micro-batch."""
    together, alone = epoch_length.examples_per_step, devices * epoch_length.micro_batches
    if together == 1 and recipe.contrastive_weight:
        raise TrainingError(
            "batch.radiographs and batch.volumes give one image and its report at a time: L_vl has no other report to "
            "tell it from; expected 2 or more, or a larger batch.effective"
        )
    if together == alone and recipe.contrastive_weight and recipe.experiment == "alignment":
        raise TrainingError(
            "experiment: alignment needs 2 or more of batch.radiographs and batch.volumes on each device, got 1 in all"
        )


def notices(recipe: Recipe, store: Store, devices: int = 1) -> list[str]:
    """What the recipe asks for and this store or batch cannot give; training goes on without it."""
    found = []
    for image_kind, size, off in (
        (ImageKind.XRAY, recipe.batch.radiographs, "T_2D learns from slices alone and nothing ties X-rays to reports"),
        (ImageKind.CT, recipe.batch.volumes, "T_3D, slice selection and the volume's share of the losses are off"),
    ):
        if size and not store.select(split="train", image_kind=image_kind, reported=True):
            kind = "radiographs" if image_kind is ImageKind.XRAY else "volumes"
            found.append(f"The store's training split has no {kind}: {off}. Batches hold the other kind only.")
    found += [
        f"Of {kind} one a step and device is distilled: Sinkhorn's targets share the prototypes out among the images, "
        f"and one has its share of each. L_icl teaches nothing about {kind}: take distillation.targets centre, a "
        f"larger distillation.image_fraction or more {kind} a step."
        for kind, count in _distilled(recipe).items()
        if count == 1 and recipe.distillation.targets == "sinkhorn" and recipe.distillation.icl_weight
    ]
    if silent := len(store.select(split="train")) - len(store.select(split="train", reported=True)):
        found.append(f"{silent} studies of the training split have no report and are left out.")
    foreign = Counter(s.language for s in store.studies if s.split == "train" and s.report and s.language != "en")
    if foreign and recipe.text.pretrained:
        listed = ", ".join(f"{count} in {language!r}" for language, count in foreign.most_common())
        found.append(
            f"{foreign.total()} training reports are not in English ({listed}): {recipe.text.pretrained} must have "
            f"been trained on that language too, or its vectors of them mean little. `unimedi translate` translates."
        )
    return found


def _distilled(recipe: Recipe) -> dict[str, int]:
    """How many images of each kind a micro-batch distils."""
    distils = recipe.method == "unimedi" and recipe.experiment != "reconstruction"
    share = recipe.distillation.image_fraction if distils else 0.0
    sizes = {"radiographs": recipe.batch.radiographs, "volumes": recipe.batch.volumes}
    return {kind: max(1, round(share * size)) for kind, size in sizes.items() if size and share}


def cut_reports(store: Store, processor: UniMediProcessor) -> str:
    reports = [store.studies[i].report for i in store.select(split="train", reported=True)]
    if not (cut := processor.too_long(reports)):
        return ""
    return (
        f"{cut:,} of {len(reports):,} training reports are longer than model.text_length, {processor.text_length} "
        f"tokens, and lose their end."
    )


def diverged(recent: Sequence[Mapping[str, Any]], run: RunFolder) -> str:
    return (
        f"{NAN_PATIENCE} steps in a row, up to step {recent[-1]['step']}, gave a loss or gradient that is not finite "
        f"(the weights were not touched by them). Lower optimization.learning_rate or optimization.max_grad_norm, or "
        f"look at the studies of those steps, named in {run.log}; the last checkpoint is in {run.checkpoints}."
    )


def at_rest(still: Sequence[str], step: int) -> str:
    return (
        f"no gradient has reached {', '.join(still)} for {GRADIENT_PATIENCE} steps, up to step {step}: nothing is "
        f"learnt there. Where all reports of a step are the same there is nothing to tell apart; otherwise take more "
        f"studies a step (batch.radiographs, batch.volumes), another model.projection_norm or a lower "
        f"optimization.learning_rate."
    )
