"""``report.html``: one file that needs nothing else, for whoever wants to know how good a run is and to see it."""

import shlex
import sys
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, PackageLoader, select_autoescape

from unimedi.evaluation.comparison import sha256
from unimedi.evaluation.headline import JUDGED_FROM, headline, printed
from unimedi.evaluation.result import Evaluation
from unimedi.evaluation.zero_shot.prompts import shipped_prompts
from unimedi.files.atomic import write_text
from unimedi.reporting.schema import NAMES
from unimedi.reporting.sections import SECTIONS
from unimedi.reporting.side_by_side import side_by_side
from unimedi.reporting.summary import summary
from unimedi.representation.embedder import pretrained_folder

BARS = f"Bars are the project's own, for its phantom and {JUDGED_FROM} patients or more."
NO_BARS = "No bars: the project has some for its phantom alone, and this store was not prepared as one."


def write_report(inputs: Evaluation, path: Path) -> None:
    """Render and write the page, whole or not at all."""
    sections = [section for section in (make(inputs) for make in SECTIONS) if section.filled]
    compare = side_by_side(inputs.measurements, _run_name(inputs.run), inputs.conditions, inputs.compare)
    notes = inputs.notes
    contents = [("figures", "Figures"), *([("compare", "Beside other runs")] if compare else [])]
    contents += [(section.id, section.name) for section in sections]
    contents += [("lacking", "What could not be computed")] if notes else []
    contents += [("all", "All figures"), ("origin", "Where this comes from")]
    environment = Environment(
        loader=PackageLoader("unimedi.reporting"), autoescape=select_autoescape(default=True), trim_blocks=True
    )
    counts = ", ".join(f"{len(seen)} {NAMES[kind]}" for kind, seen in inputs.splits.items())
    patients = len({p for seen in inputs.splits.values() for p in seen.patients})
    page = environment.get_template("report.html").render(
        title=f"How good is {_run_name(inputs.run)}?",
        subtitle=f"{inputs.split} split of the store: {counts}, {patients} patients.",
        figures_note=(
            "Grey rows are what the figure above them has to be compared with. Intervals: 95 %, patients drawn with "
            f"replacement. {BARS if inputs.store.phantom else NO_BARS}"
        ),
        contents=contents,
        headline=headline(inputs.measurements, patients, inputs.store.phantom),
        summary=summary(inputs.measurements),
        notes=notes,
        compare=compare,
        sections=sections,
        everything=[printed(key, figure) for key, figure in inputs.measurements.items()],
        origin=_origin(inputs),
        recipe=_recipe(inputs),
    )
    write_text(path, page)


def _run_name(run: Path) -> str:
    resolved = run.resolve()
    return resolved.parent.name if resolved.name == "pretrained" else resolved.name


def _origin(inputs: Evaluation) -> list[tuple[str, str]]:
    recipe, folder = inputs.run / "recipe.yaml", pretrained_folder(inputs.run)
    words = [Path(sys.argv[0]).name.replace("__main__.py", "unimedi"), *sys.argv[1:]]
    return [
        ("command", shlex.join(words)),
        ("unimedi", version("unimedi")),
        ("store (fingerprint)", inputs.store.fingerprint),
        ("studies in the store", f"{len(inputs.store)}, {len(inputs.store.refused)} refused"),
        ("preprocessing (fingerprint)", inputs.store.preprocess.fingerprint()),
        ("model.safetensors (sha256)", sha256(folder / "model.safetensors")),
        ("config.json (sha256)", sha256(folder / "config.json")),
        ("model (sha256 of weights, settings, vocabulary)", inputs.embedder.fingerprint),
        *((f"{path.name} (sha256)", sha256(path)) for path in _prompt_files(inputs)),
        ("recipe.yaml (sha256)", sha256(recipe) if recipe.is_file() else "none beside the model"),
        ("resamples of patients", f"{inputs.options.resamples}, seed {inputs.options.seed}"),
    ]


def _prompt_files(inputs: Evaluation) -> list[Path]:
    """The prompts that were asked, and the other shipped files of which there is a figure."""
    asked, prefix = inputs.options.prompt_file, "zero_shot_by_prompts/"
    measured = {key.split("/")[2] for key in inputs.measurements if key.startswith(prefix)} - {asked.stem}
    return [asked, *(path for name, path in shipped_prompts().items() if name in measured)]


def _recipe(inputs: Evaluation) -> str:
    file = inputs.run / "recipe.yaml"
    return file.read_text(encoding="utf-8") if file.is_file() else ""
