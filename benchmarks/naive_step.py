"""The same step, written as one would write it first: what benchmarks/step.py compares with.

Every pass hands out the attention maps of all its layers; what has been tokenised is tokenised again for the next pass;
reports are padded to the longest that the model reads; the teacher looks at every image, also at those that are not
distilled; heads see all tokens, of which some count; the average of the weights is a loop over them; batches are
read when they are needed. The loss is the same, and the benchmark says so.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unimedi.inputs.batch import MixedBatch
from unimedi.inputs.sampling import generator_of
from unimedi.model.sequence_kind import SequenceKind
from unimedi.model.slice_selection import slice_scores
from unimedi.model.unimedi import UniMediModel
from unimedi.objectives.distillation import distillation_loss
from unimedi.pretraining.gradient_cache import Pairs
from unimedi.pretraining.image_batch import ImageBatch
from unimedi.pretraining.masking import random_mask
from unimedi.pretraining.step import Pretraining
from unimedi.pretraining.teacher import momentum_at


def make_naive(module: Pretraining) -> None:
    """Attention as a product, a softmax and a product in every layer of student and teacher."""
    for model in (module.student, module.teacher):
        model.vision.vit_config._attn_implementation = "eager"
        model.text.bert.set_attn_implementation("eager")


@contextmanager
def attention_maps(model: UniMediModel) -> Iterator[list[Tensor]]:
    """The maps ``(n, heads, tokens, tokens)`` of the layers that run inside."""
    maps: list[Tensor] = []
    handles = [
        layer.attention.register_forward_hook(lambda _, __, output: maps.append(output[1]))
        for layer in model.vision.layers
    ]
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()


def naive_loss(module: Pretraining, batch: MixedBatch, step: int) -> Tensor:
    """L_vl + L_icl + L_pcl of one micro-batch."""
    generator = generator_of(module.recipe.seed, step, 0)
    images, kept = naive_images(module, batch, step, generator)
    loss = module.recipe.contrastive_weight * naive_l_vl(module, images, batch, kept)
    if (weight := module.distillation_weight(step)) > 0:
        loss = loss + weight * naive_masked_loss(module, images, generator, kept)
    return loss


def naive_images(
    module: Pretraining, batch: MixedBatch, step: int, generator: torch.Generator
) -> tuple[list[ImageBatch], list[list[Tensor]]]:
    """The images by kind, slices scored by the maps of all layers; and the maps, which live as long as the step."""
    student, teacher, kept = module.student, module.teacher, []

    def scored(_: MixedBatch, volumes: Tensor) -> Tensor:
        with attention_maps(teacher) as maps:
            teacher.vision(teacher.tokens(volumes))
        rows = torch.stack([each[:, :, 0, 1:] for each in maps], 1)
        kept.append(maps)
        return slice_scores(rows / rows.sum(-1, keepdim=True), teacher.vision.volume_grid, student.config.slab_pooling)

    module.slab_scores = scored  # type: ignore[method-assign]
    try:
        return module.image_batches(batch, step, generator)[0], kept
    finally:
        del module.slab_scores


def naive_l_vl(module: Pretraining, images: list[ImageBatch], batch: MixedBatch, kept: list[list[Tensor]]) -> Tensor:
    student = module.student
    states: dict[SequenceKind, list[Tensor]] = {}
    for each in images:
        with attention_maps(student) as maps:
            output = student.vision(each.tokens(student))
        kept.append(maps)
        states.setdefault(each.sequence(student), []).append(output.cls)
    longest = student.config.text_length - batch.input_ids.shape[1]
    ids, mask = (F.pad(part, (0, longest)) for part in (batch.input_ids, batch.attention_mask))
    reports = student.text.pool(student.text.words(ids, mask), mask)
    projected = {kind: student.image_projection.project(torch.cat(cls)) for kind, cls in states.items()}
    pairs = Pairs(projected, student.text_projection.project(reports), batch.report_keys, module.learnt())
    return module.l_vl(pairs).loss


def naive_masked_loss(
    module: Pretraining, images: list[ImageBatch], generator: torch.Generator, kept: list[list[Tensor]]
) -> Tensor:
    settings, student, teacher = module.recipe.distillation, module.student, module.teacher
    l_icl, l_pcl, logits = [], [], []
    for each in images:
        if each.contrastive_only:
            continue
        of_kind = sum(len(other.pixels) for other in images if other.kind is each.kind)
        rows = slice(0, max(1, round(settings.image_fraction * of_kind)))
        seen = each.tokens(student)
        masked = random_mask(len(each.pixels[rows]), seen.content.shape[1], settings.mask_ratio, generator)
        with attention_maps(student) as maps:
            output = student.vision(seen[rows], mask=masked)
        kept.append(maps)
        with torch.no_grad(), attention_maps(teacher) as maps:
            whole = teacher.vision(each.tokens(teacher))
            cls_logits = module.teacher_head.cls(whole.cls)[rows]
            patch_logits = module.teacher_head.patches(whole.patches)[rows][masked]
        kept.append(maps)
        l_icl.append(distillation_loss(module.student_head.cls(output.cls), module.targets.cls(cls_logits)))
        patches = module.student_head.patches(output.patches)[masked]
        l_pcl.append(distillation_loss(patches, module.targets.patches(patch_logits)))
        logits.append((cls_logits, patch_logits))
    module.targets.follow([cls for cls, _ in logits], [patches for _, patches in logits])
    return settings.icl_weight * torch.stack(l_icl).mean() + settings.pcl_weight * torch.stack(l_pcl).mean()


@torch.no_grad()
def naive_after_step(module: Pretraining, step: int) -> None:
    """The centres and the teacher follow, one weight after the other."""
    settings = module.recipe.teacher
    momentum = momentum_at(step, module.milestones.total, settings.momentum, settings.final_momentum)
    module.targets.move()
    pairs: list[tuple[nn.Module, nn.Module]] = [
        (module.teacher, module.student), (module.teacher_head, module.student_head)
    ]  # fmt: skip
    for teacher, student in pairs:
        for kept, fresh in zip(teacher.parameters(), student.parameters(), strict=True):
            kept.copy_(momentum * kept + (1 - momentum) * fresh)
        for kept, fresh in zip(teacher.buffers(), student.buffers(), strict=True):
            kept.copy_(fresh)
