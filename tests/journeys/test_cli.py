"""From nothing to embeddings by the commands of the README, at toy size; what each verb says and returns."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pretraining.toy_run import start, toy_recipe
from unimedi.cli import main


def unimedi(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hospital, manifest, store and run, each made by its command."""
    folder = tmp_path_factory.mktemp("cli")
    toy_recipe(folder / "recipe.yaml", duration="4 steps")
    cohort, store = folder / "hospital" / "cohort.csv", folder / "store"
    hospital = start("phantom", folder / "hospital", "--preset", "micro", "--workers", 1, "--share_ct_dicom", 0.5)
    hospital.join()
    assert hospital.exitcode == 0
    assert unimedi("cohort", "phantom", folder / "hospital", "--out", cohort) == 0
    assert unimedi("prepare", cohort, "--out", store, "--config", folder / "recipe.yaml", "--workers", 0) == 0
    assert (
        unimedi(
            "pretrain", "--config", folder / "recipe.yaml", "--data", folder / "store", "--out", folder / "run",
            "--steps", 3, "--seed", 5, "--model.slices", 1,
        )
        == 0
    )  # fmt: skip
    return folder


def test_the_run_folder_is_complete(ground: Path) -> None:
    assert {path.name for path in (ground / "run").iterdir()} == {
        "recipe.yaml", "environment.json", "log.jsonl", "tensorboard", "checkpoints", "pretrained",
    }  # fmt: skip
    assert {"model.safetensors", "config.json", "tokenizer.json", "preprocessor_config.json"} <= {
        path.name for path in (ground / "run" / "pretrained").iterdir()
    }
    card = (ground / "run" / "pretrained" / "README.md").read_text()
    assert "**on the phantom**" in card
    assert re.search(r"\| train \| \d+ X-rays, \d+ CTs \|", card)
    recipe = (ground / "run" / "recipe.yaml").read_text()
    for line in ("seed: 5", "duration: 3 steps", "  slices: 1"):
        assert f"\n{line}\n" in recipe
    assert len((ground / "run" / "log.jsonl").read_text().splitlines()) == 3


def test_the_resolved_recipe_is_a_recipe(ground: Path) -> None:
    assert unimedi("pretrain", "--data", ground / "store", "--out", ground / "run", "--resume") == 0


def test_files_and_folders_are_embedded(ground: Path) -> None:
    from unimedi.representation.table import read_table

    patients = ground / "hospital" / "patients"
    files = [path for path in sorted(patients.glob("*/*/*")) if path.name.startswith(("image.", "series"))][:5]
    assert unimedi("embed", *files, "--model", ground / "run" / "pretrained", "--out", ground / "table.parquet") == 0
    table = read_table(ground / "table.parquet")
    assert table.study_ids == tuple(str(path) for path in files)
    assert unimedi("embed", patients, "--model", ground / "run" / "pretrained", "--out", ground / "all.parquet") == 0
    assert len(read_table(ground / "all.parquet").study_ids) > len(files)


def test_of_a_whole_hospital_its_studies_are_embedded_and_its_masks_are_listed(ground: Path) -> None:
    from unimedi.representation.table import read_table

    hospital, out = ground / "hospital", ground / "hospital.parquet"
    assert unimedi("embed", hospital, "--model", ground / "run" / "pretrained", "--out", out) == 0
    assert {Path(row).relative_to(hospital).parts[0] for row in read_table(out).study_ids} == {"patients"}
    assert len(read_table(out).study_ids) == 17
    masks = [str(path) for path in (hospital / "masks").rglob("*") if path.is_file()]
    with out.with_suffix(".skipped.csv").open(newline="") as file:
        assert masks
        assert {row["what"] for row in csv.DictReader(file)} >= set(masks)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("run", {"kind": "run", "steps_logged": 3, "pretrained": True}),
        ("run/pretrained", {"kind": "model", "hidden_size": 16, "slices": 1}),
        ("store", {"kind": "store", "studies": 17, "refused": 0, "phantom": True}),
        ("hospital", {"kind": "phantom hospital"}),
        ("hospital/cohort.csv", {"kind": "manifest", "studies": 17, "patients": 12}),
    ],
)
def test_info_knows_what_lies_there(
    ground: Path, path: str, expected: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert unimedi("info", ground / path, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["cores"] >= 1
    assert found["packages"]["unimedi"]
    assert {key: found["path"][key] for key in expected} == expected
    assert unimedi("info", ground / path) == 0
    assert f"kind: {expected['kind']}" in capsys.readouterr().out


def test_info_without_a_path_needs_no_torch() -> None:
    code = "import sys; from unimedi.cli import main; main(['info', '--json']); assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["packages"]["torch"]


def test_anyones_folder(tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    for patient in ("a", "b"):
        (tmp_path / "mine" / patient).mkdir(parents=True)
        pixels = np.random.default_rng(0).integers(0, 255, (40, 40)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "mine" / patient / "chest.png")
        (tmp_path / "mine" / patient / "chest.txt").write_text("Findings: clear lungs.")
    assert unimedi("cohort", "folder", tmp_path / "mine", "--out", tmp_path / "cohort.csv") == 0
    assert len((tmp_path / "cohort.csv").read_text().splitlines()) == 3


def test_training_starts_anew_with_allocator_and_threads_set() -> None:
    """Once: the second process finds the settings and goes on; other verbs do not care. What is set already stays."""
    code = """
import os, sys
from unimedi import cli
from unimedi.cli.info import Info
from unimedi.cli.pretrain import Pretrain
def noted(file, words, environment):
    print("again", environment["MALLOC_MMAP_MAX_"], environment.get("GOMP_SPINCOUNT"), *words[1:])
    raise SystemExit(0)
os.execve = noted
Pretrain.run = Info.run = lambda *_: print("went on")
cli.main()
"""
    ours = ("MALLOC_", "GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    training = ["pretrain", "--data", "none", "--out", "none"]
    for words, chosen, expected in (
        (training, {}, "again 0 2000 -c"),
        (training, {"GOMP_SPINCOUNT": "7"}, "again 0 7 -c"),
        (training, {"OMP_WAIT_POLICY": "passive"}, "again 0 None -c"),
        (training, {"MALLOC_MMAP_MAX_": "0"}, "went on"),
        (["info"], {}, "went on"),
    ):
        command = [sys.executable, "-c", code, *words]
        done = subprocess.run(command, capture_output=True, text=True, env=environment | chosen, check=True)
        assert done.stdout.startswith(expected), (words, chosen)


def test_the_module_is_the_command() -> None:
    """``unimedi.__main__``, and that its exit code is the command's."""
    done = subprocess.run([sys.executable, "-m", "unimedi", "info", "--jason"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "--jason" in done.stderr


@pytest.mark.parametrize(
    "words", [[], ["train"], ["pretrain"], ["cohort"], ["info", "--jason"], ["embed", "--model", "m", "--out", "o"]]
)
def test_wrong_words_explain_themselves(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    assert "usage: unimedi" in capsys.readouterr().err


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    from unimedi.cli import describe

    monkeypatch.setattr(describe, "as_text", lambda *_, **__: {}["missing"])
    with pytest.raises(KeyError):
        main(["info"])
