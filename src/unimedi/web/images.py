"""Images as the page shows them: of studies, wherever these lie, and of uploads; the last few are kept."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unimedi.archive.archive import Archive
from unimedi.archive.study import ArchivedStudy
from unimedi.errors import MissingError
from unimedi.imaging.image import Radiograph, Volume
from unimedi.inputs.store import Store
from unimedi.web.reading import Reader
from unimedi.web.reference import UPLOAD, ImageRef
from unimedi.web.uploads import Uploads

KEPT: Final = 1 << 30  # bytes of images of studies that are kept in memory
SIDE: Final = 2048  # pixels: a larger radiograph is shown reduced to this


@dataclass(frozen=True, slots=True)
class Shown:
    """An image that can be shown.

    Attributes:
        image: as it was read; what the model is given.
        display: the same, a large radiograph reduced.
        stamp: changes where the files of the study do.
        stored: of an image that lies in a store as the model takes it; None where it is still to be brought to that.
    """

    image: Radiograph | Volume
    display: Radiograph | Volume
    stamp: str = ""
    stored: NDArray[np.int16] | None = None

    @property
    def planes(self) -> int:
        """Of a volume; 1 of a radiograph."""
        return len(self.image.array) if isinstance(self.image, Volume) else 1

    @property
    def modality(self) -> str:
        """As its header says, or what it is taken for."""
        return self.image.modality or ("CT" if isinstance(self.image, Volume) else "X-ray")

    @property
    def size_mm(self) -> tuple[float, float]:
        """Height and width of a plane; of a radiograph without spacing in widths of its pixels."""
        step = self.image.spacing[1:] if isinstance(self.image, Volume) else self.image.pixel
        return self.image.array.shape[-2] * step[0], self.image.array.shape[-1] * step[1]

    @property
    def bytes(self) -> int:
        extra = 0 if self.display is self.image else self.display.array.nbytes
        return self.image.array.nbytes + extra


class Images:
    """Finds the image of a reference. Usable by many threads.

    Args:
        archive: its studies say where their images lie.
        reader: reads files.
        uploads: hold theirs.
        kept: bytes that are kept for the next time.
    """

    def __init__(self, archive: Archive, reader: Reader, uploads: Uploads, kept: int = KEPT) -> None:
        self._archive, self._reader, self._uploads, self._most = archive, reader, uploads, kept
        self._held: OrderedDict[tuple[str, str], Shown] = OrderedDict()
        self._stores: dict[str, tuple[Store, dict[str, int]]] = {}
        self._lock = threading.Lock()

    def get(self, ref: ImageRef) -> Shown:
        """The image.

        A study is looked up in the archive each time: one that was forgotten is not shown from memory.

        Raises:
            MissingError: no such study or upload is there, or its image is not where it was.
            ImagingError: the image cannot be read.
        """
        study = None if ref.kind == UPLOAD else self._archive.study(ref.id)
        key = (str(ref), study.stamp if study else "")
        with self._lock:
            if (found := self._held.get(key)) is not None:
                self._held.move_to_end(key)
        if study is None:
            upload = self._uploads.get(ref.id).image  # asked each time: that renews its own
            found = found or Shown(upload, _reduced(upload))
        else:
            found = found or self._of_study(study)
        self._keep(key, found)
        if not self.is_there(ref):  # dropped in the meantime
            self.forget(ref)
        return found

    def is_there(self, ref: ImageRef) -> bool:
        """Whether an upload is still held; of a study the archive knows it."""
        try:
            return ref.kind != UPLOAD or bool(self._uploads.get(ref.id))
        except MissingError:
            return False

    def forget(self, ref: ImageRef) -> None:
        """Drop what is kept of it."""
        with self._lock:
            for key in [key for key in self._held if key[0] == str(ref)]:
                del self._held[key]

    def _keep(self, key: tuple[str, str], shown: Shown) -> None:
        with self._lock:
            self._held[key] = shown
            while len(self._held) > 1 and sum(one.bytes for one in self._held.values()) > self._most:
                self._held.popitem(last=False)

    def _of_study(self, study: ArchivedStudy) -> Shown:
        path = Path(study.image)
        if (path / "store.json").is_file():
            return self._of_store(study, path)
        if not path.exists():
            raise MissingError(f"study {study.study_id}: its image is no longer where it lay when the archive was made")
        image = self._reader(path, f"study {study.study_id}")
        return Shown(image, _reduced(image), study.stamp)

    def _of_store(self, study: ArchivedStudy, path: Path) -> Shown:
        with self._lock:
            if str(path) not in self._stores:
                store = Store.open(path)
                self._stores[str(path)] = store, {one.study_id: place for place, one in enumerate(store.studies)}
        store, places = self._stores[str(path)]
        if (place := places.get(study.study_id)) is None:
            raise MissingError(f"study {study.study_id}: the store that held its image lacks it now")
        about, pixels = store.studies[place], store.pixels(place)
        image: Radiograph | Volume
        if about.ndim == 3:
            deep, high, wide = about.spacing or (1.0, 1.0, 1.0)
            image = Volume(pixels, (deep, high, wide), modality=str(about.modality))
        else:
            spacing = (about.spacing[0], about.spacing[1]) if about.spacing else None
            image = Radiograph(pixels.astype(np.float32), spacing, modality=str(about.modality))
        return Shown(image, image, study.stamp, pixels)


def _reduced(image: Radiograph | Volume) -> Radiograph | Volume:
    if isinstance(image, Volume) or max(image.pixels.shape) <= SIDE:
        return image
    by = max(image.pixels.shape) / SIDE
    height, width = (max(1, round(side / by)) for side in image.pixels.shape)
    small = Image.fromarray(image.pixels).resize((width, height), Image.Resampling.BOX)
    return Radiograph(np.asarray(small), None, modality=image.modality, aspect=image.aspect)
