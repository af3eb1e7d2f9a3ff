"""What does the model look at in a CT? ``python examples/slices.py MODEL CT strip.png``.

Writes the selected slices side by side and prints the score of each slab, from the feet to the head. A score of 1 is
the average slab's.
"""

import sys

import torch
from PIL import Image

from unimedi import UniMediModel, UniMediProcessor


def main(folder: str, volume: str, strip: str) -> None:
    model = UniMediModel.from_pretrained(folder).eval()
    processor = UniMediProcessor.from_pretrained(folder)
    hires = processor(images=volume)["pixel_values"]
    with torch.inference_mode():
        output = model.encode_images(hires)
    assert output.slice_scores is not None
    assert output.selected is not None
    for slab, score in enumerate((output.slice_scores[0] / output.slice_scores[0].mean()).tolist()):
        print(f"slab {slab:2d}  {score:5.2f}  {'#' * round(20 * score)}")
    print("selected planes of the stored volume:", output.selected[0].tolist())
    slices = processor.preprocess.slices(hires, output.selected)[0, :, 0]  # (k, height, width) in [-1, 1]
    grey = ((torch.cat(list(slices), dim=1) + 1) * 127.5).round().to(torch.uint8)
    Image.fromarray(grey.numpy()).save(strip)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
