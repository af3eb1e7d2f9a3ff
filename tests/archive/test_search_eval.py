"""search-eval against a loop over searches; labels and split are the archive's own."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from tests.hospital import FINDINGS, write_hospital, write_pretrained
from unimedi.archive.archive import Archive
from unimedi.archive.filters import Filter
from unimedi.archive.indexing import index
from unimedi.archive.query import Query
from unimedi.archive.search_eval import search_eval
from unimedi.cli import main
from unimedi.evaluation.zero_shot.prompts import read_prompts
from unimedi.representation.embedder import Embedder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("search-eval")
    store, model = write_hospital(root / "store"), write_pretrained(root / "model", report_languages=("en",))
    index(store.path, model, str(root / "archive"))
    return root / "archive", model


def test_figures_are_those_of_a_loop_over_searches(made: tuple[Path, Path]) -> None:
    archive, model = made
    found = search_eval(str(archive), model, resamples=50)
    embedder, prompts = Embedder.from_pretrained(model), read_prompts()
    for finding in FINDINGS:
        for modality, kind in (("CT", "ct"), ("DX", "xray")):
            gains, shares = [], []
            for sentence in prompts.findings[finding].present:
                query = Query(embedder.texts([sentence])[0], embedder.fingerprint, sentence, ("image",))
                hits = Archive(archive).search(query, Filter(modality=(modality,), split=("test",)), 10)
                right = [finding in hit.findings for hit in hits]
                every = Archive(archive).search(
                    query, Filter(modality=(modality,), split=("test",), finding=(finding,)), 99
                )
                possible = sum(1 / math.log2(place + 2) for place in range(min(len(every), 10)))
                gains.append(sum(yes / math.log2(place + 2) for place, yes in enumerate(right)) / possible)
                shares.append(np.mean(right))
            name = {"task": "search", "modality": kind, "method": "image", "finding": finding}
            for metric, values in (("ndcg@10", gains), ("p@10", shares)):
                one = found.one(metric=metric, **name)
                assert one is not None
                assert one.value == pytest.approx(np.mean(values))
                assert one.low <= one.value <= one.high or math.isclose(one.low, one.high)
                assert one.n == 16


def test_words_of_reports_find_what_the_reports_say(made: tuple[Path, Path]) -> None:
    """Each report names its findings and nothing else: full text must be perfect where a word is a finding's own."""
    found = search_eval(str(made[0]), made[1], resamples=20)
    one = found.one(task="search", modality="ct", method="text", metric="ndcg@10", finding="pleural_effusion")
    assert one is not None
    assert one.value > 0.95
    assert found.one(task="search", modality="ct", method="hybrid", metric="p@10") is not None


def test_the_command_prints_tables_and_writes_figures(
    made: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, model = made
    out = tmp_path / "figures.json"
    assert main(["search-eval", str(archive), "--model", str(model), "--split", "all", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "| ndcg@10 | studies | share | image | report | text | hybrid |" in printed
    assert "| ct, pleural_effusion | " in printed
    assert "search/ct/hybrid/p@10" in json.loads(out.read_text())
    write_hospital(tmp_path / "store", labelled=False)
    index(tmp_path / "store", model, str(tmp_path / "b"))
    assert main(["search-eval", str(tmp_path / "b"), "--model", str(model)]) == 2
    assert "with, and others without, a finding of chest_en_v2, found none" in capsys.readouterr().err
