"""A recipe: everything that decides a pre-training run, as typed fields. ``src/unimedi/recipes/*.yaml`` fill it in."""

from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, get_args

from unimedi.errors import InputError
from unimedi.inputs.batch_recipe import BatchRecipe
from unimedi.inputs.preprocess_settings import PreprocessSettings
from unimedi.model.settings import ModelSettings
from unimedi.optimization.schedule import amount_and_unit, check_duration
from unimedi.ranges import NOT_NEGATIVE, PART, POSITIVE, SEED, SHARE, SOME_SHARE, at_least, check_settings

Experiment = Literal[  # unimedi.experiments.registry says what each does
    "none",
    "alignment",
    "reconstruction",
    "unpaired_slices",
    "top_attended_tokens",
    "sigmoid_loss",
    "student_scorer",
    "joint_scorer",
    "coarse_to_fine_scorer",
    "text_scorer",
    "shuffled_reports",
    "shuffled_depth",
]
EXPERIMENTS: Final[tuple[str, ...]] = get_args(Experiment)


@dataclass
class ModelRecipe(ModelSettings):
    """The model: E_v, the tokenizers, slice selection, the common space."""

    vision_pretrained: str = ""
    """a ViT's folder or cached name, whose weights E_v starts from"""


@dataclass(frozen=True)
class TextRecipe:
    """The report encoder E_l: a pretrained one, or a small one from scratch."""

    pretrained: str = ""
    """a BERT-like model's folder or cached name; the other values are for one from scratch"""
    vocab_size: Annotated[int, at_least(6)] = 2000
    """WordPiece entries, learned from the store's reports; five of them are special tokens"""
    hidden_size: Annotated[int, at_least(1)] = 128
    """width of E_l"""
    num_hidden_layers: Annotated[int, at_least(1)] = 2
    """layers of E_l"""
    num_attention_heads: Annotated[int, at_least(1)] = 4
    """heads of E_l; a divisor of hidden_size"""


@dataclass(frozen=True)
class DistillationRecipe:
    """The losses L_icl ([CLS]) and L_pcl (patches) between the student and its EMA teacher."""

    icl_weight: Annotated[float, NOT_NEGATIVE] = 1.0
    """of L_icl; 0 turns it off"""
    pcl_weight: Annotated[float, NOT_NEGATIVE] = 1.0
    """of L_pcl; 0 turns it off"""
    mask_ratio: Annotated[float, PART] = 0.75
    """share of the student's patches that are masked"""
    targets: Literal["centre", "sinkhorn"] = "centre"
    """how the teacher's targets are kept from collapsing: centred (DINO) or by Sinkhorn-Knopp (SwAV)"""
    prototypes: Annotated[int, at_least(2)] = 8192
    """outputs of the head"""
    head_hidden_size: Annotated[int, at_least(1)] = 2048
    """width of the head's hidden layers"""
    head_bottleneck_size: Annotated[int, at_least(1)] = 256
    """width of the head's last but one layer"""
    teacher_temperature: Annotated[float, POSITIVE] = 0.04
    """of the teacher's targets; the student's is .1"""
    image_fraction: Annotated[float, SOME_SHARE] = 1.0
    """of the images of each kind in a micro-batch, those that are distilled; of CTs, up to those with slices"""
    ramp_start: str = "0 percent"
    """up to here both weights are 0"""
    ramp_end: str = "0 percent"
    """from here on both weights have their values; between, they grow on a straight line"""


@dataclass(frozen=True)
class SelectionRecipe:
    """Slice selection during training."""

    warmup: str = "0 percent"
    """uniform slices for this long, then the model's selector: the teacher knows nothing at first"""
    volume_fraction: Annotated[float, SOME_SHARE] = 1.0
    """of the volumes of a step, those with slices; T_3D alone reads the others"""


@dataclass(frozen=True)
class TeacherRecipe:
    """The teacher: an exponential moving average (EMA) of the student."""

    momentum: Annotated[float, SHARE] = 0.996
    """at the start; lower in the first steps"""
    final_momentum: Annotated[float, SHARE] = 1.0
    """at the end, along half a cosine; 1 is DINO's, and stops the teacher of a run of a few hundred steps too early"""


@dataclass(frozen=True)
class OptimizationRecipe:
    """The optimiser, with a warm-up and half a cosine."""

    algorithm: Literal["adamw", "muon"] = "adamw"
    """AdamW, or Muon for the transformers' matrices and AdamW for the rest"""
    learning_rate: Annotated[float, POSITIVE] = 2e-5
    """at its peak"""
    weight_decay: Annotated[float, NOT_NEGATIVE] = 0.05
    """decoupled; of matrices alone"""
    beta1: Annotated[float, PART] = 0.9
    """of AdamW's first moment"""
    beta2: Annotated[float, PART] = 0.999
    """of AdamW's second moment"""
    warmup: str = "40 percent"
    """the learning rate rises for this long"""
    max_grad_norm: Annotated[float, POSITIVE] = 3.0
    """longer gradients are scaled down to this norm"""
    min_lr_ratio: Annotated[float, SHARE] = 0.0
    """the last learning rate as a share of the peak"""
    activation_checkpointing: bool = False
    """whether layers are computed anew on the way back: less memory, more time (docs/performance.md)"""


@dataclass(frozen=True)
class Recipe:
    """What is trained, and for how long.

    Raises:
        InputError: a choice that is none, a number out of its range, or values that do not go together; the sentence
            names the key.
    """

    method: Literal["unimedi", "joint", "convirt"] = "unimedi"
    """the paper; or one model without slices and distillation (figure 2b); or one modality alone (figure 2a)"""
    contrastive_weight: Annotated[float, NOT_NEGATIVE] = 1.0
    """of L_vl, images against reports; 0 trains without reports"""
    experiment: Experiment = "none"
    """a baseline or an experiment in place of one box of the step"""
    seed: Annotated[int, SEED] = 0
    """of the weights, the order of studies and every random draw"""
    duration: str = "50 epochs"
    """of the run: steps, epochs or examples"""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """auto: bf16 (mixed) where the GPU or CPU has it in hardware, else fp32"""
    checkpoint_every: str = "5 percent"
    """how often the state is saved: steps, epochs, examples or percent of the run"""
    preprocess: PreprocessSettings = field(default_factory=PreprocessSettings)
    """sizes of images"""
    model: ModelRecipe = field(default_factory=ModelRecipe)
    """the encoders and the common space"""
    text: TextRecipe = field(default_factory=TextRecipe)
    """the report encoder"""
    batch: BatchRecipe = field(default_factory=BatchRecipe)
    """what a step sees"""
    selection: SelectionRecipe = field(default_factory=SelectionRecipe)
    """slice selection during training"""
    distillation: DistillationRecipe = field(default_factory=DistillationRecipe)
    """L_icl and L_pcl"""
    teacher: TeacherRecipe = field(default_factory=TeacherRecipe)
    """the EMA copy"""
    optimization: OptimizationRecipe = field(default_factory=OptimizationRecipe)
    """optimiser and schedule"""

    def __post_init__(self) -> None:
        check_settings(self)
        self._check_durations()
        self._check_sizes()
        distils = self.method == "unimedi" and (self.distillation.icl_weight or self.distillation.pcl_weight)
        if not (self.contrastive_weight or distils):
            raise InputError("nothing to learn from: contrastive_weight is 0, nothing is distilled")
        if self.method == "convirt" and self.batch.radiographs and self.batch.volumes:
            raise InputError("method convirt is for one modality: set batch.radiographs or batch.volumes to 0")

    def _check_durations(self) -> None:
        check_duration("duration", self.duration, may_be_none=False)
        if amount_and_unit(self.duration)[1] == "percent":
            raise InputError(f"duration: expected steps, epochs or examples, got {self.duration!r}")
        check_duration("checkpoint_every", self.checkpoint_every, may_be_none=False)
        check_duration("optimization.warmup", self.optimization.warmup)
        check_duration("selection.warmup", self.selection.warmup)
        check_duration("distillation.ramp_start", self.distillation.ramp_start)
        check_duration("distillation.ramp_end", self.distillation.ramp_end)
        start, unit = amount_and_unit(self.distillation.ramp_start)
        end, other = amount_and_unit(self.distillation.ramp_end)
        if unit == other and end < start:
            raise InputError(
                f"distillation.ramp_end: expected {start:g} {unit} (ramp_start) or later, got {end:g} {other}"
            )

    def _check_sizes(self) -> None:
        if self.batch.radiographs + self.batch.volumes == 0:
            raise InputError("batch: expected radiographs or volumes in a step, got 0 of both")
        slabs = self.preprocess.volume_shape[0] // self.model.slab_depth
        if self.method == "unimedi" and self.batch.volumes and self.model.slices > slabs:
            raise InputError(f"model.slices: expected up to {slabs}, one a slab, got {self.model.slices}")
        for name, part in (("model", self.model), ("text", self.text)):
            if part.hidden_size % part.num_attention_heads:
                raise InputError(
                    f"{name}: hidden_size {part.hidden_size} is not a multiple of its {part.num_attention_heads} heads"
                )
