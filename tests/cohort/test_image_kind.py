"""One index says what an image is: modality, dimensions and place agree."""

import pytest

from unimedi.cohort.image_kind import ImageKind
from unimedi.cohort.study import Modality


@pytest.mark.parametrize(
    ("modality", "kind"), [("DX", "xray"), ("CR", "xray"), ("US", "xray"), ("CT", "ct"), ("MR", "ct")]
)
def test_a_modality_is_of_one_kind(modality: str, kind: str) -> None:
    assert Modality(modality).image_kind == kind
    assert Modality(modality).ndim == ImageKind(kind).ndim


def test_kinds_are_told_apart_by_place_name_and_dimensions() -> None:
    assert [kind.place for kind in ImageKind] == list(range(len(ImageKind)))
    assert [ImageKind.of(ndim) for ndim in (2, 3)] == [ImageKind.XRAY, ImageKind.CT]
    assert f"{ImageKind.CT}/l_icl" == "ct/l_icl"
    assert [kind.label for kind in ImageKind] == ["X-ray", "CT"]
