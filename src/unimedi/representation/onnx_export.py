"""unimedi export: a model as three ONNX graphs, compared with torch before they are kept."""

from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from unimedi.errors import InputError, StateError
from unimedi.files.atomic import atomic_folder, write_json, write_text
from unimedi.files.destination import DestinationError
from unimedi.files.lock import alone_at
from unimedi.inputs.plain_words import special_tokens
from unimedi.inputs.store import Store
from unimedi.model.card import CARD
from unimedi.representation.embedder import Embedder, pretrained_folder
from unimedi.representation.onnx_embedder import (
    FORMAT,
    RADIOGRAPH,
    SETTINGS,
    TEXT,
    TOKENIZER,
    VOLUME,
    OnnxEmbedder,
    is_onnx,
)
from unimedi.representation.onnx_graphs import OPSET, write_graphs

COMPARED: Final = 8  # images of a kind, and sentences
FARTHEST: Final = 1e-4  # between an embedding of ONNX and torch's: what is further apart is not written
SENTENCES: Final = (
    "The lungs are clear.",
    "There is a large right pleural effusion with adjacent atelectasis.",
    "No pneumothorax.",
    "A spiculated nodule of 12 mm in the left upper lobe.",
    "Stable cardiomegaly.",
    "FINDINGS: Ground glass in both lower lobes. IMPRESSION: Infection is likely.",
    "Ill-defined consolidation, worse than before.",
    "Fracture of the seventh rib on the left.",
)


@dataclass(frozen=True)
class Parity:
    """How far ONNX is from torch on one kind of input."""

    compared: int
    largest_difference: float  # of any component of an embedding
    least_cosine: float
    same_planes: bool | None = None  # of volumes: whether the same slices were taken


def export_onnx(run: Path, out: Path, data: Path | None = None) -> dict[str, Parity]:
    """Write ``radiograph.onnx``, ``volume.onnx``, ``text.onnx`` and what :class:`OnnxEmbedder` needs beside them.

    Any number of images, any number and length of sentences; sizes of images are the model's own. ``parity.json`` says
    how far the graphs are from torch.

    Args:
        run: a run folder, or a pretrained folder.
        out: the folder to write, whole or not at all; an export that is there is replaced.
        data: a store whose studies are compared; random images without.

    Returns:
        The comparison by graph.

    Raises:
        DestinationError, LockedError: something else is in ``out``, or another process writes it.
        InputError: the model selects slices at random, or by another control.
        StateError: onnx is not installed, or the graphs differ from torch by more than 1e-4.
    """
    _check_installed()
    if out.is_dir() and any(out.iterdir()) and not is_onnx(out):
        raise DestinationError(f"{out} holds other files than those of an export; choose another folder")
    embedder = Embedder.from_pretrained(run)
    embedder.model.to("cpu")
    if embedder.model.config.slices and embedder.model.config.selector != "attentive":
        raise InputError(f"expected selector attentive, got {embedder.model.config.selector}, a control")
    images, sentences, source = _compared(embedder, data)
    with alone_at(out), atomic_folder(out) as partial:
        write_graphs(embedder.model, partial)
        embedder.processor.tokenizer.backend_tokenizer.save(str(partial / TOKENIZER))
        write_json(partial / SETTINGS, _settings(embedder))
        exported = OnnxEmbedder(partial)
        parity = {name: _image_parity(embedder, exported, stored) for name, stored in images.items()}
        parity[TEXT] = _parity(embedder.texts(sentences), exported.texts(sentences))
        for name, found in parity.items():
            if not found.largest_difference <= FARTHEST:
                told = f"{found.largest_difference:.1e} from torch, expected {FARTHEST:.0e} at most"
                raise StateError(f"the graph {name} of {run} is {told}: nothing was written")
        packages = {name: metadata.version(name) for name in ("torch", "onnx", "onnxscript", "onnxruntime")}
        said = {"compared_on": source, "opset": OPSET, "packages": packages}
        write_json(partial / "parity.json", said | {name: asdict(found) for name, found in parity.items()})
        write_text(partial / CARD, _card(pretrained_folder(run) / CARD, parity, source))
    return parity


def _card(original: Path, parity: dict[str, Parity], source: str) -> str:
    """The model's own card, and what the graphs are."""
    card = original.read_text(encoding="utf-8") if original.is_file() else "# A UniMedI model\n"
    rows = [
        f"| `{name}.onnx` | {found.largest_difference:.1e} | {found.least_cosine:.6f} | {found.compared} |\n"
        for name, found in parity.items()
    ]
    told = f"Opset {OPSET}, any number of inputs. Compared with torch on {source}; `parity.json` says more."
    head = "| graph | largest difference | least cosine | compared |\n|---|---|---|---|\n"
    return f"{card}\n## In ONNX\n\n{told}\n\n{head}{''.join(rows)}"


def _check_installed() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise StateError(f"unimedi export needs onnx: pip install 'unimedi[onnx]' ({error})") from error


def _settings(embedder: Embedder) -> dict[str, Any]:
    processor = embedder.processor
    return {
        "format": FORMAT,
        "model": embedder.fingerprint,
        "scale": embedder.scale,
        "preprocess": processor.preprocess.to_dict(),
        "text_length": processor.text_length,
        "special_tokens": sorted(special_tokens(processor.tokenizer)),
        "padding": processor.tokenizer.pad_token_id,
    }


def _compared(embedder: Embedder, data: Path | None) -> tuple[dict[str, list[NDArray[np.int16]]], list[str], str]:
    """Stored images by graph, sentences, and where they are from."""
    sizes = embedder.processor.preprocess
    if data is None:
        draws = np.random.default_rng(0)
        xrays = [draws.integers(0, 4096, sizes.radiograph_size).astype(np.int16) for _ in range(COMPARED)]
        cts = [draws.integers(-1024, 3072, sizes.hires_shape).astype(np.int16) for _ in range(COMPARED)]
        return {RADIOGRAPH: xrays, VOLUME: cts}, list(SENTENCES), "random images, seed 0"
    store = Store.open(data, expect=sizes)
    chosen = {RADIOGRAPH: store.select(image_kind="xray"), VOLUME: store.select(image_kind="ct")}
    kept = {name: [int(index) for index in indices[:COMPARED]] for name, indices in chosen.items() if len(indices)}
    reports = [store.studies[index].report for indices in kept.values() for index in indices]
    images = {name: [store.pixels(index) for index in indices] for name, indices in kept.items()}
    return images, [*filter(None, reports), *SENTENCES][:COMPARED], f"the first studies of store {store.fingerprint}"


def _image_parity(embedder: Embedder, exported: OnnxEmbedder, stored: list[NDArray[np.int16]]) -> Parity:
    """The first alone, the others in a batch: neither may matter."""
    batches = [batch for batch in (stored[:1], stored[1:]) if batch]
    ours, theirs = ([row for batch in batches for row in one.rows(batch)] for one in (embedder, exported))
    planes = None
    if "selected" in theirs[0]:
        planes = all(np.array_equal(a["selected"], b["selected"]) for a, b in zip(ours, theirs, strict=True))
    return _parity(_vectors(ours), _vectors(theirs), planes)


def _vectors(rows: list[dict[str, Any]]) -> NDArray[np.float32]:
    return np.stack([row["embedding"] for row in rows])


def _parity(ours: NDArray[np.float32], theirs: NDArray[np.float32], planes: bool | None = None) -> Parity:
    cosines = (ours.astype(float) * theirs).sum(1)
    return Parity(len(ours), float(np.abs(ours - theirs).max()), float(cosines.min()), planes)
