"""A model and a store in, figures and a page out: for a whole hospital, and for those that lack something."""

import dataclasses
import hashlib
import html
import json
import re
import runpy
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.hospital import FINDINGS, SIZES, write_hospital, write_pretrained
from unimedi.cli import main
from unimedi.evaluation.evaluate import evaluate as measure  # draws no page
from unimedi.evaluation.options import EvaluationOptions
from unimedi.evaluation.zero_shot.prompts import DEFAULT_PROMPTS, PROMPTS
from unimedi.inputs.store import Store, StoreError
from unimedi.inputs.store_writer import Record, write_store
from unimedi.metrics.measurement import NAMES, Measurements
from unimedi.model.card import write_card
from unimedi.model.unimedi import ImageOutput
from unimedi.pretraining.recipe import Recipe
from unimedi.pretraining.run_folder import plain
from unimedi.reporting.commands import evaluate
from unimedi.reporting.report import report
from unimedi.representation.embedder import Embedder

QUICK = EvaluationOptions(resamples=50, probe_cap=20, probe_seeds=(0,), fractions=(1.0,))


def silent(_: str) -> None:
    """The journeys have nobody to speak to."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pretrained(tmp_path_factory.mktemp("run") / "pretrained").parent


@pytest.fixture(scope="module")
def evaluated(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Measurements]:
    store = tmp_path_factory.mktemp("store")
    write_hospital(store)
    (model / "log.jsonl").write_text(
        "".join(json.dumps({"step": s, "l_vl": 3.0 - s / 50, "ct/teacher_entropy": 2.0}) + "\n" for s in range(50))
        + '{"step": 50, "l_v'
    )
    out = tmp_path_factory.mktemp("out")
    options = EvaluationOptions(resamples=50, probe_cap=20, probe_seeds=(0, 1), supervised_steps=2)
    return store, out, evaluate(model, store, out, options=options, say=silent).measurements


def test_every_key_that_others_rely_on_is_there(evaluated: tuple[Path, Path, Measurements]) -> None:
    _, out, figures = evaluated
    stored = json.loads((out / "metrics.json").read_text())
    kinds = ("xray", "ct")
    expected = {
        *(
            f"zero_shot/{kind}/{metric}{finding}"
            for kind in kinds
            for metric in (
                "auroc", "ap", "acc", "balanced_acc", "f1", "ece", "prevalence", "auroc_prompt_sd", "auroc_prompt_worst"
            )
            for finding in ("", "/nodule", "/cardiomegaly")
        ),
        *(f"zero_shot/{kind}/threshold/nodule" for kind in kinds),
        *(f"zero_shot_by_prompts/{kind}/chest_en_{name}/auroc" for kind in kinds for name in ("v1", "gloria_v1")),
        *(f"space/{name}/silhouette" for name in ("by_finding", "by_modality", "by_finding/minus_by_modality")),
        "space/linear_cka",
        "space/linear_cka_shuffled",
        *(
            f"retrieval/{kind}/{way}/{figure}@{k}"
            for kind in kinds
            for way in ("image_to_report", "report_to_image")
            for figure in ("r", "chance")
            for k in (1, 5, 10)
        ),
        *(f"cross_modal/xray_to_ct/paired/{figure}@{k}" for figure in ("r", "chance") for k in (1, 5, 10)),
        "cross_modal/ct_to_xray/paired/r@10",
        *(
            f"linear_probe/{kind}/{method}{fraction}/auroc"
            for method in ("", "random_init/", "pca/")
            for kind in kinds
            for fraction in ("10%", "100%")
        ),
        *(f"linear_probe/{kind}/10%/minus_random_init/auroc" for kind in kinds),
        *(
            f"slice_selection/{name}/hit@{k}"
            for name in ("attentive", "random", "centre", "uniform", "prior", "intensity", "untrained", "oracle")
            for k in (1, 2, 4)
        ),
        *(f"slice_selection/attentive/minus_{name}/hit@1" for name in ("random", "centre", "prior", "untrained")),
        "slice_selection/attentive/auroc",
        *(f"supervised/{kind}/auroc" for kind in kinds),
        "space/modality_probe",
        *(f"training/{key}_{end}" for key in ("l_vl", "ct/teacher_entropy") for end in ("first", "last")),
        "training/warnings",
    }  # fmt: skip
    assert expected <= set(stored)
    assert all({"task", "metric", "value", "low", "high", "n"} <= set(row) for row in stored.values())
    assert all(set(row) <= {*NAMES, "value", "low", "high", "n"} for row in stored.values())
    assert Measurements.read(out / "metrics.json").keys() == figures.keys()


def test_the_tables_of_the_documents_are_filled_whole(evaluated: tuple[Path, Path, Measurements]) -> None:
    page = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "figures.py"))
    stored = json.loads((evaluated[1] / "metrics.json").read_text())
    assert page["all_figures"](stored).count("\n") == 2 + len(page["ALL"])
    assert re.findall(r"(?:chance|random) [01]\.\d{3}", page["six_figures"](stored)) != []
    assert page["six_figures"](stored).count("\n") == 2 + 6


def test_one_figure_by_hand(evaluated: tuple[Path, Path, Measurements]) -> None:
    figures = evaluated[2]
    assert figures["cross_modal/xray_to_ct/paired/chance@10"].value == pytest.approx(10 / SIZES["test"])
    assert figures["slice_selection/oracle/hit@1"].value >= figures["slice_selection/attentive/hit@1"].value


def test_report_is_one_file_that_asks_for_nothing(evaluated: tuple[Path, Path, Measurements]) -> None:
    page = (evaluated[1] / "report.html").read_text()
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert "<script" not in page
    assert "@import" not in page
    parts = ("summary", "training", "zero-shot", "failures", "slices", "space", "retrieval", "cross-modal")
    for name in (*parts, "lacking", "origin"):
        assert f'id="{name}"' in page


def test_the_page_is_drawn_anew_from_files_alone(
    model: Path, evaluated: tuple[Path, Path, Measurements], tmp_path: Path
) -> None:
    """In another place, by a process that has neither the store nor the model, nor loads what would read them."""
    before = (evaluated[1] / "report.html").read_bytes()
    for name in ("metrics.json", "evaluation"):
        source = evaluated[1] / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    code = "import sys; from pathlib import Path; from unimedi.reporting.report import report; "
    code += (
        f"report(Path({str(tmp_path)!r})); print(sorted({{'torch', 'datasets', 'transformers'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert (tmp_path / "report.html").read_bytes() == before


def test_a_folder_without_an_evaluation_has_no_page(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="evaluate this run first"):
        report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_report_says_what_it_was_made_of(model: Path, evaluated: tuple[Path, Path, Measurements]) -> None:
    page = (evaluated[1] / "report.html").read_text()
    for file in (model / "pretrained" / "model.safetensors", DEFAULT_PROMPTS):
        assert hashlib.sha256(file.read_bytes()).hexdigest() in page
    assert Store.open(evaluated[0]).fingerprint in page
    assert "No targets" in page  # which are the phantom's
    assert "≥ 0.72" not in page


def test_thresholds_come_from_validation_and_nowhere_else(model: Path, tmp_path: Path) -> None:
    write_hospital(tmp_path / "store")
    on_test, on_validation = (
        measure(model, tmp_path / "store", tmp_path / split, split=split, options=QUICK, say=silent).measurements
        for split in ("test", "validation")
    )
    key = "zero_shot/xray/threshold/nodule"
    assert on_test[key].n == QUICK.probe_cap // 3
    assert (on_validation[key].value, on_validation[key].n) == (0.5, 0)


def test_same_seed_same_figures(model: Path, evaluated: tuple[Path, Path, Measurements], tmp_path: Path) -> None:
    store, out, _ = evaluated
    options = EvaluationOptions(resamples=50, probe_cap=20, probe_seeds=(0, 1), supervised_steps=2)
    evaluate(model, store, tmp_path, options=options, say=silent, compare=[out])
    assert (tmp_path / "metrics.json").read_bytes() == (out / "metrics.json").read_bytes()
    page = (tmp_path / "report.html").read_text()
    assert "Beside other runs" in page
    assert "not significant" in page
    (differences,) = json.loads((tmp_path / "differences.json").read_text()).values()
    assert {"zero_shot/ct/auroc", "cross_modal/xray_to_ct/paired/r@10", "linear_probe/xray/10%/auroc"} <= set(
        differences
    )
    assert {row["verdict"] for row in differences.values()} == {"not significant"}
    assert all(row["value"] == 0 for row in differences.values())


@pytest.mark.parametrize(
    ("lack", "absent", "said"),
    [
        ({"ndims": (2,)}, "ct", "no ct study in the test split"),
        ({"ndims": (3,)}, "xray", "no xray study in the test split"),
        ({"labelled": False}, "zero_shot", "no labels"),
        ({"masked": False}, "slice_selection", "no volume of this split has a mask"),
    ],
)
def test_what_is_lacking_is_said_and_the_rest_computed(
    model: Path, tmp_path: Path, lack: dict[str, object], absent: str, said: str
) -> None:
    write_hospital(tmp_path / "store", **lack)  # type: ignore[arg-type]
    figures = evaluate(model, tmp_path / "store", tmp_path / "out", options=QUICK, say=silent).measurements
    assert figures
    assert not any(absent in key.split("/") for key in figures if not key.startswith("training/"))
    assert said in (tmp_path / "out" / "report.html").read_text()


def test_a_study_without_a_report_measures_all_but_retrieval(model: Path, tmp_path: Path) -> None:
    """No X-ray has a report, and every second CT: labels, masks and images are measured as before."""
    whole = write_hospital(tmp_path / "whole")
    records = []
    for index, study in enumerate(whole.studies):
        report = "" if study.ndim == 2 or index // 2 % 2 else study.report
        mask = whole.mask(index)
        records.append(Record(dataclasses.replace(study, report=report), whole.pixels(index), mask))
    store = write_store(tmp_path / "store", records, whole.preprocess, whole.findings)
    figures = evaluate(model, tmp_path / "store", tmp_path / "out", options=QUICK, say=silent).measurements
    before = measure(model, tmp_path / "whole", tmp_path / "before", options=QUICK, say=silent).measurements
    assert not any(key.startswith("retrieval/xray") for key in figures)
    assert (
        figures["retrieval/ct/image_to_report/r@1"].n == len(store.select("test", "ct", reported=True)) < SIZES["test"]
    )
    kept = [key for key in before if not key.startswith("retrieval/")]
    assert {key: figures[key].to_json() for key in kept} == {key: before[key].to_json() for key in kept}
    assert "retrieval, xray: fewer than two studies have a report" in (tmp_path / "out" / "report.html").read_text()


def test_no_model_no_studies_and_another_preprocessing_are_errors(
    model: Path, evaluated: tuple[Path, Path, Measurements], tmp_path: Path
) -> None:
    store = evaluated[0]
    with pytest.raises(FileNotFoundError, match=r"pretrained/config\.json"):
        evaluate(tmp_path, store, tmp_path, say=silent)
    write_hospital(tmp_path / "store")
    header = tmp_path / "store" / "store.json"
    values = json.loads(header.read_text())
    values["preprocess"]["hu_window"] = [-500.0, 500.0]
    header.write_text(json.dumps(values))
    with pytest.raises(StoreError, match="hu_window"):
        evaluate(model, tmp_path / "store", tmp_path, say=silent)
    with pytest.raises(FileNotFoundError, match="evaluate that run first"):
        evaluate(model, store, tmp_path / "out", options=QUICK, say=silent, compare=[tmp_path / "nothing"])


def test_each_image_is_encoded_once_whatever_is_asked(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Test, training and validation studies: once by the model and once by the untrained one it is compared with."""
    store = write_hospital(tmp_path / "store")
    encoded: Counter[tuple[str, bytes]] = Counter()
    encode = Embedder.encode

    def counted(self: Embedder, stored: Sequence[np.ndarray]) -> ImageOutput:
        encoded.update((self.fingerprint, pixels.tobytes()) for pixels in stored)
        return encode(self, stored)

    monkeypatch.setattr(Embedder, "encode", counted)
    many = {"probe_cap": None, "classes": FINDINGS, "fractions": (0.1, 0.5, 1.0)}
    options = dataclasses.replace(QUICK, seed=1, **many)  # seed 0 has the very weights of the fixture
    measure(model, tmp_path / "store", tmp_path / "out", options=options, say=silent)
    assert set(encoded.values()) == {1}
    assert len({fingerprint for fingerprint, _ in encoded}) == 2
    assert len(encoded) == 2 * len(store)


def test_a_finding_that_a_split_lacks_is_named_and_the_others_are_measured(model: Path, tmp_path: Path) -> None:
    """Effusion is unknown in all test X-rays, the heart in all training studies, and no test CT is without a nodule."""
    whole = write_hospital(tmp_path / "whole")
    records = []
    for index, study in enumerate(whole.studies):
        labels: dict[str, bool | None] = dict(study.labels)
        if study.split == "test" and study.ndim == 2:
            labels["pleural_effusion"] = None
        if study.split == "train":
            labels["cardiomegaly"] = None
        if study.split == "test" and study.ndim == 3:
            labels["nodule"] = True
        records.append(Record(dataclasses.replace(study, labels=labels), whole.pixels(index), whole.mask(index)))
    write_store(tmp_path / "store", records, whole.preprocess, whole.findings)
    figures = evaluate(model, tmp_path / "store", tmp_path / "out", options=QUICK, say=silent).measurements
    page = (tmp_path / "out" / "report.html").read_text()
    for said in (
        "no xray study of the test split has a label of pleural_effusion",
        "linear probe, xray: no label in the training or the validation studies of cardiomegaly",
        "zero-shot, ct: only one class in this split for nodule",
    ):
        assert said in page
    assert {"zero_shot/xray/auroc/nodule", "zero_shot/xray/auroc/cardiomegaly", "linear_probe/xray/100%/auroc"} <= set(
        figures
    )
    assert "zero_shot/xray/auroc/pleural_effusion" not in figures
    assert "zero_shot/ct/auroc/nodule" not in figures
    assert "zero_shot/ct/auroc/pleural_effusion" in figures


def test_a_misspelt_finding_is_said_with_what_was_meant(model: Path, tmp_path: Path) -> None:
    whole = write_hospital(tmp_path / "whole", ndims=(2,))
    records = []
    for index, study in enumerate(whole.studies):
        labels = {name.replace("nodule", "noduel"): value for name, value in study.labels.items()}
        records.append(Record(dataclasses.replace(study, labels=labels), whole.pixels(index), whole.mask(index)))
    write_store(tmp_path / "store", records, whole.preprocess, ("noduel", *whole.findings[1:]))
    figures = evaluate(model, tmp_path / "store", tmp_path / "out", options=QUICK, say=silent).measurements
    assert "zero_shot/xray/auroc/cardiomegaly" in figures
    page = html.unescape((tmp_path / "out" / "report.html").read_text())
    assert "zero-shot, xray: no prompts in chest_en_v2 for noduel (did you mean 'nodule'?)" in page


def test_a_prompt_file_without_a_measurable_finding_does_not_silence_the_others(model: Path, tmp_path: Path) -> None:
    """A file of one's own that asks for what all test studies have: said, and the shipped files are measured."""
    whole = write_hospital(tmp_path / "whole")
    records = [
        Record(dataclasses.replace(study, labels=study.labels | {"nodule": True}), whole.pixels(i), whole.mask(i))
        for i, study in enumerate(whole.studies)
    ]
    write_store(tmp_path / "store", records, whole.preprocess, whole.findings)
    prompts = tmp_path / "own_en_v1.yaml"
    prompts.write_text("version: 1\nlanguage: en\nfindings:\n  nodule: {present: [A nodule.], absent: [No nodule.]}\n")
    options = dataclasses.replace(QUICK, prompts=prompts)
    figures = evaluate(model, tmp_path / "store", tmp_path / "out", options=options, say=silent).measurements
    assert "zero_shot_by_prompts/ct/chest_en_v2/auroc" in figures
    assert "prompts own_en_v1, ct: no finding has both classes" in (tmp_path / "out" / "report.html").read_text()


def test_a_spanish_model_is_asked_in_spanish_and_every_file_asked_has_its_hash(tmp_path: Path) -> None:
    write_pretrained(tmp_path / "run" / "pretrained", report_languages=("es",))
    whole = write_hospital(tmp_path / "whole", ndims=(2,))
    records = [
        Record(dataclasses.replace(study, language="es" if i % 2 else "en"), whole.pixels(i), whole.mask(i))
        for i, study in enumerate(whole.studies)
    ]
    write_store(tmp_path / "store", records, whole.preprocess, whole.findings)
    options = dataclasses.replace(QUICK, kinds=("xray",))
    evaluate(tmp_path / "run", tmp_path / "store", tmp_path / "out", options=options, say=silent)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "prompts: chest_es_v1" in page
    for path in PROMPTS.glob("*.yaml"):  # the cohort's reports are in both languages
        assert hashlib.sha256(path.read_bytes()).hexdigest() in page, path


def test_prompts_are_named_on_the_command_line(
    evaluated: tuple[Path, Path, Measurements], model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", str(model), "--data", str(evaluated[0]), "--out", str(tmp_path), "--prompts"]
    assert main([*words, "nonsense"]) == 2
    assert "no prompts 'nonsense': expected a file or one of chest_en_gloria_v1" in capsys.readouterr().err
    assert main([*words, "chest_en_v1"]) == 0
    assert "prompts: chest_en_v1" in (tmp_path / "report.html").read_text()
    mine, others = Measurements.read(tmp_path / "metrics.json"), evaluated[2]
    key = "zero_shot_by_prompts/ct/chest_en_v1/auroc"
    assert mine["zero_shot/ct/auroc"].value == pytest.approx(others[key].value, abs=1e-6)


def test_a_run_that_is_measured_in_place_has_its_figures_in_its_card(tmp_path: Path) -> None:
    run = write_pretrained(tmp_path / "run" / "pretrained").parent
    write_hospital(tmp_path / "store", ndims=(3,))
    (run / "recipe.yaml").write_text(yaml.safe_dump(plain(Recipe())))
    write_card(run / "pretrained", run)
    evaluate(run, tmp_path / "store", options=QUICK, say=silent)
    card = (run / "pretrained" / "README.md").read_text()
    value = Measurements.read(run / "metrics.json")["zero_shot/ct/auroc"].value
    assert f"| zero-shot macro AUROC, CT | {value:.3f} | " in card
    assert "None yet" not in card
