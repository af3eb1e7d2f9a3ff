"""Labels are read as they are meant, and neighbours agree where labels are clusters."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from unimedi.evaluation.examples.pictures import findings_of
from unimedi.evaluation.space import neighbour_agreement, single_findings
from unimedi.evaluation.split import EvalSplit
from unimedi.metrics.bootstrap import PatientBootstrap
from unimedi.metrics.checks import NotComputable


def view(labels: dict[str, list[float]], embedding: np.ndarray | None = None, prefix: str = "p") -> EvalSplit:
    count = len(next(iter(labels.values())))
    patients = [f"{prefix}{i}" for i in range(count)]
    table: Any = SimpleNamespace(embedding=embedding)
    parts: dict[str, Any] = {
        "kind": "xray",
        "name": "validation",
        "indices": list(range(count)),
        "table": table,
        "reports": np.zeros((count, 2)),
        "report_texts": patients,
        "groups": np.arange(count),
        "patients": patients,
        "labels": {name: np.array(values, np.float64) for name, values in labels.items()},
        "details": {},
        "normal": np.all([np.array(values) == 0 for values in labels.values()], axis=0),
        "bootstrap": PatientBootstrap(patients, 20, 0),
    }
    made = EvalSplit.__new__(EvalSplit)  # past the check of the table's type: these tasks read its embedding only
    for name, value in parts.items():
        object.__setattr__(made, name, value)
    return made


def test_single_findings_need_all_others_known_to_be_absent() -> None:
    seen = view({"mass": [1, 0, 1, 1, 0], "nodule": [0, 0, 1, np.nan, np.nan]})
    assert single_findings(seen) == ["mass", "normal", "", "", ""]


def test_a_study_of_which_nothing_is_known_is_not_shown_as_normal() -> None:
    seen = view({"mass": [1, 0, 1, np.nan, 0], "nodule": [0, 0, 1, np.nan, np.nan]})
    assert [findings_of(seen, row) for row in range(5)] == [("mass",), ("normal",), ("mass", "nodule"), (), ()]


def test_neighbours_agree_where_labels_are_clusters_and_by_chance_where_not() -> None:
    draws = np.random.default_rng(0)
    mass = (np.arange(60) % 3 == 0).astype(float)
    clusters = np.stack([mass, 1 - mass], axis=1) + draws.normal(0, 0.01, (60, 2))
    xray, ct = view({"mass": mass.tolist()}, clusters, "x"), view({"mass": mass.tolist()}, clusters, "c")
    figures = neighbour_agreement(xray, ct, "xray_to_ct").measurements
    assert figures["space/xray_to_ct/knn_agreement"].value == pytest.approx(1.0)
    assert figures["space/xray_to_ct/knn_agreement_chance"].value == pytest.approx(0.5)  # two labels, weighed alike
    with pytest.raises(NotComputable, match="1 labels in both modalities"):
        neighbour_agreement(xray, view({"mass": [1.0] * 20}, clusters[:20], "c"), "xray_to_ct")
