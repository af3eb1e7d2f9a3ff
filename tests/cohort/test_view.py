"""Which X-rays are frontal: what archives write into position, code, orientation and descriptions."""

import pytest
from pydicom.dataset import Dataset

from unimedi.cohort.sources.dicom.view import view_by_name, view_of

pytestmark = pytest.mark.filterwarnings("ignore:.*[vV]alue")  # that archives write such is the point

FRONTAL = (
    "PA", "AP", "pa", " AP ", "P.A.", "a.p.", "A-P", "P/A", "AP SUPINE", "PORTABLE AP", "AP PORTABLE", "PA ERECT",
    "AP_UPRIGHT", "FRONTAL", "CHEST PA", "POSTERO-ANTERIOR", "posteroanterior", "antero posterior", "Frontale", "正位",
    "后前位", "a.p. liegend", "PA stehend", "INSP PA", "AP lying",
)  # fmt: skip
OTHER = (
    "LL", "RL", "LATERAL", "LAT", "XTABLE LATERAL", "X-TABLE LAT", "CROSS TABLE LATERAL", "LAO", "RAO", "LPO", "RPO",
    "LLO", "RLO", "SWIMMERS", "OBLIQUE", "LLD", "RLD", "AP LLD", "PA RLD", "AP AXIAL", "AP LORDOTIC", "TANGENTIAL",
    "DECUBITUS", "LEFT LATERAL", "PA LATERAL", "侧位", "SUNRISE", "L",
)  # fmt: skip
UNSTATED = ("", "UNKNOWN", "unspecified", "OTHER", "N/A", "-", "CHEST", "PORTABLE", "ERECT")


def header(**tags: object) -> Dataset:
    made = Dataset()
    for name, value in tags.items():
        setattr(made, name, value)
    return made


def code(value: str, meaning: str = "", scheme: str = "SCT") -> list[Dataset]:
    return [header(CodeValue=value, CodeMeaning=meaning, CodingSchemeDesignator=scheme)]


@pytest.mark.parametrize("position", FRONTAL)
def test_frontal_positions(position: str) -> None:
    assert view_of(header(ViewPosition=position)).frontal is True


@pytest.mark.parametrize("position", OTHER)
def test_every_other_position_is_not_frontal_and_is_named(position: str) -> None:
    assert view_of(header(ViewPosition=position)) == (False, position)


@pytest.mark.parametrize("position", UNSTATED)
def test_positions_that_state_nothing(position: str) -> None:
    assert view_of(header(ViewPosition=position)).frontal is None
    assert view_of(header()).frontal is None


def test_a_modifier_of_the_code_changes_the_view() -> None:
    for modifier, frontal in (("Lordotic", False), ("Oblique projection", False), ("Expiratory", True)):
        coded = code("399348003", "antero-posterior")
        coded[0].ViewModifierCodeSequence = code("1", modifier)
        assert view_of(header(ViewPosition="AP", ViewCodeSequence=coded)).frontal is frontal


def test_codes_of_snomed_old_and_new() -> None:
    for value in ("399348003", "272479007", "399033003", "R-10206", "R-40888", "R-10214", "R-10202"):
        assert view_of(header(ViewCodeSequence=code(value))).frontal is True, value
    for value, meaning in (
        ("399067008", "lateral projection"),
        ("399173006", "left lateral"),
        ("399135007", "left anterior oblique"),
        ("399160007", "frontal oblique"),
        ("399312000", "antero-posterior oblique"),
        ("R-102CD", ""),
        ("399061009", "axial"),
    ):
        assert view_of(header(ViewCodeSequence=code(value, meaning))).frontal is False, value
    assert view_of(header(ViewCodeSequence=code("PA1", "postero-anterior", "99LOCAL"))).frontal is True
    assert view_of(header(ViewCodeSequence=[])).frontal is None


def test_where_position_and_code_differ_the_one_that_is_not_frontal_counts() -> None:
    assert view_of(header(ViewPosition="PA", ViewCodeSequence=code("399067008", "lateral"))) == (False, "lateral")
    assert view_of(header(ViewPosition="LL", ViewCodeSequence=code("399348003", "antero-posterior"))) == (False, "LL")


@pytest.mark.parametrize(
    ("ends", "frontal"),
    [
        ("L\\F", True), ("R\\F", True), ("F\\L", True), ("A\\F", False), ("P\\F", False), ("AR\\F", False),
        ("L\\P", False), ("", None), ("L", None), ("L\\R", None), ("X\\Y", None),
    ],
)  # fmt: skip
def test_the_patient_s_orientation_helps_where_the_view_is_empty(ends: str, frontal: bool | None) -> None:
    seen = header(ViewPosition="", PatientOrientation=ends.split("\\") if ends else None)
    assert view_of(seen).frontal is frontal
    seen.SeriesDescription = "Chest LAT"
    assert view_of(seen).frontal is False  # many devices write L\\F whatever was done
    seen.ViewPosition = "PA"
    assert view_of(seen).frontal is True


@pytest.mark.parametrize(
    ("text", "frontal"),
    [
        ("Chest LAT", False), ("W Thorax lat.", False), ("Thorax seitlich", False), ("Thorax schräg", False),
        ("Thorax de profil", False), ("Tórax perfil", False), ("Torace LL", False), ("CHEST_LATERAL", False),
        ("W Thorax p.a.", True), ("Tórax PA", True), ("Thorax de face", True), ("Chest AP portable", True),
        ("Chest PA and lateral", None), ("Tórax frente y perfil", None), ("Chest 2 views", None), ("", None),
        ("Bilateral ribs", None), ("胸部侧位", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["SeriesDescription", "ProtocolName", "StudyDescription"])
def test_descriptions_in_several_languages(text: str, frontal: bool | None, name: str) -> None:
    assert view_of(header(**{"ViewPosition": "", name: text})).frontal is frontal


def test_the_nearer_description_goes_first() -> None:
    assert view_of(header(SeriesDescription="PA", StudyDescription="Chest lateral")).frontal is True
    assert view_of(header(SeriesDescription="Chest 2 views", ProtocolName="Lateral")) == (False, "Lateral")


def test_names_of_pictures() -> None:
    for name in ("p1_lateral", "view2_LATERAL", "chest-lat", "Thorax_seitlich_2", "oblique"):
        assert view_by_name(name).frontal is False, name
    for name in ("p1", "lao_2", "ll", "frontal", "view1_frontal", "pa_and_lateral", "bilateral_effusion"):
        assert view_by_name(name).frontal is not False, name
