"""Every block of code in the documents is understood, and runs, unless a comment says why it cannot."""

import os
import subprocess
import sys

import pytest

from tests.architecture.repository import ROOT
from tests.documents.blocks import Block, blocks, commands, pages, parted
from tests.documents.commands import check

BLOCKS = [block for page in pages() for block in blocks(page)]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_is_understood(block: Block) -> None:
    if block.language == "python":
        compile(block.text, str(block), "exec")
    else:
        for line in commands(block.text):
            check(line)


TUTORIALS = [page for page in pages() if page.startswith("docs/tutorials/")]


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([page for page in pages() if page not in TUTORIALS], id="pages"),
        pytest.param(TUTORIALS, id="tutorials", marks=pytest.mark.slow),
    ],
)
def test_the_blocks_run_page_by_page(names: list[str]) -> None:
    """In a process of its own, on a phantom hospital of a few patients and a model of 16 channels."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.documents.run_pages", *names],
        cwd=ROOT,
        env=os.environ | {"MALLOC_MMAP_MAX_": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("unimedi searc archive words", "refused"),
        ("unimedi search archive --model runs/demo --modalities CT", "refused"),
        ("unimedi search archive -k ten", "refused"),
        ("unimedi prepare cohort.csv --config tiny", "refused"),
        ("unimedi pretrain --config tiny --data store --out run --model.slicez 3", "no setting model.slicez"),
        ("make demos", "no such target"),
        ("make PYTHON=python3.12", "no target"),
        ("python docs/figure.py", "no such program"),
        ("pip install 'unimedi[docz]'", "no such extra"),
        ("pip install unimedi", "names no extra"),
        ("curl https://arxiv.org/abs/2311.14851", "an address of this machine"),
        ("rm -rf store", "got rm"),
    ],
)
def test_a_wrong_line_is_found(line: str, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check(line)


def test_blocks_are_read_as_they_stand() -> None:
    text = """
```bash
unimedi info   # what is installed
unimedi prepare cohort.csv \\
    --out store
```
words
<!-- not run: needs a PACS -->
```bash
make demo
```
```
output, and no block
```
<!-- not run: -->
```python
print("# no comment")
```"""
    first, second, third = parted(text)
    assert commands(first.text) == ["unimedi info", "unimedi prepare cohort.csv --out store"]
    assert (first.line, first.not_run) == (3, "")
    assert (second.text, second.not_run) == ("make demo", "needs a PACS")
    assert (third.language, third.not_run) == ("python", ""), "a reason is asked for"
