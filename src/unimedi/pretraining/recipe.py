"""A recipe: everything that decides a pre-training run, as typed fields. ``src/unimedi/recipes/*.yaml`` fill it in."""

from dataclasses import dataclass, field

from unimedi.errors import InputError
from unimedi.inputs.dataset import BatchRecipe
from unimedi.inputs.preprocess import Preprocess
from unimedi.optimization.optimizer import OPTIMIZERS
from unimedi.optimization.precision import PRECISIONS
from unimedi.pretraining.recipe_ranges import check_numbers

METHODS = ("unimedi", "joint", "convirt")
EXPERIMENTS = (  # unimedi.experiments.registry says what each does
    "none",
    "alignment",
    "reconstruction",
    "unpaired_slices",
    "top_attended_tokens",
    "student_scorer",
    "joint_scorer",
    "coarse_to_fine_scorer",
    "text_scorer",
    "shuffled_reports",
    "shuffled_depth",
)


@dataclass(frozen=True)
class TextRecipe:
    """E_l: ``pretrained`` is a BERT-like model's folder or cached name; empty learns a small one from scratch."""

    pretrained: str = ""
    vocab_size: int = 2000  # WordPiece entries learnt from the store's reports, from scratch only
    hidden_size: int = 128
    num_hidden_layers: int = 2
    num_attention_heads: int = 4


@dataclass(frozen=True)
class ModelRecipe:
    """The fields of :class:`unimedi.model.config.UniMediConfig` that a recipe may set; see there."""

    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    patch_tokenizer: str = "linear"
    patch_size: int = 16
    slab_depth: int = 4
    stem_channels: int = 24
    cls_init: str = "learned"
    positions: str = "factorised"
    centre_inputs: bool = False
    slices: int = 4
    volume_tokens: bool = True
    selector: str = "attentive"
    slab_pooling: str = "mean"
    slice_content: str = "plane"
    embedding_size: int = 512
    projection_norm: str = "running_mean"
    text_pooling: str = "cls"
    text_length: int = 256
    initial_temperature: float = 0.07
    initializer_range: float = 0.02
    vision_pretrained: str = ""  # a ViT's folder or cached name


@dataclass(frozen=True)
class DistillationRecipe:
    """L_icl and L_pcl. A weight of 0 turns a loss off."""

    icl_weight: float = 1.0
    pcl_weight: float = 1.0
    mask_ratio: float = 0.75
    targets: str = "centre"  # the teacher's side: centre (DINO) or sinkhorn (SwAV)
    prototypes: int = 8192
    head_hidden_size: int = 2048
    head_bottleneck_size: int = 256
    teacher_temperature: float = 0.04
    # Of the images of each kind in a micro-batch: the share that is distilled (of volumes, up to those with slices).
    image_fraction: float = 1.0
    ramp_start: str = "0 percent"  # both weights grow from 0 to their value between these points of the run
    ramp_end: str = "0 percent"


@dataclass(frozen=True)
class SelectionRecipe:
    """Training-time slice selection: which slices before the teacher knows anything."""

    warmup: str = "0 percent"  # uniform slices for this long, then the model's selector
    volume_fraction: float = 1.0  # of the volumes of a step: those with slices; T_3D alone reads the others


@dataclass(frozen=True)
class TeacherRecipe:
    """The EMA copy: momentum goes from ``momentum`` to ``final_momentum`` along half a cosine, and starts lower.

    DINO ends at 1. A run of a few hundred steps must not: its teacher would stop long before its student has learnt.
    """

    momentum: float = 0.996
    final_momentum: float = 1.0


@dataclass(frozen=True)
class OptimizationRecipe:
    """``algorithm`` (adamw or muon) with a warm-up and half a cosine."""

    algorithm: str = "adamw"
    learning_rate: float = 2e-5
    weight_decay: float = 0.05
    beta1: float = 0.9
    beta2: float = 0.999
    warmup: str = "40 percent"
    max_grad_norm: float = 3.0
    min_lr_ratio: float = 0.0  # the last learning rate as a share of the first


@dataclass(frozen=True)
class Recipe:
    """``method`` is unimedi (the paper), joint (one model, no slices, no distillation: figure 2b) or convirt (one
    modality: ``batch.radiographs`` or ``batch.volumes`` is 0; figure 2a)."""

    method: str = "unimedi"
    contrastive_weight: float = 1.0  # of L_vl; 0 trains without reports
    experiment: str = "none"  # a baseline or an experiment in place of one box of the step
    seed: int = 0
    duration: str = "50 epochs"
    precision: str = "auto"  # bf16 (mixed) where the GPU or CPU has it in hardware, else fp32; or one of the two
    checkpoint_every: str = "5 percent"
    preprocess: Preprocess = field(default_factory=Preprocess)
    model: ModelRecipe = field(default_factory=ModelRecipe)
    text: TextRecipe = field(default_factory=TextRecipe)
    batch: BatchRecipe = field(default_factory=BatchRecipe)
    selection: SelectionRecipe = field(default_factory=SelectionRecipe)
    distillation: DistillationRecipe = field(default_factory=DistillationRecipe)
    teacher: TeacherRecipe = field(default_factory=TeacherRecipe)
    optimization: OptimizationRecipe = field(default_factory=OptimizationRecipe)

    def __post_init__(self) -> None:
        check_numbers(self)
        for name, value, allowed in (
            ("method", self.method, METHODS),
            ("precision", self.precision, PRECISIONS),
            ("distillation.targets", self.distillation.targets, ("centre", "sinkhorn")),
            ("optimization.algorithm", self.optimization.algorithm, tuple(OPTIMIZERS)),
            ("experiment", self.experiment, EXPERIMENTS),
        ):
            if value not in allowed:
                raise InputError(f"{name}: expected one of {', '.join(allowed)}, got {value!r}")
        distils = self.method == "unimedi" and (self.distillation.icl_weight or self.distillation.pcl_weight)
        if not (self.contrastive_weight or distils):
            raise InputError("nothing to learn from: contrastive_weight is 0, nothing is distilled")
        if self.method == "convirt" and self.batch.radiographs and self.batch.volumes:
            raise InputError("method convirt is for one modality: set batch.radiographs or batch.volumes to 0")
