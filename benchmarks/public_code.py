"""The same work in public code: ``python benchmarks/public_code.py``.

Three pieces of a step, each beside the library that is known for it, on the same inputs, with the same widths, depths,
tokens, batch and optimiser:

- CLIP's step on X-rays and reports: open_clip's two towers and loss;
- DINO's and iBOT's losses with their head, student and teacher: lightly's;
- a vision transformer over volumes: MONAI's.

The two take turns in one process. GFLOP of both are printed, and where weights can be the same, so must the losses be.
open_clip and lightly belong into an environment of their own: nothing else here needs them, and what they want of
torchvision is not used here, so a stand-in takes its place (no torchvision goes with a CPU build of torch):

    pip install --editable . && pip install --no-deps open_clip_torch ftfy regex wcwidth lightly lightly_utils einops
"""

import argparse
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np
import torch
from own_products import CPU_ATTENTION
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from unimedi.metrics.bootstrap import interval
from unimedi.model.sequence_kind import SequenceKind
from unimedi.model.unimedi import UniMediModel
from unimedi.objectives.contrastive import contrastive_loss
from unimedi.objectives.dino_head import DinoHead
from unimedi.objectives.distillation import distillation_loss
from unimedi.optimization.optimizer import adamw
from unimedi.optimization.precision import processor
from unimedi.pretraining.build import model_config, text_config
from unimedi.pretraining.recipe import Recipe
from unimedi.pretraining.recipe_file import load_recipe
from unimedi.pretraining.teacher import Targets

WARM_UP = 2
RESAMPLES = 2000
VOCABULARY = 1500
RATE = 1e-4


@dataclass(frozen=True)
class Pair:
    """The same work twice; each call does all of it and returns its loss."""

    work: str
    library: str
    samples: int
    ours: Callable[[], Tensor]
    theirs: Callable[[], Tensor]


class _Nothing(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Modules of torchvision whose names are all empty classes."""

    def find_spec(self, name: str, *_: Any) -> importlib.machinery.ModuleSpec | None:
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if name.startswith("torchvision") else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = ModuleType(spec.name)
        module.__path__, module.__version__ = [], "0"
        module.__getattr__ = _empty_class
        return module

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run."""


def _empty_class(name: str) -> type:
    if name.startswith("__"):
        raise AttributeError(name)
    return _Named(name, (), {})


class _Named(type):
    """A class each of whose attributes is its name."""

    def __getattr__(cls, name: str) -> str:
        if name.startswith("__"):
            raise AttributeError(name)
        return name


def plain(recipe: Recipe) -> UniMediModel:
    """Our two towers as the libraries have them: linear patches, a learned [CLS], no means of the inputs."""
    model = replace(
        recipe.model, patch_tokenizer="linear", cls_init="learned", centre_inputs=False, text_pooling="cls",
        projection_norm="none", vision_pretrained="",
    )  # fmt: skip
    recipe = replace(recipe, model=model, text=replace(recipe.text, pretrained=""))
    return UniMediModel(model_config(recipe, text_config(recipe, VOCABULARY))).train()


def update(module: nn.Module) -> Callable[[Tensor], Tensor]:
    """Backward and a step of AdamW, the same for both."""
    optimizer = adamw(module, RATE, 0.01)

    def apply(loss: Tensor) -> Tensor:
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach()

    return apply


def clip(recipe: Recipe, images: int) -> Pair:
    """L_vl alone on X-rays and reports of full length, beside open_clip."""
    from open_clip.loss import ClipLoss
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    vision, text, side = recipe.model, recipe.text, recipe.preprocess.radiograph_size[0]
    ours = plain(recipe)
    theirs = CLIP(
        vision.embedding_size,
        CLIPVisionCfg(
            layers=vision.num_hidden_layers, width=vision.hidden_size, patch_size=vision.patch_size, image_size=side,
            head_width=vision.hidden_size // vision.num_attention_heads,
            mlp_ratio=vision.intermediate_size / vision.hidden_size,
        ),
        CLIPTextCfg(
            context_length=vision.text_length, vocab_size=VOCABULARY, width=text.hidden_size,
            heads=text.num_attention_heads, layers=text.num_hidden_layers,
        ),
    ).train()  # fmt: skip
    pixels = torch.randn(images, 1, side, side)
    coloured = pixels.expand(-1, 3, -1, -1).contiguous()
    words, keys = torch.randint(5, VOCABULARY, (images, vision.text_length)), torch.arange(images)
    mask, their_loss = torch.ones_like(words), ClipLoss()
    our_update, their_update = update(ours), update(theirs)

    def our_step() -> Tensor:
        cls = ours.vision(ours.vision.radiographs(pixels)).cls
        seen = ours.image_projection(cls, SequenceKind.RADIOGRAPH)
        return our_update(contrastive_loss(seen, ours.get_text_features(words, mask), keys, ours.scale()))

    def their_step() -> Tensor:
        seen, read, scale = theirs(coloured, words)
        return their_update(their_loss(seen, read, scale))

    return Pair("CLIP's step, X-rays and reports", "open_clip", images, our_step, their_step)


def distillation(recipe: Recipe, images: int) -> Pair:
    """L_icl of two views and L_pcl of masked patches, with the head of student and teacher, beside lightly."""
    from lightly.loss import DINOLoss, IBOTPatchLoss
    from lightly.models.modules.heads import DINOProjectionHead

    sizes, width, head = recipe.model, recipe.model.hidden_size, recipe.distillation
    side = recipe.preprocess.radiograph_size[0] // sizes.patch_size
    masked = torch.zeros(2 * images, side, side, dtype=torch.bool)
    masked.view(2 * images, -1)[:, : round(head.mask_ratio * side * side)] = True
    seen, shown = (torch.randn(2 * images, 1 + side * side, width) for _ in range(2))  # by student and teacher

    def heads() -> tuple[DinoHead, nn.ModuleList]:
        mine = DinoHead(width, head.head_hidden_size, head.head_bottleneck_size, head.prototypes)
        other = nn.ModuleList(
            DINOProjectionHead(width, head.head_hidden_size, head.head_bottleneck_size, head.prototypes)
            for _ in range(2)
        )
        for one, prototypes in zip(other, (mine.cls_prototypes, mine.patch_prototypes), strict=True):
            one.layers.load_state_dict(mine.body.state_dict())
            _weights_of(one.last_layer).data.copy_(prototypes.weight)
        return mine, other

    (our_student, their_student), (our_teacher, their_teacher) = heads(), heads()
    targets = Targets("centre", head.prototypes, head.teacher_temperature)
    temperature = head.teacher_temperature
    dino = DINOLoss(head.prototypes, temperature, temperature)
    ibot = IBOTPatchLoss(head.prototypes, temperature)
    our_update, their_update = update(our_student), update(their_student)

    def our_step() -> Tensor:
        patches = [each[:, 1:].flatten(0, 1)[masked.flatten()] for each in (seen, shown)]
        with torch.no_grad():
            cls_logits, patch_logits = our_teacher.cls(shown[:, 0]), our_teacher.patches(patches[1])
        other_view = cls_logits.roll(images, 0)
        l_icl = distillation_loss(our_student.cls(seen[:, 0]), targets.cls(other_view))
        l_pcl = distillation_loss(our_student.patches(patches[0]), targets.patches(patch_logits))
        targets.follow([cls_logits], [patch_logits])
        targets.move()
        return our_update(l_icl + l_pcl)

    def their_step() -> Tensor:
        patches = [each[:, 1:].flatten(0, 1)[masked.flatten()] for each in (seen, shown)]
        with torch.no_grad():
            cls_logits, patch_logits = their_teacher[0](shown[:, 0]), their_teacher[1](patches[1])
        l_icl = dino([*cls_logits.chunk(2)], [*their_student[0](seen[:, 0]).chunk(2)])
        return their_update(l_icl + ibot(patch_logits, their_student[1](patches[0]), masked))

    return Pair("DINO's and iBOT's heads and losses", "lightly", 2 * images, our_step, their_step)


def _weights_of(layer: nn.Module) -> Tensor:
    """The directions of a weight-normed layer, by whichever of torch's two ways."""
    names = ("parametrizations.weight.original1", "weight_v", "weight")
    found = dict(layer.named_parameters())
    return next(found[name] for name in names if name in found)


def volumes(recipe: Recipe, images: int) -> Pair:
    """E_v over T_3D's tokens, forward and backward, beside MONAI's ViT."""
    from monai.networks.nets import ViT

    sizes, shape = recipe.model, recipe.preprocess.volume_shape
    ours = plain(recipe).vision
    theirs = ViT(
        1, shape, (sizes.slab_depth, sizes.patch_size, sizes.patch_size), sizes.hidden_size, sizes.intermediate_size,
        sizes.num_hidden_layers, sizes.num_attention_heads, proj_type="conv", classification=True, num_classes=1,
        qkv_bias=True,
    )  # fmt: skip
    voxels = torch.randn(images, 1, *shape)
    our_update, their_update = update(ours), update(theirs)
    return Pair(
        "a ViT over volumes", "MONAI", images,
        lambda: our_update(ours(ours.volumes(voxels)).cls.square().mean()),
        lambda: their_update(theirs(voxels)[0].square().mean()),
    )  # fmt: skip


def measured(pair: Pair, rounds: int) -> str:
    """A row of the table."""
    flops, losses = [], []
    for call in (pair.ours, pair.theirs):
        with FlopCounterMode(display=False, custom_mapping=CPU_ATTENTION) as counter:
            losses.append(float(call()))
        flops.append(counter.get_total_flops())
    times = np.array([[_timed(call) for call in (pair.ours, pair.theirs)] for _ in range(WARM_UP + rounds)])[WARM_UP:]
    draws = np.random.default_rng(0).integers(0, rounds, (RESAMPLES, rounds))
    ours, theirs = np.median(times, 0)
    resampled = np.median(times[draws], 1)
    low, high = interval(resampled[:, 1] / resampled[:, 0])
    loss = f"{losses[0]:.4f} / {losses[1]:.4f}"
    return (
        f"| {pair.work} | {pair.library} | {pair.samples} | {flops[0] / 1e9:.2f} / {flops[1] / 1e9:.2f} | {loss} | "
        f"{pair.samples / ours:.1f} / {pair.samples / theirs:.1f} | {theirs / ours:.2f} [{low:.2f}, {high:.2f}] |"
    )


def _timed(call: Callable[[], Tensor]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def pairs(recipe: Recipe, share: float) -> Iterator[Pair]:
    radiographs, cts = (max(2, round(share * count)) for count in (recipe.batch.radiographs, recipe.batch.volumes))
    for make, images in ((clip, radiographs), (distillation, radiographs), (volumes, cts)):
        torch.manual_seed(0)
        yield make(recipe, images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="tiny")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--share", type=float, default=1.0, help="of the recipe's batch")
    given, words = parser.parse_known_args()
    if importlib.util.find_spec("torchvision") is None:
        sys.meta_path.append(_Nothing())
    print(f"{processor('cpu')[0]}, fp32, {torch.get_num_threads()} thread(s), recipe {given.config}; ours / theirs\n")
    print("| work | library | samples | GFLOP | loss of the first | samples/s | ours is so many times as fast [95 %] |")
    print("|---|---|---|---|---|---|---|")
    for pair in pairs(load_recipe(given.config, words), given.share):
        print(measured(pair, given.rounds), flush=True)


if __name__ == "__main__":
    main()
