"""A search as it stands in an address: what is asked, which studies may answer, how many."""

import datetime
from collections.abc import Iterable
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, field_validator

from unimedi.archive.filters import Filter
from unimedi.archive.query import LONGEST
from unimedi.web.reference import ImageRef

Name = Annotated[str, Field(max_length=4096)]
Several = Annotated[list[Name], Field(max_length=50)]
MOST_HITS = 100


class SearchParams(BaseModel):
    """The fields of the form, each with what it is when the address does not say it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    q: Annotated[str, Field(max_length=LONGEST, description="words: right lower lobe consolidation")] = ""
    like: Annotated[Several, Field(description="study:ID or upload:ID: more like these")] = []
    not_like: Annotated[Several, Field(description="study:ID or upload:ID: less like these")] = []
    by: Annotated[
        Literal["both", "image", "report", "vector", "text"],
        Field(description="what is compared: images, reports, both of these, words of reports, or all (both)"),
    ] = "both"
    modality: Annotated[Several, Field(description="one of these: CT, DX ...")] = []
    finding: Annotated[Several, Field(description="all of these are labelled as present")] = []
    split: Annotated[Several, Field(description="one of these")] = []
    since: Annotated[datetime.date | None, Field(description="the first day")] = None
    until: Annotated[datetime.date | None, Field(description="the last day")] = None
    k: Annotated[int, Field(ge=1, le=MOST_HITS, description="hits")] = 10

    @field_validator("since", "until", mode="before")
    @classmethod
    def _given(cls, value: Any) -> Any:
        return None if value == "" else value  # a form sends a field that was left empty

    @property
    def asks(self) -> bool:
        """Whether anything is asked."""
        return bool(self.q.strip() or self.like or self.not_like)

    def filter(self, not_patient: Iterable[str] = ()) -> Filter:
        """Which studies may answer. Raises InputError where ``since`` is after ``until``."""
        where = (tuple(self.modality), tuple(self.split), (), tuple(self.finding), self.since, self.until)
        return Filter(*where, tuple(not_patient))

    def query(self, **changes: Any) -> str:
        """The address's part behind ``?`` with some fields changed; what is as usual is left out."""
        fields = self.model_dump() | changes
        usual = type(self)().model_dump()
        told = {name: value for name, value in fields.items() if value != usual[name]}
        return urlencode(told, doseq=True)

    def asked_query(self) -> str:
        """The same of what is asked alone, without filters."""
        asked = {"q": self.q, "like": self.like, "not_like": self.not_like}
        return urlencode({name: value for name, value in asked.items() if value}, doseq=True)

    def more(self, ref: ImageRef) -> str:
        """The address of the search moved towards an image."""
        return self.query(like=_with(self.like, ref), not_like=_without(self.not_like, ref))

    def less(self, ref: ImageRef) -> str:
        """The address of the search moved away from an image."""
        return self.query(not_like=_with(self.not_like, ref), like=_without(self.like, ref))

    def without(self, ref: str) -> str:
        """The address of the search without an example."""
        return self.query(like=[one for one in self.like if one != ref], not_like=[
            one for one in self.not_like if one != ref
        ])  # fmt: skip


def _with(refs: list[str], ref: ImageRef) -> list[str]:
    return [*dict.fromkeys([*refs, str(ref)])]


def _without(refs: list[str], ref: ImageRef) -> list[str]:
    return [one for one in refs if one != str(ref)]
