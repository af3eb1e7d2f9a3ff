"""``unimedi export``: a model for machines without torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from unimedi.cli.options import POSITIONAL


@dataclass(frozen=True)
class Export:
    """Write a model as ONNX: graphs of radiographs, volumes and texts, compared with torch before they are kept."""

    model: Annotated[Path, POSITIONAL]
    """a run, or a pretrained folder"""
    out: Path
    """the folder to write"""
    format: Literal["onnx"] = "onnx"
    """of the graphs"""
    data: Path | None = None
    """a store whose first studies are compared; random images without"""

    def run(self) -> None:
        from unimedi.representation.onnx_export import export_onnx

        for name, parity in export_onnx(self.model, self.out, self.data).items():
            planes = {True: ", the same slices", False: ", not the same slices", None: ""}[parity.same_planes]
            print(f"{name}: {parity.largest_difference:.1e} from torch at most, of {parity.compared} compared{planes}")
        print(f"the model in ONNX: {self.out}")
