"""The trained classifier or segmenter of a kind of image on disk: ``xray.json`` and ``xray.safetensors``, or ``ct``.

The weights are E_v's and the head's or decoder's; the JSON holds all else that applying them needs, preprocessing
included, so that the model that it began from need not be there.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from unimedi.adaptation.classifier import Classifier
from unimedi.adaptation.segmentation.segmenter import Segmenter
from unimedi.cohort.image_kind import ImageKind
from unimedi.errors import InputError
from unimedi.files.atomic import atomic_file, write_json
from unimedi.files.destination import DestinationError, folder_to_write
from unimedi.inputs.preprocess import Preprocess
from unimedi.inputs.store import Store
from unimedi.model.config import UniMediConfig
from unimedi.model.unimedi import UniMediModel
from unimedi.representation.embedder import Embedder

FORMAT = 2
CLASSIFICATION, SEGMENTATION = "classification", "segmentation"


class TrainedModelError(InputError):
    """A folder without a trained classifier or segmenter, or with a damaged one; the sentence names the file."""


@dataclass(frozen=True)
class Trained:
    """All that applying a trained model needs, but the weights."""

    task: str  # classification or segmentation
    kind: str  # xray or ct
    classes: tuple[str, ...]
    model: dict[str, Any]  # UniMediConfig, with the preprocessing
    pretrained: str  # fingerprint of the model that it began from
    store: str  # fingerprint of the store that it learnt from
    training_studies: int
    validation: float | None  # what it was chosen by: macro AUROC, or Dice on positives; None where there was no choice
    precision: str = "fp32"
    thresholds: dict[str, float] = field(default_factory=dict)  # of a class's probability, from which it is present
    decoder: str = ""
    resolution: str = ""  # of volumes, for segmentation

    @property
    def preprocess(self) -> Preprocess:
        return Preprocess.from_dict(self.model["preprocess"])

    @classmethod
    def read(cls, folder: Path, kind: str) -> "Trained":
        """The description of the trained model for a kind of image.

        Raises:
            TrainedModelError: the JSON is no description of a trained model that is known here.
        """
        path = folder / f"{kind}.json"
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if values["format"] != FORMAT:
                raise TrainedModelError(
                    f"{path}: format {values['format']}, expected {FORMAT}; train again, into another folder"
                )
            known = {one.name: values[one.name] for one in fields(cls)}
            if known["task"] not in (CLASSIFICATION, SEGMENTATION) or known["kind"] != kind:
                raise TrainedModelError(f"{path}: {known['task']} of {known['kind']} is not known here")
            return cls(**{**known, "classes": tuple(known["classes"])})
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, TrainedModelError):
                raise
            said = f"{path} does not describe a trained model: {type(error).__name__}: {error}"
            raise TrainedModelError(said) from error

    def write(self, module: nn.Module, folder: Path) -> None:
        """Write both files, each whole or not at all: the JSON last, with the hash of its weights."""
        weights = {name: value.detach().cpu().contiguous().clone() for name, value in module.state_dict().items()}
        with atomic_file(weights_file(folder, self.kind)) as temporary:
            save_file(weights, temporary)
            digest = _sha256(temporary)
        write_json(folder / f"{self.kind}.json", {"format": FORMAT, **asdict(self), "sha256": digest})

    def load(self, folder: Path, device: str = "cpu") -> Classifier | Segmenter:
        """The classifier or segmenter as it was measured: its figures come out again, bit by bit, on the same machine.

        Args:
            folder: the one that this was read from, with the weights.
            device: where it computes, for example ``cuda``.

        Returns:
            A frozen network, ready to be applied to stored arrays of ``self.kind``.

        Raises:
            TrainedModelError: the weights are missing, damaged, or of another training.
        """
        weights = _read_weights(folder, self.kind)
        model = UniMediModel(UniMediConfig.from_dict(self.model))
        model.to(device, weights["vision.cls_token"].dtype)
        model.eval()
        if self.task == CLASSIFICATION:
            classifier = Classifier(model, self.classes, frozen=True, precision=self.precision)
            classifier.module.load_state_dict(weights)
            classifier.module.eval()
            return classifier
        ndim, classes = ImageKind(self.kind).ndim, len(self.classes)
        segmenter = Segmenter(model, ndim, self.decoder, classes, True, self.resolution, self.precision)
        segmenter.load_state_dict(weights)
        segmenter.eval()
        return segmenter


class BestModels:
    """Writes to ``folder``, of each kind of image, the model with the best validation value of those offered."""

    def __init__(self, folder: Path, embedder: Embedder, store: Store, precision: str) -> None:
        self.folder, self.best = folder, dict[str, float]()
        self.facts = {
            "model": embedder.model.config.to_dict(),
            "pretrained": embedder.fingerprint,
            "store": store.fingerprint,
            "precision": precision,
        }

    def offer(self, module: nn.Module, validation: float, **about: Any) -> None:
        """Write it if it is the best of its kind so far; ``about`` are the other fields of :class:`Trained`."""
        kind = about["kind"]
        if kind in self.best and not validation > self.best[kind]:
            return
        self.best[kind] = validation
        known = None if math.isnan(validation) else validation
        Trained(**about, **self.facts, validation=known).write(module, self.folder)

    def finish(self) -> None:
        """Remove what an earlier training left for kinds of image that this one did not train."""
        for kind in set(trained_kinds(self.folder)) - set(self.best):
            (self.folder / f"{kind}.json").unlink()
            weights_file(self.folder, kind).unlink(missing_ok=True)


def trained_kinds(folder: Path) -> list[str]:
    """The kinds of image that the folder has a trained model for."""
    return [kind for kind in map(str, ImageKind) if (folder / f"{kind}.json").is_file()]


def trained_task(folder: Path) -> str:
    """``classification`` or ``segmentation``, what the folder's models were trained for; '' where there is none.

    Raises:
        TrainedModelError: a description is damaged.
    """
    return next((Trained.read(folder, kind).task for kind in trained_kinds(folder)), "")


def out_of_training(folder: Path, task: str) -> Path:
    """The folder, which can be written and holds no figures but those of a training for the same task.

    Raises:
        DestinationError: it cannot be written, or has figures or models of something else, which would be lost.
    """
    there = trained_task(folder)
    if there not in ("", task) or ((folder / "metrics.json").is_file() and not there):
        raise DestinationError(f"{folder} has the metrics.json of something else; choose another folder")
    return folder_to_write(folder)


def weights_file(folder: Path, kind: str) -> Path:
    return folder / f"{kind}.safetensors"


def _read_weights(folder: Path, kind: str) -> dict[str, Tensor]:
    path = weights_file(folder, kind)
    if not path.is_file():
        raise TrainedModelError(f"expected the weights {path} beside {kind}.json, found none")
    expected = json.loads((folder / f"{kind}.json").read_text(encoding="utf-8"))["sha256"]
    if _sha256(path) != expected:
        raise TrainedModelError(f"{path} is not what {kind}.json was written with: damaged, or of another training")
    weights: dict[str, Tensor] = load_file(path)
    return weights


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
