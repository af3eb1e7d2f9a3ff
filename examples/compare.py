"""Which sentence fits an image best? ``python examples/compare.py MODEL IMAGE SENTENCE [SENTENCE ...]``.

MODEL is a run, a pretrained folder or an export, such as ``runs/demo``; IMAGE a file, or a folder or zip of a DICOM
series.
"""

import sys

import unimedi


def main(model: str, image: str, *sentences: str) -> None:
    cosines = unimedi.load(model).similarity(image, list(sentences))[0]
    for sentence, cosine in sorted(zip(sentences, cosines, strict=True), key=lambda pair: -pair[1]):
        print(f"{cosine:+.3f}  {sentence}")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
