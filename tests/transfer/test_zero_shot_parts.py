"""The failure gallery holds the calls furthest from the truth, a study once; labels are read as they are meant."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from unimedi.transfer.metrics import NotComputable, PatientBootstrap
from unimedi.transfer.space_tasks import agreement_figures, single_findings
from unimedi.transfer.task import View
from unimedi.transfer.zero_shot_parts import worst_calls
from unimedi.transfer.zero_shot_tasks import Verdicts


def view(labels: dict[str, list[float]], embedding: np.ndarray | None = None, prefix: str = "p") -> View:
    count = len(next(iter(labels.values())))
    patients = [f"{prefix}{i}" for i in range(count)]
    table: Any = SimpleNamespace(embedding=embedding)
    parts: dict[str, Any] = {
        "kind": "xray",
        "indices": list(range(count)),
        "table": table,
        "reports": np.zeros((count, 2)),
        "report_texts": patients,
        "groups": np.arange(count),
        "patients": patients,
        "labels": {name: np.array(values) for name, values in labels.items()},
        "bootstrap": PatientBootstrap(patients, 20, 0),
    }
    made = View.__new__(View)  # past the check of the table's type: these tasks read its embedding only
    for name, value in parts.items():
        object.__setattr__(made, name, value)
    return made


def test_worst_calls_are_wrong_confident_and_of_different_studies() -> None:
    seen = view({"mass": [0, 1, 0, np.nan], "nodule": [0, 1, 1, 0]})
    verdicts = Verdicts(
        {"mass": np.array([0.9, 0.1, 0.2, 1.0]), "nodule": np.array([0.8, 0.7, 0.45, 0.3])},
        {"mass": 0.5, "nodule": 0.4},
    )
    # Study 0 is wrong twice (.9, .8); 1 misses the mass; 2 is right on both (.45 is above the threshold); 3: not known.
    assert worst_calls(seen, verdicts, 12) == [(0, "mass", 0.9), (1, "mass", 0.1)]
    assert worst_calls(seen, verdicts, 1) == [(0, "mass", 0.9)]


def test_single_findings_need_all_others_known_to_be_absent() -> None:
    seen = view({"mass": [1, 0, 1, 1, 0], "nodule": [0, 0, 1, np.nan, np.nan]})
    assert single_findings(seen) == ["mass", "normal", "", "", ""]


def test_neighbours_agree_where_labels_are_clusters_and_by_chance_where_not() -> None:
    draws = np.random.default_rng(0)
    mass = (np.arange(60) % 3 == 0).astype(float)
    clusters = np.stack([mass, 1 - mass], axis=1) + draws.normal(0, 0.01, (60, 2))
    xray, ct = view({"mass": mass.tolist()}, clusters, "x"), view({"mass": mass.tolist()}, clusters, "c")
    figures = agreement_figures(xray, ct, "xray_to_ct")
    assert figures["space/knn_agreement/xray_to_ct"].value == pytest.approx(1.0)
    assert figures["space/knn_agreement/xray_to_ct/chance"].value == pytest.approx(0.5)  # two labels, weighed alike
    with pytest.raises(NotComputable, match="1 labels in both modalities"):
        agreement_figures(xray, view({"mass": [1.0] * 20}, clusters[:20], "c"), "xray_to_ct")
