"""The training split of a store as an endless, stateless sequence of mixed batches."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from unimedi.cohort.image_kind import ImageKind
from unimedi.errors import InputError
from unimedi.inputs.augment import apply, draw, draw_sentences
from unimedi.inputs.batch import MixedBatch, report_key
from unimedi.inputs.batch_recipe import BatchRecipe
from unimedi.inputs.sampling import micro_batch_studies
from unimedi.inputs.store import Store

Tokenize = Callable[[Sequence[str]], Mapping[str, Tensor]]
REPORTS = 2  # number of the reports' random draws; those of images are numbered by ImageKind.place


class TrainingSteps(Dataset[MixedBatch]):
    """Item ``n`` is micro-batch ``n`` of the run: a function of (seed, n), the same on any number of workers and ranks.

    Args:
        store: its training split is read.
        recipe: how many images of a kind a micro-batch has, and how they are augmented.
        tokenize: reports to token numbers.
        seed: of all draws.
        count: of the micro-batches of all ranks.
    """

    def __init__(
        self,
        store: Store,
        recipe: BatchRecipe,
        tokenize: Tokenize,
        seed: int,
        count: int,
    ) -> None:
        self.store, self.recipe, self.tokenize, self.seed, self.count = store, recipe, tokenize, seed, count
        sizes = {ImageKind.XRAY: recipe.radiographs, ImageKind.CT: recipe.volumes}
        self.sizes = {kind: size for kind, size in sizes.items() if size}  # images of a kind in a micro-batch
        self.studies = {kind: store.select("train", kind, reported=True) for kind in self.sizes}
        if not any(self.studies.values()):
            raise InputError("the store has no study with a report in the training split that this recipe uses")

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> MixedBatch:
        chosen = {kind: self._chosen(kind, number) for kind in ImageKind}
        studies = [index for indices in chosen.values() for index in indices]
        reports = [self.report(index) for index in studies]
        generator = np.random.default_rng([self.seed, REPORTS, number])
        keep = 1.0 if number < self.recipe.full_report_fraction * self.count else self.recipe.sentence_keep_prob
        encoded = self.tokenize([draw_sentences(text, keep, generator) for text in reports])
        return MixedBatch(
            self._pixels(chosen[ImageKind.XRAY], ImageKind.XRAY, number),
            self._pixels(chosen[ImageKind.CT], ImageKind.CT, number),
            encoded["input_ids"],
            encoded["attention_mask"],
            torch.tensor([report_key(text) for text in reports]),
            tuple(self.store.studies[index].study_id for index in studies),
        )

    def report(self, index: int) -> str:
        """The report that the study at ``index`` of the store trains with."""
        return self.store.studies[index].report

    def image(self, index: int, kind: ImageKind, generator: np.random.Generator, out: NDArray[np.int16]) -> None:
        """Write a study's pixels, augmented, into ``out``: its place in a batch, so that nothing is copied twice."""
        recipe, stored = self.recipe, self.store.pixels(index)
        ranges = recipe.radiograph_augmentation if kind is ImageKind.XRAY else recipe.volume_augmentation
        apply(stored, draw(ranges, stored.shape, generator), out=out)

    def study_ids(self, number: int) -> list[str]:
        """The studies of a micro-batch; nothing is read."""
        return [self.store.studies[index].study_id for kind in ImageKind for index in self._chosen(kind, number)]

    def _chosen(self, kind: ImageKind, number: int) -> list[int]:
        studies = self.studies.get(kind)
        return micro_batch_studies(studies, self.seed, kind.place, number, self.sizes[kind]) if studies else []

    def _pixels(self, chosen: Sequence[int], kind: ImageKind, number: int) -> Tensor | None:
        if not chosen:
            return None
        preprocess = self.store.preprocess
        shape = preprocess.radiograph_size if kind is ImageKind.XRAY else preprocess.hires_shape
        batch = np.empty((len(chosen), *shape), np.int16)
        for place, index in enumerate(chosen):
            # The 0 is where the rank once stood: with it a run on one device is what it was.
            generator = np.random.default_rng([self.seed, kind.place, number, 0, place])
            self.image(index, kind, generator, batch[place])
        return torch.from_numpy(batch)


def training_loader(steps: TrainingSteps, numbers: Iterable[int], workers: int = 0) -> Iterator[MixedBatch]:
    """These micro-batches, in this order: read one ahead by a thread, or by ``workers`` processes."""
    if not workers:
        return _one_ahead(steps, numbers)
    loader: DataLoader[MixedBatch] = DataLoader(steps, sampler=numbers, batch_size=None, num_workers=workers)
    return iter(loader)


def _one_ahead(steps: TrainingSteps, numbers: Iterable[int]) -> Iterator[MixedBatch]:
    """While a step computes, a thread prepares the next batch: decompressing and copying leave the interpreter free."""
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as reader:
        coming: Future[MixedBatch] | None = None
        for number in numbers:
            batch, coming = coming, reader.submit(steps.__getitem__, number)
            if batch:
                yield batch.result()
        if coming:
            yield coming.result()
