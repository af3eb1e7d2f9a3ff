"""The command line: one small function a verb. Nothing heavy is imported before a verb needs it."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

from unimedi.errors import InputError, UnimediError

if TYPE_CHECKING:
    from unimedi.cohort.sources.source_cohort import SourceCohort
    from unimedi.evaluation.task_file import TaskFile

OK, FAILED = 0, 2

# glibc gives large blocks back to the kernel at each free; getting them again took half of a training step (page
# faults). These keep 16 GB of freed memory and grow by 256 MB. Read once, when a process starts.
# GNU's threads spin 300,000 rounds before they sleep; beside other work on the same cores that takes the time of those
# they wait for. 2,000 rounds cost nothing on a machine of one's own (docs/performance.md).
_ENVIRONMENT: Final = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "16000000000",
    "MALLOC_TOP_PAD_": str(256 << 20),
    "GOMP_SPINCOUNT": "2000",
}
_LARGE_BLOCKS: Final = ("pretrain", "evaluate", "slice-eval", "reproduce", "finetune", "segment")


def main(words: Sequence[str] | None = None) -> int:
    """Run ``unimedi WORDS`` (default: this process's arguments); returns the exit code.

    0: done. 2: an error that a sentence explains. 130 / 143: stopped by Ctrl-C / SIGTERM, and saved.
    """
    parser = _parser()
    arguments, overrides = parser.parse_known_args(words)
    if overrides and not arguments.takes_overrides:
        parser.error(f"unimedi {arguments.verb} does not know {' '.join(overrides)}")
    if words is None and arguments.verb in _LARGE_BLOCKS:
        _restart_with_environment()
    arguments.overrides = overrides
    try:
        if arguments.verb == "cohort":
            _check_manifest(arguments)
        with _alone(arguments):
            arguments.run(arguments)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        sentence = str(error) if _explains_itself(error) else _foreign_fault(error)
        if not sentence:
            raise
        print(f"unimedi {arguments.verb}: {sentence}", file=sys.stderr)
        return int(getattr(error, "exit_code", FAILED))
    return OK


# -- verbs ------------------------------------------------------------------------------------------------------------


def phantom(arguments: argparse.Namespace) -> None:
    """Write a phantom hospital: real DICOM, NIfTI, PNG and JPEG files, reports, labels and masks."""
    from unimedi.files.destination import file_to_write, folder_to_write

    if arguments.sheet:
        from unimedi.phantom.sheet import contact_sheet

        contact_sheet(file_to_write(arguments.out, (".png",)), arguments.seed)
        return
    folder_to_write(arguments.out)
    import yaml

    from unimedi.phantom.hospital import build_hospital

    options = {name: yaml.safe_load(value) for name, value in _pairs(arguments.overrides).items()}
    build_hospital(
        arguments.out, arguments.preset, arguments.seed, arguments.workers, arguments.patients, overrides=options
    )


def cohort_phantom(arguments: argparse.Namespace) -> None:
    """The manifest of a phantom hospital."""
    from unimedi.cohort.manifest import write_manifest
    from unimedi.cohort.sources.phantom import phantom_cohort

    write_manifest(phantom_cohort(arguments.root), arguments.out)


def cohort_collection(arguments: argparse.Namespace) -> None:
    """The manifest of a public collection as it was unpacked."""
    from unimedi.cohort.sources.collections.catalogue import read_collection

    _write_cohort(lambda: read_collection(arguments.way, arguments.root), arguments.out)


def cohort_dicom_tree(arguments: argparse.Namespace) -> None:
    """The manifest of any tree of DICOM files, grouped by study and series, with a table of reports."""
    from unimedi.cohort.column_names import given_names
    from unimedi.cohort.sources.own_files.dicom_tree import dicom_tree

    columns = given_names(arguments.column)
    _write_cohort(lambda: dicom_tree(arguments.root, arguments.table, columns), arguments.out)


def cohort_dicomweb(arguments: argparse.Namespace) -> None:
    """Pull studies from a PACS into the manifest's folder, and list them. Resumes."""
    from unimedi.cohort.column_names import given_names
    from unimedi.cohort.sources.dicom.dicomweb import pull
    from unimedi.cohort.sources.own_files.dicom_tree import dicom_tree

    folder = arguments.out.parent
    query = given_names(arguments.query, "--query", "ATTRIBUTE=VALUE")
    columns = given_names(arguments.column)
    done = pull(arguments.url, folder, query, arguments.per_second, lambda text: print(text, file=sys.stderr))
    print(f"{done.series} series in {folder}, {done.kept} of them from before")

    def listed() -> "SourceCohort":
        found = dicom_tree(folder, arguments.table, columns)
        found.skipped += done.skipped
        return found

    _write_cohort(listed, arguments.out)


def cohort_folder(arguments: argparse.Namespace) -> None:
    """The manifest of your own files: images with a text beside them, or a table that names both."""
    from unimedi.cohort.column_names import given_names
    from unimedi.cohort.sources.own_files.folder import scan_folder

    columns = given_names(arguments.column)

    def listed() -> "SourceCohort":
        return scan_folder(arguments.root, arguments.modality, arguments.table, columns, seed=arguments.seed)

    _write_cohort(listed, arguments.out)


def translate(arguments: argparse.Namespace) -> None:
    """Fill in a translation of a manifest's reports, which trains in their place. Resumes."""
    from unimedi.cohort.manifest import read_manifest, write_manifest
    from unimedi.cohort.reports.translation import translate_reports
    from unimedi.files.destination import MANIFESTS, file_to_write
    from unimedi.inputs.translate import ModelTranslator

    file_to_write(arguments.out, MANIFESTS, beside=(".translations.jsonl",))
    studies, translator = read_manifest(arguments.cohort, arguments.root), ModelTranslator(arguments.model)
    cache = arguments.out.with_suffix(".translations.jsonl")
    done = list(translate_reports(studies, arguments.language, translator, translator.name, cache))
    write_manifest(done, arguments.out, arguments.root)
    asked = [study for study in done if study.report.text and study.report.language == arguments.language]
    without = [study.study_id for study in asked if not study.report.translation]
    print(
        f"{len(asked) - len(without)} of {len(asked)} reports in {arguments.language!r} translated in {arguments.out}"
    )
    if without:
        print(f"the model gave nothing for a sentence of {', '.join(without[:20])}", file=sys.stderr)


def prepare(arguments: argparse.Namespace) -> None:
    """Read every study of a manifest once and write the store that training reads. Resumes."""
    from unimedi.cohort.manifest import read_manifest
    from unimedi.cohort.patient_id import id_notes
    from unimedi.files.destination import folder_to_write
    from unimedi.inputs.prepare import prepare as run
    from unimedi.inputs.sandbox import Limits
    from unimedi.pretraining.recipe_file import load_recipe

    recipe = load_recipe(arguments.config, arguments.overrides)
    studies = read_manifest(arguments.cohort, arguments.root)
    for doubt in id_notes([study.patient_id for study in studies]):
        print(doubt, file=sys.stderr)
    folder_to_write(arguments.out)
    done = run(
        studies, arguments.out, recipe.preprocess, arguments.workers, Limits(arguments.seconds, arguments.memory << 20),
        arguments.scheduler, strict=arguments.strict, text_length=recipe.model.text_length,
    )  # fmt: skip
    print(f"{done.taken} of {done.listed} studies in {arguments.out}, {done.seconds:.0f} s")
    for what, counts, name in (("refused", done.refused, "refused"), ("corrected", done.notes, "notes")):
        if counts:
            listed = ", ".join(f"{count} {reason}" for reason, count in counts.items())
            print(f"{what}: {listed}; each is named in {arguments.out / f'{name}.json'}", file=sys.stderr)
    for line in done.reports:
        print(line, file=sys.stderr)


def doctor(arguments: argparse.Namespace) -> None:
    """Look at every study of a manifest or a store: a page of what is wrong, and what leaks. A leak is an error."""
    from unimedi.doctor.page import doctor as run
    from unimedi.inputs.sandbox import Limits

    limits = Limits(arguments.seconds, arguments.memory << 20)
    found = run(arguments.path, arguments.out, arguments.root, arguments.leakage, arguments.workers, limits)
    print(f"{found['read']} of {found['listed']} studies read, {found['corrupted']} look corrupted: {arguments.out}")
    for line in found["reports"]["said"]:
        print(line, file=sys.stderr)
    for wrong in found["outdated"]:
        print(wrong, file=sys.stderr)


def pretrain(arguments: argparse.Namespace) -> None:
    """Pre-train on a store. Any value of the recipe can be given as --a.b VALUE."""
    from unimedi.experiments.registry import pretrain as run
    from unimedi.files.destination import folder_to_write
    from unimedi.pretraining.recipe_file import load_recipe

    overrides = list(arguments.overrides)
    if arguments.steps is not None:
        if any(word.split("=")[0] == "--duration" for word in overrides):
            raise InputError("--steps and --duration both say how long to train; give one of them")
        overrides += ["--duration", f"{arguments.steps} steps"]
    if arguments.seed is not None:
        overrides += ["--seed", str(arguments.seed)]
    recipe = load_recipe(arguments.config or arguments.out / "recipe.yaml", overrides)
    folder_to_write(arguments.out)
    print(run(recipe, arguments.data, arguments.out, arguments.resume, arguments.devices, arguments.workers))


def evaluate(arguments: argparse.Namespace) -> None:
    """Measure a run on held-out studies: metrics.json and report.html in its folder."""
    from unimedi.evaluation.options import EvaluationOptions
    from unimedi.evaluation.zero_shot.prompts import find_prompts
    from unimedi.reporting.commands import evaluate as run

    task = _task(arguments)
    prompts = find_prompts(arguments.prompts) if arguments.prompts else None
    options = EvaluationOptions(supervised_steps=arguments.supervised, prompts=prompts)
    split = arguments.split or (task.split if task else "test")
    given = {"split": split, "compare": arguments.compare, "options": options}
    run(arguments.path, arguments.data, arguments.out, task=task, **given)


def slice_eval(arguments: argparse.Namespace) -> None:
    """Measure slice selection on volumes with masked lesions: every selector, every way of scoring, controls."""
    from unimedi.evaluation.options import EvaluationOptions
    from unimedi.reporting.commands import slice_eval as run

    options = EvaluationOptions(focal=tuple(arguments.focal)) if arguments.focal else EvaluationOptions()
    run(arguments.path, arguments.data, arguments.out, arguments.split, arguments.others, options)


def reproduce(arguments: argparse.Namespace) -> None:
    """Train and evaluate every row of the comparison on the same data, and build the tables. Resumes."""
    from unimedi.files.destination import file_to_write, folder_to_write
    from unimedi.inputs.store import Store
    from unimedi.pretraining.recipe_names import ROWS
    from unimedi.reproduction import data
    from unimedi.reproduction.downstream import read_downstream
    from unimedi.reproduction.results import current, read_results
    from unimedi.reproduction.run import chosen_rows
    from unimedi.reproduction.run import reproduce as run
    from unimedi.reproduction.table import around_tables, show
    from unimedi.reproduction.terms import Budget

    if sum(map(bool, (arguments.what, arguments.cohort, arguments.data))) != 1:
        raise InputError("expected one of: the word phantom, the word tables, --cohort MANIFEST, --data STORE")
    if arguments.what == "tables":
        if arguments.steps or arguments.budget or arguments.task:
            raise InputError("tables are of what is finished: --steps, --budget and --task train and do not go with it")
        found = read_results(arguments.results)
        show([r for r in found if not arguments.rows or r.terms.name in arguments.rows], arguments.page)
        return
    if arguments.steps is None and arguments.budget is None:
        arguments.budget = 5.0
    budget = Budget(arguments.steps, arguments.budget)
    recipes = chosen_rows(arguments.recipes or ROWS, arguments.rows)
    tasks = [read_downstream(word) for word in arguments.task]
    folder_to_write(arguments.out)
    folder_to_write(arguments.results)
    if arguments.page:
        around_tables(file_to_write(arguments.page, (".md",)))
    if arguments.what == "phantom":
        store = data.phantom_store(arguments.out, recipes, arguments.preset)
    elif arguments.cohort:
        store = data.cohort_store(arguments.cohort, arguments.root, arguments.out, recipes)
    else:
        store = arguments.data
    run(store, recipes, arguments.out, arguments.results, budget, arguments.seeds, tasks)
    here, rows = Store.open(store).fingerprint, chosen_rows(arguments.recipes or ROWS)
    found, others = current(read_results(arguments.results), here, rows)
    show(found, arguments.page)
    if others:
        print(others, file=sys.stderr)


def finetune(arguments: argparse.Namespace) -> None:
    """Fine-tune a model on the labels of a store and measure it beside random weights: metrics.json."""
    from unimedi.adaptation.fine_tune import fine_tune
    from unimedi.adaptation.prediction.trained import CLASSIFICATION, out_of_training
    from unimedi.adaptation.settings import FineTuneSettings, read_settings
    from unimedi.evaluation.task_file import answer_lines, cli_args

    task = _task(arguments)
    settings = read_settings(FineTuneSettings, [*(cli_args(task) if task else ()), *arguments.overrides])
    out_of_training(arguments.out, CLASSIFICATION)
    figures = fine_tune(arguments.path, arguments.data, settings, out=arguments.out)
    figures.write(arguments.out / "metrics.json")
    for line in answer_lines(task, figures):
        print(line)


def segment(arguments: argparse.Namespace) -> None:
    """Learn the masks of a store with a model's tokens and measure it beside random weights: metrics.json."""
    from unimedi.adaptation.prediction.trained import SEGMENTATION, out_of_training
    from unimedi.adaptation.segmentation.segment import segment as run
    from unimedi.adaptation.settings import SegmentSettings, read_settings
    from unimedi.evaluation.task_file import answer_lines, cli_args

    task = _task(arguments)
    settings = read_settings(SegmentSettings, [*(cli_args(task) if task else ()), *arguments.overrides])
    out_of_training(arguments.out, SEGMENTATION)
    figures = run(arguments.path, arguments.data, settings, out=arguments.out)
    figures.write(arguments.out / "metrics.json")
    for line in answer_lines(task, figures):
        print(line)


def embed(arguments: argparse.Namespace) -> None:
    """Embed image files, folders of a DICOM series, or folders of these, into a Parquet table."""
    from unimedi.representation.embed_files import embed_files

    table, listed = embed_files(arguments.files, arguments.model, arguments.out)
    print(f"{len(table.study_ids)} embeddings in {arguments.out}")
    if listed.skipped:
        print(f"{listed.complaint()}\nall of them: {arguments.out.with_suffix('.skipped.csv')}", file=sys.stderr)


def predict(arguments: argparse.Namespace) -> None:
    """Apply what finetune or segment has learnt to files: a table of probabilities, or masks that lie on the images."""
    from unimedi.adaptation.prediction.predict import predict as run

    count, listed = run(arguments.files, arguments.model, arguments.out)
    print(f"{count} images in {arguments.out}")
    if listed.skipped:
        print(f"{listed.complaint()}; the list of them lies beside the table, .skipped.csv", file=sys.stderr)


def info(arguments: argparse.Namespace) -> None:
    """What is installed, what the machine has, and what a path holds: a run, a store, a manifest, a model."""
    from unimedi.cli.describe import as_text, describe

    print(as_text(describe(arguments.path), as_json=arguments.json))


# -- words ------------------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    from unimedi.cohort.sources.collections.catalogue import COLLECTIONS
    from unimedi.ranges import POSITIVE, SEED, SHARE, at_least

    parser = argparse.ArgumentParser("unimedi", description="One space for 2D and 3D medical images and their reports.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(
        name: str,
        run: object,
        under: "argparse._SubParsersAction[argparse.ArgumentParser]" = verbs,
        rest: str = "",
        about: str = "",
    ) -> argparse.ArgumentParser:
        text = about or (run.__doc__ or "").strip()
        short = text.split(". ")[0].rstrip(".")
        added = under.add_parser(name, help=short, description=text, epilog=rest or None, allow_abbrev=False)
        added.set_defaults(run=run, takes_overrides=bool(rest))
        return added

    task = "a public collection's (chexpert, covidx, btcv …), or your own file: classes, metric, shares, split"
    recipe = "Any other option is a value of the recipe: --optimization.learning_rate 5e-4, --model.slices=3."
    p = verb("phantom", phantom, rest="Any other option is one of the hospital's: --share_ct_dicom 0.5.")
    p.add_argument("out", type=Path)
    p.add_argument("--sheet", action="store_true", help="only a picture OUT.png: each finding on CT and X-ray")
    p.add_argument("--preset", default="tiny", help="micro, tiny, small or full (default: tiny)")
    p.add_argument("--patients", type=at_least(1), help="as many, in the preset's proportions")
    p.add_argument("--seed", type=SEED, default=0)
    p.add_argument("--workers", type=at_least(1), help="processes (default: one a core)")

    ways = verb("cohort", cohort_folder).add_subparsers(dest="way", required=True, metavar="WAY")
    p = verb("phantom", cohort_phantom, ways)
    p.add_argument("root", type=Path)
    p.add_argument("--out", type=Path, required=True, help="the manifest, .csv or .parquet")
    p = verb("folder", cohort_folder, ways)
    p.add_argument("root", type=Path)
    p.add_argument("--out", type=Path, required=True, help="the manifest, .csv or .parquet")
    p.add_argument("--modality", help="of images that do not say: DX, CR or CT")
    p.add_argument("--table", type=Path, help="CSV, Excel or Parquet with a row a study, image paths relative to ROOT")
    p.add_argument("--column", action="append", default=[], metavar="OURS=THEIRS", help="the table's own names")
    p.add_argument("--seed", type=SEED, default=0, help="of the split, where the table has none")
    p = verb("dicom-tree", cohort_dicom_tree, ways)
    p.add_argument("root", type=Path)
    p.add_argument("--out", type=Path, required=True, help="the manifest, .csv or .parquet")
    p.add_argument(
        "--table", type=Path, help="CSV, Excel or Parquet with a row an examination: key, report, label:<finding>"
    )
    p.add_argument(
        "--column", action="append", default=[], metavar="OURS=THEIRS", help="the table's own key and report"
    )
    p = verb("dicomweb", cohort_dicomweb, ways)
    p.add_argument("url", help="of the DICOMweb service; a token in UNIMEDI_DICOMWEB_TOKEN, a password in ~/.netrc")
    p.add_argument(
        "--query", action="append", default=[], metavar="ATTRIBUTE=VALUE", help="StudyDate=20240101-20240131"
    )
    p.add_argument("--out", type=Path, required=True, help="the manifest, in the folder that the files go to")
    p.add_argument(
        "--table", type=Path, help="CSV, Excel or Parquet with a row an examination: key, report, label:<finding>"
    )
    p.add_argument(
        "--column", action="append", default=[], metavar="OURS=THEIRS", help="the table's own key and report"
    )
    p.add_argument("--per-second", type=POSITIVE, default=5.0, help="requests at most (default: 5)")
    for collection in COLLECTIONS:
        p = verb(collection.name, cohort_collection, ways, about=collection.about)
        p.add_argument("root", type=Path, help="the folder that it was unpacked into")
        p.add_argument("--out", type=Path, required=True, help="the manifest, .csv or .parquet")

    p = verb("translate", translate)
    p.add_argument("cohort", type=Path, help="the manifest")
    p.add_argument("--model", type=Path, required=True, help="a folder of a translation model for transformers")
    p.add_argument("--language", default="es", help="of the reports to be translated (default: es)")
    p.add_argument("--out", type=Path, required=True, help="the manifest with translations, beside the files as before")

    p.add_argument("--root", type=Path, help="where its paths begin (default: its own folder)")

    p = verb("prepare", prepare, rest=recipe)
    p.add_argument("cohort", type=Path, help="the manifest")
    p.add_argument("--root", type=Path, help="where its paths begin (default: its own folder)")
    p.add_argument("--out", type=Path, required=True, help="the store")
    p.add_argument(
        "--config", required=True, metavar="NAME|FILE", help="the recipe that will train on it: tiny, small …"
    )
    p.add_argument("--workers", type=at_least(0), help="processes (default: one a core; 0: none, and no limits)")
    p.add_argument("--scheduler", help="tcp://… of a running Dask scheduler")
    p.add_argument("--seconds", type=POSITIVE, default=300.0, help="that one file may take (default: 300)")
    p.add_argument(
        "--memory", type=at_least(1), default=2048, metavar="MIB", help="that one file may take (default: 2048)"
    )
    p.add_argument("--strict", type=SHARE, metavar="SHARE", help="no store if more of the studies are refused, 0 to 1")

    p = verb("doctor", doctor)
    p.add_argument("path", type=Path, metavar="cohort", help="a manifest, or the folder of a store")
    p.add_argument("--root", type=Path, help="where its paths begin (default: its own folder)")
    p.add_argument("--out", type=Path, default=Path("doctor.html"), help="the page; a .json beside it (doctor.html)")
    p.add_argument("--leakage", type=Path, metavar="OTHER", help="another manifest or store that must share nothing")
    p.add_argument("--workers", type=at_least(0), help="processes (default: one a core; 0: none, and no limits)")
    p.add_argument("--seconds", type=POSITIVE, default=300.0, help="that one study may take (default: 300)")
    p.add_argument(
        "--memory", type=at_least(1), default=2048, metavar="MIB", help="that one study may take (default: 2048)"
    )

    p = verb("pretrain", pretrain, rest=recipe)
    p.add_argument("--config", metavar="NAME|FILE", help="the recipe: tiny, small, base, comparison/joint …, or a file")
    p.add_argument("--data", type=Path, required=True, help="the store")
    p.add_argument("--out", type=Path, required=True, help="the run folder")
    p.add_argument("--steps", type=at_least(1), help="instead of the recipe's duration")
    p.add_argument("--seed", type=SEED, help="instead of the recipe's")
    p.add_argument("--resume", action="store_true", help="go on from the last checkpoint, if there is one")
    p.add_argument("--devices", type=at_least(1), default=1, help="GPUs, or CPU processes (default: 1)")
    p.add_argument("--workers", type=at_least(0), default=0, help="processes that read ahead (default: none)")

    p = verb("evaluate", evaluate)
    p.add_argument("path", type=Path, metavar="run", help="a run folder or a pretrained folder")
    p.add_argument("--data", type=Path, required=True, help="the store")
    p.add_argument("--out", type=Path, help="where the figures and the report go (default: RUN, RUN/tasks/TASK)")
    p.add_argument("--split", choices=("validation", "test"), help="default: the task's, or test")
    p.add_argument("--task", metavar="NAME|FILE", help=task)
    p.add_argument(
        "--prompts", metavar="NAME|FILE", help="zero-shot sentences (default: shipped ones in the model's language)"
    )
    p.add_argument(
        "--supervised",
        type=at_least(0),
        default=0,
        metavar="STEPS",
        help="also train the same encoder with labels, for scale",
    )  # fmt: skip
    p.add_argument(
        "--compare", type=Path, nargs="+", default=[], metavar="RUN", help="evaluated runs to show beside it"
    )

    p = verb("slice-eval", slice_eval)
    p.add_argument("path", type=Path, metavar="run", help="a run folder or a pretrained folder")
    p.add_argument("--data", type=Path, required=True, help="the store")
    p.add_argument("--split", default="test", choices=("validation", "test"))
    p.add_argument("--out", type=Path, help="the figures, .json; a picture beside it (default: RUN/slice_eval.json)")
    p.add_argument(
        "--with", dest="others", type=Path, nargs="+", default=[], metavar="RUN",
        help="runs, pretrained folders or checkpoints: does this one choose the same slices?",
    )  # fmt: skip
    p.add_argument("--focal", nargs="+", default=[], metavar="FINDING", help="whose masks count (default: local ones)")

    p = verb("reproduce", reproduce)
    p.add_argument(
        "what", nargs="?", choices=("phantom", "tables"),
        help="phantom: on a phantom hospital, made in OUT first; tables: of all that RESULTS has, nothing is trained",
    )  # fmt: skip
    p.add_argument("--preset", default="tiny", help="of the phantom hospital (default: tiny, the demo's)")
    p.add_argument("--cohort", type=Path, metavar="MANIFEST", help="on a cohort of your own, prepared in OUT first")
    p.add_argument("--root", type=Path, help="where the manifest's paths begin (default: its own folder)")
    p.add_argument("--data", type=Path, metavar="STORE", help="on a store at hand")
    p.add_argument(
        "--budget", type=POSITIVE, metavar="MINUTES", help="of training for every row, on this machine (default: 5)"
    )
    p.add_argument("--steps", type=int, help="of every row, in place of equal minutes")
    p.add_argument("--seeds", type=at_least(1), default=1, help="how many a row (default: 1)")
    p.add_argument("--rows", nargs="+", default=[], metavar="NAME", help="only these recipes")
    p.add_argument(
        "--task", nargs="+", default=[], metavar="NAME=STORE",
        help="downstream tasks, by name or file, each with its own store, that every row answers as well",
    )  # fmt: skip
    p.add_argument("--recipes", type=Path, metavar="FOLDER", help="with a recipe a row (default: the rows that ship)")
    p.add_argument("--out", type=Path, default=Path("runs/reproduce"), help="where hospital, store and runs go")
    p.add_argument("--results", type=Path, default=Path("docs/results"), help="a JSON for each finished row")
    p.add_argument("--page", type=Path, help="a Markdown page whose tables are replaced")

    for name, run in (("finetune", finetune), ("segment", segment)):
        p = verb(
            name, run, rest="Any other option is one of the training's: --steps 500 --fractions [0.1,1] --frozen true."
        )
        p.add_argument("path", type=Path, metavar="run", help="a run folder or a pretrained folder")
        p.add_argument("--data", type=Path, required=True, help="the store")
        p.add_argument("--out", type=Path, required=True, help="the folder of metrics.json")
        p.add_argument("--task", metavar="NAME|FILE", help=task)

    p = verb("embed", embed)
    p.add_argument("files", type=Path, nargs="+")
    p.add_argument("--model", type=Path, required=True, help="a pretrained folder")
    p.add_argument("--out", type=Path, required=True, help="the table, .parquet")

    p = verb("predict", predict)
    p.add_argument("files", type=Path, nargs="+")
    p.add_argument("--model", type=Path, required=True, help="the --out of finetune or segment")
    p.add_argument("--out", type=Path, required=True, help="the table, .csv, of a classifier; a folder for masks")

    p = verb("info", info)
    p.add_argument("path", type=Path, nargs="?")
    p.add_argument("--json", action="store_true")
    return parser


def _task(arguments: argparse.Namespace) -> "TaskFile | None":
    from unimedi.evaluation.task_file import find_task, for_command

    return for_command(find_task(arguments.task), arguments.verb) if arguments.task else None


def _check_manifest(arguments: argparse.Namespace) -> None:
    """The manifest and the list of what was left out can be written, and not over the table that is read."""
    from unimedi.files.destination import MANIFESTS, file_to_write

    file_to_write(arguments.out, MANIFESTS, (".skipped.csv",), (getattr(arguments, "table", None),))


def _write_cohort(find: "Callable[[], SourceCohort]", out: Path) -> None:
    """The manifest of what ``find`` finds, and beside it, always, what was left out; the paths are relative to it, or
    to the root where it is not above the files."""
    from unimedi.cohort.manifest import write_manifest
    from unimedi.cohort.sources.source_cohort import NoStudyError
    from unimedi.cohort.sources.summary import summary, write_skipped

    skipped = out.with_suffix(".skipped.csv")
    try:
        found = find()
        if not found.studies:
            raise NoStudyError(found)
    except NoStudyError as error:
        write_skipped(error.cohort, skipped)
        raise NoStudyError(error.cohort, skipped) from None
    # By name, as paths are written, and with links followed, as they are read.
    named, real = ([follow(found.root), follow(out.parent)] for follow in (os.path.abspath, os.path.realpath))
    above = all(Path(root).is_relative_to(folder) for root, folder in (named, real))
    write_manifest(found.studies, out, None if above else found.root)
    write_skipped(found, skipped)
    print(f"{summary(found)}\n{len(found.studies)} studies in {out}")
    if found.skipped or found.told:
        print(f"{found.complaint()}\nall of them, and what to look at: {skipped}".strip(), file=sys.stderr)
    if not above:
        print(f"its paths begin in {found.root}: unimedi prepare {out} --root {found.root} --out STORE --config RECIPE")


def _alone(arguments: argparse.Namespace) -> AbstractContextManager[None]:
    """What OUT of a verb is held with while it runs, where the verb's own function does not see to it."""
    from unimedi.files.lock import alone_at, alone_in

    if arguments.verb in ("finetune", "segment"):
        return alone_in(arguments.out)
    if arguments.verb in ("translate", "predict"):
        return alone_at(arguments.out)
    if arguments.verb == "slice-eval" and arguments.path.is_dir():
        return alone_at(arguments.out or arguments.path / "slice_eval.json")
    return nullcontext()


def _pairs(words: Sequence[str]) -> dict[str, str]:
    """``["--a", "1", "--b=2"]`` as ``{"a": "1", "b": "2"}``."""
    flat = [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]
    names, values = flat[::2], flat[1::2]
    if len(names) != len(values) or not all(name.startswith("--") for name in names):
        raise InputError(f"expected pairs of --option and value, got {' '.join(words)}")
    return {name.removeprefix("--"): value for name, value in zip(names, values, strict=True)}


def _explains_itself(error: BaseException) -> bool:
    """Whether the message is ours, or the system's about a file: a sentence is enough. Anything else is a bug."""
    return isinstance(error, UnimediError) or (isinstance(error, OSError) and bool(error.filename))


def _foreign_fault(error: BaseException) -> str:
    """What another package that is installed here does to those that we import; empty where it is not that."""
    if not isinstance(error, ImportError):
        return ""
    from unimedi.inputs.torchvision_fault import torchvision_fault

    return torchvision_fault(error)


def _restart_with_environment() -> None:
    """Start this process anew, once, with what of ``_ENVIRONMENT`` the caller has not set; keeps the process id."""
    if sys.platform != "linux" or any(name.startswith("MALLOC_") for name in os.environ):
        return
    left_alone = {"GOMP_SPINCOUNT"} if "OMP_WAIT_POLICY" in os.environ else set()
    added = {name: value for name, value in _ENVIRONMENT.items() if name not in {*os.environ, *left_alone}}
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | added)
