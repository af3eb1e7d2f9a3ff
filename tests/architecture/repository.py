"""Where things lie, for the tests of this folder."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "unimedi"
README = ROOT / "README.md"
AS_PUBLISHED = PACKAGE / "web/static/niivue"  # another project's file, unchanged


def source_files() -> list[Path]:
    """Every Python file of the package."""
    return sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


def text_files() -> list[Path]:
    """Every file of ours that git tracks, or would track, and that is text; without git (an archive): the folders we
    know."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    names = [name for name in listed.stdout.decode().split("\0") if name]
    paths = [ROOT / name for name in names]
    if listed.returncode != 0:
        folders = ("src", "tests", "docs", "examples", "benchmarks", ".ci")
        paths = [path for folder in folders for path in (ROOT / folder).rglob("*")] + list(ROOT.glob("*"))
    ours = [path for path in paths if AS_PUBLISHED not in path.parents]
    return [path for path in ours if path.is_file() and _is_text(path)]


def _is_text(path: Path) -> bool:
    return b"\0" not in path.read_bytes()[:8192]
