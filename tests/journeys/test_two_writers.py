"""Two commands in one folder: the second is told who is there and changes nothing; what reads is told as well."""

import logging
from pathlib import Path

import pytest

from tests.files.test_lock import hold
from tests.hospital import write_hospital, write_pretrained
from tests.pretraining.toy_run import result, start, toy_recipe, toy_store
from unimedi.cli import main
from unimedi.files.lock import LOCK
from unimedi.representation.embedder import Embedder, pretrained_folder


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("writers")
    toy_store(folder / "store")
    write_hospital(folder / "labelled")
    toy_recipe(folder / "recipe.yaml", seed=1)
    toy_recipe(folder / "other.yaml", seed=2)
    write_pretrained(folder / "model" / "pretrained")
    (folder / "chest.png").touch()
    row = "one,one,DX,train,chest.png,Clear lungs."
    (folder / "cohort.csv").write_text(f"study_id,patient_id,modality,split,image,report\n{row}\n")
    return folder


def words(ground: Path, command: str) -> list[str]:
    """A command whose path words lie below ``ground``; all of them write into ``taken``."""
    return [str(ground / word[1:]) if word.startswith("@") else word for word in command.split()]


COMMANDS = [
    "pretrain --config @recipe.yaml --data @store --out @taken",
    "pretrain --config @recipe.yaml --data @store --out @taken --resume",
    "prepare @cohort.csv --config @recipe.yaml --out @taken --workers 0",
    "phantom @taken --preset micro --workers 1",
    "evaluate @model --data @labelled --out @taken",
    "finetune @model --data @labelled --out @taken --steps 1",
    "segment @model --data @labelled --out @taken --steps 1",
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.split(" @")[0])
def test_a_folder_that_is_taken_is_left_alone(ground: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with hold(ground / "taken") as process:
        assert main(words(ground, command)) == 2
        said = f"{ground / 'taken'} is being written by process {process.pid} on "
        assert said in capsys.readouterr().err
        assert [path.name for path in (ground / "taken").iterdir()] == [LOCK]
        process.communicate("")


def test_of_two_trainings_in_one_folder_one_trains(ground: Path) -> None:
    for name in ("recipe", "other"):
        alone = start(*words(ground, f"pretrain --config @{name}.yaml --data @store --out @{name}"))
        alone.join()
        assert alone.exitcode == 0
    both = [
        start(*words(ground, f"pretrain --config @{name}.yaml --data @store --out @shared"))
        for name in ("recipe", "other")
    ]
    for process in both:
        process.join()
    assert sorted(process.exitcode or 0 for process in both) == [0, 2]
    winner = ("recipe", "other")[[process.exitcode for process in both].index(0)]
    assert result(ground / "shared") == result(ground / winner)
    assert not list((ground / "shared").rglob(f"*{LOCK}"))


def test_a_run_without_a_model_yet_is_said_to_be_going(ground: Path) -> None:
    with hold(ground / "going") as process:
        with pytest.raises(FileNotFoundError, match=rf"process {process.pid} .* is still at work there"):
            pretrained_folder(ground / "going")
        process.communicate("")
    with pytest.raises(FileNotFoundError, match=r"found none in .*going$"):
        pretrained_folder(ground / "going")


def test_a_model_of_a_run_that_goes_on_is_of_an_earlier_moment(ground: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Embedder.from_pretrained(ground / "model")
        assert caplog.messages == []
        with hold(ground / "model") as process:
            for given in (ground / "model", ground / "model" / "pretrained"):
                Embedder.from_pretrained(given)
            process.communicate("")
    assert len(caplog.messages) == 2
    assert all(f"process {process.pid} on" in said and "earlier moment" in said for said in caplog.messages)


def test_an_evaluation_makes_no_folder_for_a_run_that_is_not_there(ground: Path) -> None:
    for verb in ("evaluate", "slice-eval"):
        assert main(words(ground, f"{verb} @nowhere --data @labelled")) == 2
    assert not (ground / "nowhere").exists()
