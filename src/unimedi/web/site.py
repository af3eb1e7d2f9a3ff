"""All that the page stands on: archive, model, images, uploads; and the search that its routes share."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from unimedi.archive.archive import Archive
from unimedi.archive.asking import Asked, Example, ask
from unimedi.archive.query import CHOICES, WAYS, Hit
from unimedi.representation.embedder import Embedder
from unimedi.web.encodings import Encodings
from unimedi.web.findings import Findings
from unimedi.web.images import Images
from unimedi.web.limits import Limits
from unimedi.web.metrics import Metrics
from unimedi.web.model_thread import ModelThread
from unimedi.web.reading import Reader
from unimedi.web.reference import UPLOAD, ImageRef
from unimedi.web.search_params import SearchParams
from unimedi.web.uploads import Uploads


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found; ``notes`` are sentences to say first, ``seconds`` what it took."""

    hits: Sequence[Hit]
    notes: tuple[str, ...]
    seconds: float
    left_out: int = 0  # patients of the studies that hits shall be like


@dataclass
class Site:
    """An archive with its model, as the page uses them.

    Args:
        archive: that is searched.
        embedder: the model that made its vectors; InputError where it is another.
        limits: what a visitor may ask of the machine.
        name: of the archive, as pages show it.
    """

    archive: Archive
    embedder: Embedder
    limits: Limits = field(default_factory=Limits)
    name: str = ""

    def __post_init__(self) -> None:
        self.archive.refuse_other(self.embedder.fingerprint)
        self.name = self.name or self.archive.place.name.rstrip("/").rpartition("/")[2]
        self.metrics = Metrics()
        self.model = ModelThread()
        self.volumes = asyncio.Semaphore(2)  # whole volumes that are written at a time: each is in memory twice
        self.reader = Reader(self.limits.read)
        self.uploads = Uploads(self.reader, self.limits)
        self.images = Images(self.archive, self.reader, self.uploads)
        self.encodings = Encodings(self.embedder, self.images)
        self.findings = Findings(self.embedder)
        self.uploads.on_drop += [
            lambda name: self.images.forget(ImageRef(UPLOAD, name)),
            lambda name: self.encodings.forget(ImageRef(UPLOAD, name)),
        ]

    @property
    def language(self) -> str:
        """Of the archive's reports, for pages to say how their words are read; ISO 639-1."""
        return self.archive.languages[0] if self.archive.languages else "en"

    def search(self, params: SearchParams) -> Found:
        """The studies that answer; runs the model, so its thread calls it.

        Raises:
            InputError: what is asked cannot be.
            MissingError: an example is not there.
        """
        start = time.perf_counter()
        asked = self.asked(params, CHOICES[params.by])
        hits = self.archive.search(asked.query, params.filter(asked.patients), params.k)
        return Found(hits, asked.notes, time.perf_counter() - start, len(asked.patients))

    def asked(self, params: SearchParams, ways: Sequence[str] = WAYS) -> Asked:
        """What is asked, as a query of the archive."""
        return ask(
            self.archive,
            lambda: self.embedder,
            self.example,
            params.q,
            like=params.like,
            not_like=params.not_like,
            ways=ways,
        )

    def example(self, name: str) -> Example:
        """The vector of a study of the archive or of an upload, and its patient. Never of a file of this machine."""
        ref = ImageRef.parse(name)
        if ref.kind == UPLOAD:
            return Example(self.encodings.of(ref).vector)
        study = self.archive.study(ref.id)
        return Example(study.vector, study.patient_id)

    def close(self) -> None:
        """End the processes and threads, and drop the uploads."""
        self.model.close()
        self.uploads.close()
        self.reader.close()
