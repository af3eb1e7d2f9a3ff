"""What one training step sees: radiographs and volumes with their reports, side by side."""

import hashlib
from dataclasses import dataclass

import torch
from jaxtyping import Int, Int16
from torch import Tensor

from unimedi.cohort.reports.same_report import words_of


@dataclass(frozen=True, slots=True)
class MixedBatch:
    """Stored pixels; ``reports`` are those of the radiographs, then those of the volumes, as ``input_ids`` say.

    Either kind may be missing (None): a cohort of one modality trains as well.
    """

    radiographs: Int16[Tensor, "n height width"] | None
    hires_volumes: Int16[Tensor, "m depth height width"] | None
    input_ids: Int[Tensor, "reports words"]
    attention_mask: Int[Tensor, "reports words"]
    report_keys: Int[Tensor, " reports"]
    study_ids: tuple[str, ...] = ()

    def to(self, device: torch.device) -> "MixedBatch":
        def move(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.to(device, non_blocking=True)

        return MixedBatch(
            move(self.radiographs),
            move(self.hires_volumes),
            self.input_ids.to(device),
            self.attention_mask.to(device),
            self.report_keys.to(device),
            self.study_ids,
        )

    def first_volumes(self, count: int) -> "MixedBatch":
        """The first ``count`` volumes with their reports, without the radiographs."""
        assert self.hires_volumes is not None
        start = len(self.report_keys) - len(self.hires_volumes)
        rows = slice(start, start + count)
        words = self.input_ids[rows], self.attention_mask[rows]
        return MixedBatch(None, self.hires_volumes[:count], *words, self.report_keys[rows], self.study_ids[rows])


def report_key(report: str) -> int:
    """A 63-bit key that the same reports share (:func:`words_of`)."""
    return int.from_bytes(hashlib.blake2b(words_of(report).encode(), digest_size=8).digest(), "big") >> 1
