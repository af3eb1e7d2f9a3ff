"""Routes for files dropped on the page: sent as they are, shown from memory, dropped."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from unimedi.cohort.image_kind import ImageKind
from unimedi.web.errors import ErrorAnswer
from unimedi.web.limits import UPLOADS
from unimedi.web.uploads import Upload, Uploads

router = APIRouter(tags=["uploads"])

_BODY: Final = {
    "required": True,
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}
_SAID: Final = {
    400: "another host", 401: "no token", 403: "another origin", 404: "no such upload", 408: "too slow",
    413: "too large", 422: "no image that can be used", 503: "too many at a time",
}  # fmt: skip


class UploadAnswer(BaseModel):
    """An upload that is held."""

    image: str
    """what other addresses call it: upload:ID"""
    name: str
    kind: ImageKind
    url: str
    """its page, relative to the server's first page"""


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": ErrorAnswer, "description": _SAID[status]} for status in (400, 401, *statuses)}


@router.post(UPLOADS, status_code=201, responses=_errors(403, 408, 413, 422, 503), openapi_extra={"requestBody": _BODY})
async def receive(
    request: Request, name: Annotated[str, Query(max_length=1000, description="of the file")] = "image"
) -> UploadAnswer:
    """Send a file, a DICOM image, NIfTI, NRRD, PNG or a zip of a series, as the body, as it is. It is not archived."""
    uploads: Uploads = request.app.state.site.uploads
    upload = await uploads.receive(request.stream(), name)
    if await request.is_disconnected():  # nobody will ever know its id
        uploads.drop(upload.id)
    return _answer(upload)


@router.get(UPLOADS + "/{id}", responses=_errors(404, 422))
async def show(request: Request, id: str) -> UploadAnswer:
    """What is held; its time begins anew."""
    return _answer(request.app.state.site.uploads.get(id))


@router.delete(UPLOADS + "/{id}", status_code=204, responses=_errors(403, 404, 422))
async def drop(request: Request, id: str) -> Response:
    """Forget an upload at once."""
    uploads: Uploads = request.app.state.site.uploads
    uploads.drop(uploads.get(id).id)
    return Response(status_code=204)


def _answer(upload: Upload) -> UploadAnswer:
    image = f"upload:{upload.id}"
    return UploadAnswer(image=image, name=upload.name, kind=ImageKind.of(upload.image.ndim), url=f"study?image={image}")
