"""The sections of a run's page: each takes the record and the measurements, and gives sentences and pictures."""

from unimedi.evaluation.record import LOSSES, Attention, EvaluationRecord
from unimedi.evaluation.slices.selector_names import SELECTOR_NAMES
from unimedi.metrics.formatting import columns, three_decimals, verdict, with_interval
from unimedi.metrics.measurement import Measurements
from unimedi.reporting import plots
from unimedi.reporting.overlays import BRIGHT, FAINT, in_millimetres
from unimedi.reporting.schema import NAMES, Section, Table, Tile, data_uri
from unimedi.reporting.tiles import in_words, panels, tile


def cohort_section(record: EvaluationRecord) -> Section:
    """Some of the studies."""
    section = Section(
        "cohort",
        "The studies",
        "Studies with one finding each, then others. A CT shows the plane where its masks are largest.",
    )
    section.tiles = [
        (NAMES[kind], [tile(study, in_words(study.findings)) for study in studies])
        for kind, studies in record.cohort.items()
    ]
    return section


def training_section(record: EvaluationRecord, measurements: Measurements) -> Section:
    """Losses and measures of collapse; empty where the run has no log."""
    section, training = Section("training", "Training"), record.training
    if picture := plots.loss_curves(training):
        caption = (
            "Each step, and a running mean. L_vl is the image-report loss, L_icl and L_pcl the distillation losses."
        )
        section.pictures.append(Tile(caption, data_uri(picture)))
        found = {row.metric: row.value for row in measurements.select(task="training", modality="").values()}
        ends = [
            f"{loss} {found[f'{loss}_first']:.2f} → {found[f'{loss}_last']:.2f}"
            for loss in LOSSES
            if f"{loss}_first" in found
        ]
        says = f"Warnings: {', '.join(training.warnings)}." if training.warnings else "No warning was raised."
        section.text = f"{training.steps} steps. First and last tenth: {', '.join(ends)}. {says}"
    return section


def slices_section(record: EvaluationRecord, measurements: Measurements) -> Section:
    """Hit rates of all selectors, and some volumes; empty where no volume has a lesion."""
    section, found = Section("slices", "Slice selection"), record.slices
    if found is None:
        return section
    taken = "none framed, as the model takes no slices"
    if found.slices is not None:
        taken = f"the {found.slices} that the model takes framed ({found.selector} selection)"
    section.text = (
        f"{found.volumes} volumes with a masked focal lesion. Below, feet to head: the middle plane of each slab, "
        f"{taken}; its score (blue, in multiples of the mean); green: where a lesion is, by its mask."
    )
    section.text += _distractors(measurements)
    names = {"attentive": "attentive (the model)"} | SELECTOR_NAMES
    for k, which in ((1, "the one chosen plane"), (4, "one of the 4 chosen planes")):
        rows = [
            (words, f.value, f.low, f.high, name == "attentive")
            for name, words in names.items()
            if (f := measurements.one(task="slice_selection", method=name, metric=f"hit@{k}"))
        ]
        if rows:
            picture = data_uri(plots.intervals(rows, None, f"hit@{k}", (0.0, 1.02)))
            section.pictures.append(Tile(f"Share of volumes where {which} shows a lesion", picture))
    section.pictures += [Tile(in_words(strip.findings), data_uri(plots.slice_strip(strip))) for strip in found.strips]
    return section


def _distractors(measurements: Measurements) -> str:
    """A sentence on how often the chosen plane shows a distractor; '' where the store has no masks of any."""
    of = {"task": "slice_selection", "metric": "innocents@1"}
    ours, random = (measurements.one(**of, method=method) for method in ("attentive", "random"))
    minus = measurements.one(**of, method="attentive", minus="random")
    if ours is None or random is None or minus is None:
        return ""
    return (
        f" In the {ours.n} with a distractor, which no report mentions, the one chosen plane shows it in "
        f"{with_interval(ours)}, a random one in {with_interval(random)}: the difference is {with_interval(minus)}, "
        f"{verdict(minus)}."
    )


ATTENTION = (
    f"Attention of [CLS], mean over layers and heads: nothing is drawn below {FAINT} × the mean of the image, bright "
    f"is {BRIGHT:g} ×. In the body's proportions, padding cut off, evenly chosen. Green: the outline of masks."
)


def radiograph_attention_section(record: EvaluationRecord) -> Section:
    """X-rays, plain and with their attention."""
    section = Section("attention", "Attention on X-rays", ATTENTION, wide=True)
    if found := record.attention.get("xray"):
        section.tiles.append(("", [_attention(picture, 4.2) for picture in found]))
    return section


def volume_attention_section(record: EvaluationRecord) -> Section:
    """CTs in three directions."""
    takes = any(plane.marks for picture in record.attention.get("ct", ()) for plane in picture.planes)
    section = Section(
        "attention-ct",
        "Attention on CTs",
        f"{ATTENTION} Left: the middle plane of the best-scored slab, without and with its attention. Coronal and "
        "sagittal plane through its peak: attention as the mean along the line of sight, lesions projected along it"
        + ("; orange: the slices that the model takes." if takes else "."),
    )
    section.pictures += [_attention(picture, 9.0) for picture in record.attention.get("ct", ())]
    return section


def _attention(picture: Attention, inches: float) -> Tile:
    caption = f"{picture.study.study_id}: {in_words(picture.study.findings)}"
    return Tile(caption, data_uri(in_millimetres(picture.planes, inches, picture.in_mm)))


SPACE = {  # (modality, method, metric) → in words
    ("", "by_finding", "silhouette"): "silhouette by finding, X-rays and CTs together (1: findings lie apart)",
    ("", "by_modality", "silhouette"): "silhouette by modality of the same studies (0: X-ray and CT are mixed)",
    ("xray_to_ct", "", "knn_agreement"): "10 nearest CTs of an X-ray: share with its finding, mean over findings",
    ("xray_to_ct", "", "knn_agreement_chance"): "· chance",
    ("ct_to_xray", "", "knn_agreement"): "10 nearest X-rays of a CT: share with its finding, mean over findings",
    ("ct_to_xray", "", "knn_agreement_chance"): "· chance",
    ("", "", "linear_cka"): "linear CKA of a patient's X-ray and CT (1: the same geometry)",
    ("", "", "linear_cka_shuffled"): "· with the patients shuffled",
    ("", "", "modality_probe"): "modality probe: accuracy of a linear classifier of the modality (.5: it cannot tell)",
    ("", "", "centroid_gap"): "distance of the two centroids (0 to 2)",
    ("xray", "", "effective_rank"): "effective rank, X-ray",
    ("ct", "", "effective_rank"): "effective rank, CT",
}


def space_section(record: EvaluationRecord, measurements: Measurements) -> Section:
    """How findings and modalities lie in the space of embeddings."""
    section = Section(
        "space",
        "The embedding space",
        "The map is a t-SNE of the embeddings: an illustration, not a measurement.",
    )
    rows = [
        (words, *columns(row))
        for (modality, method, metric), words in SPACE.items()
        if (row := measurements.one(task="space", modality=modality, method=method, metric=metric))
    ]
    if rows:
        section.tables.append(Table("", ("measure", "value", "95 % interval", "n"), rows))
    if record.space:
        picture = data_uri(plots.space_map(record.space))
        section.pictures.append(
            Tile("Left: X-rays and CTs should be mixed. Right: findings should lie apart.", picture)
        )
    return section


def retrieval_section(record: EvaluationRecord, measurements: Measurements) -> Section:
    """Reports of images, and images of reports."""
    section = Section(
        "retrieval",
        "Retrieval: images and reports",
        "Evenly chosen queries, not picked; ✓ is the query's own report (or one of the same words).",
    )
    section.tables = [table for kind in record.studies if (table := _by_class(measurements, kind)).rows]
    if section.tables:
        section.text = (
            "By class: P@k is the share of an image's k nearest reports whose study has the image's class; studies of "
            "one class only, equally many of each, drawn by seed (CheXpert's 5x200 and 8x200, or what this cohort has "
            f"of them). Chance is one class in as many. Below: {section.text[0].lower()}{section.text[1:]}"
        )
    section.panels = [panels(queries) for queries in record.reports]
    return section


def _by_class(measurements: Measurements, kind: str) -> Table:
    """P@k of image → report by class, CheXpert's 5x200 and 8x200 or what this cohort has of them."""
    rows, styles = list[list[str]](), list[str]()
    found = measurements.select(task="retrieval", modality=kind)
    for chance in found.select(metric="chance").values():
        drawn = found.select(variant=chance.variant)
        classes = round(1 / chance.value)
        for name in ("", *(row.finding for row in drawn.select(metric="p@1").values() if row.finding)):
            title = in_words([name]) if name else f"{classes} classes, {chance.n // classes} studies each"
            at = [row for k in (1, 5, 10) for row in drawn.select(metric=f"p@{k}", finding=name).values()]
            rows.append([title, *map(with_interval, at), three_decimals(chance.value)])
            styles.append("" if name else "ours")
    header = ("class", "P@1", "P@5", "P@10", "chance")
    return Table(f"{NAMES[kind]} → report of the same class", header, rows, styles)


def cross_modal_section(record: EvaluationRecord) -> Section:
    """CTs of X-rays, and X-rays of CTs."""
    section = Section(
        "cross-modal", "Retrieval: X-rays and CTs", "The five nearest of the other modality; ✓ is the same patient."
    )
    section.panels = [panels(queries) for queries in record.patients_between]
    return section
