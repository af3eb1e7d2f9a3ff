"""A search as an address: what is written is what is read."""

import datetime
from urllib.parse import parse_qs

import pytest
from pydantic import ValidationError

from unimedi.web.reference import ImageRef
from unimedi.web.search_params import SearchParams


def read(address: str) -> SearchParams:
    several = ("like", "not_like", "modality", "finding", "split")
    fields = {name: found if name in several else found[0] for name, found in parse_qs(address).items()}
    return SearchParams.model_validate(fields)


def test_an_address_says_what_differs_and_is_read_back() -> None:
    params = SearchParams(
        q="left effusion & more", like=["study:a/b c"], modality=["CT", "DX"], since="2024-01-31", k=20
    )
    assert read(params.query()) == params
    assert SearchParams().query() == ""
    assert read(params.query(k=10, modality=[])) == params.model_copy(update={"k": 10, "modality": []})
    assert read(params.asked_query()) == SearchParams(q=params.q, like=params.like)


def test_an_example_is_on_one_side_and_can_be_taken_away() -> None:
    ref = ImageRef("study", "P1")
    params = read(SearchParams(q="nodule", like=["study:P1", "study:P2"]).less(ref))
    assert (params.like, params.not_like) == (["study:P2"], ["study:P1"])
    assert read(params.more(ref)).like == ["study:P2", "study:P1"]
    assert read(params.more(ref)).not_like == []
    assert read(params.without("study:P1")).not_like == []


def test_dates_that_a_form_leaves_empty_are_none() -> None:
    params = SearchParams(since="", until="2024-02-29")
    assert (params.since, params.until) == (None, datetime.date(2024, 2, 29))
    assert params.filter(["P1"]).not_patient == ("P1",)


@pytest.mark.parametrize(
    "wrong", [{"k": 0}, {"k": 101}, {"by": "magic"}, {"since": "soon"}, {"q": "x" * 10_001}, {"x": 1}]
)
def test_what_is_no_search_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SearchParams.model_validate(wrong)


@pytest.mark.parametrize("text", ["", "study:", "file:/etc/passwd", "P1", "study", "upload:" + "x" * 5000])
def test_a_reference_is_to_a_study_or_an_upload(text: str) -> None:
    with pytest.raises(ValueError, match="expected study:ID or upload:ID"):
        ImageRef.parse(text)
    assert str(ImageRef.parse("study:a:b/c")) == "study:a:b/c"
