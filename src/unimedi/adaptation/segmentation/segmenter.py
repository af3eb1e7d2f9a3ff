"""E_v under a decoder: windows of an image become a logit a pixel and class, one code for radiographs and volumes.

The encoder sees windows of the size that it was pre-trained on. A radiograph is one window. A volume is one too at the
resolution of T_3D's input (``volume``), or several that overlap at the finer resolution of the store (``hires``).
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int16
from torch import Tensor, nn

from unimedi.adaptation.segmentation.decoders import DECODERS, enlarged, scales_of
from unimedi.imaging.resample import resize
from unimedi.model.unimedi import UniMediModel
from unimedi.model.vision_encoder import Tokens, VisionEncoder

OVERLAP = 0.5  # of neighbouring windows, as in most users of UNETR
WINDOWS_AT_ONCE = 4


class Segmenter(nn.Module):
    """E_v with a decoder: ``forward`` takes inputs of the size of ``window``, :meth:`predict` stored arrays.

    Args:
        model: the pretrained model; its E_v is used, not copied.
        ndim: 2 for radiographs, 3 for volumes.
        decoder: a key of :data:`~unimedi.adaptation.segmentation.decoders.DECODERS`.
        classes: the number of classes, each with a logit a pixel.
        frozen: E_v keeps its weights.
        resolution: of volumes, ``volume`` or ``hires``.
        precision: ``fp32``, or ``bf16`` (mixed).
    """

    def __init__(
        self,
        model: UniMediModel,
        ndim: int,
        decoder: str,
        classes: int,
        frozen: bool = False,
        resolution: str = "volume",
        precision: str = "fp32",
    ) -> None:
        super().__init__()
        self.mixed = torch.autocast(model.device.type, torch.bfloat16, enabled=precision == "bf16")
        self.ndim, self.frozen, self.preprocess = ndim, frozen, model.preprocess
        if ndim == 3 and resolution == "hires":
            self.preprocess = replace(model.preprocess, volume_shape=model.preprocess.hires_shape)
        self.vision: VisionEncoder = model.vision
        self.vision.requires_grad_(not frozen)
        self.window = model.preprocess.radiograph_size if ndim == 2 else model.preprocess.volume_shape
        token = (self.vision.patch,) * 2 if ndim == 2 else (self.vision.slab, self.vision.patch, self.vision.patch)
        self.grid = tuple(size // step for size, step in zip(self.window, token, strict=True))
        scales, depth = scales_of(token), len(self.vision.layers)
        self.read_layers = [max(1, round(depth * (i + 1) / len(scales))) for i in range(len(scales))]  # 1-based
        self.decoder = DECODERS[decoder](model.config.hidden_size, classes, scales).to(model.device)

    def inputs(self, stored: Int16[Tensor, "n *stored"]) -> Float[Tensor, "n 1 *grid"]:
        """Stored arrays as the encoder wants them, in [-1, 1], at the resolution of the masks that are learnt.

        Where the encoder subtracts its training set's mean image, that of the window's own place is meant; so the
        difference to the mean is what windows are cut from, and :meth:`tokens` gives the encoder what it expects.
        """
        images = self.preprocess.normalise(stored)
        mean = self._mean()
        return images if mean is None else images - resize(mean[None], tuple(images.shape[2:]))

    def forward(self, images: Float[Tensor, "n 1 *window"]) -> Float[Tensor, "n classes *window"]:
        """Logits of windows cut from :meth:`inputs`."""
        with self.mixed:
            with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
                states = hidden_states(self.vision, self.tokens(images), self.read_layers)
            logits: Tensor = self.decoder(images, [state.transpose(1, 2).unflatten(2, self.grid) for state in states])
        return logits.float()

    def tokens(self, images: Float[Tensor, "n 1 *window"]) -> Tokens:
        mean = self._mean()
        images = images if mean is None else images + mean
        return self.vision.radiographs(images) if self.ndim == 2 else self.vision.volumes(images)

    @torch.no_grad()
    def predict(self, stored: Int16[Tensor, "n *stored"]) -> Bool[Tensor, "n classes *stored"]:
        """Masks of stored arrays in the same geometry: probability above one half, windows blended."""
        from monai.inferers import sliding_window_inference

        images = self.inputs(stored)
        logits = sliding_window_inference(
            images, self.window, WINDOWS_AT_ONCE, self, overlap=OVERLAP, mode="gaussian", padding_mode="replicate"
        )
        assert isinstance(logits, Tensor)
        return enlarged(logits, tuple(stored.shape[1:])) > 0

    def _mean(self) -> Float[Tensor, "1 *window"] | None:
        if not self.vision.centre_inputs:
            return None
        return self.vision.mean_radiograph if self.ndim == 2 else self.vision.mean_volume


def hidden_states(
    vision: VisionEncoder, tokens: Tokens, layers: Sequence[int]
) -> list[Float[Tensor, "n patches hidden"]]:
    """The patch tokens after each of ``layers`` (1 is the first), the last one after the final normalisation."""
    kept: dict[int, Tensor] = {}

    def keep(number: int) -> torch.utils.hooks.RemovableHandle:
        return vision.layers[number - 1].register_forward_hook(
            lambda _module, _inputs, output: kept.__setitem__(number, output)
        )

    handles = [keep(number) for number in {*layers[:-1]}]
    try:
        last = vision(tokens).patches
    finally:
        for handle in handles:
            handle.remove()
    return [*(kept[number][:, 1:] for number in layers[:-1]), last]
