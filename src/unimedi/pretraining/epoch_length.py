"""How long an epoch is, and how many micro-batches a step has, from what trains and on how many devices."""

import math
from collections.abc import Mapping
from dataclasses import replace

from unimedi.cohort.image_kind import ImageKind
from unimedi.inputs.store import Store
from unimedi.optimization.schedule import EpochLength
from unimedi.pretraining.notices import NothingToTrainError, TrainingError
from unimedi.pretraining.recipe import Recipe


def epoch_length_of(recipe: Recipe, store: Store, devices: int) -> EpochLength:
    """Of a run on this store: see :func:`epoch_length_for`; TrainingError where it has nothing to train on."""
    sizes = {kind: len(store.select("train", kind, reported=True)) for kind in ImageKind}
    try:
        return epoch_length_for(recipe, sizes, devices)
    except NothingToTrainError as error:
        raise NothingToTrainError(
            f"{store.path}: {error} among its {len(store)} studies, {len(store.select(split='train'))} of them for "
            f"training"
        ) from error


def with_what_is_there(recipe: Recipe, studies: Mapping[ImageKind, int]) -> Recipe:
    """The recipe whose batches have no kind of image of which there are no studies."""
    radiographs, volumes = (bool(studies.get(kind)) for kind in ImageKind)
    batch = recipe.batch
    there = replace(batch, radiographs=radiographs * batch.radiographs, volumes=volumes * batch.volumes)
    return replace(recipe, batch=there)


def epoch_length_for(recipe: Recipe, studies: Mapping[ImageKind, int], devices: int) -> EpochLength:
    """An epoch lets every training study be seen: it is as long as the kind that takes longer needs.

    Args:
        recipe: how large a batch is.
        studies: with a report, by kind of image.
        devices: of all machines.

    Raises:
        NothingToTrainError: there is none that the recipe takes.
        TrainingError: micro-batches do not make up ``batch.effective``.
    """
    sizes_of_batch = {ImageKind.XRAY: recipe.batch.radiographs, ImageKind.CT: recipe.batch.volumes}
    present = {kind: studies[kind] for kind, size in sizes_of_batch.items() if size and studies.get(kind)}
    if not present:
        raise NothingToTrainError(
            "expected studies with a report in the training split, of a kind that the recipe takes, found none"
        )
    at_once = sum(sizes_of_batch[kind] for kind in present) * devices
    micro_batches, rest = divmod(recipe.batch.effective or at_once, at_once)
    if rest or not micro_batches:
        around = ", ".join(str(at_once * count) for count in (micro_batches, micro_batches + 1) if count)
        raise TrainingError(
            f"batch.effective: expected a multiple of the {at_once} images that {devices} device(s) take at a time "
            f"(such as {around}), got {recipe.batch.effective}"
        )
    share = micro_batches * devices
    return EpochLength(
        examples_per_step=at_once * micro_batches,
        steps_per_epoch=max(math.ceil(count / (sizes_of_batch[kind] * share)) for kind, count in present.items()),
        micro_batches=micro_batches,
    )
