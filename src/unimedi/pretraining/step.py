"""The paper on one page: one training step of UniMedI (figure 3). START HERE.

``forward`` names the boxes of the figure as it computes them; the losses are in :mod:`unimedi.objectives`, the model
is what ships. Every draw comes from a generator seeded by (seed, step, rank), so a step is a function of the weights
and the batch.
"""

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unimedi.inputs.batch import MixedBatch
from unimedi.metrics.effective_rank import effective_rank
from unimedi.model.projection import MOMENTUM, Projection, RunningMean
from unimedi.model.scoring import SCORERS
from unimedi.model.slice_selection import token_scores
from unimedi.model.unimedi import CutSlices, UniMediModel
from unimedi.model.vision_encoder import EncoderOutput, Tokens
from unimedi.objectives.alignment import alignment_loss, sentence_means, sentence_numbers
from unimedi.objectives.contrastive import contrastive_loss, matching_accuracy
from unimedi.objectives.dino_head import DinoHead
from unimedi.objectives.distillation import TARGETS, distillation_loss, entropy, updated_centre
from unimedi.objectives.reconstruction import patch_pixels, reconstruction_loss
from unimedi.optimization.schedule import ramp
from unimedi.pretraining.gather import gather, gather_with_gradient
from unimedi.pretraining.gradient_centring import GradientCentring
from unimedi.pretraining.gradient_monitor import GradientMonitor
from unimedi.pretraining.masking import random_mask
from unimedi.pretraining.recipe import Recipe
from unimedi.pretraining.teacher import make_teacher, momentum_at, update_teacher

FEW = 4  # images: below it their rank and their prototypes say nothing of a collapse
KINDS = ("xray", "ct", "report")  # what L_vl brings together: each loses what its gradients have in common


@dataclass(frozen=True, slots=True)
class Milestones:
    """The points of a run in steps, read from the recipe's durations once."""

    total: int
    selection_warmup: int
    ramp_start: int
    ramp_end: int


@dataclass(frozen=True, slots=True)
class View:
    """One kind of image in the batch: radiographs, or volumes with their slices; values in [-1, 1]."""

    name: str
    kind: int  # which of the projection's centrings: 0 in 2D, 1 in 3D
    pixels: Tensor
    slices: CutSlices | None = None
    alone: bool = False  # volumes without slices, or slices without their volume, beside pseudo-pairs: L_vl only
    whole: bool = True  # false: a volume's slices stand for it, without T_3D's tokens

    def __getitem__(self, rows: slice) -> "View":
        slices = None if self.slices is None else self.slices[rows]
        return View(self.name, self.kind, self.pixels[rows], slices, self.alone, self.whole)

    def tokens(self, model: UniMediModel) -> Tokens:
        if self.slices is not None and not self.whole:
            return model.vision.slices(self.slices.pixels, self.slices.depth)
        return model.volume_tokens(self.pixels, self.slices) if self.kind else model.radiograph_tokens(self.pixels)

    def tokenizers(self, model: UniMediModel) -> set[str]:
        """Those that :meth:`tokens` come from."""
        deep = self.kind == 1 and self.whole and (model.config.volume_tokens or self.slices is None)
        flat = self.kind == 0 or self.slices is not None
        return {name for name, used in (("T_2D", flat), ("T_3D", deep)) if used}


@dataclass(frozen=True, slots=True)
class StepOutput:
    loss: Float[Tensor, ""]
    logs: dict[str, Tensor] = field(default_factory=dict)


class Pretraining(nn.Module):
    """Student, teacher and heads: all that a checkpoint holds. The student (or its average) is what ships."""

    cls_centre: Tensor
    patch_centre: Tensor

    def __init__(self, model: UniMediModel, recipe: Recipe, plan: Milestones, full_stop: int = -1) -> None:
        """``full_stop``: the token that ends a sentence; by default a report is one sentence."""
        super().__init__()
        self.recipe, self.plan, self.full_stop = recipe, plan, full_stop
        settings = recipe.distillation
        self.student = model
        self.student_head = DinoHead(
            model.config.hidden_size, settings.head_hidden_size, settings.head_bottleneck_size, settings.prototypes
        )
        self.teacher = make_teacher(self.student)
        self.teacher_head = make_teacher(self.student_head)
        if recipe.reconstruction_weight:
            patch, slab = model.config.patch_size, model.config.slab_depth
            self.pixel_heads = nn.ModuleList(nn.Linear(model.config.hidden_size, n * patch**2) for n in (1, slab))
        centres = model.config.projection_norm == "running_mean" and recipe.contrastive_weight > 0
        self.uncommon = nn.ModuleDict(
            {kind: GradientCentring(model.config.embedding_size) if centres else nn.Identity() for kind in KINDS}
        )
        for mean in (module for module in self.modules() if isinstance(module, RunningMean)):
            mean.momentum = MOMENTUM ** (1 / recipe.batch.grad_accum_steps)  # a window of steps, not of micro-batches
        self.witness = GradientMonitor()
        self.register_buffer("cls_centre", torch.zeros(settings.prototypes))
        self.register_buffer("patch_centre", torch.zeros(settings.prototypes))

    def train(self, mode: bool = True) -> "Pretraining":
        super().train(mode)
        self.teacher.eval()
        self.teacher_head.eval()
        return self

    def forward(self, batch: MixedBatch, step: int, micro_step: int = 0, rank: int = 0) -> StepOutput:
        """The losses of one micro-batch; ``logs`` are detached scalars by name."""
        draws = draws_of(self.recipe.seed, step, micro_step, rank)
        logs: dict[str, Tensor] = {}
        views: list[View] = []

        # Radiographs: T_2D. Volumes: T_3D, and T_2D of the slices that the teacher's attention selects.
        if batch.radiographs is not None:
            views.append(View("xray", 0, self.student.preprocess.radiographs(batch.radiographs)))
        if batch.fine is not None:
            views += self.volume_views(batch, step, draws, logs)
        student_views = [view.tokens(self.student) for view in views]
        self.witness.expect("E_v", *(name for view in views for name in view.tokenizers(self.student)))

        # L_vl: each image's [CLS], seen whole, against its report's; negatives from both dimensions and all ranks.
        loss = torch.zeros((), device=student_views[0].content.device)
        if self.recipe.contrastive_weight:
            loss = loss + self.recipe.contrastive_weight * self.language(views, student_views, batch, logs)

        # L_icl and L_pcl: the student sees a quarter of the tokens, the teacher all of them.
        settings = self.recipe.distillation
        strength = self.strength(step)
        seen = [(view, tokens) for view, tokens in zip(views, student_views, strict=True) if not view.alone]
        if self.distils and strength > 0:
            sizes = Counter(view.kind for view in views for _ in view.pixels)
            l_icl, l_pcl = self.distil(seen, sizes, draws, logs)
            loss = loss + strength * (settings.icl_weight * l_icl + settings.pcl_weight * l_pcl)
        if self.recipe.reconstruction_weight:  # not UniMedI's: a baseline
            loss = loss + self.recipe.reconstruction_weight * self.reconstruct(seen, draws, logs)
        logs["loss"] = loss.detach()
        return StepOutput(loss, logs)

    def strength(self, step: int) -> float:
        """Of the distillation: ramped in behind L_vl; without reports there is nothing to wait for."""
        return ramp(step, start=self.plan.ramp_start, end=self.plan.ramp_end) if self.recipe.contrastive_weight else 1.0

    @property
    def distils(self) -> bool:
        settings = self.recipe.distillation
        return self.recipe.method == "unimedi" and (settings.icl_weight > 0 or settings.pcl_weight > 0)

    def volume_views(self, batch: MixedBatch, step: int, draws: torch.Generator, logs: dict[str, Tensor]) -> list[View]:
        """The first ``selection.volume_fraction`` of volumes with their slices, the others alone, as scoring sees them.

        Of those with slices the first, ``selection.slices_only_fraction`` of all, are seen through their slices only.
        """
        assert batch.fine is not None
        volumes = self.student.preprocess.volumes(batch.fine)
        if not self.student.config.slices:
            return [View("ct", 1, volumes)]
        pairs = max(1, round(self.recipe.selection.volume_fraction * len(volumes)))
        paired = batch.first_volumes(pairs)
        assert paired.fine is not None
        planes = self.select(paired, volumes[:pairs], step, draws, logs)
        pair = View("ct", 1, volumes[:pairs], self.student.cut_slices(paired.fine, planes))
        lone = min(round(self.recipe.selection.slices_only_fraction * len(volumes)), pairs - 1)
        views = [replace(pair[slice(0, lone)], name="slices", alone=True, whole=False)] if lone else []
        views.append(pair[slice(lone, pairs)])
        return views if pairs == len(volumes) else [*views, View("volume", 1, volumes[pairs:], alone=True)]

    @torch.no_grad()
    def select(
        self, batch: MixedBatch, volumes: Tensor, step: int, draws: torch.Generator, logs: dict[str, Tensor]
    ) -> Int[Tensor, "n k"]:
        """The planes of each pseudo-pair: attentive once the warm-up is over (section 3.2)."""
        student = self.student
        selector = student.config.selector if step >= self.plan.selection_warmup else "uniform"
        scores = torch.zeros(len(volumes), student.vision.volume_grid[0], device=volumes.device)
        if selector == "attentive":
            scorer = self.teacher if self.recipe.selection.scorer == "teacher" else student
            scores = self.score(scorer, batch, volumes)
            logs["slab_contrast"] = (scores.amax(1) / scores.mean(1)).mean()  # 1: attention is even over the slabs
        planes: Tensor = student.choose_planes(scores, draws, selector)
        return planes

    def score(self, scorer: UniMediModel, batch: MixedBatch, volumes: Tensor) -> Float[Tensor, "n slabs"]:
        """The paper's scores, from the T_3D tokens; or another reading of it (``selection.scoring``)."""
        scoring = self.recipe.selection.scoring
        if scoring == "volume" or batch.fine is None:
            return scorer.score_slabs(volumes)[0]
        reports = None
        if scoring == "text":  # a batch's reports are those of its radiographs, then those of its volumes
            rows = slice(-len(volumes), None)
            reports = scorer.get_text_features(batch.input_ids[rows], batch.attention_mask[rows])
        return SCORERS[scoring](scorer, batch.fine, reports)

    def language(
        self, views: list[View], student_views: list[Tokens], batch: MixedBatch, logs: dict[str, Tensor]
    ) -> Float[Tensor, ""]:
        """L_vl over all images of the step, on all ranks."""
        self.witness.expect("E_l", "image_projection", "text_projection")
        states: dict[int, list[EncoderOutput]] = {}
        for view, tokens in zip(views, student_views, strict=True):
            seen = tokens if self.recipe.keep_ratio == 1 else tokens.at(self.attended(view))
            states.setdefault(view.kind, []).append(self.student.vision(seen))
        images = torch.cat(
            [
                self.embed(KINDS[kind], torch.cat([output.cls for output in outputs]), kind)
                for kind, outputs in states.items()
            ]
        )
        reports = self.embed("report", self.student.text(batch.input_ids, batch.attention_mask))
        scale = self.student.scale()
        keys = gather(batch.report_keys)
        images, reports = gather_with_gradient(images), gather_with_gradient(reports)
        l_vl = contrastive_loss(images, reports, keys, scale)
        logs["l_vl"], logs["scale"] = l_vl.detach(), scale.detach()
        logs["ln_batch"] = torch.log(torch.tensor(float(len(keys))))
        logs["accuracy"] = matching_accuracy(images, reports, keys)
        if len(images) >= FEW:
            logs["effective_rank"] = effective_rank(images.detach())
        if not self.recipe.alignment_weight:
            return l_vl
        l_local = self.align(
            list(states.values()), self.student.text.words(batch.input_ids, batch.attention_mask), batch
        )
        logs["l_local"] = l_local.detach()
        return l_vl + self.recipe.alignment_weight * l_local

    def embed(self, name: str, states: Float[Tensor, "n hidden"], kind: int = 0) -> Float[Tensor, "n embedding"]:
        """The student's embeddings; on the way back their gradients lose what they have in common."""
        student = self.student
        projection: Projection = student.text_projection if name == "report" else student.image_projection
        projected = self.uncommon[name](projection.project(states))
        self.witness.watch(f"l_vl/{name}", projected)
        return projection.onto_sphere(projected, kind)

    def align(
        self, kinds: list[list[EncoderOutput]], words: Float[Tensor, "n words hidden"], batch: MixedBatch
    ) -> Float[Tensor, ""]:
        """Sentences against patches in the common space, within this rank; both centred over the batch, patches by
        kind."""
        numbers = sentence_numbers(batch.input_ids, batch.attention_mask, self.full_stop)
        means, owners = sentence_means(words, numbers)
        sentences = self.student.text_projection.linear(means)
        patches: list[Tensor] = []
        for outputs in kinds:
            projected = [self.student.image_projection.linear(output.patches) for output in outputs]
            usual = torch.cat([rows.flatten(0, 1) for rows in projected]).mean(0)
            patches += [rows - usual for rows in projected]
        return alignment_loss(patches, sentences - sentences.mean(0), owners, batch.report_keys)

    @torch.no_grad()
    def attended(self, view: View) -> Int[Tensor, "n kept"]:
        """The tokens that the teacher's [CLS] attends to most, in their order (A-CLIP, Yang et al. 2023)."""
        rows = self.teacher.vision(view.tokens(self.teacher), attention_rows=True).cls_attention
        scores = token_scores(rows)
        kept = max(1, round(self.recipe.keep_ratio * scores.shape[1]))
        places: Tensor = scores.topk(kept, dim=1).indices.sort(dim=1).values
        return places

    def distil(
        self, views: list[tuple[View, Tokens]], sizes: dict[int, int], draws: torch.Generator, logs: dict[str, Tensor]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """L_icl and L_pcl, the mean over the dimensions present (section 3.3); ``sizes``: images of each kind here."""
        settings, targets = self.recipe.distillation, TARGETS[self.recipe.distillation.targets]
        icl, pcl, teacher_cls, teacher_patches = [], [], [], []
        for view, tokens in views:
            name, rows = view.name, slice(0, max(1, round(settings.image_fraction * sizes[view.kind])))
            masked = random_mask(len(view.pixels[rows]), tokens.content.shape[1], settings.mask_ratio, draws)
            masked = masked.to(view.pixels.device)
            counted = masked.flatten() if settings.patches == "masked" else torch.ones_like(masked).flatten()
            student_output = self.student.vision(tokens[rows], mask=masked)
            with torch.no_grad():
                teacher_output = self.teacher.vision(view[rows].tokens(self.teacher))
                cls_logits = self.teacher_head.cls(teacher_output.cls)
                patch_logits = self.teacher_head.patches(teacher_output.patches.flatten(0, 1)[counted])
                cls_targets = targets(cls_logits, self.cls_centre, settings.teacher_temperature)
                patch_targets = targets(patch_logits, self.patch_centre, settings.teacher_temperature)
            student_patches = student_output.patches.flatten(0, 1)[counted]
            if settings.icl_weight:
                self.witness.watch(f"l_icl/{name}", student_output.cls)
            if settings.pcl_weight:
                self.witness.watch(f"l_pcl/{name}", student_patches)
            l_icl = distillation_loss(self.student_head.cls(student_output.cls), cls_targets)
            l_pcl = distillation_loss(self.student_head.patches(student_patches), patch_targets)
            icl.append(l_icl)
            pcl.append(l_pcl)
            teacher_cls.append(cls_logits)
            teacher_patches.append(patch_logits)
            logs[f"{name}/l_icl"], logs[f"{name}/l_pcl"] = l_icl.detach(), l_pcl.detach()
            logs[f"{name}/teacher_entropy"] = entropy(cls_targets)
            if len(cls_targets) >= FEW:
                logs[f"{name}/prototype_use"] = entropy(cls_targets.mean(0, keepdim=True)).exp()
        if settings.targets == "centre":
            self.cls_centre.copy_(updated_centre(self.cls_centre, gather(torch.cat(teacher_cls))))
            patch_mean = torch.cat(teacher_patches).float().mean(0, keepdim=True)
            self.patch_centre.copy_(updated_centre(self.patch_centre, gather(patch_mean)))
        l_icl, l_pcl = torch.stack(icl).mean(), torch.stack(pcl).mean()
        logs["l_icl"], logs["l_pcl"] = l_icl.detach(), l_pcl.detach()
        return l_icl, l_pcl

    def reconstruct(
        self, views: list[tuple[View, Tokens]], draws: torch.Generator, logs: dict[str, Tensor]
    ) -> Float[Tensor, ""]:
        """The pixels of masked patches from the others, the mean over the dimensions present."""
        config, losses = self.student.config, []
        sides = (config.patch_size, config.patch_size)
        flat, deep = self.pixel_heads
        for view, tokens in views:
            n, patches, _ = tokens.content.shape
            masked = random_mask(n, patches, self.recipe.distillation.mask_ratio, draws)
            masked = masked.to(view.pixels.device)
            states = self.student.vision(tokens, mask=masked).patches
            heads, pixels = [], []
            if view.kind == 1 and (config.volume_tokens or view.slices is None):
                heads, pixels = [deep], [patch_pixels(view.pixels, (config.slab_depth, *sides))]
            if view.kind == 0 or view.slices is not None:
                planes = view.pixels if view.slices is None else view.slices.pixels.flatten(0, 1)
                heads.append(flat)
                pixels.append(patch_pixels(planes, sides).reshape(len(view.pixels), -1, config.patch_size**2))
            counts = [part.shape[1] for part in pixels]
            parts = zip(heads, states.split(counts, 1), pixels, masked.split(counts, 1), strict=True)
            losses += [reconstruction_loss(head(state), wanted, hidden) for head, state, wanted, hidden in parts]
        l_rec = torch.stack(losses).mean()
        logs["l_rec"] = l_rec.detach()
        return l_rec

    def gradients(self) -> dict[str, Tensor]:
        """After the backward passes of a step: how much gradient reached what, by name (see :mod:`.witness`)."""
        student, vision = self.student, self.student.vision
        branches: list[tuple[str, nn.Module]] = [
            ("T_2D", vision.embed_2d),
            ("T_3D", vision.embed_3d),
            ("E_v", vision.layers),
            ("E_l", student.text),
            ("image_projection", student.image_projection),
            ("text_projection", student.text_projection),
        ]
        return self.witness.report(branches)

    def after_step(self, step: int) -> None:
        """The teacher follows once the weights have moved."""
        settings = self.recipe.teacher
        momentum = momentum_at(step, self.plan.total, settings.momentum, settings.final_momentum)
        update_teacher(self.teacher, self.student, momentum)
        update_teacher(self.teacher_head, self.student_head, momentum)


def draws_of(seed: int, step: int, micro_step: int, rank: int) -> torch.Generator:
    """The generator of one micro-batch: resuming needs no state but the number of the step."""
    state = np.random.SeedSequence([seed, step, micro_step, rank]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state))
