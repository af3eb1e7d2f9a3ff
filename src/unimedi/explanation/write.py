"""An explanation as a folder: pictures, maps that lie on the volume, scores as JSON; whole or not at all."""

import re
from pathlib import Path
from typing import Any, Final

from unimedi.explanation.explain import Explanation
from unimedi.explanation.pictures import attention_picture, slab_picture, text_picture
from unimedi.files.atomic import atomic_folder, write_bytes, write_json
from unimedi.files.destination import DestinationError, folder_to_write
from unimedi.imaging.image import Volume
from unimedi.imaging.write_mask import write_map

SCORES: Final = "explanation.json"
ATTENTION: Final = "attention"
OURS: Final = re.compile(r"(attention|slabs|text(-\d+)?)\.(png|nii\.gz)|explanation\.json")


def out_of_explanation(folder: Path) -> Path:
    """The folder, which can be written and is empty or holds an earlier explanation and nothing else.

    Raises:
        DestinationError: it cannot be written, or has files of something else, which would be lost.
    """
    there = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    foreign = sorted(name for name in there if not OURS.fullmatch(name)) or (there if SCORES not in there else [])
    if foreign:
        raise DestinationError(f"{folder} holds {foreign[0]}, which is no explanation's; choose another folder")
    return folder_to_write(folder)


def write_explanation(explanation: Explanation, source: Path | None, model: str, out: Path) -> list[Path]:
    """Write ``attention``, ``text`` (``text-1`` … where there are several sentences) and ``slabs`` as PNG, of a volume
    each map as ``.nii.gz`` too, and ``explanation.json``.

    Args:
        source: the file or folder that the image was read from; it lends the maps its axes and place.
        model: its fingerprint.
        out: the folder; what an earlier explanation left there goes.

    Returns:
        The files.
    """
    names = _names(explanation)
    maps = dict(zip((ATTENTION, *names), (explanation.attention, *explanation.relevance), strict=True))
    with atomic_folder(out_of_explanation(out)) as folder:
        for number, (name, values) in enumerate(maps.items()):
            own = explanation.own(values)
            if isinstance(explanation.image, Volume):
                write_map(own, explanation.image, source, folder / f"{name}.nii.gz")
            drawn = text_picture(explanation, number - 1, own) if number else attention_picture(explanation, own)
            write_bytes(folder / f"{name}.png", drawn)
        if explanation.slab_scores is not None:
            write_bytes(folder / "slabs.png", slab_picture(explanation))
        write_json(folder / SCORES, _scores(explanation, source, model, names))
    return sorted(out.iterdir())


def _names(explanation: Explanation) -> list[str]:
    count = len(explanation.texts)
    return ["text"] if count == 1 else [f"text-{number}" for number in range(1, count + 1)]


def _scores(explanation: Explanation, source: Path | None, model: str, names: list[str]) -> dict[str, Any]:
    """All that is no picture; planes count from 1 at the feet, as viewers count them."""
    sentences = [
        {"map": name, "sentence": text, "cosine": float(cosine), "map_sum": float(values.sum())}
        for name, text, cosine, values in zip(
            names, explanation.texts, explanation.similarity, explanation.relevance, strict=True
        )
    ]
    scores = explanation.slab_scores
    return {
        "image": None if source is None else str(source),
        "model": model,
        "use": "research, not diagnosis",
        "sentences": sentences,
        "slab_scores": None if scores is None else scores.tolist(),
        "chosen_planes": [plane + 1 for plane in explanation.own_planes],
        "planes": len(explanation.image.array) if isinstance(explanation.image, Volume) else None,
        "places": list(explanation.relevance.shape[1:]),
        "notes": list(explanation.notes),
    }
