"""The averaged weights need means of their own before they ship.

The projections subtract a running mean. The student's follows the student; the average of many students has features
with another mean, and since the mean is the longest part of a feature, a borrowed one leaves X-rays and CTs at
opposite poles (docs/log.md). So the means are taken anew, over training studies as they are, without augmentation:
those that have a report, for the others did not train, drawn from the whole split, for its first may be of one source.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from unimedi.cohort.image_kind import ImageKind
from unimedi.inputs.sampling import drawn
from unimedi.inputs.store import Store
from unimedi.model.processor import UniMediProcessor
from unimedi.model.projection import RunningMean
from unimedi.model.unimedi import UniMediModel

STUDIES = 512  # of each kind at most: the error of a mean is then a twentieth of the features' spread
BATCH = 16


@torch.no_grad()
def recompute_running_means(
    model: UniMediModel,
    processor: UniMediProcessor,
    store: Store,
    seed: int = 0,
    kinds: Sequence[ImageKind] = tuple(ImageKind),
) -> None:
    """Set the running means of ``model`` (in evaluation mode) to those of the training split.

    Of images those of ``kinds`` (of CTs with their slices, without them, and of the slices alone), of reports the mean
    over the same studies. A kind that is not there keeps its mean.
    """
    studies = [drawn(store.select("train", kind, reported=True), STUDIES, seed) for kind in kinds]
    store.ahead(index for few in studies for index in few)
    readers = _readers(model)
    with _averaging([module for module in model.modules() if isinstance(module, RunningMean)]):
        for batch in (few[start : start + BATCH] for few in studies for start in range(0, len(few), BATCH)):
            images = processor.from_stored([store.pixels(i) for i in batch])
            words = processor.text([store.studies[i].report for i in batch])
            for reader in readers[store.studies[batch[0]].image_kind]:
                reader.get_image_features(**{name: value.to(model.device) for name, value in images.items()})
            model.get_text_features(**{name: value.to(model.device) for name, value in words.items()})


def _readers(model: UniMediModel) -> dict[ImageKind, list[UniMediModel]]:
    """The model with every sequence that it can read of a kind of image: each has a mean of its own."""
    if not model.config.slices:
        return {kind: [model] for kind in ImageKind}
    volume, pair, slices = {"slices": 0}, {"volume_tokens": True}, {"volume_tokens": False}
    return {ImageKind.XRAY: [model], ImageKind.CT: [model.with_config(**changes) for changes in (volume, pair, slices)]}


@contextmanager
def _averaging(means: Sequence[RunningMean]) -> Iterator[None]:
    """Inside, each running mean adds up what it is given; at the end it holds the average, if it was given anything."""
    seen: dict[nn.Module, list[Tensor]] = {mean: [] for mean in means}

    def see(mean: nn.Module, given: tuple[Tensor]) -> None:
        seen[mean].append(given[0].double().cpu())

    handles = [mean.register_forward_pre_hook(see) for mean in means]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
    for mean in means:
        if seen[mean]:
            mean.mean.copy_(torch.cat(seen[mean]).mean(0))
            mean.weight.fill_(1.0)
