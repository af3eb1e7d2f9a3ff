"""What a DICOM header says before the pixels are read."""

import datetime
from pathlib import Path

from pydicom.dataset import Dataset

from tests.cohort.dicom_files import put_ct, put_xray
from unimedi.cohort.sources.dicom.header import header_of, patient_id, read_header
from unimedi.cohort.sources.dicom.report_classes import concept, unfit
from unimedi.cohort.study import Modality


def test_a_header_is_read_from_a_file_or_the_first_of_a_folder(tmp_path: Path) -> None:
    tags = {"PatientID": " P  7 ", "BodyPartExamined": "CHEST", "StudyDate": "20240131"}
    header = read_header(put_xray(tmp_path / "a.dcm", **tags))
    assert header.date == datetime.date(2024, 1, 31)
    (tmp_path / "b.dcm").write_bytes((tmp_path / "a.dcm").read_bytes().replace(b"20240131", b"20241331"))
    assert read_header(tmp_path / "b.dcm").date is None
    assert (header.patient, header.modality, header.body_part) == ("P 7", Modality.DX, "CHEST")
    assert (header.view.frontal, header.unfit, header.foreign) == (True, "", "")
    first = header_of(put_ct(tmp_path / "ct"))
    assert first is not None
    assert (first.path.name, first.modality, first.axial) == ("IM0", Modality.CT, True)
    assert header_of(tmp_path / "nothing") is None
    assert patient_id("A\0 \tB ") == "A B"


def test_a_lateral_image_and_damage_are_reasons(tmp_path: Path) -> None:
    assert read_header(put_xray(tmp_path / "l.dcm", ViewPosition="LL")).unfit == "not frontal: LL"
    (tmp_path / "gone.dcm").mkdir()
    assert read_header(tmp_path / "gone.dcm").unfit.startswith("a file that cannot be read")


def document(meaning: str, sop: str = "1.2.840.10008.5.1.4.1.1.88.11", **tags: object) -> Dataset:
    name = Dataset()
    name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning = "1", "99X", meaning
    made = Dataset()
    made.SOPClassUID, made.ConceptNameCodeSequence = sop, [name]
    for key, value in tags.items():
        setattr(made, key, value)
    return made


def test_documents_that_no_radiologist_wrote_are_named() -> None:
    assert unfit(document("Chest CT report")) == ""
    assert unfit(document("CT dose summary")) == "a radiation dose report, not a radiologist's report"
    assert unfit(document("Low dose chest CT")) == ""
    assert unfit(document("Report", CompletionFlag="PARTIAL")).startswith("a partial report")
    assert "its text is not read" in unfit(document("Report", "1.2.840.10008.5.1.4.1.1.104.1"))
    assert concept(document("Chest")) == ("99X", "1", "Chest")
