"""Zero-shot: a finding is read off an image by comparing it with sentences, no label ever seen.

p(finding | image) = softmax over (present, absent) of scale * cosine(image, mean sentence embedding): the prompt
ensemble of CLIP in the pairs of CheXzero. Sentences lie in versioned files under ``prompts/``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from jaxtyping import Float
from numpy import ndarray
from scipy.special import expit

TextEncoder = Callable[[list[str]], Float[ndarray, "texts dim"]]
DEFAULT_PROMPTS = Path(__file__).parent / "prompts" / "chest_en_v1.yaml"


@dataclass(frozen=True, slots=True)
class Prompt:
    """The sentences that say a finding is there, and those that say it is not."""

    present: tuple[str, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PromptSet:
    """A versioned file of prompts: finding → sentences."""

    name: str
    version: int
    language: str
    findings: Mapping[str, Prompt]


def read_prompts(path: Path = DEFAULT_PROMPTS) -> PromptSet:
    """Read a prompt file; ValueError names the finding whose present or absent sentences are missing."""
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    findings = {}
    for finding, pair in raw["findings"].items():
        for side in ("present", "absent"):
            if not pair.get(side):
                raise ValueError(f"{path.name}: expected at least one {side!r} sentence for {finding}, got none")
        findings[finding] = Prompt(tuple(pair["present"]), tuple(pair["absent"]))
    return PromptSet(path.stem, int(raw["version"]), str(raw["language"]), findings)


def finding_scores(
    images: Float[ndarray, "studies dim"],
    encode: TextEncoder,
    prompts: PromptSet,
    findings: Sequence[str],
    scale: float,
) -> dict[str, Float[ndarray, "studies"]]:
    """Probability of each finding that has prompts, for every image.

    Args:
        images: L2-normalised image embeddings.
        encode: sentences to L2-normalised text embeddings; called once, with every distinct sentence.
        scale: the model's exp(logit scale), 1 / temperature.
    """
    wanted = [finding for finding in findings if finding in prompts.findings]
    sentences = list(
        dict.fromkeys(s for name in wanted for s in (*prompts.findings[name].present, *prompts.findings[name].absent))
    )
    if not sentences:
        return {}
    rows = dict(zip(sentences, encode(sentences), strict=True))

    def ensemble(group: Sequence[str]) -> Float[ndarray, "dim"]:
        mean = np.mean([rows[sentence] for sentence in group], axis=0)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12))

    scores = {}
    for name in wanted:
        prompt = prompts.findings[name]
        scores[name] = expit(scale * (images @ (ensemble(prompt.present) - ensemble(prompt.absent))).astype(np.float64))
    return scores
