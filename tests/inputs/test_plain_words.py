"""Text stays text: nothing that is written in a report becomes a control token of any tokenizer."""

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AddedToken, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from tests.tiny import PREPROCESS
from unimedi.inputs.plain_words import plain_words, special_tokens
from unimedi.model.processor import UniMediProcessor
from unimedi.model.text_encoder import SPECIAL_TOKENS, learn_tokenizer

REPORTS = ["Seen by the unit. Mask, pad, sep, cls and unk.", "A large effusion, clear left lung."] * 3


def bert() -> PreTrainedTokenizerBase:
    return learn_tokenizer(REPORTS, 90, 64)


def roberta() -> PreTrainedTokenizerBase:
    """Bytes, angle brackets, and a <mask> that is looked for behind the normaliser and takes the blank before it."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = ["<s>", "<pad>", "</s>", "<unk>"]
    inner = Tokenizer(models.BPE({word: number for number, word in enumerate([*names, *letters])}, []))
    inner.normalizer, inner.pre_tokenizer = normalizers.NFKC(), pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    about = {"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>"}
    mask = AddedToken("<mask>", lstrip=True, normalized=True, special=True)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>", mask_token=mask, **about)
    tokenizer.add_special_tokens({"additional_special_tokens": ["ENDOFNOTE", "<|report|>"]})
    return tokenizer


def inside(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """The tokens between the first and the last, which the tokenizer puts there itself."""
    ids: list[int] = UniMediProcessor(PREPROCESS, tokenizer, 64)(text=text)["input_ids"][0].tolist()
    return ids[1:-1]


@pytest.mark.parametrize("make", [bert, roberta])
def test_no_special_token_comes_from_the_text(make: object) -> None:
    tokenizer: PreTrainedTokenizerBase = make()  # type: ignore[operator]
    special = set(tokenizer.all_special_ids)
    assert len(special) >= 5
    for token in tokenizer.all_special_tokens:
        for text in (f"Seen by {token} today", f"Seen by{token}today", token * 3, f"{token}a {token}"):
            assert not special & set(inside(tokenizer, text)), text


def test_full_width_letters_do_not_become_one_either() -> None:
    tokenizer = roberta()
    assert tokenizer.mask_token_id in tokenizer("＜mask＞")["input_ids"]
    assert tokenizer.mask_token_id not in inside(tokenizer, "＜mask＞")


@pytest.mark.parametrize("token", SPECIAL_TOKENS)
def test_it_becomes_the_word_in_it(token: str) -> None:
    tokenizer = bert()
    word = token.strip("[]").lower()
    assert inside(tokenizer, f"seen by {token}.") == inside(tokenizer, f"seen by {word}.")
    assert plain_words([f"a{token}b", "c"], special_tokens(tokenizer)) == [f"a {token.strip('[]')} b", "c"]


def test_what_is_no_special_token_is_left_as_it_is() -> None:
    texts = ["A [nodule] of < 3 mm; <b>", "[mask] [ MASK ] [MASK", "##a", "", "  two  blanks "]
    assert plain_words(texts, special_tokens(bert())) == texts


def test_a_piece_of_a_word_that_is_written_is_no_piece() -> None:
    tokenizer = bert()
    pieces = [word for word in tokenizer.get_vocab() if word.startswith("##")]
    assert pieces
    for piece in pieces:
        assert tokenizer.convert_tokens_to_ids(piece) not in inside(tokenizer, f"{piece} the")[:3]


def test_a_report_is_whole_behind_a_control_token() -> None:
    processor = UniMediProcessor(PREPROCESS, bert(), 64)
    plain, marked = processor(text="clear lung"), processor(text="clear [PAD] [SEP] lung")
    words = processor.tokenizer.convert_ids_to_tokens(marked["input_ids"][0])
    assert words[0] == "[CLS]"
    assert words[-1] == "[SEP]"
    assert words.count("[SEP]") == 1
    assert marked["attention_mask"].all()
    assert set(plain["input_ids"][0].tolist()) < set(marked["input_ids"][0].tolist())
