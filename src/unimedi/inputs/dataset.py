"""The training split of a store as an endless, stateless sequence of mixed batches."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from unimedi.errors import InputError
from unimedi.inputs.augment import AugmentationRange, apply, draw, draw_sentences, reordered
from unimedi.inputs.batch import MixedBatch, report_key
from unimedi.inputs.sampling import step_studies
from unimedi.inputs.store import Store

Tokenize = Callable[[Sequence[str]], Mapping[str, Tensor]]
RADIOGRAPHS, VOLUMES, REPORTS = 0, 1, 2  # streams: each has an order of its own


@dataclass(frozen=True)
class BatchRecipe:
    """How many studies of each kind a step sees on one device, and how they are varied."""

    radiographs: int = 48
    volumes: int = 16
    grad_accum_steps: int = 1  # micro-batches a step
    sentence_keep_prob: float = 0.7  # chance that a report's sentence is kept
    full_report_fraction: float = 0.0  # share of the run in which reports are read whole: they say more at first
    shuffle_reports: bool = False  # a control: every study trains with the report of another of its kind, for good
    depth_pieces: int = 1  # a control: volumes are cut into so many pieces along depth, put together in any order
    radiograph_augmentation: AugmentationRange = field(default_factory=AugmentationRange)
    volume_augmentation: AugmentationRange = field(default_factory=lambda: AugmentationRange(0.05, 0.05, 20.0))


class TrainingSteps(Dataset[MixedBatch]):
    """Item ``s`` is the mixed batch of micro-step ``s``: a function of (seed, s), the same on any number of workers."""

    def __init__(
        self,
        store: Store,
        recipe: BatchRecipe,
        tokenize: Tokenize,
        seed: int,
        steps: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.store, self.recipe, self.tokenize, self.seed, self.steps = store, recipe, tokenize, seed, steps
        self.rank, self.world_size = rank, world_size
        self.streams = {
            RADIOGRAPHS: store.select(split="train", image_kind="xray", reported=True) if recipe.radiographs else [],
            VOLUMES: store.select(split="train", image_kind="ct", reported=True) if recipe.volumes else [],
        }
        if not any(self.streams.values()):
            raise InputError("the store has no study with a report in the training split that this recipe uses")
        if recipe.depth_pieces < 1 or store.preprocess.hires_shape[0] % recipe.depth_pieces:
            planes = store.preprocess.hires_shape[0]
            raise InputError(f"batch.depth_pieces: expected a divisor of {planes} planes, got {recipe.depth_pieces}")
        self.report_of = {study: study for studies in self.streams.values() for study in studies}
        if recipe.shuffle_reports:
            for stream, studies in self.streams.items():
                others = np.random.default_rng([seed, REPORTS, stream]).permutation(studies).tolist()
                self.report_of |= dict(zip(studies, others, strict=True))

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> MixedBatch:
        radiographs = self._chosen(RADIOGRAPHS, step, self.recipe.radiographs, self.rank)
        volumes = self._chosen(VOLUMES, step, self.recipe.volumes, self.rank)
        chosen = [*radiographs, *volumes]
        originals = [self.store.studies[self.report_of[i]].report for i in chosen]
        generator = np.random.default_rng([self.seed, REPORTS, step, self.rank])
        keep = 1.0 if step < self.recipe.full_report_fraction * self.steps else self.recipe.sentence_keep_prob
        encoded = self.tokenize([draw_sentences(text, keep, generator) for text in originals])
        return MixedBatch(
            self._pixels(radiographs, RADIOGRAPHS, step, self.recipe.radiograph_augmentation),
            self._pixels(volumes, VOLUMES, step, self.recipe.volume_augmentation),
            encoded["input_ids"],
            encoded["attention_mask"],
            torch.tensor([report_key(text) for text in originals]),
            tuple(self.store.studies[i].study_id for i in chosen),
        )

    def study_ids(self, step: int) -> list[str]:
        """The studies of micro-step ``step`` on all ranks; nothing is read."""
        sizes = {RADIOGRAPHS: self.recipe.radiographs, VOLUMES: self.recipe.volumes}
        return [
            self.store.studies[i].study_id
            for rank in range(self.world_size)
            for stream, size in sizes.items()
            for i in self._chosen(stream, step, size, rank)
        ]

    def _chosen(self, stream: int, step: int, size: int, rank: int) -> list[int]:
        studies = self.streams[stream]
        return step_studies(studies, self.seed, stream, step, size, rank, self.world_size) if studies else []

    def _pixels(self, chosen: list[int], stream: int, step: int, ranges: AugmentationRange) -> Tensor | None:
        if not chosen:
            return None
        first = self.store.pixels(chosen[0])
        batch = np.empty((len(chosen), *first.shape), np.int16)
        for place, index in enumerate(chosen):
            stored = self.store.pixels(index) if place else first
            generator = np.random.default_rng([self.seed, stream, step, self.rank, place])
            apply(stored, draw(ranges, stored.shape, generator), out=batch[place])
            if stream == VOLUMES and self.recipe.depth_pieces > 1:
                batch[place] = reordered(batch[place], generator.permutation(self.recipe.depth_pieces))
        return torch.from_numpy(batch)


def training_loader(steps: TrainingSteps, start: int, workers: int = 0) -> Iterator[MixedBatch]:
    """Batches from micro-step ``start`` on, in order: read one step ahead by a thread, or by ``workers`` processes."""
    if not workers:
        return _one_ahead(steps, start)
    loader: DataLoader[MixedBatch] = DataLoader(
        steps, sampler=range(start, len(steps)), batch_size=None, num_workers=workers
    )
    return iter(loader)


def _one_ahead(steps: TrainingSteps, start: int) -> Iterator[MixedBatch]:
    """While a step computes, a thread prepares the next batch: decompressing and copying leave the interpreter free."""
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as reader:
        coming = reader.submit(steps.__getitem__, start) if start < len(steps) else None
        for step in range(start, len(steps)):
            assert coming is not None
            batch = coming.result()
            coming = reader.submit(steps.__getitem__, step + 1) if step + 1 < len(steps) else None
            yield batch
