from dataclasses import replace
from pathlib import Path

from tests.pretraining.toy_run import toy_store
from unimedi.inputs.store import Record, write_store
from unimedi.transfer.task import foreign_reports


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
