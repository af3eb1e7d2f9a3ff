"""Why is an image near a sentence? ``python examples/explain_image.py MODEL IMAGE SENTENCE OUT``.

Prints the cosine, the places that count most for the sentence, and of a CT the score of each slab from the feet up (1
is the average slab's). OUT gets the pictures and, of a CT, NIfTI maps that lie on it.
"""

import sys
from pathlib import Path

import numpy as np

from unimedi.explanation.explain import explain
from unimedi.explanation.write import write_explanation
from unimedi.representation.embedder import Embedder

WAYS = {2: "down and across", 3: "up, back and to the patient's left"}


def main(folder: str, image: str, sentence: str, out: str) -> None:
    embedder = Embedder.from_pretrained(Path(folder))
    found = explain(embedder, image, sentence)
    print(f"cosine {found.similarity[0]:.3f}  {sentence}")
    places = found.relevance[0]
    for place in np.argsort(places, axis=None)[::-1][:3]:
        at = np.unravel_index(place, places.shape)
        middle = ", ".join(f"{(cell + 0.5) / cells:.0%}" for cell, cells in zip(at, places.shape, strict=True))
        print(f"{places[at]:+.3f} of it at {middle} of the way {WAYS[len(at)]}")
    if found.slab_scores is not None:
        for slab, score in enumerate(found.slab_scores / found.slab_scores.mean()):
            print(f"slab {slab:2d}  {score:5.2f}  {'#' * round(20 * float(score))}")
        print(f"planes that it reads in full resolution, from 0 at the feet: {found.own_planes}")
    for path in write_explanation(found, Path(image), embedder.fingerprint, Path(out)):
        print(path)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
