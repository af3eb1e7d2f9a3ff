"""The model card says what its run left in files, in the hub's layout, and keeps what a person wrote into it."""

import json
from pathlib import Path

import pytest
import yaml

from tests.hospital import write_pretrained
from unimedi.model.card import BEGIN, CARD, END, renew_figures, write_card
from unimedi.pretraining.recipe import Recipe
from unimedi.pretraining.run_folder import plain

BEGUN = {
    "store": "ab12",
    "phantom": True,
    "studies": {"train": {"xray": 36, "ct": 20}, "test": {"ct": 4}},
    "processor": "CPU with AMX",
    "devices": 1,
    "device": "cpu",
    "steps": 800,
    "precision": "bf16",
    "packages": {"torch": "2.13.0"},
    "command": ["unimedi", "pretrain", "somewhere/private/store"],
}
SAID = (
    'unimedi.load("mine")',
    "**on the phantom**",
    "`ab12`",
    "| train | 36 X-rays, 20 CTs |",
    "| test | 4 CTs |",
    "| en, es |",
    "None yet",
    "| 800, 0 |",
    "CPU with AMX, 1 x cpu",
    "| bf16 |",
    "torch 2.13.0",
    "\nduration: ",
    "Not validated",
    "32 x 32 pixels",
    "16 x 32 x 32 voxels",
    "24 tokens",
)
AUROC = {"task": "zero_shot", "value": 0.7967, "low": 0.7709, "high": 0.8214, "n": 400}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    run = tmp_path / "mine"
    run.mkdir()
    write_pretrained(run / "pretrained", report_languages=("en", "es"))
    (run / "recipe.yaml").write_text(yaml.safe_dump(plain(Recipe()), sort_keys=False))
    (run / "environment.json").write_text(json.dumps(BEGUN))
    return run


def card(run: Path, **begun: object) -> str:
    (run / "environment.json").write_text(json.dumps(BEGUN | begun))
    write_card(run / "pretrained", run)
    return (run / "pretrained" / CARD).read_text()


def front_matter(text: str) -> dict[str, object]:
    fields = yaml.safe_load(text.split("---\n")[1])
    assert isinstance(fields, dict)
    return fields


def test_the_card_says_what_the_run_left(run: Path) -> None:
    text = card(run)
    for said in SAID:
        assert said in text, said
    assert "somewhere/private" not in text
    assert front_matter(text) == {
        "license": "apache-2.0",
        "library_name": "unimedi",
        "pipeline_tag": "zero-shot-image-classification",
        "tags": ["medical-imaging", "radiology", "x-ray", "ct", "unimedi", "synthetic-data"],
        "language": ["en", "es"],
    }


def test_weights_of_real_data_have_the_licence_that_their_owner_gives(run: Path) -> None:
    text = card(run, phantom=False)
    assert front_matter(text)["license"] == "other"
    assert "whoever owns the data has to say" in text
    assert "phantom" not in text


def test_a_run_of_before_that_recorded_less_says_so(run: Path) -> None:
    (run / "environment.json").write_text(json.dumps({"store": "ab12"}))
    write_card(run / "pretrained", run)
    text = (run / "pretrained" / CARD).read_text()
    assert "| studies | not recorded |" in text
    assert "does not say what hospital" in text


def test_new_figures_take_their_place_and_what_a_person_wrote_stays(run: Path) -> None:
    card(run)
    file = run / "pretrained" / CARD
    file.write_text(file.read_text().replace("## Licence", "## Licence\n\nCC-BY-4.0, says the hospital."))
    chance = {"value": 0.025, "low": None, "high": None, "n": 400}
    for value in (0.5, 0.7967):
        rows = {"zero_shot/xray/auroc": AUROC | {"value": value}, "retrieval/ct/image_to_report/chance@10": chance}
        (run / "metrics.json").write_text(json.dumps(rows))
        renew_figures(run)
    text = file.read_text()
    assert "| zero-shot macro AUROC, X-ray | 0.797 | 0.771 to 0.821 | 400 |" in text
    assert "| … by chance | 0.025 |  | 400 |" in text
    assert text.count(BEGIN) == text.count(END) == 1
    assert "0.500" not in text
    assert "None yet" not in text
    assert "CC-BY-4.0, says the hospital." in text
    assert "None yet" in card(run)  # saved anew: the figures are of the weights of before


@pytest.mark.parametrize("text", ["# My own card\n", f"{END}{BEGIN}", f"{BEGIN} and no end"])
def test_a_card_without_its_marks_is_left_as_it_is(run: Path, text: str) -> None:
    file = run / "pretrained" / CARD
    file.write_text(text)
    renew_figures(run)
    assert file.read_text() == text


def test_a_run_of_before_gets_its_card_with_its_figures(run: Path) -> None:
    (run / "metrics.json").write_text(json.dumps({"zero_shot/xray/auroc": AUROC}))
    renew_figures(run)
    assert "| 0.797 | 0.771 to 0.821 | 400 |" in (run / "pretrained" / CARD).read_text()
