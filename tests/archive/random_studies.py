"""Random studies for an archive: unit vectors in clusters, words, dates and findings with awkward letters."""

import datetime

import numpy as np

from unimedi.archive.study import ArchivedStudy

MODEL = "a model's fingerprint"
FINDINGS = ("nodule", "it's", "a; DROP TABLE archive", "100%_sure", "ground_glass", 'say "x"')
WORDS = ("effusion", "nodule", "consolidation", "pneumothorax", "clear", "enlarged", "fracture", "no", "left", "right")


def random_studies(count: int, dim: int = 32, seed: int = 0, start: int = 0) -> list[ArchivedStudy]:
    """Two studies a patient, one in four without a report, one in five without a date."""
    draws = np.random.default_rng([seed, start])
    centres = draws.normal(size=(20, dim))

    def vector() -> np.ndarray:
        row = centres[draws.integers(len(centres))] + draws.normal(size=dim)
        return (row / np.linalg.norm(row)).astype(np.float32)

    studies = []
    for number in range(start, start + count):
        reported = number % 4 != 3
        words = " ".join(draws.choice(WORDS, 8))
        studies.append(
            ArchivedStudy(
                study_id=f"STUDY-{number:06d}",
                patient_id=f"PATIENT-{number // 2:06d}",
                modality=("CT", "DX", "CR")[number % 3],
                vector=vector(),
                report_vector=vector() if reported else None,
                report=f"Findings: {words}. Marker{number:06d} is seen." if reported else "",
                date=datetime.date(2024, 1, 1) + datetime.timedelta(number % 365) if number % 5 else None,
                split=("train", "validation", "test")[number // 2 % 3],
                findings=tuple(name for name in FINDINGS if draws.random() < 0.2),
                image=f"images/{number:06d}.dcm",
                stamp=str(number),
            )
        )
    return studies
