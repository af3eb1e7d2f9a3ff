"""Which experiment a recipe asks for (``experiment:``), by name; and pre-training with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from unimedi.experiments.alignment import Alignment
from unimedi.experiments.data_controls import ShuffledDepth, ShuffledReports
from unimedi.experiments.reconstruction import Reconstruction
from unimedi.experiments.scorers import CoarseToFineScorer, JointScorer, StudentScorer, TextScorer
from unimedi.experiments.sigmoid_loss import SigmoidLoss
from unimedi.experiments.top_attended_tokens import TopAttendedTokens
from unimedi.experiments.unpaired_slices import UnpairedSlices
from unimedi.files.store_address import StorePlace
from unimedi.pretraining.build import PAPER, Variant
from unimedi.pretraining.loop import pretrain as pretrain_variant
from unimedi.pretraining.on_validation import OnValidation
from unimedi.pretraining.recipe import Recipe

EXPERIMENTS: Final[Mapping[str, Variant]] = {
    variant.name: variant
    for variant in (
        PAPER,
        Variant("alignment", step=Alignment),
        Variant("reconstruction", step=Reconstruction),
        Variant("unpaired_slices", step=UnpairedSlices),
        Variant("top_attended_tokens", step=TopAttendedTokens),
        Variant("sigmoid_loss", step=SigmoidLoss),
        Variant("student_scorer", step=StudentScorer),
        Variant("joint_scorer", step=JointScorer),
        Variant("coarse_to_fine_scorer", step=CoarseToFineScorer),
        Variant("text_scorer", step=TextScorer),
        Variant("shuffled_reports", data=ShuffledReports),
        Variant("shuffled_depth", data=ShuffledDepth),
    )
}


def pretrain(
    recipe: Recipe,
    store_path: StorePlace,
    out: str | Path,
    resume: bool = False,
    devices: int = 1,
    nodes: int = 1,
    workers: int = 0,
    on_validation: OnValidation | None = None,
) -> Path:
    """As :func:`unimedi.pretraining.loop.pretrain`, with the experiment that the recipe asks for."""
    variant = EXPERIMENTS[recipe.experiment]
    return pretrain_variant(recipe, store_path, out, resume, devices, nodes, workers, variant, on_validation)
