"""The site that ``make docs`` builds: whole, linked, and asking for nothing from outside."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.architecture.repository import PACKAGE, ROOT

ZENSICAL = Path(sys.executable).with_name("zensical")
LOADS = {
    "link": "href",
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "srcset",
    "video": "src",
    "image": "href",
}
# What a stylesheet asks for; SVG that stands within one as data names a namespace, which nobody fetches.
STYLE = re.compile(r"@import\s+[^;]+|url\((?!\s*['\"]?data:)[^)]*")


def build(project: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ZENSICAL, "build", "--strict", "--clean"], cwd=project, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "zensical.toml", project)
    shutil.copytree(ROOT / "docs", project / "docs")
    shutil.copytree(PACKAGE, project / "src" / "unimedi", ignore=shutil.ignore_patterns("__pycache__"))
    done = build(project)
    assert done.returncode == 0, done.stdout + done.stderr
    return project / "build" / "site"


class Page(HTMLParser):
    """What a page loads, where it leads, and the places in it that others may lead to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.places |= {given[name] for name in ("id", "name") if name in given}
        if (source := given.get(LOADS.get(tag, ""))) is not None:
            self.loads.append(source)
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if "style" in given:
            self.loads += [found for found in STYLE.findall(given["style"]) if "#" not in found]


@pytest.fixture(scope="module")
def read(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(site.rglob("*.html"))}


def outside(address: str) -> bool:
    return bool(urlsplit(address).netloc) or address.startswith("//")


def test_no_page_asks_for_anything_from_outside(read: dict[Path, Page]) -> None:
    assert len(read) > 40
    asked = {(path.name, load) for path, page in read.items() for load in page.loads if outside(load)}
    assert not asked


def test_no_stylesheet_asks_for_anything_from_outside(site: Path) -> None:
    sheets = list(site.rglob("*.css"))
    assert sheets
    for sheet in sheets:
        asked = [
            found for found in STYLE.findall(sheet.read_text(encoding="utf-8")) if "//" in found or "@import" in found
        ]
        assert not asked, sheet


def test_search_works_from_the_disk(read: dict[Path, Page], site: Path) -> None:
    """By a script of the site's own: the generator's plugin would take it from a CDN."""
    assert all(any("iframe-worker" in load for load in page.loads) for page in read.values())
    assert "Slice selection" in (site / "search.js").read_text(encoding="utf-8")


def test_every_link_leads_somewhere(read: dict[Path, Page], site: Path) -> None:
    """Pages, anchors, pictures; the generator itself does not look for pictures."""
    lost = [found for path, page in read.items() if path.name != "404.html" for found in _lost(path, page, read)]
    assert not lost


def _lost(path: Path, page: Page, read: dict[Path, Page]) -> Iterator[str]:
    for address in {*page.links, *page.loads}:
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        target = target / "index.html" if target.is_dir() else target
        anchor = unquote(parts.fragment)
        if not target.is_file() or (anchor and anchor not in read[target].places):
            yield f"{path.name}: {address}"


def test_every_page_is_in_the_navigation() -> None:
    """A page that is in no menu is found by nobody; one that is missing fails the build."""
    listed = set(_leaves(tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]))
    there = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert listed == there


def _leaves(entry: object) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, dict):
        for below in entry.values():
            yield from _leaves(below)
    elif isinstance(entry, list):
        for below in entry:
            yield from _leaves(below)


def test_make_builds_strictly() -> None:
    assert "zensical build --strict" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("link", ["nowhere.md", "other.md#nowhere"])
def test_a_broken_link_fails_the_build(tmp_path: Path, link: str) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "zensical.toml").write_text('[project]\nsite_name = "x"\n')
    (tmp_path / "docs" / "other.md").write_text("# Other\n")
    (tmp_path / "docs" / "index.md").write_text("# One\n\n[there](other.md#other)\n")
    assert build(tmp_path).returncode == 0
    (tmp_path / "docs" / "index.md").write_text(f"# One\n\n[there]({link})\n")
    assert build(tmp_path).returncode != 0
