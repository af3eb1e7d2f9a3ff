"""A stopped explain-eval goes on: each study is asked once, and the figures are those of a run without a stop."""

from pathlib import Path

import numpy as np
import pytest

from tests.hospital import write_hospital, write_pretrained
from unimedi.evaluation.options import EvaluationOptions
from unimedi.explanation import explain_eval as evaluation
from unimedi.explanation.explain_eval import explain_eval
from unimedi.explanation.faithfulness import Answer, Examiner, Question
from unimedi.explanation.kept_answers import KeptAnswers
from unimedi.inputs.store import Store

QUESTION = Question(7, "nodule", np.ones(4, np.float32), np.zeros(4, np.float32))
ANSWER = Answer(
    {"blurred": {"text": np.array([0.1, np.nan, 1 / 3]), "random": np.array([1e-17, -2.5, 0.0])}},
    {"blurred": {"named": float(np.nextafter(0.3, 1)), "others": float("nan")}},
    {"text": 1.0, "random": 0.125},
)


def test_an_answer_comes_back_bit_for_bit(tmp_path: Path) -> None:
    kept = KeptAnswers(tmp_path / "answers", "a model", 3)
    assert kept.get(0, QUESTION) is None
    kept.put(0, QUESTION, ANSWER)
    found = kept.get(0, QUESTION)
    assert found is not None
    for name, row in ANSWER.drops["blurred"].items():
        assert found.drops["blurred"][name].tobytes() == row.tobytes()
    assert repr(found.erased) == repr(ANSWER.erased)
    assert repr(found.pointed) == repr(ANSWER.pointed)


def test_other_terms_and_damaged_files_are_not_taken_and_all_go_at_the_end(tmp_path: Path) -> None:
    kept = KeptAnswers(tmp_path / "answers", "a model", 3)
    kept.put(0, QUESTION, ANSWER)
    assert kept.get(1, QUESTION) is None
    assert kept.get(0, Question(7, "nodule", QUESTION.vector, QUESTION.vector)) is None
    assert KeptAnswers(tmp_path / "answers", "a model", 4).get(0, QUESTION) is None
    (file,) = (tmp_path / "answers").iterdir()
    for text in ("", "[]", '{"drops": {}}', '{"drops": 1, "erased": {}, "pointed": {}}', file.read_text()[:-9]):
        file.write_text(text)
        assert kept.get(0, QUESTION) is None
    (tmp_path / "answers" / "mine.txt").write_text("stays")
    KeptAnswers(tmp_path / "answers").clear()
    assert [path.name for path in (tmp_path / "answers").iterdir()] == ["mine.txt"]
    (tmp_path / "answers" / "mine.txt").unlink()
    KeptAnswers(tmp_path / "answers").clear()
    KeptAnswers(tmp_path / "answers").clear()
    assert not (tmp_path / "answers").exists()


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Store]:
    folder = tmp_path_factory.mktemp("resume")
    write_pretrained(folder / "run" / "pretrained")
    return folder / "run", write_hospital(folder / "store", masked_ndims=(2, 3))


def test_a_run_that_was_stopped_goes_on_to_the_same_figures(
    ground: tuple[Path, Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, store = ground
    monkeypatch.setattr(evaluation, "STUDIES", 6)
    options = EvaluationOptions(resamples=20)
    own, asked = Examiner.ask, [0, 99]

    def counted(self: Examiner, *args: object) -> Answer:
        asked[0] += 1
        if asked[0] > asked[1]:
            raise KeyboardInterrupt
        return own(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Examiner, "ask", counted)
    explain_eval(run, store.path, tmp_path / "whole.json", options=options, say=str)
    studies = asked[0]
    assert studies == 12  # X-rays and CTs
    for stop in (2, 7):  # among the X-rays, then among the CTs
        asked[:] = [0, stop]
        with pytest.raises(KeyboardInterrupt):
            explain_eval(run, store.path, tmp_path / "stopped.json", options=options, say=str)
        assert not (tmp_path / "stopped.json").exists()
    asked[:] = [0, 99]
    explain_eval(run, store.path, tmp_path / "stopped.json", options=options, say=str)
    assert asked[0] == studies - 2 - 7
    assert (tmp_path / "stopped.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
    names = ["stopped.json", "stopped.png", "whole.json", "whole.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
