"""How hits are printed: a line a hit within the width, the sentence that answers, CSV and JSON that read back."""

import csv
import io
import json
from dataclasses import replace
from datetime import date

import pytest

from unimedi.archive.printing import as_csv, as_json, as_recall, as_table, matching_sentence
from unimedi.archive.query import Hit

HIT = Hit(
    study_id="S1",
    patient_id="P1",
    modality="CT",
    date=date(2024, 1, 31),
    split="test",
    findings=("nodule", "pleural_effusion"),
    report="The heart is large. Small effusions, left.\nNo fracture.",
    image='a "b", c.nii',
    score=0.5,
    scores={"image": 0.5},
)


def test_the_sentence_that_shares_most_words_is_shown_whatever_their_ending() -> None:
    assert matching_sentence(HIT.report, "left pleural effusion") == "Small effusions, left."
    assert matching_sentence(HIT.report, "zebra") == "The heart is large."
    assert matching_sentence("", "effusion") == ""


@pytest.mark.parametrize("width", [30, 60, 200])
def test_no_line_is_wider_than_asked(width: int) -> None:
    lines = as_table([HIT, HIT], "effusion", width).splitlines()
    assert len(lines) == 3
    assert max(map(len, lines)) <= width
    assert ("effusions" in lines[1]) is (width == 200)


def test_columns_without_a_value_are_left_out() -> None:
    bare = replace(HIT, date=None, split="", findings=(), report="")
    assert as_table([bare]).splitlines()[0].split() == ["score", "study", "modality"]


def test_csv_and_json_read_back() -> None:
    (row,) = csv.DictReader(io.StringIO(as_csv([HIT])))
    assert (row["rank"], row["image"], row["report"]) == ("1", HIT.image, HIT.report)
    assert row["findings"] == "nodule;pleural_effusion"
    (read,) = json.loads(as_json([HIT]))
    assert (read["date"], read["scores"], read["findings"]) == ("2024-01-31", {"image": 0.5}, list(HIT.findings))


def test_little_recall_has_a_sentence() -> None:
    assert as_recall({"image": 0.951, "report": 1.0}).splitlines() == [
        "recall@10 of the index of vectors against exact search, 200 of its own vectors asked: "
        "images 0.951, reports 1.000"
    ]
    assert as_recall({"image": 0.949}).splitlines()[1].startswith("below 0.95: some of the nearest are missed")
