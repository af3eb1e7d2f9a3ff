"""Which documents of an archive are a radiologist's report, and which of several counts."""

from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from unimedi.cohort.sources.dicom.report import Document, read_document, reports_by_study

ROOT = "1.2.840.10008.5.1.4.1.1."
BASIC, ENHANCED, COMPREHENSIVE, COMPREHENSIVE_3D = (f"{ROOT}88.{last}" for last in (11, 22, 33, 34))


def code(value: str, scheme: str, meaning: str) -> Dataset:
    made = Dataset()
    made.CodeValue, made.CodingSchemeDesignator, made.CodeMeaning = value, scheme, meaning
    return made


def item(kind: str, name: Dataset | None, relation: str = "CONTAINS", **values: object) -> Dataset:
    made = Dataset()
    made.RelationshipType, made.ValueType = relation, kind
    if name is not None:
        made.ConceptNameCodeSequence = [name]
    for key, value in values.items():
        setattr(made, key, value)
    return made


def text(words: str, name: Dataset | None = None, relation: str = "CONTAINS") -> Dataset:
    return item("TEXT", name, relation, TextValue=words)


FINDING, IMPRESSION = code("121071", "DCM", "Finding"), code("121073", "DCM", "Impression")
TITLE = code("18748-4", "LN", "Diagnostic imaging report")


def save(path: Path, *content: Dataset, sop: str = BASIC, title: Dataset | None = TITLE, **tags: object) -> Path:
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID, made.SOPInstanceUID, made.StudyInstanceUID = sop, f"1.2.{abs(hash(path.name)) % 10**8}", "1.9"
    made.Modality, made.PatientID = "SR", "p1"
    if title is not None:
        made.ConceptNameCodeSequence = [title]
    made.ValueType = "CONTAINER"
    made.ContentSequence = list(content)
    for key, value in tags.items():
        setattr(made, key, value)
    made.file_meta.MediaStorageSOPClassUID, made.file_meta.MediaStorageSOPInstanceUID = sop, made.SOPInstanceUID
    made.save_as(path, enforce_file_format=True)
    return path


def words(path: Path) -> str:
    read = read_document(path)
    assert isinstance(read, Document), read
    return read.text


@pytest.mark.parametrize("sop", [BASIC, ENHANCED, COMPREHENSIVE, COMPREHENSIVE_3D])
@pytest.mark.parametrize(
    "title",
    [
        TITLE,
        code("18747-6", "LN", "CT Report"),
        code("11528-7", "LN", "Radiology Report"),
        code("RAD", "99LOCAL", "Befundbericht"),
        code("87279-6", "LN", "CT Chest for screening WO contrast and low dose"),
        None,
    ],
)
def test_text_reports_of_any_class_are_read(tmp_path: Path, sop: str, title: Dataset | None) -> None:
    assert words(save(tmp_path / "a", text("A nodule.", FINDING), sop=sop, title=title)) == "FINDINGS: A nodule."


@pytest.mark.parametrize(
    ("sop", "title", "what"),
    [
        ("88.67", code("113701", "DCM", "X-Ray Radiation Dose Report"), "a radiation dose report"),
        ("88.76", None, "a radiation dose report"),
        ("88.68", None, "a radiation dose report"),
        ("88.73", None, "a radiation dose report"),
        ("88.33", code("113701", "DCM", "X-Ray Radiation Dose Report"), "a radiation dose report"),
        ("88.11", code("DOSE", "99LOCAL", "Patient Dose Report"), "a radiation dose report"),
        ("88.50", code("111036", "DCM", "Mammography CAD Report"), "the result of a CAD"),
        ("88.65", None, "the result of a CAD"),
        ("88.69", None, "the result of a CAD"),
        ("88.33", code("112000", "DCM", "Chest CAD Report"), "the result of a CAD"),
        ("88.33", code("1", "99VENDOR", "AI Lung Nodule Analysis"), "the result of a CAD"),
        ("88.34", code("126000", "DCM", "Imaging Measurement Report"), "measurements"),
        ("88.33", code("125200", "DCM", "Adult Echocardiography Procedure Report"), "measurements"),
        ("88.59", code("113000", "DCM", "Of Interest"), "a selection of key objects"),
        ("88.11", code("113030", "DCM", "Manifest"), "a selection of key objects"),
        ("88.40", code("121145", "DCM", "Description of Material"), "a procedure log"),
        ("88.70", None, "a procedure log"),
        ("88.71", None, "a procedure log"),
        ("88.11", code("11526-1", "LN", "Pathology study"), "another document"),
        ("104.1", None, "Encapsulated PDF"),
        ("104.2", None, "Encapsulated CDA"),
    ],
)
def test_what_a_machine_or_another_department_wrote_is_named(
    tmp_path: Path, sop: str, title: Dataset | None, what: str
) -> None:
    read = read_document(save(tmp_path / "a", text("Thorax routine"), sop=ROOT + sop, title=title))
    assert isinstance(read, str)
    assert what in read


def test_a_template_of_measurements_is_no_report(tmp_path: Path) -> None:
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "1500"
    read = read_document(save(tmp_path / "a", text("Lesion 1"), title=None, ContentTemplateSequence=[template]))
    assert read == "measurements, not a radiologist's report"


def test_a_document_without_a_title_is_what_its_parts_are(tmp_path: Path) -> None:
    dose = item("CONTAINER", code("113811", "DCM", "CT Accumulated Dose Data"), ContentSequence=[text("Thorax")])
    assert (
        read_document(save(tmp_path / "a", dose, title=None)) == "a radiation dose report, not a radiologist's report"
    )


def test_a_partial_or_empty_report_is_listed(tmp_path: Path) -> None:
    read = read_document(save(tmp_path / "a", text("A nodule."), CompletionFlag="PARTIAL"))
    assert str(read).startswith("a partial report")
    assert read_document(save(tmp_path / "b")) is None  # the walk lists it as no image


def test_headings_by_code_in_any_language_and_from_the_container(tmp_path: Path) -> None:
    befund, beurteilung = code("121070", "DCM", "Befunde"), code("121072", "DCM", "Beurteilungen")
    observer = text("Station 3", code("121013", "DCM", "Device Observer Name"), "HAS OBS CONTEXT")
    unit = Dataset()
    unit.NumericValue, unit.MeasurementUnitsCodeSequence = "8", [code("mm", "UCUM", "millimeter")]
    size = item("NUM", code("81827009", "SCT", "Diameter"), MeasuredValueSequence=[unit])
    coded = item("CODE", FINDING, ConceptCodeSequence=[code("36118008", "SCT", "Pneumothorax")])
    content = [
        observer,
        item("CONTAINER", befund, ContentSequence=[text("Rundherd\nrechts."), size, coded]),
        item("CONTAINER", beurteilung, ContentSequence=[text("<p>Verdacht auf Karzinom.</p>")]),
        text("Kein Vorbild.", code("121068", "DCM", "Vorbefunde")),
    ]
    assert words(save(tmp_path / "a", *content, sop=ENHANCED)).split("\n") == [
        "FINDINGS: Rundherd",
        "rechts.",
        "FINDINGS: Diameter: 8 mm",
        "FINDINGS: Pneumothorax",
        "IMPRESSION: Verdacht auf Karzinom.",
        "COMPARISON: Kein Vorbild.",
    ]


def test_a_report_without_preamble_or_modality(tmp_path: Path) -> None:
    path = save(tmp_path / "a", text("Nódulo.", FINDING), Modality="")
    path.write_bytes(path.read_bytes()[132:])
    assert words(path) == "FINDINGS: Nódulo."


@pytest.mark.parametrize(
    ("stated", "written"), [("ISO_IR 6", "utf-8"), ("ISO_IR 6", "cp1252"), ("ISO_IR 192", "cp1252")]
)
def test_letters_that_the_header_does_not_name(tmp_path: Path, stated: str, written: str) -> None:
    path = save(tmp_path / "a", text("Derrame en el l@@bulo.", FINDING), SpecificCharacterSet=stated)
    path.write_bytes(path.read_bytes().replace(b"@@", "ó".encode(written).ljust(2)))
    if stated == "ISO_IR 192":
        refused = "a report: its letters are not of the character set that it states (ISO_IR 192)"
        assert read_document(path) == refused
    else:
        assert words(path).replace(" ", "") == "FINDINGS:Derrameenellóbulo."


def documents(tmp_path: Path, **each: dict[str, object]) -> list[tuple[str, Document]]:
    found = []
    for name, tags in each.items():
        read = read_document(save(tmp_path / name, text(f"Report {name}."), ContentDate="20240101", **tags))
        assert isinstance(read, Document)
        found.append((name, read))
    return found


def test_of_several_reports_the_final_one_counts_and_addenda_are_joined(tmp_path: Path) -> None:
    early, late = {"ContentTime": "080000"}, {"ContentTime": "160000"}
    found = documents(
        tmp_path,
        draft={**early, "VerificationFlag": "UNVERIFIED"},
        addendum={**late, "VerificationFlag": "VERIFIED"},
        final={**early, "VerificationFlag": "VERIFIED"},
    )
    assert reports_by_study(found) == (
        {"1.9": "Report final.\nReport addendum."},
        [("draft", "a preliminary report beside the final one")],
    )
    assert reports_by_study(found[:1])[0] == {"1.9": "Report draft."}  # many archives verify none


def test_a_later_version_replaces_what_it_names(tmp_path: Path) -> None:
    (first,) = documents(tmp_path, first={})
    one, series, study = Dataset(), Dataset(), Dataset()
    one.ReferencedSOPClassUID, one.ReferencedSOPInstanceUID = BASIC, first[1].uid
    series.SeriesInstanceUID, series.ReferencedSOPSequence = "1.8", [one]
    study.StudyInstanceUID, study.ReferencedSeriesSequence = "1.9", [series]
    (second,) = documents(tmp_path, second={"PredecessorDocumentsSequence": [study]})
    expected = {"1.9": "Report second."}, [("first", "a report of which a later version is there")]
    assert reports_by_study([first, second]) == expected
    assert reports_by_study([second, first]) == expected


def test_what_is_no_dicom_file_is_no_document(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"FINDINGS")
    assert read_document(tmp_path / "a") is None
