"""Run the blocks of pages, each page as one script in a folder of its own: ``python -m tests.documents.run_pages``.

With names of pages (docs/search.md …) these alone. The desk is laid once; each page then runs in a process forked from
there, so that torch is imported once and no page sees what another has done.
"""

import contextlib
import io
import multiprocessing
import os
import re
import shlex
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.repository import ROOT
from tests.documents import desk
from tests.documents.blocks import Block, blocks, commands, pages


def run_all(names: list[str], folder: Path) -> list[str]:
    """The pages that failed; what they said is printed, what the others said is not."""
    (folder / "desk").mkdir()
    desk.use_toy_recipes(folder)
    with _shown_on_failure("the desk"):
        desk.lay(folder / "desk")
    return [name for name in names if not _runs(name, folder)]


def _runs(page: str, folder: Path) -> bool:
    to_run = [block for block in blocks(page) if not block.not_run]
    if not to_run:
        return True
    began = time.monotonic()
    process = multiprocessing.get_context("fork").Process(target=_run_page, args=(page, to_run, folder))
    process.start()
    process.join()
    print(f"{time.monotonic() - began:5.1f} s  {page}", flush=True)
    return process.exitcode == 0


def _run_page(page: str, to_run: list[Block], folder: Path) -> None:
    place = folder / page.replace("/", "-")
    shutil.copytree(folder / "desk", place)
    clear(place, to_run)
    os.chdir(place)
    known: dict[str, object] = {"__name__": page}
    for block in to_run:
        with _shown_on_failure(str(block)):
            run(block, known)


def clear(place: Path, to_run: list[Block]) -> None:
    """Take away what the page's own commands will make."""
    for block in to_run:
        for made in re.findall(r"--out[ =](\S+)", block.text) if block.language == "bash" else ():
            path = place / made
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def run(block: Block, known: dict[str, object]) -> None:
    """Run ``unimedi`` and ``python`` lines (of others only the form is checked); Python has one set of names a page."""
    if block.language == "python":
        exec(compile("\n" * (block.line - 1) + block.text, block.page, "exec"), known)
        return
    for line in commands(block.text):
        program, *words = shlex.split(line)
        if program == "unimedi":
            desk.unimedi(words)
        elif program == "python":
            _program(ROOT / words[0], words[1:])


def _program(path: Path, words: list[str]) -> None:
    before, sys.argv = sys.argv, [str(path), *words]
    try:
        exec(compile(path.read_text(), path, "exec"), {"__name__": "__main__", "__doc__": "", "__file__": str(path)})
    finally:
        sys.argv = before


@contextlib.contextmanager
def _shown_on_failure(name: str) -> Iterator[None]:
    """Keep what is printed; where something goes wrong, print it with ``name`` and end the process."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            yield
    except (Exception, SystemExit):
        print(f"{name}: {said.getvalue()}{traceback.format_exc()}", flush=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        failed = run_all(sys.argv[1:] or pages(), Path(temporary))
        os.chdir(ROOT)
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)
