"""The programs of examples/ run, on a tiny model with random weights."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from unimedi import UniMediConfig, UniMediModel, UniMediProcessor
from unimedi.inputs.preprocess import Preprocess
from unimedi.model.text_encoder import learn_tokenizer, scratch_text_config

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
REPORTS = ["Large left pleural effusion. No nodule."] * 2 + ["No focal consolidation. Heart size is normal."] * 2


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pretrained folder with two layers of 32, saved as training saves it."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("pretrained")
    preprocess = Preprocess((32, 32), (16, 32, 32), (8, 32, 32), (32, 32))
    tokenizer = learn_tokenizer(REPORTS, 100, 32)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    config = UniMediConfig(
        **{**sizes, "num_hidden_layers": 2},
        patch_size=8,
        slab_depth=2,
        slices=2,
        embedding_size=16,
        text_length=32,
        preprocess=preprocess.to_dict(),
        text=scratch_text_config(len(tokenizer), 32, **sizes),
    )
    UniMediModel(config).save_pretrained(folder)
    UniMediProcessor(preprocess, tokenizer, 32).save_pretrained(folder)
    return folder


def run(*arguments: object) -> str:
    done = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_compare_ranks_the_sentences(pretrained: Path, tmp_path: Path) -> None:
    image = tmp_path / "chest.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 40), np.uint8)).save(image)
    lines = run(EXAMPLES / "compare.py", pretrained, image, "Pleural effusion.", "No nodule.").splitlines()
    cosines = [float(line.split()[0]) for line in lines]
    assert len(lines) == 2
    assert cosines == sorted(cosines, reverse=True)


def test_slices_draws_what_was_selected(pretrained: Path, tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    voxels = np.random.default_rng(0).integers(-1000, 400, (40, 40, 20)).astype(np.int16)
    nibabel.Nifti1Image(voxels, np.diag([1.0, 1.0, 5.0, 1.0])).to_filename(tmp_path / "chest.nii.gz")
    printed = run(EXAMPLES / "slices.py", pretrained, tmp_path / "chest.nii.gz", tmp_path / "strip.png")
    assert printed.count("slab ") == 4
    assert Image.open(tmp_path / "strip.png").size == (64, 32)
