"""What is installed, what the machine has, what a path holds: answered in milliseconds, without torch."""

import json
import os
import platform
import sys
from collections import Counter
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from unimedi.errors import InputError, MissingError
from unimedi.files.json_lines import read_json_lines
from unimedi.files.store_address import StoreAddress, StorePlace, find_place
from unimedi.optimization.precision import kind_of_cpu

_PACKAGES: Final = (
    "unimedi",
    "torch",
    "lightning",
    "transformers",
    "tokenizers",
    "safetensors",
    "numpy",
    "datasets",
    "SimpleITK",
    "pydicom",
    "python-gdcm",
)
_NOT_NEEDED: Final = "torchvision"  # one that does not fit torch keeps transformers from being imported  # fmt: skip


def describe(path: StorePlace | None = None) -> dict[str, Any]:
    """Versions, cores, memory in GiB, and, where a path is given, what lies there.

    Raises:
        MissingError: nothing lies there.
        InputError: it is none of the things that we write.
    """
    found: dict[str, Any] = {
        "packages": {name: _version(name) for name in _PACKAGES} | _not_needed(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "executable": sys.executable,
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": _memory(),
    }
    if path is None:
        return found
    place = find_place(path)
    held = _remote(place) if isinstance(place, StoreAddress) else _holds(place)
    return {**found, "path": {"name": str(place), **held}}


def _not_needed() -> dict[str, str]:
    found = _version(_NOT_NEEDED)
    return {_NOT_NEEDED: f"{found} (not needed; one that does not fit torch does harm)"} if found else {}


def _processor() -> str:
    """The kind of CPU, and what ``precision: auto`` takes on it; Linux tells without torch."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "not told by this system"
    fields = {key.strip(): value.split() for key, _, value in (line.partition(":") for line in lines)}
    # torch calls this flag avx512_f, the kernel avx512f; the others are called alike. ARM's line is named Features.
    flags = {name.replace("avx512f", "avx512_f"): True for name in fields.get("flags") or fields.get("Features") or []}
    kind, native = kind_of_cpu(flags)
    return f"CPU with {kind}: precision auto is {'bf16' if native else 'fp32'} on it"


def as_text(found: dict[str, Any], as_json: bool) -> str:
    """``found`` as JSON, or as lines of ``key: value`` for people."""
    return json.dumps(found, indent=1) if as_json else "\n".join(_lines(found, ""))


def _lines(found: dict[str, Any], indent: str) -> list[str]:
    lines = []
    for key, value in found.items():
        if isinstance(value, dict):
            lines += [f"{indent}{key}:", *_lines(value, indent + "  ")]
        else:
            lines.append(f"{indent}{key}: {value}")
    return lines


def _holds(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise MissingError(f"nothing lies at {path}")
    for mark, kind in (
        ("recipe.yaml", _run),
        ("store.json", _store),
        ("preprocessor_config.json", _model),
        ("onnx.json", _exported),
        ("hospital.json", _hospital),
        ("xray.json", _trained),
        ("ct.json", _trained),
    ):
        if (path / mark).is_file():
            return kind(path)
    if path.suffix.lower() in (".csv", ".tsv", ".xlsx", ".parquet"):
        return _manifest(path)
    raise InputError(f"{path}: expected a run, a store, a model (of predict, too), a phantom hospital or a manifest")


def _run(path: Path) -> dict[str, Any]:
    last = (read_json_lines(path / "log.jsonl", last=2) or [{}])[-1]
    environment = _json(path / "environment.json") if (path / "environment.json").exists() else {}
    return {
        "kind": "run",
        "steps": environment.get("steps"),
        "steps_logged": last.get("step", -1) + 1,
        "loss": last.get("loss"),
        "warnings": last.get("warnings", []),
        "checkpoints": sorted(p.name for p in (path / "checkpoints").glob("step-*")),
        "pretrained": (path / "pretrained").is_dir(),
        "evaluated": (path / "metrics.json").is_file(),
    }


def _store(path: Path) -> dict[str, Any]:
    return _stored(_json(path / "store.json"), json.loads((path / "refused.json").read_text(encoding="utf-8")))


def _remote(address: StoreAddress) -> dict[str, Any]:
    from unimedi.inputs.object_reader import ObjectReader
    from unimedi.inputs.remote_store import read_header, read_refused

    reader = ObjectReader(address)
    return _stored(read_header(reader), read_refused(reader))


def _stored(header: dict[str, Any], refused: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "kind": "store",
        "studies": sum(part["rows"] for part in header["parts"]),
        "refused": len(refused),
        "megabytes": round(sum(part["bytes"] for part in header["parts"]) / 1e6, 1),
        "findings": header["findings"],
        "preprocess": header["preprocess"],
        "fingerprint": header["fingerprint"],
        "software": header["software"],
        "phantom": header.get("phantom", False),
    }


def _model(path: Path) -> dict[str, Any]:
    config, size = _json(path / "config.json"), (path / "model.safetensors").stat().st_size
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "embedding_size", "slices", "selector")
    return {"kind": "model", "megabytes": round(size / 1e6, 1), **{n: config[n] for n in names if n in config}}


def _exported(path: Path) -> dict[str, Any]:
    return {"kind": "model in ONNX", **_json(path / "onnx.json"), "parity": _json(path / "parity.json")}


def _trained(path: Path) -> dict[str, Any]:
    """What ``finetune`` or ``segment`` kept of each kind of image, without the configuration of the encoder."""
    kept = {kind: _json(path / f"{kind}.json") for kind in ("xray", "ct") if (path / f"{kind}.json").is_file()}
    about = {kind: {key: value for key, value in one.items() if key != "model"} for kind, one in kept.items()}
    return {"kind": "model of predict", **about}


def _hospital(path: Path) -> dict[str, Any]:
    return {"kind": "phantom hospital", **_json(path / "hospital.json")}


def _manifest(path: Path) -> dict[str, Any]:
    from unimedi.files.table_file import read_table

    header, table = read_table(path)
    rows = [row.values for row in table]
    counts = {key: dict(Counter(str(row.get(key)) for row in rows)) for key in ("modality", "split")}
    return {
        "kind": "manifest",
        "studies": len(rows),
        "patients": len({row.get("patient_id") for row in rows}),
        **counts,
        "labels": [c.removeprefix("label:") for c in header if c.startswith("label:")],
    }


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return None
