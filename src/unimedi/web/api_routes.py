"""The page's answers as JSON: search, the slice that matches, what the model sees, findings."""

from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from unimedi.errors import InputError
from unimedi.web.findings import MOST, Answer, Sides
from unimedi.web.reference import ImageRef
from unimedi.web.search_params import SearchParams
from unimedi.web.site import Site
from unimedi.web.views import image_view, plane_at, seen_view, thumbnail_address, title_of

router = APIRouter(prefix="/api", tags=["search"])


class ImageParams(SearchParams):
    """An image, and the search that led to it."""

    image: Annotated[str, Field(max_length=4200)]


class Asked(BaseModel):
    """An image, and sentences of findings; without any the package's own."""

    model_config = ConfigDict(extra="forbid")

    image: Annotated[str, Field(max_length=4200)]
    findings: Annotated[list[Sides], Field(max_length=MOST)] = []


@router.get("/search")
async def search(request: Request, params: Annotated[SearchParams, Query()]) -> dict[str, Any]:
    """The nearest studies, best first, with the scores of each way to compare."""
    site: Site = request.app.state.site
    found = await site.model(lambda: site.search(params))
    site.metrics.searched(params.by)
    hits = [hit.to_json() for hit in found.hits]
    for hit in hits:
        del hit["image"]  # where it lies is no visitor's business
    return {"hits": hits, "notes": found.notes, "seconds": found.seconds}


@router.get("/match")
async def match(request: Request, params: Annotated[ImageParams, Query()]) -> dict[str, Any]:
    """The plane of a volume that brings it nearest to the query, counted from 0 at the feet."""
    site: Site = request.app.state.site
    ref = ImageRef.parse(params.image)
    shown = await to_thread.run_sync(lambda: site.images.get(ref))
    plane = 0
    if shown.planes > 1:

        def best() -> float:
            query = site.asked(params).query.vector
            if query is None:
                raise InputError("expected a query to match, got none")
            return site.encodings.best_plane(ref, query)

        plane = plane_at(shown, await site.model(best, urgent=False))
    return {"plane": plane, "planes": shown.planes, "thumbnail": thumbnail_address(ref, plane)}


@router.get("/seen")
async def seen(request: Request, params: Annotated[ImageParams, Query()]) -> dict[str, Any]:
    """Sizes and windows of an image and, of a volume, slabs with their scores and the planes that the model chose."""
    site: Site = request.app.state.site
    ref = ImageRef.parse(params.image)
    shown = await to_thread.run_sync(lambda: site.images.get(ref))
    encoding = await site.model(lambda: site.encodings.of(ref))
    view = image_view(ref, shown, title_of(ref, shown, None), params)
    return view | seen_view(encoding, shown)


@router.post("/findings")
async def findings(request: Request, asked: Asked) -> dict[str, Any]:
    """Zero-shot of an image by sentences; the likeliest finding first."""
    site: Site = request.app.state.site
    ref = ImageRef.parse(asked.image)

    def answer() -> list[Answer]:
        vector = site.encodings.of(ref).vector
        return site.findings.asked(vector, asked.findings) if asked.findings else site.findings.usual(vector)

    return {"answers": [{"name": one.name, "value": one.value} for one in await site.model(answer)]}
