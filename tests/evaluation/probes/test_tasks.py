"""A probe's figures are means over the seeds of its draw, and say how far the seeds lie apart."""

from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

import pytest

from tests.hospital import DETAILS, add_details, write_hospital, write_pretrained
from unimedi.evaluation.options import EvaluationOptions
from unimedi.evaluation.probes.tasks import detail_probe, linear_probe
from unimedi.evaluation.split import eval_split
from unimedi.model.untrained import untrained
from unimedi.representation.embedder import Embedder


def test_spread_over_seeds_is_that_of_single_seeds(tmp_path: Path) -> None:
    store = write_hospital(tmp_path / "store", ndims=(2,), masked=False)
    ours = Embedder.from_pretrained(write_pretrained(tmp_path / "run" / "pretrained").parent)
    fresh = Embedder(untrained(ours.model, 0), ours.processor)
    options = EvaluationOptions(fractions=(0.5, 1.0), probe_seeds=(0, 1, 2), resamples=5)
    seen = eval_split("xray", "test", store, ours, options)
    encoders = {"": (ours, seen.table), "random_init": (fresh, fresh.images(store, seen.indices))}
    figures = linear_probe(seen, store, encoders, options).measurements
    single = [
        linear_probe(seen, store, encoders, replace(options, fractions=(0.5,), probe_seeds=(seed,))).measurements
        for seed in options.probe_seeds
    ]
    for row in ("", "sgd/", "random_init/", "sgd/random_init/"):
        key = f"linear_probe/xray/{row}50%/auroc"
        values = [one[key].value for one in single]
        spread, n = figures[f"{key}_seed_sd"].value, figures[f"{key}_seed_sd"].n
        assert (spread, n) == (pytest.approx(stdev(values)), 3)
        assert spread > 0
        assert figures[key].value == pytest.approx(mean(values))
        assert f"linear_probe/xray/{row}100%/auroc_seed_sd" not in figures
    assert not [key for one in single for key in one if key.endswith("seed_sd")]


def test_details_are_probed_by_themselves(tmp_path: Path) -> None:
    whole = write_hospital(tmp_path / "whole", ndims=(3,), masked=False)
    store = add_details(whole, tmp_path / "store")
    ours = Embedder.from_pretrained(write_pretrained(tmp_path / "run" / "pretrained").parent)
    options = EvaluationOptions(fractions=(0.5, 1.0), probe_seeds=(0, 1), resamples=5)

    def probed(probe, data, classes=(), details=options.details):  # type: ignore[no-untyped-def]
        chosen = replace(options, classes=classes, details=details)
        seen = eval_split("ct", "test", data, ours, chosen)
        return probe(seen, data, {"": (ours, seen.table)}, chosen)

    alone = probed(linear_probe, store, DETAILS, ())  # as if they were all the findings that there are
    found = probed(detail_probe, store)
    renamed = {
        key.replace("auroc", "detail_auroc"): row.value
        for key, row in alone.measurements.items()
        if not key.endswith("training_studies")
    }
    assert {key: row.value for key, row in found.measurements.items()} == renamed
    assert "linear_probe/ct/pca/50%/detail_auroc" in renamed
    assert "linear_probe/ct/100%/minus_pca/detail_auroc" in renamed
    before, now = probed(linear_probe, whole), probed(linear_probe, store)
    assert now.measurements.to_json() == before.measurements.to_json()
    assert not set(found.measurements) & set(now.measurements)
