"""Sizes and choices of a model, declared once: the section ``model`` of a recipe, the fields of ``config.json``."""

from dataclasses import dataclass
from typing import Annotated, Literal

from unimedi.ranges import POSITIVE, at_least


@dataclass  # not frozen: a configuration of transformers inherits from it
class ModelSettings:
    """The encoders and the common space. The defaults are the paper's where it speaks (ViT-B/16, Bio_ClinicalBERT's
    sizes), and argued in ``docs/paper.md`` where it is silent."""

    hidden_size: Annotated[int, at_least(1)] = 768
    """width of E_v, the shared vision transformer"""
    num_hidden_layers: Annotated[int, at_least(1)] = 12
    """layers of E_v"""
    num_attention_heads: Annotated[int, at_least(1)] = 12
    """heads of E_v; a divisor of hidden_size"""
    intermediate_size: Annotated[int, at_least(1)] = 3072
    """width of E_v's feed-forward layers"""
    patch_tokenizer: Literal["linear", "stem"] = "linear"
    """T_2D and T_3D: a linear map of each patch, or a small convolutional stem"""
    patch_size: Annotated[int, at_least(1)] = 16
    """side of a patch, in pixels"""
    slab_depth: Annotated[int, at_least(1)] = 4
    """planes of the volume input that one T_3D token covers"""
    stem_channels: Annotated[int, at_least(1)] = 24
    """width of the stem's first convolution; it doubles each time the resolution is halved"""
    cls_init: Literal["learned", "max_pool", "max_pool_2d"] = "learned"
    """how [CLS] enters E_v: a learned vector, the paper's, or that and the maximum over all tokens or over T_2D's"""
    positions: Literal["factorised", "none"] = "factorised"
    """position embeddings: of depth and plane, added; or none"""
    centre_inputs: bool = False
    """subtract the training set's mean image from every input"""
    slices: Annotated[int, at_least(0)] = 4
    """k slices of a volume are selected; 0 leaves the volume its T_3D tokens alone"""
    volume_tokens: bool = True
    """a volume keeps its T_3D tokens beside its slices; false is a control"""
    selector: Literal["attentive", "random", "uniform", "centre"] = "attentive"
    """how slices are selected: by the attention of [CLS], or by one of three controls"""
    slab_pooling: Literal["mean", "max", "top_mean", "head_max", "penultimate"] = "mean"
    """how the attention of a slab's tokens becomes its score"""
    slice_content: Literal["plane", "slab_maximum"] = "plane"
    """what a slice shows: one plane of its slab, or the maximum over it (a thin MIP)"""
    embedding_size: Annotated[int, at_least(1)] = 512
    """dimensions of the space of images and reports"""
    projection_norm: Literal["running_mean", "none"] = "running_mean"
    """what is subtracted from a projection before L_vl: a running mean of each kind of sequence, or nothing"""
    text_pooling: Literal["cls", "mean"] = "cls"
    """what stands for a report: its [CLS], or the mean over its tokens"""
    text_length: Annotated[int, at_least(3)] = 256
    """tokens of a report, at most; [CLS], a word and [SEP] at least"""
    initial_temperature: Annotated[float, POSITIVE] = 0.07
    """of L_vl, before it is learned"""
    initializer_range: Annotated[float, POSITIVE] = 0.02
    """standard deviation of fresh weights"""
