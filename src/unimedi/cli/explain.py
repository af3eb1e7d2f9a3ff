"""``unimedi explain``: what a model looks at in one image; ``explain-eval``: how faithful such maps are."""

import sys
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from unimedi.cli.options import POSITIONAL, Argument, FromStore


@dataclass(frozen=True)
class Explain:
    """Show what a model looks at in an image, and which places bring it near a sentence: pictures, NIfTI, JSON."""

    file: Annotated[Path, POSITIONAL]
    """an image, or a folder of a DICOM series"""
    model: Path
    """a run folder or a pretrained folder"""
    out: Path
    """the folder to write"""
    text: Annotated[list[str], Argument(metavar="SENTENCE")] = field(default_factory=list)
    """a sentence, or several"""

    def run(self) -> None:
        from unimedi.explanation.explain import explain
        from unimedi.explanation.write import out_of_explanation, write_explanation
        from unimedi.files.destination import no_empty_folder
        from unimedi.files.lock import alone_at
        from unimedi.representation.embedder import Embedder

        with no_empty_folder(self.out), alone_at(self.out):
            out_of_explanation(self.out)
            embedder = Embedder.from_pretrained(self.model)
            found = explain(embedder, self.file, self.text)
            written = write_explanation(found, self.file, embedder.fingerprint, self.out)
        for note in found.notes:
            print(note, file=sys.stderr)
        for text, cosine in zip(found.texts, found.similarity, strict=True):
            print(f"cosine {cosine:.3f}  {text}")
        if found.own_planes:
            chosen = " and ".join(str(plane + 1) for plane in found.own_planes)
            print(f"chosen planes {chosen} of {len(found.image.array)}, counted from the feet")
        print(f"{len(written)} files in {self.out}: {', '.join(path.name for path in written)}")


@dataclass(frozen=True)
class ExplainEval(FromStore):
    """Measure how faithful the maps of explain are: how deleting places lowers the cosine with a sentence."""

    run_folder: Annotated[Path, Argument(positional=True, metavar="run")]
    """a run folder or a pretrained folder"""
    split: Literal["validation", "test"] = "test"
    """the part of the store that is measured"""
    out: Path | None = None
    """the figures, .json; a picture beside it (default: RUN/explain_eval.json)"""

    def run(self) -> None:
        from unimedi.explanation.explain_eval import explain_eval
        from unimedi.files.lock import alone_at

        out = self.out or self.run_folder / "explain_eval.json"
        with alone_at(out) if self.run_folder.is_dir() else nullcontext():
            explain_eval(self.run_folder, self.store, self.out, self.split)
