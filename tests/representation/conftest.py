"""One model and its ONNX graphs for all tests that ask either: an export takes half a minute."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.hospital import write_pretrained
from tests.tiny import PREPROCESS
from unimedi.cli import main

UNEVEN = replace(PREPROCESS, volume_shape=(8, 24, 24), slice_size=(24, 24))  # 32 pixels become 24: averaged


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pretrained(tmp_path_factory.mktemp("model"), UNEVEN)


@pytest.fixture(scope="session")
def exported(pretrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("export") / "onnx"
    main(["export", str(pretrained), "--format", "onnx", "--out", str(out)])
    return out
