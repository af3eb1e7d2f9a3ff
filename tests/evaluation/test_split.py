from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.hospital import DETAILS, FINDINGS, add_details, write_hospital, write_pretrained
from tests.pretraining.toy_run import toy_store
from unimedi.evaluation.options import EvaluationOptions
from unimedi.evaluation.split import cut_reports, eval_split, findings_without_labels, foreign_reports
from unimedi.inputs.store_writer import Record, write_store
from unimedi.model.processor import UniMediProcessor
from unimedi.model.text_encoder import learn_tokenizer
from unimedi.representation.embedder import Embedder


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


def test_details_stand_beside_the_findings_and_say_nothing_of_who_is_normal(tmp_path: Path) -> None:
    whole = write_hospital(tmp_path / "whole")
    store = add_details(whole, tmp_path / "store")
    embedder = Embedder.from_pretrained(write_pretrained(tmp_path / "model"))
    for kind, details in (("ct", DETAILS), ("xray", ())):
        options = EvaluationOptions(resamples=5)
        before, now = (eval_split(kind, "test", one, embedder, options) for one in (whole, store))
        assert tuple(now.labels) == tuple(before.labels) == FINDINGS
        assert (tuple(now.details), before.details) == (details, {})
        for name, values in now.details.items():
            assert values.tolist() == [float(store.studies[i].labels[name]) for i in now.indices]  # type: ignore[arg-type]
        assert (now.normal == before.normal).all()
        assert 0 < now.normal.sum() < len(now)
        lacking = findings_without_labels(now, store.findings)
        assert lacking == ([] if details else ["no xray study of the test split has a label of spiculated, calcified"])
        empty = replace(now, report_texts=["", *now.report_texts[1:]]).reported
        assert all(np.array_equal(values, now.details[name][1:]) for name, values in empty.details.items())
        asked = eval_split(kind, "test", store, embedder, replace(options, details=()))
        assert tuple(asked.labels) == (*FINDINGS, *details)
        assert asked.details == {}
