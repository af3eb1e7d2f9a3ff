"""Pictures and the volume of an image: planes, thumbnails, overlays, NIfTI."""

from typing import Annotated, Any, Literal

import nibabel as nib
import numpy as np
from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from numpy.typing import NDArray

from unimedi.errors import InputError
from unimedi.imaging.image import Volume
from unimedi.web.images import Shown
from unimedi.web.pictures import Window, attention_png, default_window, plane_png, relevance_png, thumbnail_png
from unimedi.web.reference import ImageRef
from unimedi.web.search_params import SearchParams
from unimedi.web.site import Site

router = APIRouter(prefix="/images", tags=["images"])
Image = Annotated[str, Query(description="study:ID or upload:ID", max_length=4200)]
Plane = Annotated[int | None, Query(ge=0, le=1 << 16, description="from 0 at the feet; left out: the middle one")]
Value = Annotated[float | None, Query(ge=-1e9, le=1e9, allow_inf_nan=False)]
PNG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}}}}


class OverlayParams(SearchParams):
    """The query of ``kind=query`` as in a search, and where it is laid."""

    image: Annotated[str, Query(max_length=4200)]
    plane: Annotated[int, Query(ge=0, le=1 << 16)] = 0
    kind: Literal["attention", "query"] = "attention"


@router.get("/plane", response_class=Response, responses=PNG)
async def plane(
    request: Request, image: Image, plane: Plane = None, width: Value = None, level: Value = None, invert: bool = False
) -> Response:
    """A plane of a volume, or a radiograph, in a window of grey values (usual: lung; of X-rays 1 to 99 %)."""
    shown = await _shown(request, image)
    number = checked(plane, shown)

    def draw() -> bytes:
        usual = default_window(shown.display)
        window = Window(usual.width if width is None else width, usual.level if level is None else level)
        if window.width <= 0:
            raise InputError(f"expected a width above 0, got {window.width:g}")
        return plane_png(shown, number, window, invert)

    return _png(await to_thread.run_sync(draw))


@router.get("/thumbnail", response_class=Response, responses=PNG)
async def thumbnail(request: Request, image: Image, plane: Plane = None) -> Response:
    """A small picture in the proportions of the body."""
    shown = await _shown(request, image)
    number = checked(plane, shown)
    return _png(await to_thread.run_sync(lambda: thumbnail_png(shown, number)))


@router.get("/overlay", response_class=Response, responses=PNG)
async def overlay(request: Request, params: Annotated[OverlayParams, Query()]) -> Response:
    """A map to lay over a plane: the attention of [CLS], or what brings the image near to a query."""
    site: Site = request.app.state.site
    ref = ImageRef.parse(params.image)
    shown = await _shown(request, params.image)
    number = checked(params.plane, shown)

    def values() -> NDArray[np.float32]:
        if params.kind == "attention":
            return site.encodings.of(ref).attention
        query = site.asked(params).query.vector
        if query is None:
            raise InputError("expected a query to explain, got none")
        return site.encodings.relevance(ref, query)

    found = await site.model(values)

    def draw() -> bytes:
        preprocess, picture = site.embedder.processor.preprocess, shown.image
        own = (
            preprocess.own_map_plane(found, picture, number)
            if isinstance(picture, Volume)
            else preprocess.own_map(found, shown.display)
        )
        most = max(float(np.abs(found).max()), 1e-9)
        return attention_png(own, most) if params.kind == "attention" else relevance_png(own, most)

    return _png(await to_thread.run_sync(draw))


@router.get("/volume.nii", response_class=Response, responses={200: {"content": {"application/octet-stream": {}}}})
async def volume(request: Request, image: Image) -> Response:
    """A volume as NIfTI, for a viewer."""
    site: Site = request.app.state.site
    shown = await _shown(request, image)
    if not isinstance(shown.image, Volume):
        raise InputError("expected a volume, got a radiograph")
    held = shown.image

    def write() -> bytes:
        deep, high, wide = held.spacing
        affine = np.diag([-wide, -high, deep, 1.0])  # NIfTI's axes go to the right, the front and the head
        affine[:3, 3] = [wide * held.voxels.shape[2] / 2, high * held.voxels.shape[1] / 2, 0]
        nifti = nib.Nifti1Image(held.voxels.transpose(2, 1, 0), affine)
        return nifti.to_bytes()  # type: ignore[no-any-return]

    async with site.volumes:
        return Response(await to_thread.run_sync(write), media_type="application/octet-stream")


def checked(plane: int | None, shown: Shown) -> int:
    """The plane that is asked for, else the middle one; InputError where there is none of that number."""
    if plane is None:
        return shown.planes // 2
    if plane >= shown.planes:
        raise InputError(f"expected a plane from 0 to {shown.planes - 1}, got {plane}")
    return plane


async def _shown(request: Request, image: str) -> Shown:
    site: Site = request.app.state.site
    ref = ImageRef.parse(image)
    return await to_thread.run_sync(lambda: site.images.get(ref))


def _png(data: bytes) -> Response:
    return Response(data, media_type="image/png")
