"""A small archive with its model, as a site: X-rays and CTs of a store that the pixels of findings do show."""

from pathlib import Path

from tests.hospital import write_hospital, write_pretrained
from unimedi.archive.archive import Archive
from unimedi.archive.indexing import index
from unimedi.representation.embedder import Embedder
from unimedi.web.limits import Limits
from unimedi.web.site import Site


def small_site(folder: Path, limits: Limits | None = None) -> Site:
    """A site over 76 studies of 50 patients; whoever makes it closes it."""
    store = write_hospital(folder / "store")
    model = write_pretrained(folder / "model", report_languages=("en",))
    index(store.path, model, str(folder / "archive"))
    return Site(Archive(folder / "archive"), Embedder.from_pretrained(model), limits or Limits())
