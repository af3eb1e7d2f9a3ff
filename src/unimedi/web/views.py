"""What templates and programs are told of an image, a hit, and what the model sees."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode

from unimedi.archive.query import Hit
from unimedi.archive.study import ArchivedStudy
from unimedi.cohort.study import Modality
from unimedi.imaging.image import Volume
from unimedi.web.encodings import Encoding
from unimedi.web.images import Shown
from unimedi.web.marks import marked
from unimedi.web.pictures import PRESETS, default_window
from unimedi.web.reference import STUDY, UPLOAD, ImageRef
from unimedi.web.search_params import SearchParams


@dataclass(frozen=True, slots=True)
class HitView:
    """A hit as a row: its reference, the report in marked pieces, whether a slice is to be matched."""

    ref: ImageRef
    study_id: str
    modality: str
    date: str
    split: str
    findings: Sequence[str]
    report: str
    marked: Sequence[tuple[str, bool]]
    scores: dict[str, float]
    most_words: float  # BM25 of the best of all hits
    matched: bool


def hit_views(hits: Sequence[Hit], params: SearchParams, languages: Sequence[str]) -> list[HitView]:
    """The rows of a search."""
    most = max((hit.scores.get("text", 0.0) for hit in hits), default=0.0) or 1.0
    vector = params.by != "text" or bool(params.like)
    return [
        HitView(
            ref=ImageRef(STUDY, hit.study_id),
            study_id=hit.study_id,
            modality=hit.modality,
            date=hit.date.isoformat() if hit.date else "",
            split=hit.split,
            findings=hit.findings,
            report=hit.report,
            marked=marked(hit.report, params.q, languages),
            scores=dict(hit.scores),
            most_words=most,
            matched=vector and hit.modality in (Modality.CT, Modality.MR),
        )
        for hit in hits
    ]


def image_view(ref: ImageRef, shown: Shown, title: str, params: SearchParams, height: float = 0.5) -> dict[str, Any]:
    """What a viewer needs: sizes, windows and the plane to begin with, at a relative height from the feet."""
    window = default_window(shown.display)
    tall, wide = shown.size_mm
    volume = isinstance(shown.image, Volume)
    plane = plane_at(shown, height)
    many = f", plane {plane + 1} of {shown.planes}" if volume else ""
    return {
        "image": str(ref),
        "title": title,
        "alt": f"{title}{many}; arrow keys go through its planes" if volume else title,
        "kind": "volume" if volume else "radiograph",
        "modality": shown.modality,
        "unit": "HU" if volume and shown.modality != Modality.MR else "grey",
        "planes": shown.planes,
        "plane": plane,
        "step_mm": shown.image.spacing[0] if isinstance(shown.image, Volume) else 0.0,
        "height_mm": tall,
        "width_mm": wide,
        "window": asdict(window),
        "presets": list(PRESETS) if volume and shown.modality != Modality.MR else [],
        "asked": params.asked_query() if params.asks else "",
    }


def plane_at(shown: Shown, height: float) -> int:
    """The plane at a relative height, 0 at the feet to 1 at the head."""
    return min(int(height * shown.planes), shown.planes - 1)


def seen_view(encoding: Encoding, shown: Shown) -> dict[str, Any]:
    """The slabs of a volume with their scores in multiples of the mean; none for a radiograph."""
    if encoding.slab_scores is None:
        return {"slabs": [], "most": 1.0}
    scores = encoding.slab_scores / encoding.slab_scores.mean()
    chosen = encoding.chosen_slabs()
    planes = [
        plane_at(
            shown, encoding.relative_planes()[chosen.index(slab)] if slab in chosen else (slab + 0.5) / len(scores)
        )
        for slab in range(len(scores))
    ]
    slabs = [
        {"plane": plane, "score": float(score), "chosen": slab in chosen}
        for slab, (plane, score) in enumerate(zip(planes, scores, strict=True))
    ]
    return {"slabs": slabs, "most": float(scores.max())}


def title_of(ref: ImageRef, shown: Shown, study: ArchivedStudy | None, upload_name: str = "") -> str:
    """``CT P0001``, or the name of an uploaded file."""
    if ref.kind == UPLOAD:
        return f"{shown.modality}, uploaded: {upload_name}"
    return f"{(study.modality if study else '') or shown.modality} {ref.id}"


def thumbnail_address(ref: ImageRef, plane: int) -> str:
    """Where a plane's small picture is."""
    return f"images/thumbnail?{urlencode({'image': str(ref), 'plane': plane})}"
