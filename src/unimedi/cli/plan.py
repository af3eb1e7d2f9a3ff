"""``unimedi plan``: what a run will take."""

from dataclasses import dataclass
from typing import Annotated, Literal

from unimedi.cli.options import NameOrFile
from unimedi.ranges import POSITIVE, SOME_SHARE, at_least


@dataclass(frozen=True)
class Plan:
    """Say what a run will take: steps, arithmetic, hours, memory, storage, reading. Nothing is trained.

    Any value of the recipe is an option as well: --duration "30 epochs", --batch.effective 4096.
    """

    xrays: Annotated[int, at_least(0)]
    """X-rays to train with"""
    cts: Annotated[int, at_least(0)]
    """CTs to train with"""
    config: NameOrFile = "base"
    """the recipe: tiny, small, base, comparison/joint ..., or a file"""
    devices: Annotated[int, at_least(1)] = 1
    """GPUs of a machine, or CPU processes"""
    nodes: Annotated[int, at_least(1)] = 1
    """machines"""
    gpu: Literal["a100", "l40s", "h100", "h200", "this"] = "this"
    """the GPU, by its data sheet; this: what is here, measured now"""
    mfu: Annotated[float | None, SOME_SHARE] = None
    """share of a large product's speed that a step reaches (default: as printed); `unimedi pretrain` logs it"""
    words: Annotated[float, POSITIVE] = 45.0
    """tokens of a report, the mean"""

    def run(self, settings: list[str]) -> None:
        from unimedi.cohort.image_kind import ImageKind
        from unimedi.pretraining.plan import as_text, plan, speed_of
        from unimedi.pretraining.recipe_file import load_recipe

        recipe = load_recipe(self.config or "base", settings)
        studies = {ImageKind.XRAY: self.xrays, ImageKind.CT: self.cts}
        speed, mfu, what = speed_of(recipe, self.gpu)
        mfu = self.mfu or mfu
        planned = plan(recipe, studies, self.devices, self.nodes, speed, mfu, self.words)
        print(as_text(planned, self.devices * self.nodes, what, speed, mfu))
