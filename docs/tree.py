"""Redraw the captioned tree of README.md from the disk: ``python docs/tree.py``.

Captions are kept, new files get the caption ``?`` to be replaced by hand (at most 12 words), files that are gone
leave. A folder's caption stands for its ``__init__.py``. A test fails while a caption is missing.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- tree:begin -->\n```\n", "```\n<!-- tree:end -->"
IGNORED = ("__pycache__", ".DS_Store")
ONE_LINE = ("comparison",)  # its files say at their heads what they are


def on_disk(package: Path) -> list[str]:
    """Every folder (with a closing slash) and file under ``package``, as a person would list them."""
    names = []
    for path in sorted(package.iterdir(), key=lambda path: (path.is_dir(), path.name)):
        if path.name in IGNORED or path.suffix == ".pyc":
            continue
        if path.is_dir():
            inside = [] if path.name in ONE_LINE else on_disk(path)
            names += [f"{path.name}/", *(f"{path.name}/{name}" for name in inside if name != "__init__.py")]
        else:
            names.append(path.name)
    return names


def written(readme: str) -> dict[str, str]:
    """Name → caption of every line of the tree, the names relative to ``src/unimedi``."""
    captions: dict[str, str] = {}
    folders: list[str] = []
    for line in readme.split(BEGIN)[1].split(END)[0].splitlines()[1:]:
        name, _, caption = line.strip().partition("  ")
        depth = (len(line) - len(line.lstrip())) // 2 - 1
        folders = folders[:depth]
        captions["".join(folders) + name] = caption.strip()
        if name.endswith("/"):
            folders.append(name)
    return captions


def drawn(names: list[str], captions: dict[str, str]) -> str:
    """The tree as text: two spaces a level, captions in one column."""
    lines = ["src/unimedi/"]
    for name in names:
        depth = name.rstrip("/").count("/") + 1
        label = "  " * depth + name.rstrip("/").split("/")[-1] + ("/" if name.endswith("/") else "")
        lines.append(f"{label:<34}{captions.get(name) or '?'}")
    return "\n".join(lines) + "\n"


def main() -> None:
    readme = (ROOT / "README.md").read_text()
    head, tail = readme.split(BEGIN)[0], readme.split(END)[1]
    tree = drawn(on_disk(ROOT / "src" / "unimedi"), written(readme))
    (ROOT / "README.md").write_text(head + BEGIN + tree + END + tail)


if __name__ == "__main__":
    main()
