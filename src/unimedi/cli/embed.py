"""``unimedi embed``: image files become a table of embeddings."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from unimedi.cli.options import POSITIONAL, Devices


@dataclass(frozen=True)
class Embed:
    """Embed image files, folders of a DICOM series, or folders of these, into a Parquet table."""

    files: Annotated[list[Path], POSITIONAL]
    """images, folders of a DICOM series, or folders of these"""
    model: Path
    """a run, a pretrained folder, or an export"""
    out: Path
    """the table, .parquet"""
    devices: Devices = None
    """GPUs, or copies on the CPU (default: all GPUs)"""

    def run(self) -> None:
        from unimedi.representation.embed_files import embed_files

        table, listed = embed_files(self.files, self.model, self.out, devices=self.devices)
        print(f"{len(table.study_ids)} embeddings in {self.out}")
        if listed.skipped:
            print(f"{listed.complaint()}\nall of them: {self.out.with_suffix('.skipped.csv')}", file=sys.stderr)
