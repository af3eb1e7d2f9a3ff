"""The paper on one page: one training step of UniMedI (figure 3). START HERE.

``forward`` names the boxes of the figure as it computes them; the losses are in :mod:`unimedi.objectives`, the model
is what ships. Every random draw comes from a generator seeded by (seed, step, micro-step, rank), so a step is a
function of the weights and the batch. Baselines and experiments replace single boxes: :mod:`unimedi.experiments`.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from unimedi.cohort.image_kind import ImageKind
from unimedi.inputs.batch import MixedBatch
from unimedi.inputs.sampling import generator_of
from unimedi.metrics.effective_rank import effective_rank
from unimedi.model.projection import MOMENTUM, Projection, RunningMean
from unimedi.model.sequence_kind import SequenceKind
from unimedi.model.unimedi import UniMediModel
from unimedi.model.vision_encoder import EncoderOutput, Tokens
from unimedi.objectives.contrastive import contrastive_loss, matching_accuracy
from unimedi.objectives.dino_head import DinoHead
from unimedi.objectives.distillation import distillation_loss, entropy
from unimedi.optimization.schedule import ramp
from unimedi.pretraining.gather import gather, gather_with_gradient
from unimedi.pretraining.gradient_centring import GradientCentring
from unimedi.pretraining.gradient_monitor import GradientMonitor
from unimedi.pretraining.image_batch import ImageBatch
from unimedi.pretraining.masking import random_mask
from unimedi.pretraining.milestones import Milestones
from unimedi.pretraining.recipe import Recipe
from unimedi.pretraining.teacher import Targets, make_teacher, momentum_at, update_teacher

LEAST_IMAGES = 4  # below it the rank of the embeddings and the prototypes in use say nothing of a collapse

Logs = dict[str, Tensor]  # detached scalars by name


@dataclass(frozen=True, slots=True)
class StepOutput:
    """A loss, and what the log says of it."""

    loss: Float[Tensor, ""]
    logs: Logs = field(default_factory=dict)


class Pretraining(nn.Module):
    """Student, teacher and heads: all that a checkpoint holds. The teacher's model is what ships.

    Args:
        model: the student, freshly initialised; the teacher begins as its copy.
        recipe: weights of the losses, shares of the batch, sizes of the head.
        milestones: when selection and distillation begin.
    """

    def __init__(self, model: UniMediModel, recipe: Recipe, milestones: Milestones) -> None:
        super().__init__()
        self.recipe, self.milestones = recipe, milestones
        head = recipe.distillation
        self.student = model
        self.student_head = DinoHead(
            model.config.hidden_size, head.head_hidden_size, head.head_bottleneck_size, head.prototypes
        )
        self.teacher = make_teacher(self.student)
        self.teacher_head = make_teacher(self.student_head)
        self.targets = Targets(head.targets, head.prototypes, head.teacher_temperature)
        centred = model.config.projection_norm == "running_mean" and recipe.contrastive_weight > 0
        self.gradient_centring = nn.ModuleDict()
        for name in (*map(str, SequenceKind), "report"):
            self.gradient_centring[name] = GradientCentring(model.config.embedding_size) if centred else nn.Identity()
        for mean in (module for module in self.modules() if isinstance(module, RunningMean)):
            mean.momentum = MOMENTUM ** (1 / recipe.batch.grad_accum_steps)  # a window of steps, not of micro-batches
        self.monitor = GradientMonitor()

    @classmethod
    def create(
        cls, model: UniMediModel, recipe: Recipe, milestones: Milestones, tokenizer: PreTrainedTokenizerBase
    ) -> "Pretraining":
        """Of a fresh run. The paper's step needs nothing of the tokenizer; an experiment may."""
        return cls(model, recipe, milestones)

    def train(self, mode: bool = True) -> "Pretraining":
        super().train(mode)
        self.teacher.eval()
        self.teacher_head.eval()
        return self

    def forward(self, batch: MixedBatch, step: int, micro_step: int = 0, rank: int = 0) -> StepOutput:
        """The loss of one micro-batch, L = L_vl + L_icl + L_pcl, each with its weight.

        Args:
            batch: stored pixels with their reports.
            step: of the run; decides selection, the ramp and all draws, with ``micro_step`` and ``rank``.
        """
        generator = generator_of(self.recipe.seed, step, micro_step, rank)

        # Radiographs: T_2D. Volumes: T_3D, and T_2D of the slices that the teacher's attention selects.
        images, logs = self.image_batches(batch, step, generator)
        tokens = [each.tokens(self.student) for each in images]
        self.monitor.expect("E_v", *(name for each in images for name in each.sequence(self.student).tokenizers))
        loss = torch.zeros((), device=tokens[0].content.device)

        # L_vl: each image's [CLS], seen whole, against its report's; negatives from all kinds of image and all ranks.
        if self.recipe.contrastive_weight:
            outputs = [self.student.vision(seen) for seen in self.contrastive_tokens(images, tokens)]
            l_vl = self.contrast(images, outputs, batch)
            loss, logs = loss + self.recipe.contrastive_weight * l_vl.loss, logs | l_vl.logs

        # L_icl and L_pcl: the student sees a quarter of the tokens, the teacher all of them.
        if (weight := self.distillation_weight(step)) > 0:
            masked = self.masked_loss(images, tokens, generator)
            loss, logs = loss + weight * masked.loss, logs | masked.logs
        return StepOutput(loss, logs | {"loss": loss.detach()})

    # -- views and selection (sections 3.1 and 3.2) ---------------------------------------------------------------

    def image_batches(self, batch: MixedBatch, step: int, generator: torch.Generator) -> tuple[list[ImageBatch], Logs]:
        """All images of a step by kind, in the order of their reports."""
        images, logs = [], Logs()
        if batch.radiographs is not None:
            images.append(ImageBatch(ImageKind.XRAY, self.student.normalise(batch.radiographs)))
        if batch.hires_volumes is not None:
            volumes, logs = self.volume_batches(batch, step, generator)
            images += volumes
        return images, logs

    def volume_batches(self, batch: MixedBatch, step: int, generator: torch.Generator) -> tuple[list[ImageBatch], Logs]:
        """The first ``selection.volume_fraction`` of the volumes as pseudo-pairs, the others as T_3D alone sees them:
        the kind of sequence that the slices are scored on."""
        assert batch.hires_volumes is not None
        volumes = self.student.normalise(batch.hires_volumes)
        if not self.student.config.slices:
            return [ImageBatch(ImageKind.CT, volumes)], {}
        paired = max(1, round(self.recipe.selection.volume_fraction * len(volumes)))
        planes, logs = self.select(batch.first_volumes(paired), volumes[:paired], step, generator)
        slices = self.student.cut_slices(batch.hires_volumes[:paired], planes)
        pairs = ImageBatch(ImageKind.CT, volumes[:paired], slices)
        volume_only = ImageBatch(ImageKind.CT, volumes[paired:], contrastive_only=True)
        return [pairs, volume_only] if paired < len(volumes) else [pairs], logs

    @torch.no_grad()
    def select(
        self, batch: MixedBatch, volumes: Float[Tensor, "n 1 d h w"], step: int, generator: torch.Generator
    ) -> tuple[Int[Tensor, "n k"], Logs]:
        """The planes of each pseudo-pair of ``batch``: attentive once the warm-up is over."""
        student, logs = self.student, Logs()
        selector = student.config.selector if step >= self.milestones.selection_warmup else "uniform"
        scores = torch.zeros(len(volumes), student.vision.volume_grid[0], device=volumes.device)
        if selector == "attentive":
            scores = self.slab_scores(batch, volumes)
            logs["slab_contrast"] = (scores.amax(1) / scores.mean(1)).mean()  # 1: attention is even over the slabs
        return student.select_planes(scores, generator, selector), logs

    def slab_scores(self, batch: MixedBatch, volumes: Float[Tensor, "n 1 d h w"]) -> Float[Tensor, "n slabs"]:
        """s_i: the teacher's [CLS] attention over T_3D's tokens, the mean over a slab."""
        return self.teacher.score_slabs(self.teacher.tokens(volumes))[0]

    # -- L_vl (section 3.2) ---------------------------------------------------------------------------------------

    def contrastive_tokens(self, images: list[ImageBatch], tokens: list[Tokens]) -> list[Tokens]:
        """Which tokens L_vl sees: all."""
        return tokens

    def contrast(self, images: list[ImageBatch], outputs: list[EncoderOutput], batch: MixedBatch) -> StepOutput:
        """L_vl over all images of the step, on all ranks."""
        self.monitor.expect("E_l", "image_projection", "text_projection")
        states: dict[SequenceKind, list[Tensor]] = {}
        for each, output in zip(images, outputs, strict=True):
            states.setdefault(each.sequence(self.student), []).append(output.cls)
        embeddings = torch.cat([self.embed(torch.cat(cls), kind) for kind, cls in states.items()])
        reports = self.embed(self.student.text(batch.input_ids, batch.attention_mask))
        scale, keys = self.student.scale(), gather(batch.report_keys)
        embeddings, reports = gather_with_gradient(embeddings), gather_with_gradient(reports)
        l_vl = contrastive_loss(embeddings, reports, keys, scale)
        logs = {"l_vl": l_vl.detach(), "scale": scale.detach(), "ln_batch": torch.tensor(float(len(keys))).log()}
        logs["accuracy"] = matching_accuracy(embeddings, reports, keys)
        if len(embeddings) >= LEAST_IMAGES:
            logs["effective_rank"] = effective_rank(embeddings.detach())
        return StepOutput(l_vl, logs)

    def embed(
        self, states: Float[Tensor, "n hidden"], kind: SequenceKind | None = None
    ) -> Float[Tensor, "n embedding"]:
        """The student's embeddings of sequences of a kind, or of reports, with centred gradients on the way back."""
        name = str(kind or "report")
        projection: Projection = self.student.image_projection if kind else self.student.text_projection
        projected = self.gradient_centring[name](projection.project(states))
        self.monitor.watch(f"l_vl/{kind.image_kind if kind else name}", projected)
        return projection.onto_sphere(projected, kind)

    # -- L_icl and L_pcl (section 3.3) ----------------------------------------------------------------------------

    def distillation_weight(self, step: int) -> float:
        """Ramped in behind L_vl; without reports there is nothing to wait for. 0 where nothing is distilled."""
        settings = self.recipe.distillation
        if self.recipe.method != "unimedi" or not (settings.icl_weight or settings.pcl_weight):
            return 0.0
        if not self.recipe.contrastive_weight:
            return 1.0
        return ramp(step, start=self.milestones.ramp_start, end=self.milestones.ramp_end)

    def masked_loss(self, images: list[ImageBatch], tokens: list[Tokens], generator: torch.Generator) -> StepOutput:
        """L_icl and L_pcl with their weights, each the mean over the kinds of image that are present."""
        settings = self.recipe.distillation
        l_icl, l_pcl, teacher_cls, teacher_patches, logs = [], [], [], [], Logs()
        for each, seen in zip(images, tokens, strict=True):
            if each.contrastive_only:
                continue
            of_kind = sum(len(other.pixels) for other in images if other.kind is each.kind)
            rows = slice(0, max(1, round(settings.image_fraction * of_kind)))
            masked = random_mask(len(each.pixels[rows]), seen.content.shape[1], settings.mask_ratio, generator)
            masked = masked.to(each.pixels.device)
            cls_logits, patch_logits = self.teacher_logits(each[rows], masked)
            cls_targets, patch_targets = self.targets.cls(cls_logits), self.targets.patches(patch_logits)
            output = self.student.vision(seen[rows], mask=masked)
            patches = output.patches.flatten(0, 1)[masked.flatten()]
            if settings.icl_weight:
                self.monitor.watch(f"l_icl/{each.kind}", output.cls)
            if settings.pcl_weight:
                self.monitor.watch(f"l_pcl/{each.kind}", patches)
            l_icl.append(distillation_loss(self.student_head.cls(output.cls), cls_targets))
            l_pcl.append(distillation_loss(self.student_head.patches(patches), patch_targets))
            teacher_cls.append(cls_logits)
            teacher_patches.append(patch_logits)
            logs |= {f"{each.kind}/l_icl": l_icl[-1].detach(), f"{each.kind}/l_pcl": l_pcl[-1].detach()}
            logs[f"{each.kind}/teacher_entropy"] = entropy(cls_targets)
            if len(cls_targets) >= LEAST_IMAGES:
                logs[f"{each.kind}/prototype_use"] = entropy(cls_targets.mean(0, keepdim=True)).exp()
        self.targets.follow(teacher_cls, teacher_patches)
        icl, pcl = torch.stack(l_icl).mean(), torch.stack(l_pcl).mean()
        logs |= {"l_icl": icl.detach(), "l_pcl": pcl.detach()}
        return StepOutput(settings.icl_weight * icl + settings.pcl_weight * pcl, logs)

    @torch.no_grad()
    def teacher_logits(self, images: ImageBatch, masked: Tensor) -> tuple[Tensor, Tensor]:
        """Over the prototypes, of [CLS] and of the patches that are masked for the student; the teacher sees all."""
        output = self.teacher.vision(images.tokens(self.teacher))
        patches = output.patches.flatten(0, 1)[masked.flatten()]
        return self.teacher_head.cls(output.cls), self.teacher_head.patches(patches)

    # -- after the backward pass ----------------------------------------------------------------------------------

    def gradients(self) -> Logs:
        """How much gradient reached what, by name (see :mod:`.gradient_monitor`)."""
        return self.monitor.report(self.student)

    def after_step(self, step: int) -> None:
        """The teacher follows once the weights have moved."""
        settings = self.recipe.teacher
        momentum = momentum_at(step, self.milestones.total, settings.momentum, settings.final_momentum)
        update_teacher(self.teacher, self.student, momentum)
        update_teacher(self.teacher_head, self.student_head, momentum)
