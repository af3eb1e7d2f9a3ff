"""The paper on one page: one training step of UniMedI (figure 3). START HERE.

``forward`` names the boxes of the figure as it computes them; the losses are in :mod:`unimedi.objectives`, the model
is what ships. Every draw comes from a generator seeded by (seed, step, rank), so a step is a function of the weights
and the batch.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unimedi.inputs.batch import MixedBatch
from unimedi.model.unimedi import MAX_LOGIT_SCALE, UniMediModel
from unimedi.model.vision_encoder import EncoderOutput, Tokens
from unimedi.objectives.contrastive import contrastive_loss, matching_accuracy
from unimedi.objectives.dino_head import DinoHead
from unimedi.objectives.distillation import TARGETS, distillation_loss, entropy, updated_centre
from unimedi.optimization.schedule import ramp
from unimedi.pretraining.gather import gather, gather_with_gradient
from unimedi.pretraining.masking import random_mask
from unimedi.pretraining.recipe import Recipe
from unimedi.pretraining.teacher import make_teacher, momentum_at, update_teacher


@dataclass(frozen=True, slots=True)
class Plan:
    """The points of a run in steps, read from the recipe's durations once."""

    total: int
    selection_warmup: int
    ramp_start: int
    ramp_end: int


@dataclass(frozen=True, slots=True)
class StepOutput:
    loss: Float[Tensor, ""]
    logs: dict[str, Tensor] = field(default_factory=dict)


class Pretraining(nn.Module):
    """Student, teacher and heads: all that a checkpoint holds. The student (or its average) is what ships."""

    def __init__(self, model: UniMediModel, recipe: Recipe, plan: Plan) -> None:
        super().__init__()
        self.recipe, self.plan = recipe, plan
        settings = recipe.distillation
        self.student = model
        self.student_head = DinoHead(
            model.config.hidden_size, settings.width, settings.bottleneck, settings.prototypes
        )
        self.teacher = make_teacher(self.student)
        self.teacher_head = make_teacher(self.student_head)
        self.register_buffer("cls_centre", torch.zeros(settings.prototypes))
        self.register_buffer("patch_centre", torch.zeros(settings.prototypes))

    def train(self, mode: bool = True) -> "Pretraining":
        super().train(mode)
        self.teacher.eval()
        self.teacher_head.eval()
        return self

    def forward(self, batch: MixedBatch, step: int, micro_step: int = 0, rank: int = 0) -> StepOutput:
        """The losses of one micro-batch; ``logs`` are detached scalars by name."""
        draws = torch.Generator().manual_seed(hash((self.recipe.seed, step, micro_step, rank)) & 0x7FFF_FFFF_FFFF)
        logs: dict[str, Tensor] = {}
        student, views, embeddings = self.student, [], []

        # Radiographs: T_2D. Volumes: T_3D, and T_2D of the slices that the teacher's attention selects.
        if batch.radiographs is not None:
            radiographs = student.preprocess.radiographs(batch.radiographs)
            views.append(("xray", 0, student.radiograph_tokens(radiographs), radiographs, None))
        if batch.fine is not None:
            selected_slices = self.select(batch.fine, step, draws, logs)
            views.append(("ct", 1, student.volume_tokens(batch.fine, selected_slices), batch.fine, selected_slices))

        # L_vl: each image's [CLS], seen whole, against its report's; negatives from both dimensions and all ranks.
        for _, kind, student_tokens, _, _ in views:
            embeddings.append(student.image_projection(student.vision(student_tokens).cls, kind))
        reports = student.get_text_features(batch.input_ids, batch.attention_mask)
        l_vl = self.language(torch.cat(embeddings), reports, batch.report_keys, [len(e) for e in embeddings], logs)
        loss = l_vl

        # L_icl and L_pcl: the student sees a quarter of the tokens, the teacher all of them.
        strength = ramp(step, start=self.plan.ramp_start, end=self.plan.ramp_end)
        settings = self.recipe.distillation
        if self.distils and strength > 0:
            l_icl, l_pcl = self.distil(views, draws, logs)
            loss = loss + strength * (settings.icl_weight * l_icl + settings.pcl_weight * l_pcl)
        logs["loss"] = loss.detach()
        return StepOutput(loss, logs)

    @property
    def distils(self) -> bool:
        settings = self.recipe.distillation
        return self.recipe.method == "unimedi" and (settings.icl_weight > 0 or settings.pcl_weight > 0)

    @torch.no_grad()
    def select(
        self, fine: Tensor, step: int, draws: torch.Generator, logs: dict[str, Tensor]
    ) -> Int[Tensor, "n k"] | None:
        """The planes of each pseudo-pair: attentive once the warm-up is over (section 3.2)."""
        student = self.student
        if not student.config.slices:
            return None
        selector = student.config.selector if step >= self.plan.selection_warmup else "uniform"
        scores = torch.zeros(len(fine), student.vision.volume_grid[0], device=fine.device)
        if selector == "attentive":
            scorer = self.teacher if self.recipe.selection.scorer == "teacher" else student
            scores, _ = scorer.score_slabs(fine)
            logs["slab_score_max"] = scores.amax(1).mean() * scores.shape[1] * self._tokens_a_slab
        planes: Tensor = student.choose_planes(scores, draws, selector)
        return planes

    @property
    def _tokens_a_slab(self) -> int:
        _, rows, columns = self.student.vision.volume_grid
        return rows * columns

    def language(
        self,
        images: Float[Tensor, "n dim"],
        reports: Float[Tensor, "n dim"],
        keys: Int[Tensor, " n"],
        sizes: list[int],
        logs: dict[str, Tensor],
    ) -> Float[Tensor, ""]:
        scale = self.student.logit_scale.clamp(max=MAX_LOGIT_SCALE).exp()
        images, reports, keys = gather_with_gradient(images), gather_with_gradient(reports), gather(keys)
        l_vl = contrastive_loss(images, reports, keys, scale)
        logs["l_vl"], logs["scale"] = l_vl.detach(), scale.detach()
        logs["ln_batch"] = torch.log(torch.tensor(float(len(keys))))
        logs["accuracy"] = matching_accuracy(images, reports, keys)
        logs["effective_rank"] = effective_rank(images.detach())
        return l_vl

    def distil(
        self, views: list[tuple[str, int, Tokens, Tensor, Tensor | None]], draws: torch.Generator, logs: dict[str, Tensor]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """L_icl and L_pcl, the mean over the dimensions present."""
        settings = self.recipe.distillation
        icl, pcl = [], []
        teacher_cls, teacher_patches = [], []
        for name, _, student_tokens, pixels, planes in views:
            rows = slice(0, max(1, round(settings.share * len(pixels))))
            student_view = student_tokens[rows]
            n, patches = student_view.content.shape[:2]
            mask = random_mask(n, patches, settings.mask_ratio, draws).to(pixels.device)
            student_output: EncoderOutput = self.student.vision(student_view, mask=mask)
            with torch.no_grad():
                teacher_view = (
                    self.teacher.radiograph_tokens(pixels[rows])
                    if pixels.ndim == 4 and pixels.shape[1] == 1
                    else self.teacher.volume_tokens(pixels[rows], None if planes is None else planes[rows])
                )
                teacher_output: EncoderOutput = self.teacher.vision(teacher_view)
                counted = mask.flatten() if settings.patches == "masked" else torch.ones_like(mask).flatten()
                cls_logits = self.teacher_head.cls(teacher_output.cls)
                patch_logits = self.teacher_head.patches(teacher_output.patches.flatten(0, 1)[counted])
                targets = TARGETS[settings.targets]
                cls_targets = targets(cls_logits, self.cls_centre, settings.teacher_temperature)
                patch_targets = targets(patch_logits, self.patch_centre, settings.teacher_temperature)
            l_icl = distillation_loss(self.student_head.cls(student_output.cls), cls_targets)
            student_patches = student_output.patches.flatten(0, 1)[counted]
            l_pcl = distillation_loss(self.student_head.patches(student_patches), patch_targets)
            icl.append(l_icl)
            pcl.append(l_pcl)
            teacher_cls.append(cls_logits)
            teacher_patches.append(patch_logits)
            logs[f"{name}/l_icl"], logs[f"{name}/l_pcl"] = l_icl.detach(), l_pcl.detach()
            logs[f"{name}/teacher_entropy"] = entropy(cls_targets)
            logs[f"{name}/prototype_use"] = entropy(cls_targets.mean(0, keepdim=True)).exp()
        if settings.targets == "centre":
            self.cls_centre.copy_(updated_centre(self.cls_centre, gather(torch.cat(teacher_cls))))
            patch_mean = torch.cat(teacher_patches).float().mean(0, keepdim=True)
            self.patch_centre.copy_(updated_centre(self.patch_centre, gather(patch_mean)))
        l_icl, l_pcl = torch.stack(icl).mean(), torch.stack(pcl).mean()
        logs["l_icl"], logs["l_pcl"] = l_icl.detach(), l_pcl.detach()
        return l_icl, l_pcl

    def after_step(self, step: int) -> None:
        """The teacher follows once the weights have moved."""
        momentum = momentum_at(step, self.plan.total, self.recipe.teacher.momentum)
        update_teacher(self.teacher, self.student, momentum)
        update_teacher(self.teacher_head, self.student_head, momentum)


@torch.no_grad()
def effective_rank(embeddings: Float[Tensor, "n dim"]) -> Float[Tensor, ""]:
    """exp of the entropy of the normalised singular values (Roy & Vetterli 2007): 1 where all rows are one direction."""
    values = torch.linalg.svdvals(embeddings.float())
    shares = values / values.sum().clamp(min=1e-12)
    return entropy(shares[None]).exp()
