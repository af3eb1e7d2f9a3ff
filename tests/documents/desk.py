"""What lies in the reader's folder when a page begins: a few patients' files, a store, a run, what it has learnt."""

import csv
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.architecture.repository import ROOT
from tests.pretraining.toy_run import toy_recipe
from unimedi.cli import main
from unimedi.phantom.hospital import build_hospital
from unimedi.pretraining import recipe_names

PATIENTS = {
    "train_xray": 5, "train_ct": 6, "validation_paired": 3, "test_paired": 4, "ct_shape": (16, 32, 32),
    "xray_size": (40, 48), "share_ct_dicom": 0.3, "share_xray_dx": 0.7, "share_xray_cr": 0.3, "share_xray_png": 0.0,
    "share_xray_jpeg": 0.0, "share_spanish": 0.0, "share_train_masks": 1.0,
    "prevalence": {"consolidation": 0.7, "pleural_effusion": 0.6},
}  # fmt: skip
# Said beside what a page says, unless the page says it: the same command, over in a moment.
FEW = ("--steps", "1", "--fractions", "[1.0]", "--seeds", "[0]", "--learning_rates", "[0.001]", "--resamples", "9")
BRIEFLY: dict[str, tuple[str, ...]] = {
    "phantom": ("--workers", "1"),
    "prepare": ("--workers", "0"),
    "doctor": ("--workers", "0"),
    "finetune": FEW,
    "segment": FEW,
}
ENDLESS = "serve"  # until it is stopped
FORGOTTEN = "P001515"
FILES = {"chest.dcm": "*-XR/image.dcm", "ct.nii.gz": "*-CT/image.nii*"}  # in the folder itself and in my_files/new


def unimedi(words: Sequence[str]) -> None:
    """Run a command, briefly; AssertionError where it does not end well, or would not end."""
    assert words[0] != ENDLESS, "it would not end: say so above the block, <!-- not run: serves until it is stopped -->"
    beside = BRIEFLY.get(words[0], ())
    options = [(name, value) for name, value in zip(beside[::2], beside[1::2], strict=True) if name not in words]
    code = main([*words, *(word for option in options for word in option)])
    assert code == 0, f"unimedi {' '.join(words)}: exit code {code}"


def use_toy_recipes(folder: Path) -> None:
    """``tiny``, ``small`` … name a model of 16 channels and 3 steps from here on, in this process."""
    (folder / "recipes").mkdir()
    for path in recipe_names.RECIPES.glob("*.yaml"):
        toy_recipe(folder / "recipes" / path.name, duration="3 steps", checkpoint_every="3 steps")
    recipe_names.RECIPES = folder / "recipes"  # type: ignore[misc]


def lay(folder: Path) -> None:
    """Fill an empty folder with all that the pages take for granted."""
    os.chdir(folder)
    build_hospital("hospital", "micro", seed=1, workers=1, progress=False, overrides=PATIENTS)
    unimedi(["cohort", "phantom", "hospital", "--out", "cohort.csv"])
    _two_manifests()
    _own_files(Path("hospital"), Path("my_files"))
    shutil.copytree("my_files", "ROOT")
    shutil.copy(ROOT / "examples" / "prompts.yaml", "ct_clip.yaml")
    unimedi(["prepare", "cohort.csv", "--out", "store", "--config", "tiny"])
    unimedi(["pretrain", "--config", "tiny", "--data", "store", "--out", "runs/demo"])
    shutil.copytree("runs/demo", "runs/mine")
    unimedi(["finetune", "runs/demo", "--data", "store", "--out", "runs/tuned"])
    unimedi(["segment", "runs/demo", "--data", "store", "--out", "runs/masks"])


def _two_manifests() -> None:
    """Two training patients leave cohort.csv for downstream.csv; another is called as the one that a page forgets."""
    with open("cohort.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    first, *_, last_but_one, last = sorted({row["patient_id"] for row in rows if row["split"] == "train"})
    downstream = [row for row in rows if row["patient_id"] in (last_but_one, last)]
    rest = [row for row in rows if row not in downstream]
    for row in rest:
        row["patient_id"] = FORGOTTEN if row["patient_id"] == first else row["patient_id"]
    _write("cohort.csv", rest)
    _write("downstream.csv", downstream)


def _own_files(hospital: Path, mine: Path) -> None:
    """The hospital as people keep files: a folder a patient, the text beside its image; tables of the same reports."""
    with (hospital / "index.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    studies, reports = [], []
    for row in rows:
        source, text = hospital / row["image"], (hospital / row["report_path"]).read_text()
        target = mine / row["patient_id"] / f"{row['study_id']}{''.join(source.suffixes)}"
        (shutil.copytree if source.is_dir() else shutil.copy)(source, _ready(target))
        (target.parent / f"{row['study_id']}.txt").write_text(text)
        studies.append({"file": target.relative_to(mine), "text": text})
        reports.append({"AccessionNumber": row["study_id"], "Text": text})
    for name, pattern in FILES.items():
        source = sorted(hospital.glob(f"patients/*/{pattern}"))[0]
        for target in (Path(name), _ready(mine / "new" / name)):
            shutil.copy(source, target)
    _write("studies.csv", studies)
    _write("reports.csv", reports)
    _write("train.csv", [{"filepath": row["file"], "title": row["text"]} for row in studies], "\t")


def _write(name: str, rows: Sequence[Mapping[str, object]], delimiter: str = ",") -> None:
    with open(name, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def _ready(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
