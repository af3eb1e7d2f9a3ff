"""The settings of trainings: what the command line says becomes values, and a choice is that of the code behind it."""

from typing import get_args

import pytest

from unimedi.adaptation.segmentation.decoders import DECODERS
from unimedi.adaptation.settings import Algorithm, Decoder, FineTuneSettings, Kind, Precision, SegmentSettings
from unimedi.cohort.image_kind import ImageKind
from unimedi.metrics.measurement import percent
from unimedi.optimization.optimizer import OPTIMIZERS
from unimedi.optimization.precision import PRECISIONS
from unimedi.settings import SettingsError, read_settings


def test_choices_are_those_of_the_code() -> None:
    assert get_args(Kind) == tuple(map(str, ImageKind))
    assert get_args(Decoder) == tuple(DECODERS)
    assert get_args(Algorithm) == tuple(OPTIMIZERS)
    assert get_args(Precision) == tuple(PRECISIONS)


def test_settings_from_words() -> None:
    settings = read_settings(FineTuneSettings, ["--steps", "7", "--fractions=[0.1,1]", "--frozen", "true"])
    assert (settings.steps, settings.fractions, settings.frozen) == (7, (0.1, 1.0), True)
    for words, said in (
        (["--stepz", "7"], "unknown option --stepz .did you mean .steps"),
        (["--steps", "few"], "steps"),
        (["--steps", "0"], "steps: expected a whole number from 1 on, got 0"),
        (["--fractions", "[2]"], "fractions: expected a number above 0 and up to 1, got 2"),
        (["--seeds", "[3,3]"], "seeds: expected each value once, got [3, 3]"),
        (["--kinds", "[mri]"], "kinds: expected one of xray, ct, got 'mri'"),
    ):
        with pytest.raises(SettingsError, match=said.replace("[", r"\[")):
            read_settings(FineTuneSettings, words)
    with pytest.raises(SettingsError, match=r"ct_decoders: expected each value once, got \['unetr', 'unetr'\]"):
        read_settings(SegmentSettings, ["--ct_decoders", "[unetr,unetr]"])
    assert [percent(x) for x in (0.01, 0.1, 1.0)] == ["1%", "10%", "100%"]
