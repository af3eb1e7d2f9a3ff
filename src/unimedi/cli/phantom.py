"""``unimedi phantom``: a hospital of synthetic studies on disk."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from unimedi.cli.options import POSITIONAL
from unimedi.errors import InputError
from unimedi.ranges import SEED, at_least


@dataclass(frozen=True)
class Phantom:
    """Write a phantom hospital: real DICOM, NIfTI, PNG and JPEG files, reports, labels and masks.

    Any field of a preset is an option as well: --share_ct_dicom 0.5.
    """

    out: Annotated[Path, POSITIONAL]
    """the folder"""
    sheet: bool = False
    """only a picture OUT.png: each finding on CT and X-ray"""
    preset: str = "tiny"
    """micro, tiny, small or full; mixed: as tiny, harder; focal: lesions with details for fine slices"""
    patients: Annotated[int | None, at_least(1)] = None
    """as many, in the preset's proportions"""
    seed: Annotated[int, SEED] = 0
    """of all that is drawn"""
    workers: Annotated[int | None, at_least(1)] = None
    """processes (default: one a core)"""

    def run(self, settings: list[str]) -> None:
        from unimedi.files.destination import file_to_write, folder_to_write

        if self.sheet:
            from unimedi.phantom.sheet import contact_sheet

            contact_sheet(file_to_write(self.out, (".png",)), self.seed)
            return
        folder_to_write(self.out)
        from unimedi.phantom.hospital import build_hospital

        build_hospital(self.out, self.preset, self.seed, self.workers, self.patients, overrides=_values(settings))


def _values(words: list[str]) -> dict[str, Any]:
    """``["--a", "1", "--b=[2, 3]"]`` as ``{"a": 1, "b": [2, 3]}``."""
    import yaml

    flat = [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]
    names, values = flat[::2], flat[1::2]
    if len(names) != len(values) or not all(name.startswith("--") for name in names):
        raise InputError(f"expected pairs of --option and value, got {' '.join(words)}")
    return {name.removeprefix("--"): yaml.safe_load(value) for name, value in zip(names, values, strict=True)}
