"""What a person names on the command line, as images: files as they are, of a folder what ``cohort folder`` takes."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unimedi.cohort.sources.file_names import TEXTS, suffix
from unimedi.cohort.sources.own_files.images import FoundImage, TakenImages, images_of, without_raw
from unimedi.cohort.sources.source_cohort import Skipped, SourceCohort
from unimedi.errors import MissingError
from unimedi.files.walk import inside, name_of, walk
from unimedi.imaging.image import ImagingError, Radiograph, Volume
from unimedi.inputs.open_image import open_image
from unimedi.inputs.stored_form import StoredForm

INDEX = "DICOMDIR"
OTHER_SERIES = "other_series_dropped"  # the note of a folder that holds more than the series that was read


def find_images(paths: Sequence[Path], listed: SourceCohort) -> list[Path]:
    """The images among ``paths`` and under them, each once: files, and folders that hold the slices of a DICOM series.

    Every other file goes to ``listed`` with the reason. MissingError where nothing is there.
    """
    taken = TakenImages()
    for path in paths:
        if not path.is_dir() and not path.is_file():
            raise MissingError(f"{path}: no such file or folder")
        for one in _under(path, listed) if path.is_dir() else [FoundImage(path, None)]:
            if first := taken.copy(one):
                listed.skip(str(one.path), f"a copy of {first}, which is taken")
            else:
                taken.add(one)
    images = [one.path for one in taken.all]
    return [path for path in images if not _is_index_of(path, images, listed)]


def read_images(
    images: Sequence[Path], preprocess: StoredForm, listed: SourceCohort
) -> Iterator[tuple[Path, Radiograph | Volume, NDArray[np.int16]]]:
    """Each image that can be used, and what the store would keep of it; the others go to ``listed`` with the reason."""
    for path in images:
        try:
            image = open_image(path)
            stored = preprocess.stored(image)
        except (ValueError, OSError) as error:
            listed.skip(str(path), _reason(error, path))
            continue
        if OTHER_SERIES in image.notes:
            listed.skip(str(path), "other series of this folder: give each a folder of its own")
        yield path, image, stored


def _reason(error: Exception, path: Path) -> str:
    """The code, by which refusals are counted, and the sentence without the path, which stands beside it."""
    sentence = str(error).removeprefix(f"{path}: ")
    return f"{error.reason}: {sentence}" if isinstance(error, ImagingError) else sentence


def _under(given: Path, listed: SourceCohort) -> list[FoundImage]:
    """The images under a folder, which may itself hold a series: so it is looked at from its parent."""
    folder = Path(os.path.abspath(given))
    here = SourceCohort(folder.parent)
    found: list[FoundImage] = []
    for place, names in walk(folder, lambda what, why: here.skip(f"{folder.name}/{what}", why)):
        for name in names:
            if suffix(name) in TEXTS:
                here.skip(name_of(place / name, here.root), "not an image")
        found += images_of(here, place, names, None)
    found = without_raw(found, here)
    listed.skipped += [
        Skipped(str(given / Path(one.what).relative_to(folder.name)), one.reason) for one in here.skipped
    ]
    return [replace(one, path=given / one.path.relative_to(folder)) for one in found]


def _is_index_of(path: Path, images: Sequence[Path], listed: SourceCohort) -> bool:
    """Whether it is a DICOMDIR beside or above an image that is taken by itself; then it is listed."""
    if path.name != INDEX or not any(one != path and inside(one, path.parent) for one in images):
        return False
    listed.skip(str(path), "a DICOMDIR: an index, whose files are taken by themselves")
    return True
