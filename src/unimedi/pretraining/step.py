"""The paper on one page: one training step of UniMedI (figure 3). START HERE.

``forward`` names the boxes of the figure as it computes them; the losses are in :mod:`unimedi.objectives`, the model
is what ships. Every random draw comes from a generator seeded by (seed, step, micro-batch of the step), so a
step is a function of the weights and the batch, on any number of ranks. Baselines and experiments replace single boxes:
:mod:`unimedi.experiments`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from unimedi.cohort.image_kind import ImageKind
from unimedi.inputs.batch import MixedBatch
from unimedi.inputs.sampling import generator_of
from unimedi.metrics.effective_rank import effective_rank
from unimedi.model.projection import Projection
from unimedi.model.sequence_kind import SequenceKind
from unimedi.model.unimedi import UniMediModel
from unimedi.model.vision_encoder import EncoderOutput, Tokens
from unimedi.objectives.contrastive import contrastive_loss, matching_accuracy
from unimedi.objectives.dino_head import DinoHead
from unimedi.objectives.distillation import distillation_loss, entropy
from unimedi.optimization.schedule import ramp
from unimedi.pretraining.gather import gather, gather_with_gradient
from unimedi.pretraining.gradient_cache import CachedGradient, FirstPass, Pairs, joined
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

    def forward(self, batch: MixedBatch, step: int, part: int = 0, cached: CachedGradient | None = None) -> StepOutput:
        """The loss of one micro-batch, L = L_vl + L_icl + L_pcl, each with its weight.

        Args:
            batch: stored pixels with their reports.
            step: of the run; decides selection, the ramp and, with ``part``, all draws.
            part: the number of the micro-batch among those of the step on all ranks.
            cached: of this micro-batch, where L_vl is over several (:mod:`.gradient_cache`).
        """
        generator = generator_of(self.recipe.seed, step, part)

        # Radiographs: T_2D. Volumes: T_3D, and T_2D of the slices that the teacher's attention selects.
        images, logs = self.image_batches(batch, step, generator, cached.first.planes if cached else None)
        if cached:
            generator.set_state(cached.first.generator)
        tokens = [each.tokens(self.student) for each in images]
        self.monitor.expect("E_v", *(name for each in images for name in each.sequence(self.student).tokenizers))
        loss = torch.zeros((), device=tokens[0].content.device)

        # L_vl: each image's [CLS], seen whole, against its report's; negatives from all kinds of image and all ranks.
        if self.recipe.contrastive_weight:
            outputs = [self.student.vision(seen) for seen in self.contrastive_tokens(images, tokens)]
            l_vl = self.contrast(images, outputs, batch, cached)
            loss, logs = loss + self.recipe.contrastive_weight * l_vl.loss, logs | l_vl.logs

        # L_icl and L_pcl: the student sees a quarter of the tokens, the teacher all of them.
        if (weight := self.distillation_weight(step)) > 0:
            masked = self.masked_loss(images, tokens, generator)
            loss, logs = loss + weight * masked.loss, logs | masked.logs
        return StepOutput(loss, logs | {"loss": loss.detach()})

    # -- views and selection (sections 3.1 and 3.2) ---------------------------------------------------------------

    def image_batches(
        self, batch: MixedBatch, step: int, generator: torch.Generator, planes: Int[Tensor, "n k"] | None = None
    ) -> tuple[list[ImageBatch], Logs]:
        """All images of a step by kind, in the order of their reports; ``planes`` if they were selected before."""
        images, logs = [], Logs()
        if batch.radiographs is not None:
            images.append(ImageBatch(ImageKind.XRAY, self.student.normalise(batch.radiographs)))
        if batch.hires_volumes is not None:
            volumes, logs = self.volume_batches(batch, step, generator, planes)
            images += volumes
        return images, logs

    def volume_batches(
        self, batch: MixedBatch, step: int, generator: torch.Generator, planes: Int[Tensor, "n k"] | None = None
    ) -> tuple[list[ImageBatch], Logs]:
        """The first ``selection.volume_fraction`` of the volumes as pseudo-pairs, the others as T_3D alone sees them:
        the kind of sequence that the slices are scored on."""
        assert batch.hires_volumes is not None
        volumes = self.student.normalise(batch.hires_volumes)
        if not self.student.config.slices:
            return [ImageBatch(ImageKind.CT, volumes)], {}
        paired = max(1, round(self.recipe.selection.volume_fraction * len(volumes)))
        logs = Logs()
        if planes is None:
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

    def contrast(
        self,
        images: list[ImageBatch],
        outputs: list[EncoderOutput],
        batch: MixedBatch,
        cached: CachedGradient | None = None,
    ) -> StepOutput:
        """L_vl over all images of the micro-batch, on all ranks; over all of the step where it is ``cached``."""
        pairs = self.pairs(images, outputs, batch)
        return StepOutput(cached.handed_back(pairs)) if cached else self.l_vl(pairs)

    def pairs(self, images: list[ImageBatch], outputs: list[EncoderOutput], batch: MixedBatch) -> Pairs:
        """Images and reports, each through its projection."""
        self.monitor.expect("E_l", "image_projection", "text_projection")
        states: dict[SequenceKind, list[Tensor]] = {}
        for each, output in zip(images, outputs, strict=True):
            states.setdefault(each.sequence(self.student), []).append(output.cls)
        projected = {kind: self.student.image_projection.project(torch.cat(cls)) for kind, cls in states.items()}
        reports = self.student.text_projection.project(self.student.text(batch.input_ids, batch.attention_mask))
        return Pairs(projected, reports, batch.report_keys, self.learnt())

    def learnt(self) -> list[Tensor]:
        """The numbers that L_vl itself learns: the inverse temperature."""
        return [self.student.scale()]

    def l_vl(self, pairs: Pairs) -> StepOutput:
        """L_vl of these pairs and those of all other ranks."""
        images = torch.cat([self.embed(rows, kind) for kind, rows in pairs.images.items()])
        reports = self.embed(pairs.reports)
        l_vl = self.language_loss(pairs, images, reports)
        images, reports, keys = gather(images), gather(reports), gather(pairs.report_keys)
        logs = {"l_vl": l_vl.detach(), "scale": pairs.learnt[0].detach()}
        logs |= {"ln_batch": torch.tensor(float(len(keys))).log(), "accuracy": matching_accuracy(images, reports, keys)}
        if len(images) >= LEAST_IMAGES:
            logs["effective_rank"] = effective_rank(images)
        return StepOutput(l_vl, logs)

    def language_loss(
        self, pairs: Pairs, images: Float[Tensor, "n embedding"], reports: Float[Tensor, "n embedding"]
    ) -> Float[Tensor, ""]:
        """L_vl of embeddings; the mean of what the ranks return is the loss of all."""
        keys = gather(pairs.report_keys)
        return contrastive_loss(gather_with_gradient(images), gather_with_gradient(reports), keys, *pairs.learnt)

    def embed(
        self, projected: Float[Tensor, "n embedding"], kind: SequenceKind | None = None
    ) -> Float[Tensor, "n embedding"]:
        """The student's embeddings of sequences of a kind, or of reports, with centred gradients on the way back."""
        name = str(kind or "report")
        projection: Projection = self.student.image_projection if kind else self.student.text_projection
        projected = self.gradient_centring[name](projected)
        self.monitor.watch(f"l_vl/{kind.image_kind if kind else name}", projected)
        return projection.onto_sphere(projected, kind)

    # -- L_vl over several micro-batches (gradient_cache) -----------------------------------------------------------

    @torch.no_grad()
    def first_pass(self, batch: MixedBatch, step: int, part: int = 0) -> tuple[FirstPass, Logs]:
        """What L_vl compares of a micro-batch, and which slices were selected."""
        generator = generator_of(self.recipe.seed, step, part)
        images, logs = self.image_batches(batch, step, generator)
        drawn = generator.get_state()
        tokens = [each.tokens(self.student) for each in images]
        outputs = [self.student.vision(seen) for seen in self.contrastive_tokens(images, tokens)]
        depth = [each.slices.depth for each in images if each.slices is not None]
        planes = (torch.cat(depth) * self.student.preprocess.hires_shape[0]).long() if depth else None
        return FirstPass(self.pairs(images, outputs, batch), planes, drawn), logs

    def cached_gradients(self, first: Sequence[FirstPass]) -> tuple[list[CachedGradient], Logs]:
        """L_vl over all micro-batches of a step and its gradient for each, in their order."""
        leaves = [each.pairs.leaves() for each in first]
        l_vl = self.l_vl(joined(leaves))
        loss, weight = l_vl.loss, self.recipe.contrastive_weight
        # Weighted, as in a step of one micro-batch: the centring of gradients remembers what it has seen.
        gradients = iter(torch.autograd.grad(weight * loss, [row for each in leaves for row in each.rows()]))
        found = [[next(gradients) / weight for _ in each.rows()] for each in leaves]
        cached = [CachedGradient(one, loss.detach(), rows, len(first)) for one, rows in zip(first, found, strict=True)]
        return cached, l_vl.logs

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

    # -- around the backward pass ---------------------------------------------------------------------------------

    def before_step(self) -> None:
        """What a step that was skipped has left does not count."""
        self.targets.forget()

    def gradients(self) -> Logs:
        """How much gradient reached what, by name (see :mod:`.gradient_monitor`)."""
        return self.monitor.report(self.student)

    def after_step(self, step: int) -> None:
        """The teacher follows once the weights have moved."""
        settings = self.recipe.teacher
        momentum = momentum_at(step, self.milestones.total, settings.momentum, settings.final_momentum)
        self.targets.move()
        update_teacher(self.teacher, self.student, momentum)
        update_teacher(self.teacher_head, self.student_head, momentum)
