from dataclasses import replace
from pathlib import Path

from tests.pretraining.toy_run import toy_store
from unimedi.evaluation.split import cut_reports, foreign_reports
from unimedi.inputs.store_writer import Record, write_store
from unimedi.model.processor import UniMediProcessor
from unimedi.model.text_encoder import learn_tokenizer


def test_reports_in_a_language_the_model_never_saw_are_counted(tmp_path: Path) -> None:
    whole = toy_store(tmp_path / "whole", radiographs=6, volumes=0)
    records = [
        Record(replace(study, language="es" if place < 2 else "en"), whole.pixels(place))
        for place, study in enumerate(whole.studies)
    ]
    store = write_store(tmp_path / "store", records, whole.preprocess)
    assert foreign_reports(store, "train", ["en"]) == ["2 of 6 reports: 2 in 'es', the model was trained with 'en'"]
    assert foreign_reports(store, "train", ["en", "es"]) == []
    assert foreign_reports(store, "train", ()) == []  # a model of before this was kept


def test_reports_that_the_model_cuts_are_counted(tmp_path: Path) -> None:
    """Two of six have more words than the model reads."""
    whole = toy_store(tmp_path / "whole", radiographs=6, volumes=0)
    reports = ["lung " * (30 if place in (1, 4) else 3) for place in range(6)]
    records = [Record(replace(study, report=reports[n]), whole.pixels(n)) for n, study in enumerate(whole.studies)]
    store = write_store(tmp_path / "store", records, whole.preprocess)
    short = ["2 of 6 reports are longer than the 20 tokens that the model reads, and lose their end"]
    for length, said in ((20, short), (32, [])):
        processor = UniMediProcessor(whole.preprocess, learn_tokenizer(reports, 40, length), length)
        assert cut_reports(store, "train", processor) == said
