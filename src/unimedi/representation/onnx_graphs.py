"""A model's three graphs in ONNX: radiographs, volumes with the choice of their slices, and texts."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.export import Dim

from unimedi.model.unimedi import UniMediModel
from unimedi.progress import progress_bar
from unimedi.representation.onnx_embedder import OUTPUTS, RADIOGRAPH, TEXT, VOLUME

OPSET: Final = 18  # from 23 on attention is one operator, which onnxruntime runs slower with masks
EXAMPLES: Final = 3  # in the batch that is captured: one becomes a constant, two may be taken for another size


class _Images(nn.Module):
    """What a graph gives of images: fields of ``ImageOutput``."""

    def __init__(self, model: UniMediModel, outputs: Sequence[str]) -> None:
        super().__init__()
        self.model, self.outputs = model, outputs

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        output = self.model.encode_images(pixel_values)
        return tuple(getattr(output, name) for name in self.outputs)


class _Texts(nn.Module):
    def __init__(self, model: UniMediModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.model.get_text_features(input_ids, attention_mask)


def write_graphs(model: UniMediModel, folder: Path) -> None:
    """Write ``radiograph.onnx``, ``volume.onnx`` and ``text.onnx``; outputs are those of ``onnx_embedder.OUTPUTS``.

    Any number of images, any number and length of sentences; sizes of images are the model's own.
    """
    sizes = model.preprocess
    volume = list(OUTPUTS) if model.config.slices else list(OUTPUTS)[:-1]
    pixels = ({0: Dim.DYNAMIC},)
    words = ({0: Dim.DYNAMIC, 1: Dim.DYNAMIC},) * 2
    tokens = (torch.full((EXAMPLES, 5), 5), torch.ones(EXAMPLES, 5, dtype=torch.long))
    graphs: dict[str, tuple[nn.Module, tuple[Tensor, ...], Any, list[str]]] = {
        RADIOGRAPH: (_Images(model, volume[:1]), (_zeros(sizes.radiograph_size),), pixels, volume[:1]),
        VOLUME: (_Images(model, volume), (_zeros(sizes.hires_shape),), pixels, volume),
        TEXT: (_Texts(model), tokens, words, volume[:1]),
    }
    with progress_bar("export", len(graphs)) as advance:
        for name, (graph, given, free, outputs) in graphs.items():
            _write_graph(graph.eval(), given, free, [OUTPUTS[output] for output in outputs], folder / f"{name}.onnx")
            advance(1)


def _write_graph(graph: nn.Module, given: tuple[Tensor, ...], free: Any, outputs: list[str], file: Path) -> None:
    names = ["pixel_values"] if len(given) == 1 else ["input_ids", "attention_mask"]
    with torch.no_grad(), _quiet():
        program = torch.export.export(graph, given, dynamic_shapes=free, strict=False).run_decompositions(IN_ONNX)
        torch.onnx.export(
            program,
            f=file,
            input_names=names,
            output_names=outputs,
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _averaged(images: Tensor, size: Sequence[int]) -> Tensor:
    """Adaptive average pooling by operators that ONNX has, one axis at a time."""
    for axis, new in enumerate(size, images.ndim - len(size)):
        old = images.shape[axis]
        if old % new == 0:
            images = images.unflatten(axis, (new, old // new)).mean(axis + 1)
        else:
            place, pixel = torch.arange(new)[:, None], torch.arange(old)
            touched = (pixel >= place * old // new) & (pixel < ((place + 1) * old + new - 1) // new)
            shares = touched.to(images.dtype) / touched.sum(1, keepdim=True)
            images = (images.movedim(axis, -1) @ shares.T).movedim(-1, axis)
    return images


def _sorted(values: Tensor, *, stable: bool | None = None, dim: int = -1, descending: bool = False) -> Any:
    """A stable sort by ONNX's TopK, which puts the lower place first of equal values."""
    return torch.topk(values, values.shape[dim], dim, descending, sorted=True)


IN_ONNX: Final = {  # what has no operator there, by what has
    torch.ops.aten.sort.stable: _sorted,
    torch.ops.aten.adaptive_avg_pool2d.default: _averaged,
    torch.ops.aten.adaptive_avg_pool3d.default: _averaged,
}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch tells those who write exporters, and that there is no torchvision."""
    log = logging.getLogger("torch.onnx")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(before)


def _zeros(size: tuple[int, ...]) -> Tensor:
    return torch.zeros(EXAMPLES, *size, dtype=torch.int16)
