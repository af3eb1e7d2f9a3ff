"""Your own findings, in your own words: ``python examples/zero_shot.py MODEL PROMPTS IMAGE [IMAGE ...]``.

PROMPTS is a YAML file such as ``examples/prompts.yaml``: for each finding sentences that say it is there, and sentences
that say it is not. The same file serves ``unimedi evaluate --prompts``. Printed is the probability of each finding; it
ranks images, and is not calibrated.
"""

import sys
from pathlib import Path

from scipy.special import expit

import unimedi
from unimedi.evaluation.zero_shot.prompts import embed_prompts, read_prompts
from unimedi.evaluation.zero_shot.tasks import log_odds


def main(folder: str, prompts_file: str, *images: str) -> None:
    model, prompts = unimedi.load(folder), read_prompts(Path(prompts_file))
    sentences = embed_prompts(model.texts, prompts, list(prompts.findings))
    odds = log_odds(model.images(list(images)), sentences, model.embedder.scale)
    wide = max(map(len, odds))
    for number, image in enumerate(images):
        print(image)
        for finding, values in sorted(odds.items(), key=lambda pair: -pair[1][number]):
            print(f"  {finding:{wide}}  {expit(values[number]):.3f}")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
