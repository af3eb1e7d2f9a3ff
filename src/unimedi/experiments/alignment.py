"""Each sentence meets the place that shows it: local alignment (GLoRIA, MGCA) by the best patch (FILIP). Not UniMedI's.

How well an image fits a report is the mean, over the report's sentences, of the cosine with the patch that fits the
sentence best; matched and mismatched reports are told apart by it as in L_vl.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedTokenizerBase

from unimedi.inputs.batch import MixedBatch
from unimedi.model.unimedi import UniMediModel
from unimedi.model.vision_encoder import EncoderOutput
from unimedi.objectives.contrastive import matching_loss
from unimedi.objectives.precision import to_fp32
from unimedi.pretraining.gradient_cache import CachedGradient
from unimedi.pretraining.image_batch import ImageBatch
from unimedi.pretraining.milestones import Milestones
from unimedi.pretraining.recipe import Recipe
from unimedi.pretraining.step import Pretraining, StepOutput

SCALE = 10.0  # inverse temperature: a mean of maxima spreads less than a cosine, and is not learnt


class Alignment(Pretraining):
    """L_vl and, with the same weight, the match of sentences with their best patches."""

    def __init__(self, model: UniMediModel, recipe: Recipe, milestones: Milestones, sentence_end_id: int = -1) -> None:
        """``sentence_end_id``: the token that ends a sentence; by default a report is one sentence."""
        super().__init__(model, recipe, milestones)
        self.sentence_end_id = sentence_end_id

    @classmethod
    def create(
        cls, model: UniMediModel, recipe: Recipe, milestones: Milestones, tokenizer: PreTrainedTokenizerBase
    ) -> Pretraining:
        stop = tokenizer.convert_tokens_to_ids(".")
        return cls(model, recipe, milestones, -1 if stop in (None, tokenizer.unk_token_id) else stop)

    def contrast(
        self,
        images: list[ImageBatch],
        outputs: list[EncoderOutput],
        batch: MixedBatch,
        cached: CachedGradient | None = None,
    ) -> StepOutput:
        l_vl = super().contrast(images, outputs, batch, cached)
        l_local = self.align(images, outputs, batch)
        return StepOutput(l_vl.loss + l_local, l_vl.logs | {"l_local": l_local.detach()})

    def align(self, images: list[ImageBatch], outputs: list[EncoderOutput], batch: MixedBatch) -> Float[Tensor, ""]:
        """Sentences against patches in the common space, within this rank; both lose their mean over the batch,
        patches that of their kind of image."""
        words = self.student.text.words(batch.input_ids, batch.attention_mask)
        numbers = sentence_numbers(batch.input_ids, batch.attention_mask, self.sentence_end_id)
        means, owners = sentence_means(words, numbers)
        sentences = self.student.text_projection.linear(means)
        patches: list[Tensor] = []
        for kind in dict.fromkeys(each.kind for each in images):
            of_kind = [output for each, output in zip(images, outputs, strict=True) if each.kind is kind]
            projected = [self.student.image_projection.linear(output.patches) for output in of_kind]
            mean = torch.cat([rows.flatten(0, 1) for rows in projected]).mean(0)
            patches += [rows - mean for rows in projected]
        return alignment_loss(patches, sentences - sentences.mean(0), owners, batch.report_keys)


def sentence_numbers(
    input_ids: Int[Tensor, "n words"], attention_mask: Int[Tensor, "n words"], sentence_end_id: int
) -> Int[Tensor, "n words"]:
    """Which sentence a word belongs to, counted through the batch from 0; -1 for padding, the first token and the last.

    Every ``sentence_end_id`` ends a sentence, the point of "1.2 cm" too where the tokenizer cuts there; [CLS] and [SEP]
    belong to none.
    """
    ends = (input_ids == sentence_end_id).long()
    place = torch.arange(input_ids.shape[1], device=input_ids.device)
    words = attention_mask.bool() & (place > 0) & (place < attention_mask.sum(1, keepdim=True) - 1)
    report = torch.arange(len(input_ids), device=input_ids.device)[:, None]
    key = report * (input_ids.shape[1] + 1) + ends.cumsum(1) - ends
    numbers = torch.full_like(input_ids, -1)
    numbers[words] = key[words].unique(return_inverse=True)[1]
    return numbers


def sentence_means(
    states: Float[Tensor, "n words hidden"], numbers: Int[Tensor, "n words"]
) -> tuple[Float[Tensor, "m hidden"], Int[Tensor, " m"]]:
    """The mean state of each sentence's words, and the report that it stands in."""
    words = numbers >= 0
    count = int(numbers.max()) + 1
    lengths = torch.bincount(numbers[words], minlength=count)
    sums = to_fp32(states.new_zeros(count, states.shape[-1])).index_add(0, numbers[words], to_fp32(states[words]))
    report = words.nonzero()[:, 0]
    owners = report.new_zeros(count).scatter(0, numbers[words], report)
    return sums / lengths[:, None], owners


def report_fit(
    patches: Sequence[Float[Tensor, "_n _patches dim"]],
    sentences: Float[Tensor, "m dim"],
    owners: Int[Tensor, " m"],
    reports: int,
) -> Float[Tensor, "images reports"]:
    """Mean over the sentences of a report of the best cosine with a patch; images in the order of ``patches``."""
    best = torch.cat(
        [to_fp32((F.normalize(image, dim=-1) @ F.normalize(sentences, dim=-1).T).max(1).values) for image in patches]
    )
    share = F.one_hot(owners, reports).to(best.dtype)
    fit: Tensor = best @ (share / share.sum(0).clamp(min=1))
    return fit


def alignment_loss(
    patches: Sequence[Float[Tensor, "_n _patches dim"]],
    sentences: Float[Tensor, "m dim"],
    owners: Int[Tensor, " m"],
    report_keys: Int[Tensor, " images"],
) -> Float[Tensor, ""]:
    """L_vl's symmetric loss on the fit of every image with every report of the batch."""
    return matching_loss(SCALE * report_fit(patches, sentences, owners, len(report_keys)), report_keys)
