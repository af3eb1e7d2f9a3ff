"""A store and a pretrained folder small enough to evaluate in seconds, with findings that the pixels do show."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.tiny import PREPROCESS, tiny_config
from unimedi.cohort.study import Modality, Split
from unimedi.inputs.preprocess import Preprocess
from unimedi.inputs.store import Store, StoredStudy
from unimedi.inputs.store_writer import Record, write_store
from unimedi.model.processor import UniMediProcessor
from unimedi.model.text_encoder import learn_tokenizer, scratch_text_config
from unimedi.model.unimedi import UniMediModel

FINDINGS = ("nodule", "pleural_effusion", "cardiomegaly")
DETAILS = ("spiculated", "calcified")
SENTENCES = {
    "nodule": "There is a nodule in the right lung.",
    "pleural_effusion": "There is a left pleural effusion.",
    "cardiomegaly": "The heart is enlarged.",
}
SIZES = {"train": 24, "validation": 10, "test": 16}


def write_hospital(
    path: Path,
    ndims: tuple[int, ...] = (2, 3),
    labelled: bool = True,
    masked: bool = True,
    masked_ndims: tuple[int, ...] = (3,),
) -> Store:
    """Patients with one finding in three; training patients have one modality, the others both."""
    draws = np.random.default_rng(0)
    records = []
    for split, count in SIZES.items():
        for number in range(count):
            present = {name: bool(draws.random() < 0.4) for name in FINDINGS}
            for ndim in ndims:
                if split != "train" or len(ndims) == 1 or number % 2 == ndim - 2:
                    records.append(
                        _record(split, number, ndim, present, draws, labelled, masked and ndim in masked_ndims)
                    )
    return write_store(path, records, PREPROCESS, FINDINGS if labelled else ())


def add_details(whole: Store, path: Path, distractors: bool = False) -> Store:
    """The same studies whose CTs have labels of two details, which the pixels do not show.

    ``distractors``: of the CTs with masks four in five also have one of a distractor, in the corner of four planes.
    """
    draws = np.random.default_rng(1)
    findings = (*whole.findings, *DETAILS, *(["distractor"] if distractors else []))
    records = []
    for index, study in enumerate(whole.studies):
        drawn = {name: bool(draws.random() < 0.5) for name in DETAILS}
        mask, start = whole.mask(index), int(draws.integers(0, 12))
        labels = study.labels | (drawn if study.modality is Modality.CT else {})
        if distractors and mask is not None and index % 5:
            mask = mask.copy()
            mask[start : start + 4, -4:, -4:] |= 1 << findings.index("distractor")
        records.append(Record(replace(study, labels=labels), whole.pixels(index), mask))
    return write_store(path, records, whole.preprocess, findings)


def _record(
    split: str,
    number: int,
    ndim: int,
    present: dict[str, bool],
    draws: np.random.Generator,
    labelled: bool,
    masked: bool,
) -> Record:
    shape = PREPROCESS.radiograph_size if ndim == 2 else PREPROCESS.hires_shape
    pixels = draws.integers(1000, 1200, shape) if ndim == 2 else draws.integers(-900, -700, shape)
    mask = np.zeros(shape, np.uint16)
    for bit, name in enumerate(name for name in FINDINGS if present[name]):
        place = (slice(4 + 8 * bit, 8 + 8 * bit), slice(4, 12))
        where = place if ndim == 2 else (slice(start := int(draws.integers(0, 12)), start + 4), *place)
        pixels[where] += 1500 if ndim == 2 else 800
        mask[where] |= 1 << FINDINGS.index(name)
    report = " ".join(SENTENCES[name] for name in FINDINGS if present[name]) or "The lungs are clear."
    patient = f"{split}-{number:03d}"
    study = StoredStudy(
        study_id=f"{patient}-{ndim}d",
        patient_id=patient,
        modality=Modality.DX if ndim == 2 else Modality.CT,
        split=Split(split),
        report=report,
        labels=dict(present) if labelled else {},
        has_mask=masked,
        spacing=(1.0,) * ndim,
    )
    return Record(study, pixels.astype(np.int16), mask if masked else None)


def write_pretrained(path: Path, preprocess: Preprocess = PREPROCESS, report_languages: tuple[str, ...] = ()) -> Path:
    """An untrained tiny model with a tokenizer learnt from the sentences above, saved as a run saves it."""
    import torch

    tokenizer = learn_tokenizer([*SENTENCES.values(), "The lungs are clear. No evidence of disease."] * 3, 60, 24)
    text = scratch_text_config(
        len(tokenizer), 24, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    torch.manual_seed(0)
    fields = {"preprocess": preprocess.to_dict(), "report_languages": report_languages}
    UniMediModel(tiny_config(text=text, text_length=24, **fields)).save_pretrained(path)
    UniMediProcessor(preprocess, tokenizer, 24).save_pretrained(path)
    return path
