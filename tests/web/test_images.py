"""Images of references: from a store or a file, never of who was forgotten."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from tests.archive.random_studies import MODEL, random_studies
from unimedi.archive.archive import Archive
from unimedi.archive.study import ArchivedStudy
from unimedi.errors import MissingError
from unimedi.imaging.image import Radiograph, Volume
from unimedi.inputs.sandbox import Limits as ReadLimits
from unimedi.web.images import Images, Shown, _reduced
from unimedi.web.limits import Limits
from unimedi.web.reading import Reader
from unimedi.web.reference import ImageRef
from unimedi.web.uploads import Upload, UploadGoneError, Uploads

GREY = np.random.default_rng(0).integers(0, 255, (48, 40)).astype(np.uint8)


@pytest.fixture(scope="module")
def reader() -> Reader:
    made = Reader(ReadLimits())
    yield made
    made.close()


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    Image.fromarray(GREY).save(tmp_path / "chest.png")
    voxels = np.random.default_rng(1).integers(-1000, 500, (12, 10, 8)).astype(np.int16)  # to the right, front, head
    nib.save(nib.Nifti1Image(voxels, np.diag([-1.0, -2.0, 3.0, 1.0])), tmp_path / "ct.nii")
    made = Archive.create(tmp_path / "archive", 32, MODEL)
    vectors = [study.vector for study in random_studies(3)]
    made.add(
        [
            ArchivedStudy("XR", "P1", "DX", vectors[0], image=str(tmp_path / "chest.png"), stamp="1"),
            ArchivedStudy("CT", "P1", "CT", vectors[1], image=str(tmp_path / "ct.nii"), stamp="1"),
            ArchivedStudy("moved", "P2", "CT", vectors[2], image=str(tmp_path / "nowhere.nii"), stamp="1"),
        ],
        MODEL,
    )
    return made


def images(archive: Archive, reader: Reader, kept: int = 1 << 20) -> Images:
    return Images(archive, reader, Uploads(reader, Limits()), kept)


def test_a_file_is_read_once_and_has_its_sizes(archive: Archive, reader: Reader) -> None:
    held = images(archive, reader)
    xray, volume = held.get(ImageRef("study", "XR")), held.get(ImageRef("study", "CT"))
    np.testing.assert_array_equal(xray.image.array, GREY)
    assert (xray.planes, xray.modality, xray.size_mm) == (1, "X-ray", (48.0, 40.0))
    assert volume.image.array.shape == (8, 10, 12)
    assert (volume.planes, volume.modality, volume.size_mm) == (8, "CT", (20.0, 12.0))
    assert held.get(ImageRef("study", "CT")) is volume


def test_little_is_kept_and_what_is_kept_can_be_dropped(archive: Archive, reader: Reader) -> None:
    held = images(archive, reader, kept=1)
    first = held.get(ImageRef("study", "XR"))
    held.get(ImageRef("study", "CT"))
    assert held.get(ImageRef("study", "XR")) is not first
    roomy = images(archive, reader)
    before = roomy.get(ImageRef("study", "XR"))
    roomy.forget(ImageRef("study", "XR"))
    assert roomy.get(ImageRef("study", "XR")) is not before


def test_who_was_forgotten_is_not_shown_from_memory(archive: Archive, reader: Reader) -> None:
    held = images(archive, reader)
    held.get(ImageRef("study", "XR"))
    archive.forget(study="XR")
    with pytest.raises(MissingError, match="XR"):
        held.get(ImageRef("study", "XR"))


def test_a_study_that_changed_is_read_again(archive: Archive, reader: Reader, tmp_path: Path) -> None:
    held = images(archive, reader)
    held.get(ImageRef("study", "XR"))
    Image.fromarray(GREY[::-1]).save(tmp_path / "chest.png")
    old = archive.study("XR")
    archive.add([ArchivedStudy("XR", "P1", "DX", old.vector, image=old.image, stamp="2")], MODEL)
    np.testing.assert_array_equal(held.get(ImageRef("study", "XR")).image.array, GREY[::-1])


def test_an_image_that_was_moved_is_said_without_its_path(archive: Archive, reader: Reader, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="study moved: its image is no longer where it lay") as error:
        images(archive, reader).get(ImageRef("study", "moved"))
    assert str(tmp_path) not in str(error.value)


def test_a_large_radiograph_is_shown_reduced() -> None:
    large = Radiograph(np.ones((4096, 1000), np.float32), (0.1, 0.1), modality="DX")
    small = _reduced(large)
    assert small.array.shape == (2048, 500)
    assert Shown(large, small).size_mm == pytest.approx((409.6, 100.0))
    volume = Volume(np.zeros((4, 8, 8), np.int16), (1.0, 1.0, 1.0))
    assert _reduced(volume) is volume


def test_an_upload_that_is_dropped_while_it_is_asked_for_leaves_nothing(archive: Archive, reader: Reader) -> None:
    radiograph = Radiograph(GREY.astype(np.float32))

    class Dropped(Uploads):
        """Held when it is asked for the first time, and no more."""

        asked = 0

        def get(self, id: str) -> Upload:
            self.asked += 1
            if self.asked > 1:
                raise UploadGoneError("gone")
            return Upload(id, "chest.png", radiograph, radiograph.array.nbytes)

    held = Images(archive, reader, Dropped(reader, Limits()))
    ref = ImageRef("upload", "a")
    assert held.get(ref).image is radiograph
    assert not held.is_there(ref)
    assert held._held == {}
