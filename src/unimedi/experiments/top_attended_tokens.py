"""L_vl sees the tokens that the teacher attends to most. A-CLIP, Yang et al. 2023."""

import torch
from jaxtyping import Int
from torch import Tensor

from unimedi.model.slice_selection import token_scores
from unimedi.model.vision_encoder import Tokens
from unimedi.pretraining.image_batch import ImageBatch
from unimedi.pretraining.step import Pretraining

KEEP_RATIO = 0.5  # of the tokens


class TopAttendedTokens(Pretraining):
    """The paper's step, but for what L_vl sees."""

    def contrastive_tokens(self, images: list[ImageBatch], tokens: list[Tokens]) -> list[Tokens]:
        return [kept(seen, self.top_attended(each)) for each, seen in zip(images, tokens, strict=True)]

    @torch.no_grad()
    def top_attended(self, images: ImageBatch) -> Int[Tensor, "n kept"]:
        """The places of the tokens that the teacher's [CLS] attends to most, in the order of the sequence."""
        attention = self.teacher.vision(images.tokens(self.teacher), attention_rows=True).cls_attention
        scores = token_scores(attention)
        places = scores.topk(max(1, round(KEEP_RATIO * scores.shape[1])), dim=1).indices
        return places.sort(dim=1).values


def kept(tokens: Tokens, places: Int[Tensor, "n kept"]) -> Tokens:
    """Of each row the tokens at ``places``, the others dropped."""
    where = places.unsqueeze(-1).expand(-1, -1, tokens.content.shape[-1])
    position = tokens.position.expand(tokens.content.shape[0], -1, -1)
    return Tokens(tokens.content.gather(1, where), position.gather(1, where))
