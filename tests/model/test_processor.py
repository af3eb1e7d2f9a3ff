"""One object for training and serving: paths, arrays and sentences in, the model's tensors out."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tiny import PREPROCESS, tiny_model
from unimedi.imaging.image import Radiograph, Volume
from unimedi.model.processor import UniMediProcessor
from unimedi.model.text_encoder import learn_tokenizer


@pytest.fixture
def processor() -> UniMediProcessor:
    return UniMediProcessor(PREPROCESS, learn_tokenizer(["A nodule in the left lung.", "Clear lungs."] * 3, 40, 12), 12)


def volume() -> Volume:
    voxels = np.random.default_rng(0).integers(-1000, 400, (20, 24, 24)).astype(np.int16)
    return Volume(voxels, (2.0, 1.0, 1.0))


def test_arrays_and_images_give_what_the_store_would_keep(processor: UniMediProcessor) -> None:
    image = volume()
    expected = torch.from_numpy(PREPROCESS.stored(image))
    assert torch.equal(processor(image)["pixel_values"][0], expected)
    assert torch.equal(processor(image.voxels, spacing=image.spacing)["pixel_values"][0], expected)
    pixels = np.random.default_rng(1).random((40, 30)).astype(np.float32)
    flat = processor([Radiograph(pixels), pixels])["pixel_values"]
    assert flat.shape == (2, *PREPROCESS.radiograph_size)
    assert torch.equal(flat[0], flat[1])


def test_saved_and_loaded_is_the_same(processor: UniMediProcessor, tmp_path: Path) -> None:
    processor.save_pretrained(tmp_path)
    loaded = UniMediProcessor.from_pretrained(tmp_path)
    assert loaded.preprocess == processor.preprocess
    sentences = ["A nodule.", "Clear lungs, clear lungs, clear lungs, clear lungs, clear lungs."]
    before, after = processor(text=sentences), loaded(text=sentences)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert before["input_ids"].shape[1] <= 12


def test_image_and_text_meet_in_the_model(processor: UniMediProcessor) -> None:
    inputs = processor(volume(), text="A nodule in the left lung.")
    assert tiny_model()(**inputs).shape == (1, 1)


def test_the_words_of_a_clip_processor_change_nothing(processor: UniMediProcessor) -> None:
    given = processor(text=["A nodule.", "Clear lungs."], images=[volume()], return_tensors="pt", padding=True)
    expected = processor([volume()], ["A nodule.", "Clear lungs."])
    assert all(torch.equal(given[name], expected[name]) for name in expected)
    assert given.to("cpu")["pixel_values"].shape == expected.pixel_values.shape
    for other in ({"return_tensors": "np"}, {"padding": "max_length"}, {"do_resize": False}):
        with pytest.raises(TypeError, match=f"expected no other option than .*got {next(iter(other))}="):
            processor(text="A nodule.", **other)


@pytest.mark.parametrize(
    ("images", "spacing", "message"),
    [
        (np.zeros((4, 8, 8)), None, "spacing="),
        (np.zeros(5), None, "got 1-D"),
        ([volume(), Radiograph(np.eye(9, dtype=np.float32))], None, r"mixture: images\[0\] 3-D, images\[1\] 2-D"),
        ([], None, "at least one image, got an empty list"),
        ([volume(), None], None, r"images\[1\]: expected a path, .*got NoneType"),
        (b"bytes of a file", None, "image: expected a path, .*got bytes"),
        (None, None, "neither"),
    ],
)
def test_what_cannot_be_told_is_refused(processor: UniMediProcessor, images, spacing, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises((ValueError, TypeError), match=message):
        processor(images, spacing=spacing)


def test_what_was_made_of_images_and_texts_goes_into_each_reader_whole(processor: UniMediProcessor) -> None:
    model = tiny_model(text_length=12)
    inputs = processor(images=volume(), text=["clear lungs", "nodule"])
    assert model(**inputs).shape == (1, 2)
    assert torch.equal(model.get_image_features(**inputs), model.get_image_features(inputs["pixel_values"]))
    assert model.get_text_features(**inputs).shape == (2, 8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ([], "at least one text, got an empty list"),
        (["a", None], r"text\[1\]: expected a string, got NoneType"),
        (b"a", "text: expected a string, got bytes"),
        ([b"a"], r"text\[0\]: expected a string, got bytes"),
        (7, "text: expected a string, got int"),
        ({"text": "a"}, "text: expected a string, got dict"),
        ("a\ud800", "half a character at place 1"),
    ],
)
def test_what_is_no_text_is_refused(processor: UniMediProcessor, text: object, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        processor(text=text)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"preprocessor_config\.json"):
        UniMediProcessor.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("preprocessor_config.json", '{"crop_size": 224}', "is not that of a UniMedI model"),  # CLIP's has this name
        ("preprocessor_config.json", "{", "or damaged"),
        ("tokenizer.json", None, "tokenizer.json is not there"),
        ("tokenizer.json", "{", "or damaged"),
        ("tokenizer_config.json", None, "tokenizer_config.json is not there"),
    ],
)
def test_a_folder_of_another_model_or_a_damaged_one_says_so(
    processor: UniMediProcessor, tmp_path: Path, name: str, content: str | None, said: str
) -> None:
    processor.save_pretrained(tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=said):
        UniMediProcessor.from_pretrained(tmp_path)


def test_a_report_that_is_too_long_is_read_with_its_impression_first(processor: UniMediProcessor) -> None:
    head = "Clear lungs. No nodule in the left lung. " * 4
    for end in ("A nodule.", "Clear."):
        alone = processor(text=end)["input_ids"][0, :-1]
        for text in (f"FINDINGS: {head}\nIMPRESSION: {end}", f"IMPRESSION: {end}\nFINDINGS: {head}"):
            assert torch.equal(processor(text=text)["input_ids"][0, : len(alone)], alone)
    short = "Lung: clear"  # is read as it stands
    assert processor(text=short)["input_ids"].tolist() == [processor.tokenizer(short)["input_ids"]]


def test_a_long_text_without_headings_is_cut_and_not_changed(processor: UniMediProcessor) -> None:
    text = "A nodule in the left lung. " * 9
    expected = processor.tokenizer(text, truncation=True, max_length=12)["input_ids"]
    assert processor(text=text)["input_ids"].tolist() == [expected]
    assert processor.lengths([text, ""]) == [len(processor.tokenizer(text, verbose=False)["input_ids"]), 2]
    assert processor.too_long([text, "Clear.", text]) == 2
    assert processor.too_long([]) == 0
