"""The sections of the report: each takes all that was measured and gives a sentence, pictures and panels."""

import re

import numpy as np

from unimedi.evaluation.headline import SELECTOR_WORDS, cell, printed, three
from unimedi.evaluation.result import Evaluation
from unimedi.evaluation.training_log import LOSSES, health_keys, warnings_in
from unimedi.files.json_lines import read_json_lines
from unimedi.reporting import curves as draw
from unimedi.reporting import pictures as looks
from unimedi.reporting.attention import radiograph_tiles, volume_pictures
from unimedi.reporting.failures import failures_part
from unimedi.reporting.overlays import BRIGHT, FAINT
from unimedi.reporting.schema import NAMES, Section, Table
from unimedi.reporting.task import task_part
from unimedi.reporting.zero_shot import zero_shot_part


def _cohort(inputs: Evaluation) -> Section:
    section = Section(
        "cohort",
        "The studies",
        "Studies with one finding each, then others. A CT shows the plane where its masks are largest.",
    )
    section.tiles = [(NAMES[k], looks.contact_tiles(seen, inputs.store)) for k, seen in inputs.splits.items()]
    return section


def _training(inputs: Evaluation) -> Section:
    section = Section("training", "Training")
    log = read_json_lines(inputs.run / "log.jsonl")
    if picture := draw.loss_curves(log, health_keys(log)):
        caption = (
            "Each step, and a running mean. L_vl is the image-report loss, L_icl and L_pcl the distillation losses."
        )
        section.pictures.append(looks.Tile(caption, looks.data_uri(picture)))
        ends = [
            f"{key} {first.value:.2f} → {inputs.measurements[f'training/{key}_last'].value:.2f}"
            for key in LOSSES
            if (first := inputs.measurements.get(f"training/{key}_first"))
        ]
        warned = ", ".join(warnings_in(log))
        says = f"Warnings: {warned}." if warned else "No warning was raised."
        section.text = f"{len(log)} steps. First and last tenth: {', '.join(ends)}. {says}"
    return section


def _slices(inputs: Evaluation) -> Section:
    section = Section("slices", "Slice selection")
    if inputs.slices is None:
        return section
    section.text = (
        f"{len(inputs.slices.lesion_rows)} volumes with a masked focal lesion. Below, feet to head: the middle plane "
        f"of each slab, {_slices_taken(inputs)}; its score (blue, in multiples of the mean); green: where a lesion "
        "truly is."
    )
    words = {"attentive": "attentive (the model)"} | SELECTOR_WORDS
    for k in (1, 4):
        rows = [
            (words[name], f.value, f.low, f.high, name == "attentive")
            for name in words
            if (f := inputs.measurements.get(f"slice_selection/{name}/hit@{k}"))
        ]
        if rows:
            picture = looks.data_uri(draw.intervals(rows, None, f"hit@{k}", (0.0, 1.02)))
            caption = f"Share of volumes where one of the {k} chosen planes shows a lesion" if k > 1 else (
                "Share of volumes where the one chosen plane shows a lesion"
            )  # fmt: skip
            section.pictures.append(looks.Tile(caption, picture))
    section.pictures += looks.strips(inputs.splits["ct"], inputs.store, inputs.slices)
    return section


def _slices_taken(inputs: Evaluation) -> str:
    selected, selector = inputs.splits["ct"].table.selected, inputs.embedder.model.config.selector
    if selected is None:
        return "none framed, as the model takes no slices"
    return f"the {selected.shape[1]} that the model takes framed ({selector} selection)"


ATTENTION = (
    f"Attention of [CLS], mean over layers and heads: nothing is drawn below {FAINT} × the mean of the image, bright "
    f"is {BRIGHT:g} ×. In the body's proportions, padding cut off, evenly chosen. Green: the outline of masks."
)


def _attention_on_radiographs(inputs: Evaluation) -> Section:
    section = Section("attention", "Attention on X-rays", ATTENTION, wide=True)
    if "xray" in inputs.splits:
        size, patch = inputs.embedder.processor.preprocess.radiograph_size, inputs.embedder.model.config.patch_size
        grid = (size[0] // patch, size[1] // patch)
        section.tiles.append(("", radiograph_tiles(inputs.splits["xray"], inputs.store, grid)))
    return section


def _attention_on_volumes(inputs: Evaluation) -> Section:
    section = Section(
        "attention-ct",
        "Attention on CTs",
        f"{ATTENTION} Left: the middle plane of the best-scored slab, without and with its attention. Coronal and "
        "sagittal plane through its peak: attention as the mean along the line of sight, lesions as their shadow",
    )
    if "ct" in inputs.splits:
        takes = inputs.splits["ct"].table.selected is not None
        section.text += "; orange: the slices that the model takes." if takes else "."
        grid, rows = inputs.embedder.model.vision.volume_grid, inputs.slices.lesion_rows if inputs.slices else []
        section.pictures += volume_pictures(inputs.splits["ct"], inputs.store, grid, rows)
    return section


SPACE_WORDS = {
    "space/by_finding/silhouette": "silhouette by finding, X-rays and CTs together (1: findings apart)",
    "space/by_modality/silhouette": "silhouette by modality of the same studies (0: mixed)",
    "space/xray_to_ct/knn_agreement": "10 nearest CTs of an X-ray: share with its finding, findings weighed alike",
    "space/xray_to_ct/knn_agreement_chance": "· chance",
    "space/ct_to_xray/knn_agreement": "10 nearest X-rays of a CT: share with its finding, findings weighed alike",
    "space/ct_to_xray/knn_agreement_chance": "· chance",
    "space/linear_cka": "linear CKA of a patient's X-ray and CT (1: one geometry)",
    "space/linear_cka_shuffled": "· with the patients shuffled",
    "space/modality_probe": "modality probe (.5: a line cannot tell them apart)",
    "space/centroid_gap": "distance of the two centroids (0 to 2)",
    "space/xray/effective_rank": "effective rank, X-ray",
    "space/ct/effective_rank": "effective rank, CT",
}


def _space(inputs: Evaluation) -> Section:
    section = Section(
        "space", "The space", "The map is a t-SNE of the embeddings: a picture for the eye, no measurement."
    )
    rows = [printed(name, inputs.measurements[key]) for key, name in SPACE_WORDS.items() if key in inputs.measurements]
    if rows:
        cells = [(row.name, row.value, row.interval, row.n) for row in rows]
        section.tables.append(Table("", ("measure", "value", "95 % interval", "n"), cells))
    embedding = np.concatenate([seen.table.embedding for seen in inputs.splits.values()])
    modality = np.concatenate([np.full(len(seen), kind == "ct", dtype=int) for kind, seen in inputs.splits.items()])
    shown = [looks.shown(seen, row) for seen in inputs.splits.values() for row in range(len(seen))]
    if picture := draw.maps(embedding, modality, shown, inputs.options.seed):
        section.pictures.append(
            looks.Tile("Left: X-ray and CT should mix. Right: findings should not.", looks.data_uri(picture))
        )
    return section


def _retrieval(inputs: Evaluation) -> Section:
    section = Section(
        "retrieval", "Image and report", "Evenly chosen queries, not picked; ✓ is the query's own (or an equal) report."
    )
    section.tables = [table for kind in inputs.splits if (table := _by_class(inputs, kind)).rows]
    if section.tables:
        section.text = (
            "By class: P@k is the share of an image's k nearest reports whose study has the image's class; studies of "
            "one class only, equally many of each, drawn by seed (CheXpert's 5x200 and 8x200, or what this cohort has "
            f"of them). Chance is one class in as many. Below: {section.text[0].lower()}{section.text[1:]}"
        )
    told = {kind: seen.reported for kind, seen in inputs.splits.items()}
    for kind, seen in ((kind, seen) for kind, seen in told.items() if len(seen)):
        to_report, to_image = looks.report_panels(seen, inputs.store)
        section.panels.append({"name": f"{NAMES[kind]} → report", "panels": to_report, "worded": False, "texts": True})
        section.panels.append({"name": f"report → {NAMES[kind]}", "panels": to_image, "worded": True, "texts": False})
    return section


def _by_class(inputs: Evaluation, kind: str) -> Table:
    """P@k of image → report by class, CheXpert's 5x200 and 8x200 or what this cohort has of them."""
    found = re.compile(rf"retrieval/{kind}/(\d+x\d+)/p@10(?:/(.+))?")
    rows: list[list[str]] = []
    strong: set[int] = set()
    for match in filter(None, map(found.fullmatch, inputs.measurements)):
        protocol, name = match.groups()
        ending = f"/{name}" if name else ""
        at = [inputs.measurements[f"retrieval/{kind}/{protocol}/p@{k}{ending}"] for k in (1, 5, 10)]
        if not name:
            strong.add(len(rows))
        chance = three(inputs.measurements[f"retrieval/{kind}/{protocol}/chance"].value)
        title = name or "{} classes, {} studies each".format(*protocol.split("x"))
        rows.append([title.replace("_", " "), *(cell(f) for f in at), chance])
    header = ("class", "P@1", "P@5", "P@10", "chance")
    return Table(f"{NAMES[kind]} → report of the same class", header, rows, frozenset(strong))


def _cross_modal(inputs: Evaluation) -> Section:
    section = Section("cross-modal", "X-ray and CT", "The five nearest of the other modality; ✓ is the same patient.")
    if len(inputs.splits) == 2:
        for first, second in (("xray", "ct"), ("ct", "xray")):
            panels = looks.cross_panels(inputs.splits[first], inputs.splits[second], inputs.store)
            name = f"{NAMES[first]} → {NAMES[second]}"
            section.panels.append({"name": name, "panels": panels, "worded": False, "texts": False})
    return section


SECTIONS = (
    task_part,
    _cohort,
    _training,
    zero_shot_part,
    failures_part,
    _slices,
    _attention_on_radiographs,
    _attention_on_volumes,
    _space,
    _retrieval,
    _cross_modal,
)
