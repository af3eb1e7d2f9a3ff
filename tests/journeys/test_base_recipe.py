"""The paper's size on a CPU: ``recipes/base.yaml`` trains ten steps from folders of a ViT and a BERT, goes on from a
checkpoint, embeds, and becomes ONNX.

The folders have the real sizes (ViT-B/16, BERT-base with 28,996 words) and random weights, no two of them alike, so
that a weight that was not taken from its folder is seen.

Took, with 2 X-rays and 2 CTs a step, 130 s of CPU a step on an EPYC with AVX2 in fp32 (85 s on a Zen 4 with AVX-512),
75 s on two cores; 8.5 GiB at most; the export 5 minutes; in all 47 minutes beside other work, some 25 alone.
"""

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import BertConfig, BertModel, BertTokenizerFast, ViTConfig, ViTModel

from tests.pretraining.toy_run import sha256
from unimedi.cohort.manifest import read_manifest
from unimedi.cohort.study import Study
from unimedi.model.processor import UniMediProcessor
from unimedi.model.unimedi import UniMediModel
from unimedi.pretraining.recipe_names import RECIPES
from unimedi.representation.table import read_table

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

BASE = RECIPES / "base.yaml"
STEPS, STOPPED = 10, 6
RADIOGRAPHS, VOLUMES = 2, 2  # a single volume is its own running mean: L_vl would teach E_v nothing about CTs
WORDS = 28_996  # Bio_ClinicalBERT's: BERT-base, cased
NOISE = 0.01  # of the folders' weights around what a fresh model has: ones and zeros in places
# Learning rates of 1e-7 to 1e-6. AdamW moves no weight by more than a few times their sum.
WARMUP, FURTHEST = 200, 2e-5
MEMORY = 16 << 30


@dataclass(frozen=True)
class Ground:
    folder: Path
    studies: list[Study]
    peak_bytes: int  # of the process that trained
    undisturbed: str  # sha256 of the weights of the run before its last steps were taken again

    @property
    def pretrained(self) -> Path:
        return self.folder / "run" / "pretrained"


def unimedi(*words: object) -> int:
    """The command in a process of its own, on all cores; returns the bytes that it had in memory at most."""
    free = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    process = subprocess.Popen([sys.executable, "-m", "unimedi", *map(str, words)], env=free)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss << 10


@torch.no_grad()
def scattered(model: nn.Module, seed: int) -> nn.Module:
    """``model`` with noise on every weight: no bias is zero, no LayerNorm's gain is one."""
    draws = torch.Generator().manual_seed(seed)
    for weight in model.parameters():
        weight += NOISE * torch.randn(weight.shape, generator=draws)
    return model


def write_vit(folder: Path) -> None:
    torch.manual_seed(1)
    scattered(ViTModel(ViTConfig()), 2).save_pretrained(folder)


def write_bert(folder: Path, studies: list[Study]) -> None:
    """A cased vocabulary: letters and the reports' words, filled up with unused entries, as BERT's own is.

    The folder says nothing about capital letters, as the public one of Bio_ClinicalBERT does not.
    """
    reports = " ".join(study.report.text for study in studies)
    letters = sorted({*reports} - {" ", "\n"})
    words = sorted({"".join(c for c in word if c.isalpha()) for word in reports.split()} - {"", *letters})
    entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters), *words]
    entries += [f"[unused{number}]" for number in range(WORDS - len(entries))]
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(entries) + "\n", encoding="utf-8")
    assert len(entries) == len({*entries}) == WORDS
    torch.manual_seed(3)
    scattered(BertModel(BertConfig(vocab_size=WORDS)), 4).save_pretrained(folder)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    folder = tmp_path_factory.mktemp("base")
    hospital, cohort, store = folder / "hospital", folder / "hospital" / "cohort.csv", folder / "store"
    unimedi("phantom", hospital, "--preset", "micro", "--workers", 1, "--share_spanish", 0)
    unimedi("cohort", "phantom", hospital, "--out", cohort)
    unimedi("prepare", cohort, "--out", store, "--config", BASE, "--workers", 0)
    studies = read_manifest(cohort)
    write_vit(folder / "vit")
    write_bert(folder / "bert", studies)
    train = (
        "pretrain", "--config", BASE, "--data", store, "--out", folder / "run", "--steps", STEPS,
        "--precision", "fp32", "--text.pretrained", folder / "bert", "--model.vision_pretrained", folder / "vit",
        "--batch.radiographs", RADIOGRAPHS, "--batch.volumes", VOLUMES,
        "--optimization.warmup", f"{WARMUP} steps", "--checkpoint_every", f"{STOPPED} steps",
    )  # fmt: skip
    peak = unimedi(*train)
    undisturbed = sha256(folder / "run" / "pretrained" / "model.safetensors")
    shutil.rmtree(folder / "run" / "checkpoints" / f"step-{STEPS:06d}")  # as if it had been killed before its last one
    unimedi(*train, "--resume")
    return Ground(folder, studies, peak, undisturbed)


def test_it_goes_on_to_the_last_bit(ground: Ground) -> None:
    assert sha256(ground.pretrained / "model.safetensors") == ground.undisturbed


def test_ten_finite_steps_with_every_loss(ground: Ground) -> None:
    lines = [json.loads(line) for line in (ground.folder / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(STEPS))
    for line in lines:
        assert "skipped" not in line
        assert all(math.isfinite(value) for name, value in line.items() if name != "warnings")
        parts = line["l_vl"] + line["l_icl"] + line["l_pcl"]
        assert line["loss"] == pytest.approx(parts, rel=1e-4)
        assert line["l_icl"] == pytest.approx((line["xray/l_icl"] + line["ct/l_icl"]) / 2, rel=1e-4)
        assert line["l_pcl"] == pytest.approx((line["xray/l_pcl"] + line["ct/l_pcl"]) / 2, rel=1e-4)
        assert line["slab_contrast"] > 1  # slices were chosen by attention, which is not the same for all slabs
        assert line["gradient_norm"] > 0
        assert line["ln_batch"] == pytest.approx(math.log(RADIOGRAPHS + VOLUMES))
        assert line["l_vl"] < 2 * line["ln_batch"]
        assert 0 < line["l_icl"] < 2 * math.log(8192)
        assert 0 < line["l_pcl"] < 2 * math.log(8192)
    assert [line["learning_rate"] for line in lines] == pytest.approx([2e-5 * (n + 1) / WARMUP for n in range(STEPS)])


def test_memory(ground: Ground) -> None:
    assert ground.peak_bytes < MEMORY, f"training took {ground.peak_bytes / (1 << 30):.1f} GiB"


def test_the_export_is_the_folders_weights_a_little_moved(ground: Ground) -> None:
    exported = load_file(ground.pretrained / "model.safetensors")
    pairs = dict(starts(ground.folder / "vit", ground.folder / "bert"))
    assert len(pairs) == 12 * 16 + 7 + 12 * 16 + 5
    for name, start in pairs.items():
        assert start.std() > NOISE / 4, name  # so that a fresh model's weights would be far away
        moved = (exported[name] - start).abs()
        assert moved.max() < FURTHEST, name
        assert moved.max() > 0, f"{name} was never trained"


def starts(vit_folder: Path, bert_folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Names of the exported weights, and what they must have started as."""
    vit = ViTModel.from_pretrained(vit_folder, local_files_only=True).state_dict()
    for name, weight in vit.items():
        if name.startswith("layers."):
            yield f"vision.{name}", weight
    yield "vision.norm.weight", vit["layernorm.weight"]
    yield "vision.norm.bias", vit["layernorm.bias"]
    kernel, bias = (vit[f"embeddings.patch_embeddings.projection.{part}"] for part in ("weight", "bias"))
    grey = kernel.sum(1, keepdim=True)
    yield "vision.embed_2d.layers.0.weight", grey
    yield "vision.embed_2d.layers.0.bias", bias
    yield "vision.embed_3d.layers.0.weight", grey[:, :, None].expand(-1, -1, 4, -1, -1) / 4
    places = vit["embeddings.position_embeddings"]
    yield "vision.cls_token", vit["embeddings.cls_token"] + places[:, :1]
    yield "vision.positions.plane", places[0, 1:]
    for name, weight in BertModel.from_pretrained(bert_folder, local_files_only=True).state_dict().items():
        if not name.startswith("pooler."):
            yield f"text.bert.{name}", weight


def test_the_export_reads_words_as_the_vocabulary_has_them(ground: Ground) -> None:
    cased = BertTokenizerFast(vocab=str(ground.folder / "bert" / "vocab.txt"), do_lower_case=False)
    report = ground.studies[0].report.text
    tokens = UniMediProcessor.from_pretrained(ground.pretrained).text([report])["input_ids"][0].tolist()
    assert tokens == cased(report)["input_ids"]
    assert cased.unk_token_id not in tokens


def test_embedded_files_are_what_the_model_gives(ground: Ground) -> None:
    """An X-ray and a CT, by the command and by the two lines of the README."""
    files = [next(str(study.image) for study in ground.studies if study.modality.ndim == ndim) for ndim in (2, 3)]
    out = ground.folder / "embeddings.parquet"
    unimedi("embed", *files, "--model", ground.pretrained, "--out", out)
    table = read_table(out)
    assert table.study_ids == tuple(files)
    assert table.modalities == ("DX", "CT")
    rows = torch.from_numpy(table.embedding)
    assert rows.shape == (2, 512)
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(2))
    assert rows[0] @ rows[1] < 0.99

    model = UniMediModel.from_pretrained(ground.pretrained).eval()
    processor = UniMediProcessor.from_pretrained(ground.pretrained)
    with torch.inference_mode():
        for file, row in zip(files, rows, strict=True):
            torch.testing.assert_close(model.get_image_features(**processor(images=file))[0], row, atol=1e-4, rtol=0)


def test_the_export_becomes_onnx(ground: Ground) -> None:
    """What the graphs give is compared with torch before they are kept."""
    out = ground.folder / "onnx"
    unimedi("export", ground.pretrained, "--out", out)
    assert {path.name for path in out.glob("*.onnx")} >= {"radiograph.onnx", "volume.onnx", "text.onnx"}
