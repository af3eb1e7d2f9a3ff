"""``torch.export`` captures both image graphs with any number of images, each as eager torch computes it."""

import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim

from tests.tiny import tiny_batch, tiny_model
from unimedi.model.unimedi import UniMediModel


class Embedding(nn.Module):
    def __init__(self, model: UniMediModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: Tensor) -> Tensor:
        return self.model.get_image_features(pixel_values)


@pytest.mark.parametrize("changes", [{}, {"cls_init": "max_pool_2d", "centre_inputs": True}])
def test_both_kinds_of_images_are_captured_with_a_free_number_of_them(changes: dict[str, object]) -> None:
    model = Embedding(tiny_model(**changes))
    given, other = tiny_batch(3, 3), tiny_batch(5, 5, seed=1)
    for kind in ("radiographs", "hires_volumes"):
        # Three, as one becomes a constant.
        program = torch.export.export(model, (getattr(given, kind),), dynamic_shapes=({0: Dim.DYNAMIC},), strict=False)
        for pixels in (getattr(other, kind), getattr(other, kind)[:2], getattr(given, kind)[:1]):
            with torch.no_grad():
                torch.testing.assert_close(program.module()(pixels), model(pixels), rtol=0, atol=1e-6)
