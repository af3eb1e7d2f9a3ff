"""Whatever changes an embedding changes the fingerprint of the model; what does not, does not."""

from dataclasses import replace
from pathlib import Path

import pytest
from transformers import BertTokenizerFast

from tests.hospital import write_pretrained
from tests.tiny import PREPROCESS, tiny_model
from unimedi.inputs.preprocess import Preprocess
from unimedi.model.processor import UniMediProcessor
from unimedi.model.text_encoder import learn_tokenizer
from unimedi.representation.embedder import Embedder
from unimedi.representation.fingerprint import model_fingerprint

REPORTS = ["A nodule in the left lung.", "Clear lungs."] * 3


def processor(length: int = 12, preprocess: Preprocess = PREPROCESS) -> UniMediProcessor:
    return UniMediProcessor(preprocess, learn_tokenizer(REPORTS, 40, 12), length)


def test_every_weight_and_every_mean_counts() -> None:
    model, using = tiny_model(centre_inputs=True), processor()
    seen = {model_fingerprint(model, using)}
    for name, value in model.state_dict().items():
        flat = value.view(-1)
        before = flat[0].clone()
        flat[0] += 1
        seen.add(model_fingerprint(model, using))
        flat[0] = before
        assert model_fingerprint(model, using) in seen, name
    assert len(seen) == 1 + len(model.state_dict())


@pytest.mark.parametrize(
    "change",
    [{"slices": 1}, {"selector": "centre"}, {"text_pooling": "mean"}, {"cls_init": "max_pool"}],
)
def test_every_setting_of_the_model_counts(change: dict[str, object]) -> None:
    plain = tiny_model()
    assert all(change[key] != getattr(plain.config, key) for key in change)
    assert model_fingerprint(tiny_model(**change), processor()) != model_fingerprint(plain, processor())


def test_preprocessing_length_and_vocabulary_count() -> None:
    model, window = tiny_model(), replace(PREPROCESS, hu_window=(-900.0, 1000.0))
    fewer, other = processor(), processor()
    fewer.tokenizer = learn_tokenizer(REPORTS, 30, 12)
    other.tokenizer.backend_tokenizer.normalizer.lowercase = False
    found = [processor(), processor(11), processor(preprocess=window), fewer, other]
    assert len({model_fingerprint(model, using) for using in found}) == len(found)


def test_two_words_exchanged_in_the_vocabulary_count() -> None:
    model, using, turned = tiny_model(), processor(), processor()
    words = using.tokenizer.get_vocab()
    turned.tokenizer = BertTokenizerFast(vocab=words | {"c": words["l"], "l": words["c"]}, model_max_length=12)
    using.tokenizer = BertTokenizerFast(vocab=words, model_max_length=12)
    assert model_fingerprint(model, turned) != model_fingerprint(model, using)


def test_use_saving_and_the_type_of_the_weights_do_not_count(tmp_path: Path) -> None:
    folder = write_pretrained(tmp_path / "model")
    embedder = Embedder.from_pretrained(folder)
    first = embedder.fingerprint
    embedder.processor(text=["A nodule.", "Clear lungs, clear lungs."])
    assert model_fingerprint(embedder.model, embedder.processor) == first
    embedder.model.save_pretrained(tmp_path / "again")
    embedder.processor.save_pretrained(tmp_path / "again")
    assert Embedder.from_pretrained(tmp_path / "again").fingerprint == first
    assert model_fingerprint(embedder.model.double(), embedder.processor) == first
    halved = embedder.model.bfloat16()
    rounded = model_fingerprint(halved, embedder.processor)
    assert rounded != first
    assert model_fingerprint(halved.float(), embedder.processor) == rounded
