"""The programs of examples/ run, on a tiny model with random weights; each is short enough to be read at once."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.hospital import SENTENCES, write_hospital, write_pretrained
from unimedi.archive.indexing import index

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PROGRAMS = sorted(EXAMPLES.glob("*.py"))


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, a store with labels, an archive of it, an X-ray and a CT."""
    nibabel = pytest.importorskip("nibabel")
    folder = tmp_path_factory.mktemp("examples")
    write_pretrained(folder / "model")
    write_hospital(folder / "store")
    index(folder / "store", folder / "model", str(folder / "archive"))
    draws = np.random.default_rng(0)
    Image.fromarray(draws.integers(0, 255, (48, 40), np.uint8)).save(folder / "chest.png")
    voxels = draws.integers(-1000, 400, (40, 40, 20)).astype(np.int16)
    nibabel.Nifti1Image(voxels, np.diag([1.0, 1.0, 5.0, 1.0])).to_filename(folder / "chest.nii.gz")
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """``run("compare.py", …)``: what the program prints."""

    def running(name: str, *words: object) -> str:
        monkeypatch.setattr(sys, "argv", [name, *map(str, words)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return running


def test_there_are_five_of_at_most_sixty_lines() -> None:
    assert len(PROGRAMS) == 5
    assert max(len(path.read_text().splitlines()) for path in PROGRAMS) <= 60


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_without_words_it_says_how_it_is_called(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [program.name])
    with pytest.raises(SystemExit, match=f"python examples/{program.name} "):
        runpy.run_path(str(program), run_name="__main__")


def test_compare_ranks_the_sentences(ground: Path, run) -> None:  # type: ignore[no-untyped-def]
    lines = run("compare.py", ground / "model", ground / "chest.png", *SENTENCES.values()).splitlines()
    cosines = [float(line.split()[0]) for line in lines]
    assert {line[8:] for line in lines} == set(SENTENCES.values())
    assert cosines == sorted(cosines, reverse=True)


def test_zero_shot_takes_your_own_sentences(ground: Path, run) -> None:  # type: ignore[no-untyped-def]
    images = [ground / "chest.png", ground / "chest.nii.gz"]
    lines = run("zero_shot.py", ground / "model", EXAMPLES / "prompts.yaml", *images).splitlines()
    assert [lines[0], lines[4]] == [str(path) for path in images]
    for found in (lines[1:4], lines[5:]):
        probabilities = [float(line.split()[1]) for line in found]
        assert {line.split()[0] for line in found} == {"pleural_effusion", "consolidation", "cardiomegaly"}
        assert probabilities == sorted(probabilities, reverse=True)
        assert 0 < min(probabilities) <= max(probabilities) < 1


@pytest.mark.parametrize("like", [(), ("chest.nii.gz",)], ids=["words", "words and an image"])
def test_search_answers_with_both_kinds(ground: Path, run, like: tuple[str, ...]) -> None:  # type: ignore[no-untyped-def]
    words = (ground / "archive", ground / "model", SENTENCES["nodule"], *(ground / name for name in like))
    printed = run("search_archive.py", *words)
    cts, xrays = (part.splitlines()[2:] for part in printed.strip().split("\n\n"))
    assert len(cts) == len(xrays) == 5
    assert all(line.split()[2].endswith("-3d") for line in cts)
    assert all(line.split()[2].endswith("-2d") for line in xrays)


def test_few_labels_leaves_a_classifier(ground: Path, run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    printed = run("few_labels.py", ground / "model", ground / "store", tmp_path / "out", 6, 1)
    lines = [line for line in printed.splitlines() if ": AUROC" in line]
    assert [line.split(":")[0] for line in lines] == [
        f"{kind}, {method}" for kind in ("xray", "ct") for method in ("this model", "random_init")
    ]
    for kind in ("xray", "ct"):
        assert json.loads((tmp_path / "out" / kind / f"{kind}.json").read_text())["training_studies"] == 6


def test_explain_draws_what_it_says(ground: Path, run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    words = (SENTENCES["nodule"], tmp_path / "why")
    lines = run("explain_image.py", ground / "model", ground / "chest.nii.gz", *words).splitlines()
    written = json.loads((tmp_path / "why" / "explanation.json").read_text())
    assert lines[0] == f"cosine {written['sentences'][0]['cosine']:.3f}  {SENTENCES['nodule']}"
    assert len([line for line in lines if line.startswith("slab ")]) == 4
    assert {Path(line).name for line in lines[-6:]} == {path.name for path in (tmp_path / "why").iterdir()}
    assert all("of the way down and across" in line for line in _places(run, ground, tmp_path))


def _places(run, ground: Path, out: Path) -> list[str]:  # type: ignore[no-untyped-def]
    words = (ground / "model", ground / "chest.png", SENTENCES["nodule"], out / "xray")
    return [line for line in run("explain_image.py", *words).splitlines() if " of it at " in line]
