"""Folders of a ViT or a BERT that cannot be used say so in a sentence; none of them trains on random weights unseen."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModel,
    BertConfig,
    BertModel,
    BertTokenizerFast,
    RobertaConfig,
    ViTConfig,
    ViTModel,
)

from tests.tiny import tiny_model
from unimedi.inputs.preprocess import Preprocess
from unimedi.model.pretrained import PretrainedError
from unimedi.model.pretrained_vit import load_vit
from unimedi.model.processor import UniMediProcessor
from unimedi.model.text_encoder import TextEncoder, load_tokenizer, pretrained_text_config

CASED = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "N", "No", "no", "nodule", "##s"]
UNCASED = [word for word in CASED if word not in ("N", "No")]


def write_bert(folder: Path, words: list[str] = CASED, **sizes: int) -> Path:
    """As most public folders are: configuration, weights and vocabulary, and no word on capital letters."""
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(**{"vocab_size": len(words), **small, **sizes})).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    return folder


def write_vit(folder: Path, **sizes: Any) -> Path:
    fitting = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    ViTModel(ViTConfig(**{**fitting, "image_size": 32, "patch_size": 8, **sizes})).save_pretrained(folder)
    return folder


def rewrite(folder: Path, drop: str) -> None:
    """The weights again without those whose name holds ``drop``."""
    weights = load_file(folder / "model.safetensors")
    kept = {name: value.clone() for name, value in weights.items() if drop not in name}
    assert len(kept) < len(weights)
    save_file(kept, folder / "model.safetensors", {"format": "pt"})


def read_bert(folder: str | Path, length: int = 8) -> TextEncoder:
    """What a run does with ``text.pretrained``."""
    tokenizer = load_tokenizer(folder, length)
    encoder = TextEncoder(pretrained_text_config(folder, len(tokenizer), length), "cls")
    encoder.load_pretrained(folder)
    return encoder


def test_a_cased_vocabulary_is_read_as_it_is_written(tmp_path: Path) -> None:
    assert load_tokenizer(write_bert(tmp_path / "cased"), 8).tokenize("No nodules.") == ["No", "nodule", "##s", "."]
    uncased = load_tokenizer(write_bert(tmp_path / "uncased", UNCASED), 8)
    assert uncased.tokenize("No nodules.") == ["no", "nodule", "##s", "."]


def test_what_a_folder_says_about_capitals_holds(tmp_path: Path) -> None:
    folder = write_bert(tmp_path)
    for lowers, first in ((True, "no"), (False, "No")):
        BertTokenizerFast(vocab=str(folder / "vocab.txt"), do_lower_case=lowers).save_pretrained(folder)
        assert load_tokenizer(folder, 8).tokenize("No nodules.")[0] == first


def test_a_whole_folder_is_taken(tmp_path: Path) -> None:
    folder = write_bert(tmp_path)
    words = read_bert(folder).bert.get_input_embeddings().weight
    assert torch.equal(words, load_file(folder / "model.safetensors")["embeddings.word_embeddings.weight"])


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("roberta", {}),
        ("mpnet", {}),
        ("megatron-bert", {}),
        ("longformer", {"attention_window": [4, 4]}),
        ("big_bird", {"attention_type": "original_full"}),
    ],
)
def test_padding_says_nothing_to_any_kin_of_bert(name: str, sizes: dict[str, Any]) -> None:
    """Some have an attention of their own, which masks of ours leave open."""
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = AutoConfig.for_model(name, vocab_size=20, max_position_embeddings=16, pad_token_id=1, **small, **sizes)
    torch.manual_seed(0)
    encoder = TextEncoder(config.to_dict(), "mean").eval()
    theirs = AutoModel.from_config(AutoConfig.for_model(**config.to_dict())).eval()
    theirs.load_state_dict(encoder.bert.state_dict(), strict=False)
    words, mask = torch.randint(2, 20, (2, 8)), torch.ones(2, 8, dtype=torch.long)
    words[0, 4:], mask[0, 4:] = 1, 0
    states = encoder.words(words, mask)
    torch.testing.assert_close(states[mask > 0], theirs(words, mask).last_hidden_state[mask > 0])
    torch.testing.assert_close(states[:1, :4], encoder.words(words[:1, :4], mask[:1, :4]))


def test_a_tokenizer_that_pads_or_cuts_in_front_does_so_behind(tmp_path: Path) -> None:
    """Padded in front, training read the padding and left out the report; cut in front, it left out the impression."""
    folder = write_bert(tmp_path)
    in_front = {"padding_side": "left", "truncation_side": "left"}
    BertTokenizerFast(vocab=str(folder / "vocab.txt"), do_lower_case=True, **in_front).save_pretrained(folder)
    words = UniMediProcessor(Preprocess(), load_tokenizer(folder, 4), 4).text(["no nodule .", "no"])
    assert words["input_ids"].tolist() == [[2, 8, 9, 3], [2, 8, 3, 0]]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_weights_of_half_precision_train_in_full(tmp_path: Path, dtype: torch.dtype) -> None:
    """A step of 1e-5 is below the spacing of bf16 at .02: in it most weights would never move."""
    folder = write_bert(tmp_path / "bert")
    BertModel.from_pretrained(folder).to(dtype).save_pretrained(folder)
    encoder, stored = read_bert(folder), load_file(folder / "model.safetensors")
    assert {value.dtype for value in stored.values()} == {dtype}
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}
    name = "encoder.layer.0.attention.self.query.weight"
    query = encoder.bert.get_parameter(name)
    assert torch.equal(query, stored[name].float())
    with torch.no_grad():
        query.add_(1e-5)
    assert not (query == stored[name].float()).any()


def test_a_vit_of_half_precision_is_summed_and_resized_in_full(tmp_path: Path) -> None:
    folder = write_vit(tmp_path / "vit")
    ViTModel.from_pretrained(folder).to(torch.bfloat16).save_pretrained(folder)
    model = tiny_model()
    load_vit(model.vision, folder)
    kernel = load_file(folder / "model.safetensors")["embeddings.patch_embeddings.projection.weight"]
    assert torch.equal(model.vision.embed_2d.layers[0].weight, kernel.float().sum(1, keepdim=True))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", ["dinov2", "clip_vision_model", "deit"])
def test_another_vision_model_is_refused_by_name(tmp_path: Path, name: str) -> None:
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    AutoModel.from_config(AutoConfig.for_model(name, **small, image_size=32, patch_size=8)).save_pretrained(tmp_path)
    with pytest.raises(PretrainedError, match=f"expected a ViT, its config.json says that it is a '{name}'"):
        load_vit(tiny_model().vision, tmp_path)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("gpt2", {"n_embd": 16, "n_layer": 1, "n_head": 2, "vocab_size": 20}),
        ("t5", {"d_model": 16, "d_ff": 32, "num_layers": 1, "num_heads": 2, "d_kv": 8, "vocab_size": 20}),
        ("bart", {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "vocab_size": 20}),
        ("vit", {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}),
    ],
)
def test_a_model_that_does_not_read_as_bert_does_is_refused_by_name(
    tmp_path: Path, name: str, sizes: dict[str, int]
) -> None:
    AutoConfig.for_model(name, **sizes).save_pretrained(tmp_path)
    with pytest.raises(PretrainedError, match=f"expected a BERT-like text model, .* it is a '{name}'"):
        pretrained_text_config(tmp_path, 11, 8)


def test_an_unused_pooler_may_be_missing(tmp_path: Path) -> None:
    rewrite(write_bert(tmp_path / "bert"), "pooler.")
    read_bert(tmp_path / "bert")
    rewrite(write_vit(tmp_path / "vit"), "pooler.")
    load_vit(tiny_model().vision, tmp_path / "vit")


def test_what_is_wrong_with_a_bert_is_said(tmp_path: Path) -> None:
    bare = write_bert(tmp_path / "bare")
    (bare / "vocab.txt").unlink()
    pickled = write_bert(tmp_path / "pickled")
    torch.save(load_file(pickled / "model.safetensors"), pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    torn = write_bert(tmp_path / "torn")
    rewrite(torn, "layer.0.output")
    pointer = write_bert(tmp_path / "pointer")
    (pointer / "model.safetensors").write_text("version git-lfs\noid sha256:0\nsize 9\n")
    endless = write_bert(tmp_path / "endless")
    BertTokenizerFast(vocab=str(endless / "vocab.txt"), pad_token=None).save_pretrained(endless)
    one_way = write_bert(tmp_path / "one_way")
    BertConfig.from_pretrained(one_way, is_decoder=True).save_pretrained(one_way)
    behind = write_bert(tmp_path / "behind")  # RoBERTa's first place is the third
    BertTokenizerFast(vocab=str(behind / "vocab.txt")).save_pretrained(behind)
    RobertaConfig(vocab_size=11, pad_token_id=1, max_position_embeddings=9).save_pretrained(behind)
    cases: list[tuple[str | Path, str]] = [
        ("no-such-model", "expected the folder of a BERT-like text model, or a name .* got no-such-model"),
        (tmp_path / "nowhere", "expected the folder of a BERT-like text model"),
        (bare, "bare holds no vocabulary"),
        (pickled, "pickled is not a BERT-like text model .* no file named model.safetensors"),
        (torn, "torn lacks 4 weights of a BERT-like text model"),
        (pointer, "pointer is not a BERT-like text model"),
        (endless, "names no pad_token"),
        (one_way, "'bert, is_decoder: it reads one way'"),
        (behind, "reads 7 tokens at most, got model.text_length 8"),
        (
            write_bert(tmp_path / "short", max_position_embeddings=7),
            r"reads 7 tokens at most, got .*text_length 8",
        ),
        (write_bert(tmp_path / "few", vocab_size=9), "its tokenizer has 11 words, its model vectors for 9"),
        (write_vit(tmp_path / "vit"), "is not a BERT-like text model"),
    ]
    for folder, said in cases:
        with pytest.raises(PretrainedError, match=said):
            read_bert(folder)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"num_hidden_layers": 3}, "expected model.num_hidden_layers 2, got 3"),
        ({"num_hidden_layers": 1}, "expected model.num_hidden_layers 2, got 1"),
        ({"num_attention_heads": 4}, "expected model.num_attention_heads 2, got 4"),  # every weight would fit
        ({"intermediate_size": 64}, "expected model.intermediate_size 32, got 64"),
        ({"hidden_size": 32}, "expected model.hidden_size 16, got 32"),
        ({"hidden_act": "relu"}, "expected a ViT with hidden_act gelu, got relu"),  # every weight would fit
        ({"qkv_bias": False}, "expected a ViT with qkv_bias True, got False"),
        ({"image_size": (32, 64)}, "expected a ViT for square images, got 32 patches"),
    ],
)
def test_a_vit_of_another_size_is_refused(tmp_path: Path, sizes: dict[str, Any], said: str) -> None:
    with pytest.raises(PretrainedError, match=said):
        load_vit(tiny_model().vision, write_vit(tmp_path, **sizes))


def test_what_is_no_vit_is_refused(tmp_path: Path) -> None:
    torn = write_vit(tmp_path / "torn")
    rewrite(torn, "layernorm_after")
    cases = [
        (tmp_path / "nowhere", "expected the folder of a ViT"),
        (torn, "torn lacks 4 weights of a ViT"),
        (write_bert(tmp_path / "bert"), "expected a ViT, its config.json says that it is a 'bert'"),
    ]
    for folder, said in cases:
        with pytest.raises(PretrainedError, match=said):
            load_vit(tiny_model().vision, folder)
