"""The pages: search, a study, two beside each other, about."""

from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import NDArray
from pydantic import Field
from starlette.templating import Jinja2Templates

from unimedi.archive.query import Hit
from unimedi.archive.study import ArchivedStudy
from unimedi.errors import InputError, MissingError, UnimediError
from unimedi.web.api_routes import ImageParams
from unimedi.web.errors import without_folders
from unimedi.web.images import Shown
from unimedi.web.marks import marked
from unimedi.web.reference import UPLOAD, ImageRef
from unimedi.web.search_params import SearchParams
from unimedi.web.site import Found, Site
from unimedi.web.views import hit_views, image_view, seen_view, title_of

router = APIRouter(include_in_schema=False)
SIMILAR: Final = 6  # studies beside one that is opened
_templates = Jinja2Templates(
    env=Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
)


class CompareParams(ImageParams):
    """Two images, and the search that led to them."""

    other: Annotated[str, Field(max_length=4200)]


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """A template with what all of them show."""
    site: Site = request.app.state.site
    known = {"site": site, "stats": site.archive.stats(), "here": template.removesuffix(".html")}
    return _templates.TemplateResponse(request, template, known | {"status": status} | values, status_code=status)


def error_page(request: Request, status: int, message: str) -> Response:
    """A sentence in place of a page."""
    return page(request, "error.html", status, message=message)


@router.get("/")
async def search(request: Request, params: Annotated[SearchParams, Query()]) -> Response:
    """The form, and what answers."""
    site: Site = request.app.state.site
    found, error, status = Found((), (), 0.0), "", 200
    if params.asks:
        try:
            found = await site.model(lambda: site.search(params))
            site.metrics.searched(params.by)
        except (InputError, MissingError) as refused:
            error, status = without_folders(str(refused)), 404 if isinstance(refused, MissingError) else 422
    return await to_thread.run_sync(
        lambda: page(
            request,
            "search.html",
            status,
            params=params,
            found=found,
            hits=hit_views(found.hits, params, site.archive.languages),
            error=error,
            filters=_filters(params),
            examples=[*_examples(site, params.like, "like"), *_examples(site, params.not_like, "not_like")],
        )
    )


@router.get("/study")
async def study(request: Request, params: Annotated[ImageParams, Query()]) -> Response:
    """One image with all that is known of it."""
    site: Site = request.app.state.site
    ref = ImageRef.parse(params.image)
    held, shown = await to_thread.run_sync(lambda: _opened(site, ref))

    def run() -> dict[str, Any]:
        encoding = site.encodings.of(ref)
        similar = SearchParams(like=[str(ref)], by="vector", k=SIMILAR)
        hits: list[Hit] = [hit for hit in site.search(similar).hits if str(hit.study_id) != ref.id]
        height = _height(site, ref, shown, _vector(site, params))
        return {
            "view": image_view(ref, shown, _title(site, ref, held, shown), params, height),
            "seen": seen_view(encoding, shown),
            "answers": site.findings.usual(encoding.vector),
            "hits": hit_views(hits, similar, site.archive.languages),
            "similar": similar,
        }

    seen = await site.model(run)
    return await to_thread.run_sync(
        lambda: page(
            request,
            "study.html",
            params=params,
            study=held,
            upload=ref.id if ref.kind == UPLOAD else "",
            minutes=round(site.limits.kept_seconds / 60),
            report=marked(held.report, params.q, site.archive.languages) if held else [],
            notes=[*site.findings.notes, *(f"Read with a correction: {note}" for note in shown.image.notes)],
            **seen,
        )
    )


@router.get("/compare")
async def compare(request: Request, params: Annotated[CompareParams, Query()]) -> Response:
    """Two images, scrolled and windowed together."""
    site: Site = request.app.state.site

    refs = [ImageRef.parse(name) for name in (params.image, params.other)]
    opened = await to_thread.run_sync(lambda: [_opened(site, ref) for ref in refs])

    def heights() -> list[float]:
        query = _vector(site, params)
        return [_height(site, ref, shown, query) for ref, (_, shown) in zip(refs, opened, strict=True)]

    found = await site.model(heights)
    views = [
        image_view(ref, shown, _title(site, ref, held, shown), params, height)
        for ref, (held, shown), height in zip(refs, opened, found, strict=True)
    ]
    reports = [marked(held.report, params.q, site.archive.languages) if held else [] for held, _ in opened]
    return await to_thread.run_sync(lambda: page(request, "compare.html", params=params, views=views, reports=reports))


@router.get("/about")
async def about(request: Request) -> Response:
    """What the page is, and what it cannot do."""
    return await to_thread.run_sync(lambda: page(request, "about.html"))


def _vector(site: Site, params: SearchParams) -> NDArray[np.float32] | None:
    return site.asked(params).query.vector if params.asks else None


def _height(site: Site, ref: ImageRef, shown: Shown, query: NDArray[np.float32] | None) -> float:
    """Where a volume is opened: at what matches the query, else at the first plane that the model chose."""
    if shown.planes == 1:
        return 0.5
    if query is not None:
        return site.encodings.best_plane(ref, query)
    return (site.encodings.of(ref).relative_planes() or [0.5])[0]


def _opened(site: Site, ref: ImageRef) -> tuple[ArchivedStudy | None, Shown]:
    held = None if ref.kind == UPLOAD else site.archive.study(ref.id)
    return held, site.images.get(ref)


def _title(site: Site, ref: ImageRef, held: ArchivedStudy | None, shown: Shown) -> str:
    return title_of(ref, shown, held, site.uploads.get(ref.id).name if ref.kind == UPLOAD else "")


def _filters(params: SearchParams) -> int:
    """How many restrict the search."""
    given = (params.modality, params.finding, params.split)
    return sum(map(len, given)) + sum(day is not None for day in (params.since, params.until))


def _examples(site: Site, names: list[str], field: str) -> list[tuple[str, str, str]]:
    """(reference, field, what it is called) of each example; one that is gone is said to be."""
    told = "more like" if field == "like" else "less like"
    found = []
    for name in names:
        label = name.partition(":")[2]
        try:
            if (ref := ImageRef.parse(name)).kind == UPLOAD:
                label = f"your file {site.uploads.get(ref.id).name}"
        except UnimediError:
            label = f"{label[:40]} (gone)"
        found.append((name, field, f"{told} {label}"))
    return found
