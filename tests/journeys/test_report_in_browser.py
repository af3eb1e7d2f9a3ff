"""The report as a person sees it: it renders, nothing overflows, nothing is asked of any network, nobody complains."""

import io
import os
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.hospital import write_hospital, write_pretrained
from tests.journeys.browser import browser, chromium
from unimedi.evaluation.options import EvaluationOptions
from unimedi.reporting.commands import evaluate

WIDTH, HEIGHT = 1280, 900
LONGEST = 12_000  # pixels of the kept picture: more than the tiny report has, less than a picture may have
LOADS = {"src", "srcset", "data", "poster", "background", "action", "xlink:href"}


def silent(_: str) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write_hospital(folder / "store", masked_ndims=(2, 3))
    write_pretrained(folder / "run" / "pretrained")
    options = EvaluationOptions(resamples=20, probe_cap=12, probe_seeds=(0,))
    for name in ("first", "second"):
        others = [folder / "first"] if name == "second" else []
        evaluate(folder / "run", folder / "store", folder / name, compare=others, options=options, say=silent)
    return folder / "second" / "report.html"


class Addresses(HTMLParser):
    """Every address that a browser would load by itself, and every link that a reader could follow."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in LOADS or (name == "href" and tag != "a"):
                self.loads.append(value or "")
            elif name == "href":
                self.links.append(value or "")


def test_the_page_names_nothing_outside_itself(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    found = Addresses()
    found.feed(text)
    assert found.loads
    assert all(address.startswith("data:image/png;base64,") for address in found.loads)
    assert all(address.startswith("#") for address in found.links)
    assert not found.tags & {"script", "link", "iframe", "object", "embed", "base"}
    assert "@import" not in text
    assert "url(" not in text


def test_every_section_is_there_and_every_link_leads_to_one(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    found = Addresses()
    found.feed(text)
    sections = {"attention", "attention-ct", "failures", "slices", "retrieval", "cross-modal", "compare", "origin"}
    assert {f"#{name}" for name in sections} <= set(found.links)
    assert all(f'id="{link[1:]}"' in text for link in found.links)
    failures = text.split('id="failures"')[1].split("</section>")[0]
    for group in (
        "Zero-shot, X-ray, false alarms: ",
        "Zero-shot, CT, misses: ",
        "X-ray → report: ",
        "Same patient, X-ray → CT: ",
        "Slice selection, the best-scored plane above",
    ):
        assert group in failures


def test_it_renders_in_a_browser_and_asks_for_nothing(report: Path, tmp_path: Path) -> None:
    kept = Path(os.environ.get("UNIMEDI_ARTIFACTS", tmp_path))
    kept.mkdir(parents=True, exist_ok=True)
    chromium()
    with browser(tmp_path / "profile") as page:
        page.open(report, WIDTH, HEIGHT)
        height = int(page.value("document.documentElement.scrollHeight"))
        (kept / "report.png").write_bytes(page.picture(WIDTH, 0, min(height, LONGEST)))
        page.value("document.querySelectorAll('details').forEach(one => one.open = true)")
        beyond = page.value("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        # What would have to be scrolled sideways, and pictures that did not load.
        hidden = page.value(
            "[...document.querySelectorAll('.scroll, section')].filter(one => one.scrollWidth > one.clientWidth)"
            ".map(one => one.closest('section').id).join(' ')"
        )
        broken = page.value("[...document.images].filter(one => !one.naturalWidth).length")
        asked = {sent["request"]["url"] for sent in page.said("Network.requestWillBeSent")}
        complaints = [
            event
            for kind in ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
            for event in page.said(kind)
        ]
    assert {address for address in asked if not address.startswith("data:")} == {report.resolve().as_uri()}
    assert complaints == []
    assert (beyond, hidden, broken) == (0, "", 0)
    assert height > 3 * HEIGHT
    pixels = np.asarray(Image.open(io.BytesIO((kept / "report.png").read_bytes())).convert("L"))
    assert pixels.shape[1] == WIDTH
    assert pixels[:HEIGHT].std() > 10  # words on paper
    assert pixels[HEIGHT:].std() > 10
