"""The tables of explain-eval, of figures that are known."""

from unimedi.explanation.faithfulness import FILLS, MAPS
from unimedi.explanation.faithfulness_page import as_text, faithfulness_picture
from unimedi.metrics.measurement import Measurement, Measurements


def row(metric: str, value: float, **name: str) -> Measurement:
    said = {"task": "explanation", "modality": "ct", "variant": "mean_image"} | name
    return Measurement(metric=metric, value=value, low=value - 0.1, high=value + 0.1, n=7, **said)


FOUND = Measurements(
    [
        *(
            row(f"drop@{share}%", 0.2, method=name, variant=fill)
            for name in MAPS
            for fill in FILLS
            for share in (2, 5, 10, 20, 30, 50)
        ),
        row("area", 0.4, method="text"),
        row("area", 0.125, method="random"),
        row("area", 0.275, method="text", minus="random"),
        row("erased", 0.3, method="named"),
        row("erased", 0.31, method="named", finding="ground_glass"),
        row("pointing", 0.5, method="text", variant=""),
    ]
)


def test_each_map_has_a_line_with_its_area_and_the_difference_its_verdict() -> None:
    lines = as_text(FOUND, ["a note"]).splitlines()
    assert lines[0] == "CT: 7 studies; deleted places become the mean of training images"
    own = next(line for line in lines if line.strip().startswith("the sentence's map  "))
    assert "0.400" in own
    assert own.endswith("0.500")
    difference = next(line for line in lines if "minus random places" in line)
    assert "0.275" in difference
    assert "higher" in difference or "ahead" in difference
    assert any("named, by finding: ground glass 0.310 (7)" in line for line in lines)
    assert lines[-1] == "a note"


def test_the_picture_is_one() -> None:
    assert faithfulness_picture(FOUND).startswith(b"\x89PNG")
