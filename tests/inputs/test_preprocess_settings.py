"""Sizes of images are checked, and one set of them has one fingerprint."""

import pytest

from unimedi.errors import InputError
from unimedi.inputs.preprocess import Preprocess
from unimedi.inputs.preprocess_settings import PreprocessSettings


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"radiograph_size": (0, 128)}, "radiograph_size: expected 2 positive sizes"),
        ({"hires_shape": (64, -1, 128)}, "hires_shape: expected 3 positive sizes"),
        ({"hu_window": (400.0, -100.0)}, "hu_window: expected .low, high. in HU with low < high"),
        ({"hu_window": (-100.0, float("inf"))}, "hu_window"),
    ],
)
def test_sizes_that_are_none_are_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Preprocess.from_dict(PreprocessSettings().to_dict() | values)


def test_a_fingerprint_is_of_the_values_and_of_all_of_them() -> None:
    plain, same = PreprocessSettings(), Preprocess.of(PreprocessSettings())
    assert plain.fingerprint() == same.fingerprint()
    changed = {"radiograph_size": [96, 128], "hires_shape": [32, 128, 128], "volume_shape": [32, 64, 96],
               "slice_size": [128, 96], "hu_window": [-1000, 999]}  # fmt: skip
    assert changed.keys() == plain.to_dict().keys()
    others = {Preprocess.from_dict(plain.to_dict() | {key: value}).fingerprint() for key, value in changed.items()}
    assert len(others | {plain.fingerprint()}) == len(changed) + 1
