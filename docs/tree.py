"""Draw the captioned tree of the package into docs/tree.md: ``python docs/tree.py``.

A caption is the first sentence of the module's docstring, or its beginning where the sentence is longer than
``LONGEST`` words. A folder's caption is that of its ``__init__.py``. Only files that are not Python have theirs in
``CAPTIONS`` below. A test fails while docs/tree.md differs from what this would draw.
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "unimedi"
PAGE = ROOT / "docs" / "tree.md"
LONGEST = 14  # words of a caption
IGNORED = ("__pycache__", ".DS_Store")
# Folders shown as one line: their files say at their heads what they are.
ONE_LINE = (
    "evaluation/tasks/",
    "evaluation/zero_shot/prompts/",
    "recipes/comparison/",
    "reporting/templates/",
    "web/static/niivue/",
    "web/templates/",
)
CAPTIONS = {
    "py.typed": "tells type checkers that the annotations are ours",
    "phantom/reports/english.yaml": "the phrases of English reports",
    "phantom/reports/spanish.yaml": "the phrases of Spanish reports",
    "recipes/": "all settings of a run, by name",
    "recipes/base.yaml": "the size of the paper",
    "recipes/focal.yaml": "the control hospital, where slices matter",
    "recipes/small.yaml": "one GPU, from scratch",
    "recipes/tiny.yaml": "the demo: two CPU cores",
    "recipes/comparison/": "the tiny recipe with one thing changed, a file for each row of docs/results.md",
    "evaluation/tasks/": "what public collections ask: classes, metric, protocol, official split",
    "evaluation/zero_shot/prompts/": "the sentences of zero-shot classification, in English and Spanish",
    "reporting/templates/": "the pages of a run and of the doctor: one template, one stylesheet",
    "web/static/": "what the browser runs: no build step, nothing from elsewhere",
    "web/static/findings.js": "zero-shot findings whose sentences a reader edits",
    "web/static/icon.svg": "the icon of the browser's tab",
    "web/static/niivue/": "NiiVue 0.69.0 as published, for three planes at once",
    "web/static/page.css": "dark and light, desk and phone",
    "web/static/page.js": "search form, thumbnails, dropped files, keys",
    "web/static/theme.js": "dark or light, before the first paint",
    "web/static/viewer.js": "planes, windows, overlays, linked viewers",
    "web/templates/": "a template for each page, and their parts",
}
HEAD = """# Every file and what it is for

Drawn by `python docs/tree.py` from the first sentence of each module's docstring: change the sentence there, not here.
A folder imports only from the folders that stand before it in the order of [architecture.md](architecture.md).

```
"""


def on_disk(package: Path, inside: str = "") -> list[str]:
    """Every folder (with a closing slash) and file of a package, relative to it, files before folders."""
    names = []
    for path in sorted((package / inside).iterdir(), key=lambda path: (path.is_dir(), path.name)):
        name = f"{inside}{path.name}"
        if path.name in IGNORED or path.suffix == ".pyc":
            continue
        if not path.is_dir():
            names.append(name)
        elif within := on_disk(package, f"{name}/"):  # a folder of nothing but bytecode is a branch's leftover
            names += [f"{name}/", *([] if f"{name}/" in ONE_LINE else within)]
    return [name for name in names if name == "__init__.py" or not name.endswith("/__init__.py")]


def shortened(text: str) -> str:
    """The first sentence if it has at most ``LONGEST`` words, else its beginning up to a colon, else up to a comma."""
    paragraph = " ".join(text.split("\n\n")[0].replace("``", "").split())
    sentence = re.split(r"(?<!et al)(?<=[.?!]) (?=[A-Z`])", paragraph)[0].rstrip(".")
    for end, shortest in ((r"$", 1), (r"[:;](?= )", 5), (r"[,:;](?= )", 1)):
        cuts = [sentence[: found.start()] for found in re.finditer(end, sentence)]
        fitting = [cut for cut in cuts if shortest <= len(cut.split()) <= LONGEST and cut.count("(") == cut.count(")")]
        if fitting:
            return fitting[-1]
    return ""


def caption(package: Path, name: str) -> str:
    """The caption of a file or folder, empty where there is none that is short enough."""
    module = package / name / "__init__.py" if name.endswith("/") else package / name
    if name in CAPTIONS or module.suffix != ".py" or not module.exists():
        return CAPTIONS.get(name, "")
    return shortened(ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or "")


def drawn(package: Path = PACKAGE) -> str:
    """The page: two spaces a level, the captions in one column."""
    lines = ["src/unimedi/"]
    for name in on_disk(package):
        depth = name.rstrip("/").count("/") + 1
        label = "  " * depth + name.rstrip("/").split("/")[-1] + ("/" if name.endswith("/") else "")
        lines.append(f"{label:<34}{caption(package, name)}".rstrip())
    return HEAD + "\n".join(lines) + "\n```\n"


if __name__ == "__main__":
    PAGE.write_text(drawn(), encoding="utf-8")
