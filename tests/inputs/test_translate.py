"""A tiny random model from a local folder, through the command."""

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BartConfig, BartForConditionalGeneration, PreTrainedTokenizerFast

from unimedi.cli import main
from unimedi.cohort.manifest import read_manifest, write_manifest
from unimedi.cohort.study import Modality, Report, Split, Study
from unimedi.inputs.translate import ModelTranslator

WORDS = ["<pad>", "<s>", "</s>", "<unk>", "derrame", "nódulo", "effusion", "nodule", "."]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("es-en")
    torch.manual_seed(0)
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 32}
    ends = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    config = BartConfig(vocab_size=len(WORDS), forced_eos_token_id=2, **sizes, **heads, **ends)
    network = BartForConditionalGeneration(config)
    network.generation_config.update(suppress_tokens=[0, 1, 3], min_length=4)
    network.save_pretrained(folder, safe_serialization=True)
    tokenizer = Tokenizer(models.WordLevel({word: k for k, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=32, **special).save_pretrained(folder)
    return folder


def test_sentences_come_back_in_order_and_the_same_alone_or_together(model: Path) -> None:
    translator = ModelTranslator(model)
    together = translator(["derrame .", "nódulo derrame ."])
    assert [translator([sentence])[0] for sentence in ("derrame .", "nódulo derrame .")] == together
    assert all(together)
    assert translator.name.startswith(model.name)


def test_a_control_token_that_is_written_does_not_end_the_sentence(model: Path) -> None:
    translator = ModelTranslator(model)
    assert translator(["derrame </s> nódulo ."]) == translator(["derrame s nódulo ."])


def test_the_command_fills_in_translations(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.png").touch()
    about = (Modality.DX, tmp_path / "x.png")
    studies = [
        Study("a", "p", *about, Report("derrame .", "es"), Split.TRAIN),
        Study("b", "p", *about, Report("Effusion.", "en"), Split.TRAIN),
    ]
    write_manifest(studies, tmp_path / "cohort.csv")
    words = ["translate", str(tmp_path / "cohort.csv"), "--model", str(model), "--out", str(tmp_path / "en.csv")]
    assert main(words) == 0
    assert "1 of 1 reports in 'es' translated" in capsys.readouterr().out
    first, second = read_manifest(tmp_path / "en.csv")
    assert first.report.translation.startswith("FINDINGS: ")
    assert second == studies[1]


def test_a_model_is_never_fetched(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="never downloaded"):
        ModelTranslator(tmp_path / "somebody/some-model")
