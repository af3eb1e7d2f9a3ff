"""UniMedI: one language-guided space for 2D and 3D medical images and their reports (ECCV 2024).

After ``import unimedi`` the Auto classes of transformers open a pretrained folder, too: ``AutoModel``,
``AutoProcessor``, ``AutoConfig``. Neither torch nor transformers is imported for that: a watch on imports adds three
names to the tables of these classes when they are loaded. Where they are loaded already, they are given our classes at
once (``register``), which imports torch.
"""

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, Final

__version__ = "0.1.0"

# Public names and where they live; torch is imported when one of them is first asked for.
_PUBLIC = {
    "UniMediModel": "unimedi.model.unimedi",
    "UniMediConfig": "unimedi.model.config",
    "UniMediProcessor": "unimedi.model.processor",
    "explain": "unimedi.explanation.explain",
    "load": "unimedi.representation.load",
    "read_image": "unimedi.imaging.read",
}
__all__ = ["UniMediConfig", "UniMediModel", "UniMediProcessor", "__version__", "explain", "load", "read_image"]

# Modules of transformers, their tables by model_type, and what stands in these for ours.
_TABLES: Final = {
    "transformers.models.auto.auto_mappings": {
        "CONFIG_MAPPING_NAMES": "UniMediConfig",
        "PROCESSOR_MAPPING_NAMES": "UniMediProcessor",
    },
    "transformers.models.auto.modeling_auto": {"MODEL_MAPPING_NAMES": "UniMediModel"},
}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'unimedi' has no attribute {name!r}")
    try:
        return getattr(import_module(_PUBLIC[name]), name)
    except ImportError as error:
        if fault := import_module("unimedi.inputs.torchvision_fault").torchvision_fault(error):
            raise ImportError(fault) from error
        raise


class _Watch:
    """Adds our names to the tables of transformers as these are imported, by Python's own finder."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in _TABLES:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def run_and_add(module: ModuleType) -> None:
                run(module)
                sys.modules["transformers.models.unimedi"] = sys.modules[__name__]  # where tables look for the classes
                for table, ours in _TABLES[name].items():
                    getattr(module, table)["unimedi"] = ours

            spec.loader.exec_module = run_and_add  # type: ignore[method-assign]
        return spec


def _make_known() -> None:
    if any(name in sys.modules for name in _TABLES):
        transformers = import_module("transformers")
        config, model, processor = (__getattr__(f"UniMedi{name}") for name in ("Config", "Model", "Processor"))
        transformers.AutoConfig.register("unimedi", config, exist_ok=True)
        transformers.AutoModel.register(config, model, exist_ok=True)
        transformers.AutoProcessor.register(config, processor, exist_ok=True)
    else:
        sys.meta_path.insert(0, _Watch)


_make_known()
