"""``unimedi info``: what is installed, what the machine has, what a path holds."""

from dataclasses import dataclass
from typing import Annotated

from unimedi.cli.options import POSITIONAL


@dataclass(frozen=True)
class Info:
    """What is installed, what the machine has, and what a path holds: a run, a store, a manifest, a model."""

    path: Annotated[str | None, POSITIONAL] = None
    """a run, a store (also s3://bucket/path …), a manifest, a model"""
    json: bool = False
    """as JSON, for programs"""

    def run(self) -> None:
        from unimedi.cli import describe

        print(describe.as_text(describe.describe(self.path), as_json=self.json))
