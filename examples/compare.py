"""Which sentence fits an image best? ``python examples/compare.py MODEL IMAGE SENTENCE [SENTENCE ...]``.

MODEL is a pretrained folder, such as ``runs/demo/pretrained``; IMAGE a file, or a folder that holds a DICOM series.
"""

import sys

import torch

from unimedi import UniMediModel, UniMediProcessor


def main(folder: str, image: str, *sentences: str) -> None:
    model = UniMediModel.from_pretrained(folder).eval()
    processor = UniMediProcessor.from_pretrained(folder)
    with torch.inference_mode():
        picture = model.get_image_features(**processor(images=image))
        words = model.get_text_features(**processor(text=sentences))
    for sentence, cosine in sorted(
        zip(sentences, (words @ picture[0]).tolist(), strict=True), key=lambda pair: -pair[1]
    ):
        print(f"{cosine:+.3f}  {sentence}")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
