"""The smallest real objects that tests share: a model of two layers, its recipe, a batch."""

import torch

from unimedi.inputs.batch import MixedBatch
from unimedi.inputs.preprocess import Preprocess
from unimedi.model.config import UniMediConfig
from unimedi.model.text_encoder import scratch_text_config
from unimedi.model.unimedi import UniMediModel

PREPROCESS = Preprocess(
    radiograph_size=(32, 32), hires_shape=(16, 32, 32), volume_shape=(8, 16, 16), slice_size=(16, 16)
)
WORDS = 12


def tiny_config(**changes: object) -> UniMediConfig:
    """16 channels, 2 layers, 2 heads; a radiograph has 16 tokens, a volume 4 x 2 x 2, a slice 4."""
    fields: dict[str, object] = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "patch_size": 8,
        "slab_depth": 2,
        "stem_channels": 4,
        "slices": 2,
        "embedding_size": 8,
        "text_length": WORDS,
        "preprocess": PREPROCESS.to_dict(),
        "text": scratch_text_config(
            40, WORDS, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
        ),
    }
    return UniMediConfig(**(fields | changes))


def tiny_model(seed: int = 0, **changes: object) -> UniMediModel:
    torch.manual_seed(seed)
    return UniMediModel(tiny_config(**changes)).eval()


def tiny_batch(radiographs: int = 3, volumes: int = 2, seed: int = 0) -> MixedBatch:
    draws = torch.Generator().manual_seed(seed)
    reports = radiographs + volumes
    return MixedBatch(
        torch.randint(0, 4096, (radiographs, 32, 32), generator=draws).to(torch.int16) if radiographs else None,
        torch.randint(-1000, 1000, (volumes, 16, 32, 32), generator=draws).to(torch.int16) if volumes else None,
        torch.randint(5, 40, (reports, WORDS), generator=draws),
        torch.ones(reports, WORDS, dtype=torch.long),
        torch.arange(reports),
    )
