"""The training split of a store as an endless, stateless sequence of mixed batches."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count, islice
from typing import Final

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
AHEAD: Final = 64  # micro-batches whose studies are announced to the store, which bounds their bytes


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

    def announce(self, numbers: Iterable[int]) -> None:
        """Tell a remote store that these micro-batches come next."""
        if self.store.remote:
            chosen = (self._chosen(kind, number) for number in numbers for kind in ImageKind)
            self.store.ahead((index for indices in chosen for index in indices), trains=True)

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


class _Announced(Dataset[MixedBatch]):
    """The same micro-batches; an item is a micro-batch with those that its reader is told of."""

    def __init__(self, steps: TrainingSteps) -> None:
        self.steps = steps

    def __getitem__(self, item: tuple[int, list[int]]) -> MixedBatch:
        number, coming = item
        self.steps.announce(coming)
        return self.steps[number]


def training_loader(steps: TrainingSteps, numbers: Iterable[int], workers: int = 0) -> Iterator[MixedBatch]:
    """These micro-batches, in this order: read one ahead by a thread, or by ``workers`` processes.

    A remote store is read further ahead, as far as its limit of bytes allows. Its worker processes are not forked, as
    its client would not work in them; a script that starts them must be importable (``if __name__ == "__main__"``).
    """
    announced = _announced(numbers, max(workers, 1))
    if not workers:
        return _one_ahead(steps, announced)
    loader: DataLoader[MixedBatch] = DataLoader(
        _Announced(steps),
        sampler=announced,
        batch_size=None,
        num_workers=workers,
        multiprocessing_context="spawn" if steps.store.remote else None,
    )
    return iter(loader)


def _announced(numbers: Iterable[int], readers: int) -> Iterator[tuple[int, list[int]]]:
    """Each micro-batch, and those that its reader has not been told of: they go to the readers in turn."""
    source, window = iter(numbers), deque[int]()  # from this micro-batch on
    last = (AHEAD - 1) * readers  # the last one of this reader in a full window
    for place in count():
        window.extend(islice(source, AHEAD * readers - len(window)))
        if not window:
            return
        coming = list(window)[::readers] if place < readers else list(islice(window, last, last + 1))
        yield window.popleft(), coming


def _one_ahead(steps: TrainingSteps, announced: Iterable[tuple[int, list[int]]]) -> Iterator[MixedBatch]:
    """While a step computes, a thread prepares the next batch: decompressing and copying leave the interpreter free."""
    items = _Announced(steps)
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as reader:
        coming: Future[MixedBatch] | None = None
        try:
            for item in announced:
                batch, coming = coming, reader.submit(items.__getitem__, item)
                if batch:
                    yield batch.result()
            if coming:
                yield coming.result()
        finally:
            steps.store.not_ahead(trains=True)
