"""Reports as a cohort has them: how long, in which language, and which are the same word for word."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from unimedi.cohort.reports.counts import report_lines
from unimedi.cohort.reports.language import UNKNOWN
from unimedi.doctor.duplicates import groups
from unimedi.doctor.study_summary import StudySummary

QUARTILES = {"min": 0, "q1": 25, "median": 50, "q3": 75, "max": 100}
LENGTHS = (80, 192, 256)  # tokens that our recipes let the text encoder read: model.text_length
LONG = 400  # words: most text encoders read 256 or 512 tokens, and a word of a report is 1.3 to 2 of them


def text_facts(seen: Sequence[StudySummary]) -> dict[str, Any]:
    """Counts by language, of words (quartiles and range), and of what deserves a look; ids where they are few."""
    written = [s for s in seen if s.report]
    words = np.array([s.words for s in written] or [0])
    same = [group for group in groups(s.report for s in seen) if len({seen[i].patient_id for i in group}) > 1]
    other = [s.study_id for s in written if s.detected not in ("", UNKNOWN, s.language)]
    return {
        "with_report": len(written),
        "without_report": len(seen) - len(written),
        "languages": dict(Counter(s.language for s in written).most_common()),
        "language_differs_from_text": other,
        "words": {name: float(np.percentile(words, share)) for name, share in QUARTILES.items()},
        "longer_than_encoders_read": int((words > LONG).sum()),
        "more_words_than": {str(length): int((words > length).sum()) for length in LENGTHS},
        "said": report_lines([s.counted for s in written if s.counted]),
        "shared_by_patients": sum(len(group) for group in same),
        "most_shared": sorted((len(group) for group in same), reverse=True)[:10],
    }
