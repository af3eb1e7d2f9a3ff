"""``unimedi predict``: what a fine-tuned or a segmenting model says of image files.

Of a classifier a table, a row a study: ``probability:<class>``, and ``label:<class>`` 1 from the threshold on that was
chosen on validation studies. Of a segmenter a folder: each image's masks in its own grid, a file a class, and the table
``masks.csv`` with their paths. Columns are named as in a manifest; ``study_id`` is the path.
"""

import csv
import io
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from unimedi.adaptation.classifier import Classifier
from unimedi.adaptation.prediction.trained import (
    CLASSIFICATION,
    SEGMENTATION,
    Trained,
    TrainedModelError,
    trained_kinds,
    trained_task,
)
from unimedi.adaptation.segmentation.segmenter import Segmenter
from unimedi.cohort.image_kind import ImageKind
from unimedi.cohort.sources.source_cohort import SourceCohort
from unimedi.cohort.sources.summary import write_skipped
from unimedi.errors import InputError
from unimedi.files.atomic import write_text
from unimedi.files.destination import DestinationError, file_to_write, folder_to_write
from unimedi.files.walk import inside
from unimedi.imaging.image import Radiograph, Volume
from unimedi.imaging.write_mask import mask_suffix, write_mask
from unimedi.representation.image_files import find_images, read_images

TABLE = "masks.csv"  # of a segmenter, in its folder
PLAIN = re.compile(r"\w[\w .+-]*")  # a class's name that may be a file's; others are numbered
MODALITY_OF = {"xray": "DX", "ct": "CT"}


class NothingPredictedError(InputError):
    """No image among what was given that the model could read; the sentence says what was left out."""


@dataclass(frozen=True)
class TrainedModels:
    """The trained models of a folder, by kind of image: all classifiers or all segmenters."""

    task: str
    trained: dict[str, Trained]
    networks: dict[str, Classifier | Segmenter]

    @classmethod
    def load(cls, folder: Path) -> "TrainedModels":
        """What ``unimedi finetune`` or ``segment`` left in ``folder``; on a GPU if there is one.

        Raises:
            TrainedModelError: nothing is there, or it is damaged.
        """
        trained = {kind: Trained.read(folder, kind) for kind in trained_kinds(folder)}
        if not trained:
            raise TrainedModelError(
                f"{folder}: expected the --out of finetune or segment, found no xray.json or ct.json"
            )
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(trained_task(folder), trained, {kind: one.load(folder, device) for kind, one in trained.items()})

    @torch.no_grad()
    def probabilities(self, kind: str, stored: NDArray[np.int16]) -> dict[str, float]:
        """Class → the classifier's probability, of one image as the store would keep it (int16, stored shape)."""
        network = self.networks[kind]
        assert isinstance(network, Classifier)
        values = network.logits(torch.from_numpy(stored)[None])[0].double().sigmoid()
        return dict(zip(self.trained[kind].classes, values.tolist(), strict=True))

    def masks(self, kind: str, stored: NDArray[np.int16], image: Radiograph | Volume) -> dict[str, NDArray[np.bool_]]:
        """Class → the segmenter's mask, in the grid of ``image``, by the nearest voxel of the stored array."""
        network, trained = self.networks[kind], self.trained[kind]
        assert isinstance(network, Segmenter)
        device = next(network.parameters()).device
        found = network.predict(torch.from_numpy(stored)[None].to(device))[0].cpu().numpy()
        bits = sum(layer.astype(np.uint16) << np.uint16(number) for number, layer in enumerate(found))
        own = trained.preprocess.own_mask(np.asarray(bits, np.uint16), image)
        return {name: (own >> number & 1).astype(bool) for number, name in enumerate(trained.classes)}


def predict(paths: Sequence[Path], folder: Path, out: Path) -> tuple[int, SourceCohort]:
    """Apply the models that ``unimedi finetune`` or ``segment`` left to image files and folders.

    Args:
        paths: image files, folders of a DICOM series, or folders of these.
        folder: the --out of the training.
        out: a ``.csv`` to write for a classifier, a folder for a segmenter.

    Returns:
        How many images were read, and what was left out, which is also written beside the table, ``.skipped.csv``.

    Raises:
        TrainedModelError: as :meth:`TrainedModels.load`.
        DestinationError: ``out`` cannot be written, or is in a folder of images that are read.
        NothingPredictedError: no image could be read.
    """
    task = trained_task(folder)
    table = out if task == CLASSIFICATION else out / TABLE
    if task == SEGMENTATION:
        if any(path.is_dir() and inside(out, path) for path in paths):
            raise DestinationError(f"{out} is in a folder of images that are read; choose one outside, for the masks")
        folder_to_write(out)
    if task:
        file_to_write(table, (".csv",), (".skipped.csv",), paths)
    models, listed = TrainedModels.load(folder), SourceCohort(Path())
    images = find_images(paths, listed)
    rows = list(_rows(models, images, listed, out))
    write_skipped(listed, table.with_suffix(".skipped.csv"))
    if not rows:
        said = listed.complaint() or "there is no file"
        raise NothingPredictedError(f"expected at least one image that the model can read, got none: {said}")
    _write(rows, table)
    return len(rows), listed


def _rows(models: TrainedModels, images: Sequence[Path], listed: SourceCohort, out: Path) -> Iterator[dict[str, str]]:
    preprocess = next(iter(models.trained.values())).preprocess
    above = Path(os.path.commonpath([image.absolute().parent for image in images])) if images else Path()
    for path, image, stored in read_images(images, preprocess, listed):
        kind = str(ImageKind.of(image.ndim))
        if kind not in models.trained:
            listed.skip(str(path), f"the model was trained for {' and '.join(models.trained)}, this is for {kind}")
            continue
        row = {"study_id": str(path), "modality": MODALITY_OF[kind]}
        if models.task == CLASSIFICATION:
            found, thresholds = models.probabilities(kind, stored), models.trained[kind].thresholds
            row |= {f"probability:{name}": repr(value) for name, value in found.items()}
            row |= {f"label:{name}": str(int(value >= thresholds[name])) for name, value in found.items()}
        else:
            place = path.absolute().relative_to(above)
            (out / place).mkdir(parents=True, exist_ok=True)
            for number, (name, mask) in enumerate(models.masks(kind, stored, image).items()):
                target = place / f"{name if PLAIN.fullmatch(name) else f'class-{number}'}{mask_suffix(image)}"
                write_mask(mask, image, path, out / target)
                row[f"mask:{name}"] = target.as_posix()
        yield row


def _write(rows: Sequence[dict[str, str]], path: Path) -> None:
    """A class that the model of one kind of image has, and that of the other has not, is empty there."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
