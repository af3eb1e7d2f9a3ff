"""The page in a real browser: search, files, viewer, keys, without WebGL2, for everyone, on a phone."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import nibabel as nib
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.journeys.browser import NAMES
from tests.web.small_app import running
from tests.web.small_site import small_site
from unimedi.web.app import create_app

PATIENCE = 60_000  # ms: a machine with other work may be very slow
PHONE, DESK = {"width": 390, "height": 800}, {"width": 1400, "height": 900}
FLAGS = ["--no-sandbox", "--disable-gpu"]  # the tests' machines run as root
Address = str


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    site = small_site(tmp_path_factory.mktemp("browser"))
    with running(create_app(site), site.limits) as port:
        yield f"http://127.0.0.1:{port}/"
    site.close()


def browser_path() -> str:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or pytest.skip("no Chromium here (apt-get install chromium): nobody looked at the page")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = browser_path()
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as play:
        made = play.chromium.launch(executable_path=path, args=FLAGS)
        yield made
        made.close()


@pytest.fixture
def page(browser: Browser, address: Address) -> Iterator[Page]:
    """A tab that may ask nothing of elsewhere, and in which nothing may go wrong."""
    context = browser.new_context(viewport=DESK, color_scheme="dark")
    context.set_default_timeout(PATIENCE)
    made, faults, hosts = context.new_page(), [], set[str]()
    made.on("pageerror", lambda error: faults.append(str(error)))
    made.on("console", lambda said: faults.append(said.text) if "Content Security" in said.text else None)
    made.on("request", lambda asked: hosts.add(urlsplit(asked.url).netloc))
    yield made
    context.close()
    assert faults == []
    assert hosts <= {urlsplit(address).netloc, ""}  # '' of what the page itself made


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, draws = tmp_path_factory.mktemp("files"), np.random.default_rng(0)
    voxels = draws.integers(-1000, 400, (40, 36, 20)).astype(np.int16)
    nib.save(nib.Nifti1Image(voxels, np.diag([-1.0, -1.0, 2.0, 1.0])), folder / "ct.nii.gz")
    Image.fromarray(draws.integers(0, 255, (64, 48)).astype(np.uint8)).save(folder / "chest.png")
    (folder / "letter.txt").write_text("Dear colleague")
    return folder


def keep(page: Page, name: str) -> None:
    """A picture for people, where CI keeps such."""
    if folder := os.environ.get("UNIMEDI_ARTIFACTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"page-{name}.png", timeout=PATIENCE)


def plane(page: Page) -> int:
    found = re.match(r"plane (\d+)/", page.locator("[data-plane]").first.inner_text())
    assert found
    return int(found[1])


def open_a_ct(page: Page, address: Address) -> None:
    page.goto(f"{address}?q=left+effusion&modality=CT")
    page.locator(".hit h2 a").first.click()
    page.wait_for_url("**/study?**")


def test_a_finding_is_asked_filtered_and_opened_without_a_mouse(page: Page, address: Address) -> None:
    page.goto(address)
    keep(page, "empty")
    page.keyboard.type("left effusion")  # the field has the focus
    page.keyboard.press("Enter")
    expect(page.locator(".hit")).to_have_count(10)
    assert page.url == f"{address}?q=left+effusion"
    page.wait_for_load_state()  # the hits are there before the script that listens to the boxes
    page.locator("input[name=modality][value=CT]").focus()
    page.keyboard.press("Space")
    page.wait_for_url(f"{address}?q=left+effusion&modality=CT")
    expect(page.locator("[data-caption]").first).to_have_text(re.compile(r"^\d+/16$"))  # the slice that matches
    keep(page, "search")
    page.locator("main").focus()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator(".hit h2 a").first).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.locator(".hit h2 a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/study?**q=left**")
    page.go_back()
    expect(page.locator("#q")).to_have_value("left effusion")


def test_a_ct_is_scrolled_windowed_and_overlaid(page: Page, address: Address) -> None:
    open_a_ct(page, address)
    screen, window = page.locator(".screen"), page.locator("[data-window]")
    expect(screen).to_be_focused()
    start = plane(page)
    page.keyboard.press("ArrowDown")
    assert plane(page) == max(start - 1, 1)
    page.keyboard.press("Home")
    page.keyboard.press("ArrowUp")
    assert plane(page) == 2
    screen.hover()
    page.mouse.wheel(0, -100)
    expect(page.locator("[data-plane]")).to_have_text(re.compile("^plane 3/16"))
    for key, said in (
        ("2", "W 400 L 40"),
        ("3", "W 2500 L 480"),
        ("i", "W 2500 L 480 inverted"),
        ("1", "W 1500 L -600"),
    ):
        page.keyboard.press(key)
        expect(window).to_contain_text(said)
    box = screen.bounding_box()
    assert box
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 260, box["y"] + 220, steps=3)
    page.mouse.up()
    expect(window).to_contain_text("W 1800 L -500")
    page.keyboard.press("a")
    over = page.locator("img.over")
    expect(over).to_have_attribute("src", re.compile("kind=attention"))
    page.locator("[data-opacity]").fill("30")
    assert over.evaluate("image => image.style.opacity") == "0.3"
    page.keyboard.press("Tab")  # out of the slider; keys are the screen's
    screen.focus()
    page.keyboard.press("q")
    expect(over).to_have_attribute("src", re.compile("kind=query"))
    keep(page, "study")
    page.locator("[data-go]").nth(3).click()
    assert plane(page) > 12
    screen.focus()
    page.keyboard.press("r")
    expect(window).to_have_text("W 1500 L -600")
    expect(over).to_be_hidden()
    assert plane(page) == start


def test_sentences_are_edited_and_findings_added(page: Page, address: Address) -> None:
    open_a_ct(page, address)
    panel = page.locator(".findings")
    panel.locator("summary").first.click()
    panel.locator("[data-present]").first.fill("")
    panel.locator("[data-absent]").first.focus()
    expect(panel.locator("[data-note]")).to_contain_text("a sentence for “present”")
    panel.locator("[data-present]").first.fill("A mass.")
    panel.locator("#finding").fill("gallstone")
    page.keyboard.press("Enter")
    expect(panel.locator("li[data-name=gallstone]")).to_be_visible()
    expect(page.locator("#said")).to_contain_text("Asked again")


def test_files_are_compared_and_gone_afterwards(page: Page, address: Address, files: Path) -> None:
    page.goto(address)
    page.set_input_files("[data-open]", files / "ct.nii.gz")
    page.wait_for_url("**/study?image=upload**")
    expect(page.locator("h1")).to_have_text("CT, uploaded: ct.nii.gz")
    expect(page.locator("[data-go]")).to_have_count(4)
    keep(page, "upload")
    page.get_by_text("More like this").click()
    expect(page.locator(".example")).to_contain_text("more like your file ct.nii.gz")
    page.get_by_label("Compare with").first.click()
    expect(page.locator(".viewer")).to_have_count(2)
    page.locator(".screen").first.focus()
    page.keyboard.press("Home")
    for _ in range(9):
        page.keyboard.press("PageDown")
    page.keyboard.press("End")  # 38 mm up: beyond the other's head
    expect(page.locator("[data-plane]").nth(1)).to_have_text(re.compile("^plane 16/16"))  # they scroll together
    keep(page, "compare")
    page.go_back()
    page.go_back()
    page.get_by_text("Remove the upload").click()
    page.wait_for_url(address)
    page.set_input_files("[data-open]", files / "letter.txt")
    expect(page.locator("#drop")).to_contain_text("letter.txt: not a kind of file known here")
    keep(page, "refused")
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#drop")).to_be_hidden()
    data = page.evaluate_handle("() => { const t = new DataTransfer(); t.items.add(new File(['x'], 'x')); return t; }")
    page.dispatch_event("body", "dragenter", {"dataTransfer": data})
    expect(page.locator("#drop")).to_contain_text("Drop an X-ray or CT")
    page.dispatch_event("body", "dragleave", {"dataTransfer": data})
    page.set_input_files("[data-open]", files / "chest.png")
    page.wait_for_url("**/study?image=upload**")
    expect(page.locator("h1")).to_have_text("X-ray, uploaded: chest.png")
    expect(page.locator("img.plane")).to_have_js_property("complete", True)


def test_a_picture_that_does_not_come_is_said(page: Page, address: Address) -> None:
    open_a_ct(page, address)
    page.route("**/images/overlay**", lambda route: route.fulfill(status=503, json={"error": {"message": "Busy."}}))
    page.keyboard.press("a")
    expect(page.locator(".viewer [data-note]")).to_have_text("Busy.")


def test_three_planes_need_webgl_and_the_rest_does_not(browser: Browser, page: Page, address: Address) -> None:
    blind = browser.browser_type.launch(executable_path=browser_path(), args=[*FLAGS, "--disable-3d-apis"])
    plain = blind.new_page(viewport=DESK)
    plain.set_default_timeout(PATIENCE)
    open_a_ct(plain, address)
    plain.locator("[data-volume]").click()
    expect(plain.locator(".viewer [data-note]")).to_contain_text("no WebGL2")
    expect(plain.locator("[data-volume]")).to_be_hidden()
    plain.locator(".screen").focus()
    plain.keyboard.press("Home")
    assert plane(plain) == 1
    blind.close()
    open_a_ct(page, address)
    page.locator("canvas.volume").evaluate("canvas => { canvas.style.height = canvas.style.width = '90px'; }")
    page.locator("[data-volume]").click()
    expect(page.locator("[data-volume]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("canvas.volume")).to_be_visible()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_nothing_serious_stands_in_anybodys_way(browser: Browser, address: Address, theme: str) -> None:
    context = browser.new_context(viewport=DESK, color_scheme=theme, bypass_csp=True)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    open_a_ct(page, address)
    study = page.url.rpartition("/")[2]
    image = re.search(r"image=([^&]*)", study)
    assert image
    pages = [study, "?q=effusion", "about"]
    if theme == "dark":
        pages += ["", "?like=study:nobody", f"compare?image={image[1]}&other={image[1]}"]
    for one in pages:
        page.goto(address + one)
        found = Axe().run(page)
        serious = [each for each in found.response["violations"] if each["impact"] in ("serious", "critical")]
        assert serious == [], (one, [(each["id"], [node["html"] for node in each["nodes"]][:3]) for each in serious])
    context.close()


def test_a_phone_shows_all_of_it_without_scrolling_sideways(browser: Browser, address: Address) -> None:
    context = browser.new_context(viewport=PHONE, color_scheme="light")
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    open_a_ct(page, address)
    study = page.url.rpartition("/")[2]
    for name, one in (("study", study), ("empty", ""), ("search", "?q=left+effusion"), ("about", "about")):
        page.goto(address + one)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], one
        keep(page, f"phone-{name}")
    context.close()
