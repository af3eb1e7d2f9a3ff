"""UniMedI: one language-guided space for 2D and 3D medical images and their reports (ECCV 2024)."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Public names and where they live; torch is imported when one of them is first asked for.
_PUBLIC = {
    "UniMediModel": "unimedi.model.unimedi",
    "UniMediConfig": "unimedi.model.config",
    "UniMediProcessor": "unimedi.model.processor",
    "read_image": "unimedi.imaging.read",
}
__all__ = ["UniMediConfig", "UniMediModel", "UniMediProcessor", "__version__", "read_image"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'unimedi' has no attribute {name!r}")
    try:
        return getattr(import_module(_PUBLIC[name]), name)
    except ImportError as error:
        if fault := import_module("unimedi.inputs.torchvision_fault").torchvision_fault(error):
            raise ImportError(fault) from error
        raise
