"""Validation patients drawn from an official training split, whose test split stays as it is."""

from unimedi.cohort.patient_id import likeness
from unimedi.cohort.sources.source_cohort import SourceCohort
from unimedi.cohort.split import assign_splits
from unimedi.cohort.study import Split


def with_validation(cohort: SourceCohort, share: float) -> SourceCohort:
    """The cohort with ``share`` (0 to 1) of the training patients as validation patients, drawn by a hash of the id.

    A training study whose patient is in the test split is left out, and noted.
    """
    test = [study for study in cohort.studies if study.split is Split.TEST]
    train = assign_splits((s for s in cohort.studies if s.split is not Split.TEST), validation=share, test=0.0)
    known = {likeness(study.patient_id) for study in test}
    for study in train:
        if likeness(study.patient_id) in known:
            cohort.skip(study.study_id, "its patient is in the test split")
    cohort.studies = [study for study in train if likeness(study.patient_id) not in known] + test
    return cohort
