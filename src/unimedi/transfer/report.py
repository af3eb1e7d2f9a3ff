"""``report.html``: one file that needs nothing else, for whoever wants to know how good a run is and to see it."""

import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, select_autoescape

from unimedi.inputs.store import Store
from unimedi.representation.embedder import Embedder
from unimedi.transfer import figures as draw
from unimedi.transfer import pictures as looks
from unimedi.transfer.headline import SELECTOR_WORDS, comparison, headline, printed
from unimedi.transfer.metrics import Figure
from unimedi.transfer.task import Outcome, View

NAMES = {"xray": "X-ray", "ct": "CT"}


@dataclass(frozen=True)
class ReportInputs:
    """All that the report is made of."""

    run: Path
    store: Store
    split: str
    views: Mapping[str, View]
    figures: Mapping[str, Figure]
    outcome: Outcome
    embedder: Embedder
    seed: int
    prompts: str
    compare: Sequence[Path] = ()


@dataclass
class Part:
    """A section: a sentence, full-width pictures, tiles, retrieval panels; any may be empty."""

    id: str
    name: str
    text: str = ""
    pictures: list[looks.Tile] = field(default_factory=list)
    tiles: list[tuple[str, list[looks.Tile]]] = field(default_factory=list)
    panels: list[dict[str, object]] = field(default_factory=list)

    @property
    def filled(self) -> bool:
        return bool(self.pictures or self.tiles or self.panels)


def write_report(inputs: ReportInputs, path: Path) -> None:
    """Render and write the page, whole or not at all."""
    makers = (_cohort, _training, _zero_shot, _slices, _attention, _space, _retrieval, _cross_modal)
    parts = [part for part in (maker(inputs) for maker in makers) if part.filled]
    compare = comparison(inputs.figures, _run_name(inputs.run), inputs.compare)
    contents = [("figures", "Figures"), *([("compare", "Beside other runs")] if compare else [])]
    contents += [(part.id, part.name) for part in parts] + [("all", "All figures"), ("origin", "Where this comes from")]
    environment = Environment(
        loader=PackageLoader("unimedi.transfer"), autoescape=select_autoescape(default=True), trim_blocks=True
    )
    counts = ", ".join(f"{len(seen)} {NAMES[kind]}" for kind, seen in inputs.views.items())
    patients = len({p for seen in inputs.views.values() for p in seen.patients})
    page = environment.get_template("report.html").render(
        title=f"How good is {_run_name(inputs.run)}?",
        subtitle=f"{inputs.split} split: {counts}, {patients} patients, none of them seen in training.",
        figures_note=(
            "Grey rows are what a figure has to be compared with. Intervals: 95 %, 1 patient drawn at a time, with "
            "replacement. Bars are the project's own, for its phantom; on other data they judge nothing."
        ),
        contents=contents,
        headline=headline(inputs.figures),
        notes=inputs.outcome.notes,
        compare=compare,
        parts=parts,
        everything=[printed(key, figure) for key, figure in inputs.figures.items()],
        origin=_origin(inputs),
    )
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(page, encoding="utf-8")
    os.replace(temporary, path)


def read_log(run: Path) -> list[dict[str, object]]:
    """The lines of a run's ``log.jsonl``; a line torn by a kill ends it; [] where there is none."""
    file = run / "log.jsonl"
    lines: list[dict[str, object]] = []
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                lines.append(json.loads(line))
            except json.JSONDecodeError:
                break
    return lines


def _cohort(inputs: ReportInputs) -> Part:
    part = Part(
        "cohort", "The studies", "Test studies with one finding each, then others. A CT shows its best-scored plane."
    )
    part.tiles = [(NAMES[k], looks.contact_tiles(seen, inputs.store)) for k, seen in inputs.views.items()]
    return part


def _training(inputs: ReportInputs) -> Part:
    part = Part("training", "Training")
    log = read_log(inputs.run)
    if picture := draw.loss_curves(log):
        caption = (
            "Each step, and a running mean. L_vl is the image-report loss, L_icl and L_pcl the distillation losses."
        )
        part.pictures.append(looks.Tile(caption, looks.data_uri(picture)))
        part.text = _at_work(log)
    return part


def _at_work(log: Sequence[Mapping[str, object]]) -> str:
    words = []
    for key in ("l_vl", "l_icl", "l_pcl"):
        values = [float(line[key]) for line in log if isinstance(line.get(key), float)]  # type: ignore[arg-type]
        tenth = max(1, len(values) // 10)
        if values:
            words.append(f"{key} {np.mean(values[:tenth]):.2f} → {np.mean(values[-tenth:]):.2f}")
    warned = sorted({name for line in log for name in line.get("warnings", ())})  # type: ignore[attr-defined]
    says = f"Warnings: {', '.join(map(str, warned))}." if warned else "No warning was raised."
    return f"{len(log)} steps. First and last tenth: {', '.join(words)}. {says}"


def _zero_shot(inputs: ReportInputs) -> Part:
    part = Part("zero-shot", "Zero-shot by finding", f"AUROC against the cohort's labels; prompts: {inputs.prompts}.")
    for kind in inputs.views:
        prefix = f"zero_shot/{kind}/auroc"
        rows = [
            (
                "all findings" if key == prefix else key.removeprefix(prefix + "/").replace("_", " "),
                figure,
                key == prefix,
            )
            for key, figure in inputs.figures.items()
            if key.startswith(prefix)
        ]
        if rows:
            points = [(name, f.value, f.low, f.high, ours) for name, f, ours in rows]
            picture = looks.data_uri(draw.intervals(points, 0.5, "AUROC"))
            part.pictures.append(looks.Tile(f"{NAMES[kind]}; dotted: chance", picture))
    return part


def _slices(inputs: ReportInputs) -> Part:
    part = Part("slices", "Slice selection")
    if inputs.outcome.lesion_planes is None:
        return part
    part.text = (
        f"{len(inputs.outcome.lesion_rows)} volumes with a masked focal lesion. Below, feet to head: the middle plane "
        "of each slab, four best framed; its score (blue, in multiples of the mean); green: where a lesion truly is."
    )
    words = {"attentive": "attentive (the model)"} | SELECTOR_WORDS
    for k in (1, 4):
        rows = [
            (words[name], f.value, f.low, f.high, name == "attentive")
            for name in words
            if (f := inputs.figures.get(f"slice_selection/{name}/hit@{k}"))
        ]
        if rows:
            picture = looks.data_uri(draw.intervals(rows, None, f"hit@{k}"))
            caption = f"Share of volumes where one of the {k} chosen planes shows a lesion" if k > 1 else (
                "Share of volumes where the one chosen plane shows a lesion"
            )  # fmt: skip
            part.pictures.append(looks.Tile(caption, picture))
    part.pictures += looks.strips(inputs.views["ct"], inputs.store, inputs.outcome)
    return part


def _attention(inputs: ReportInputs) -> Part:
    part = Part("attention", "Where the encoder looks")
    if "xray" in inputs.views:
        size, patch = inputs.embedder.processor.preprocess.radiograph_size, inputs.embedder.model.config.patch_size
        grid = (size[0] // patch, size[1] // patch)
        picture = looks.attention_picture(inputs.views["xray"], inputs.store, grid)
        part.pictures.append(
            looks.Tile("Attention of [CLS], mean over layers and heads; bright is 3 × the mean.", picture)
        )
    return part


def _space(inputs: ReportInputs) -> Part:
    part = Part("space", "The space", "t-SNE of the embeddings: a picture for the eye, no measurement.")
    embedding = np.concatenate([seen.table.embedding for seen in inputs.views.values()])
    modality = np.concatenate([np.full(len(seen), kind == "ct", dtype=int) for kind, seen in inputs.views.items()])
    positives = [seen.positives(row) for seen in inputs.views.values() for row in range(len(seen))]
    if picture := draw.maps(embedding, modality, positives, inputs.seed):
        part.pictures.append(
            looks.Tile("Left: X-ray and CT should mix. Right: findings should not.", looks.data_uri(picture))
        )
    return part


def _retrieval(inputs: ReportInputs) -> Part:
    part = Part(
        "retrieval", "Image and report", "Evenly chosen queries, not picked; ✓ is the query's own (or an equal) report."
    )
    for kind, seen in inputs.views.items():
        to_report, to_image = looks.report_panels(seen, inputs.store)
        part.panels.append({"name": f"{NAMES[kind]} → report", "panels": to_report, "worded": False, "texts": True})
        part.panels.append({"name": f"report → {NAMES[kind]}", "panels": to_image, "worded": True, "texts": False})
    return part


def _cross_modal(inputs: ReportInputs) -> Part:
    part = Part("cross-modal", "X-ray and CT", "The five nearest of the other modality; ✓ is the same patient.")
    if len(inputs.views) == 2:
        for first, second in (("xray", "ct"), ("ct", "xray")):
            panels = looks.cross_panels(inputs.views[first], inputs.views[second], inputs.store)
            name = f"{NAMES[first]} → {NAMES[second]}"
            part.panels.append({"name": name, "panels": panels, "worded": False, "texts": False})
    return part


def _run_name(run: Path) -> str:
    resolved = run.resolve()
    return resolved.parent.name if resolved.name == "pretrained" else resolved.name


def _origin(inputs: ReportInputs) -> list[tuple[str, str]]:
    return [
        ("command", shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])),
        ("store", f"{inputs.store.fingerprint}, {len(inputs.store)} studies, {len(inputs.store.refused)} refused"),
        ("model (sha256 of the weights)", inputs.embedder.fingerprint),
        ("preprocessing", inputs.store.preprocess.fingerprint()),
        ("prompts", inputs.prompts),
        ("seed of the resamples", str(inputs.seed)),
    ]
