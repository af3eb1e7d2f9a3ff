"""The doctor's page: one HTML file that needs nothing else, and beside it a JSON with the same figures."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from unimedi.doctor.diagnosis import LISTED, diagnose, fatal
from unimedi.doctor.examine import Examined, examine
from unimedi.doctor.histograms import measure_histograms, size_histograms
from unimedi.doctor.leakage import LeakageError
from unimedi.doctor.signs import EXPLAINED, STORE_LIMITS, worst
from unimedi.files.atomic import write_json, write_text
from unimedi.files.destination import file_to_write
from unimedi.inputs.sandbox import Limits
from unimedi.reporting.page import render
from unimedi.reporting.schema import Section, Table, Tile, data_uri

TILES = 24


def doctor(
    path: Path,
    page: Path,
    root: Path | None = None,
    other: Path | None = None,
    workers: int | None = None,
    limits: Limits | None = None,
) -> dict[str, Any]:
    """Examine a manifest or a store, and write what is wrong with it as a page and as JSON.

    Args:
        path: a manifest (.csv, .parquet) or the folder of a store.
        page: the HTML file to write; the JSON beside it has the same name.
        root: where a manifest's paths begin (default: its own folder).
        other: a second manifest or store, to be audited against the first.
        workers, limits: as :func:`unimedi.doctor.examine.examine`.

    Returns:
        The figures, as in the JSON.

    Raises:
        LeakageError: a patient, a file or an image on two sides; page and JSON are written before.
    """
    file_to_write(page, (".html",), beside=(".json",), inputs=(path, other))
    examined = examine(path, root, workers, limits)
    compared = examine(other, None, workers, limits) if other else None
    figures = diagnose(examined, compared)
    write_json(page.with_suffix(".json"), figures)
    write_text(page, draw(examined, figures))
    if leaks := fatal(figures):
        raise LeakageError(leaks, page)
    return figures


def draw(examined: Examined, figures: Mapping[str, Any]) -> str:
    """The page as HTML."""
    refused = sum(figures["refused"].values())
    sections = [section for section in _sections(examined, figures) if section.filled or section.text]
    return render(
        f"What is wrong with {examined.path.name}?",
        f"A {examined.source} of {figures['listed']} studies: {figures['read']} read, {refused} refused. "
        f"unimedi {version('unimedi')}.",
        [Section("summary", "In short", lists=[("", _summary(figures, refused))]), *sections],
    )


def _summary(figures: Mapping[str, Any], refused: int) -> list[str]:
    leaks = len(fatal(dict(figures)))
    duplicates = figures["duplicates"]
    lines = [
        f"Leaks: {leaks}. Nothing measured on these splits can be trusted before they are mended." if leaks else "",
        _patients(figures["patients_by_header"]),
        *(f"{doubt[:1].upper()}{doubt[1:]}." for doubt in figures["doubtful_patients"]),
        f"{figures['corrupted']} of {figures['read']} studies look corrupted." if figures["corrupted"] else "",
        f"{refused} of {figures['listed']} studies are refused." if refused else "",
        *(f"{wrong[:1].upper()}{wrong[1:]}." for wrong in figures["outdated"]),
        f"Images repeated exactly: {duplicates['identical_images']}; nearly: {duplicates['near_images']}."
        if duplicates["identical_images"] or duplicates["near_images"]
        else "",
    ]
    return [line for line in lines if line] or ["Nothing was found."]


def _patients(found: Mapping[str, Any]) -> str:
    split, joined = len(found["id_of_several_patients"]), len(found["patient_of_several_ids"])
    said = [f"{split} PatientIDs in the files belong to several patients of the manifest" if split else ""]
    said += [f"{joined} patients have files with several PatientIDs" if joined else ""]
    text = ", ".join(filter(None, said))
    return f"{text[0].upper()}{text[1:]}: the JSON lists them." if text else ""


def _sections(examined: Examined, figures: Mapping[str, Any]) -> list[Section]:
    return [
        _leaks(figures),
        Section("worst", f"The worst {TILES}", tiles=_tiles(examined), wide=True),
        _signs(figures),
        _counts(figures),
        _refusals(figures),
        Section(
            "scale", "Hounsfield units, orientation, coverage", pictures=_pictures(measure_histograms(examined.studies))
        ),
        Section("sizes", "Lengths and sizes", pictures=_pictures(size_histograms(examined.studies))),
        _reports(figures),
        _duplicates(figures),
        Section("limits", "What this cannot show", text=STORE_LIMITS if examined.source == "store" else ""),
    ]


def _leaks(figures: Mapping[str, Any]) -> Section:
    tables = []
    for key, name in (
        ("leaks_between_splits", "Between splits"),
        ("leaks_between_cohorts", f"Between A ({figures['path']}) and B ({figures['other']})"),
    ):
        if rows := figures[key]:
            shown = [(row["what"].replace("_", " "), row["text"]) for row in rows[:LISTED]]
            tables.append(Table(f"{name}: {len(rows)}", ("shared", "studies"), shown, prose=True))
    looked = "splits" + (f" and between A and B ({figures['other']})" if figures["other"] else "")
    text = "" if tables else f"Nothing crosses the border between {looked}."
    return Section("leaks", "Leakage", text=text, tables=tables)


def _tiles(examined: Examined) -> list[tuple[str, list[Tile]]]:
    tiles = [
        Tile(f"{one.study_id}: {', '.join(sign.replace('_', ' ') for sign in one.signs)}", data_uri(one.picture))
        for one in worst([one for one in examined.studies if one.picture], TILES)
    ]
    return [("", tiles)] if tiles else []


def _signs(figures: Mapping[str, Any]) -> Section:
    rows = [(sign.replace("_", " "), str(n), EXPLAINED[sign]) for sign, n in figures["signs"].items()]
    listed = [
        (one["study_id"], ", ".join(one["signs"]), ", ".join(f"{k} {v:g}" for k, v in one["measures"].items()))
        for one in figures["studies_with_signs"][:LISTED]
    ]
    decided, volumes = figures["volumes_examined_for_orientation"], figures["volumes"]
    others = "the others hold no Hounsfield units, show no lungs, or are cut at a side"
    text = f"The orientation could be determined in {decided} of {volumes} volumes; {others}." if volumes else ""
    tables = [Table("", ("sign", "studies", "meaning"), rows, prose=True)] if rows else []
    tables += [Table("Studies with a sign", ("study", "signs", "measures"), listed, prose=True)] if listed else []
    return Section("signs", "What looks wrong", text=text, tables=tables)


def _counts(figures: Mapping[str, Any]) -> Section:
    splits = list(figures["patients"])
    rows = [
        (modality, *(str(counts[split]) for split in splits), str(sum(counts.values())))
        for modality, counts in figures["by_modality_and_split"].items()
    ]
    patients = ("patients", *(str(figures["patients"][split]) for split in splits), "")
    tables = [Table("", ("studies", *splits, "all"), [*rows, patients])]
    if notes := figures["notes"]:
        tables.append(Table("Corrected in reading", ("note", "studies"), [(k, str(n)) for k, n in notes.items()]))
    return Section("counts", "Counts", tables=tables)


def _refusals(figures: Mapping[str, Any]) -> Section:
    if not figures["refused"]:
        return Section("refusals", "Refused")
    counts = [(reason, str(n)) for reason, n in figures["refused"].items()]
    listed = [(row["study_id"], row["reason"], row["message"]) for row in figures["refusals"][:LISTED]]
    tables = [
        Table("", ("reason", "studies"), counts),
        Table("", ("study", "reason", "message"), listed, prose=True),
    ]
    return Section("refusals", "Refused", tables=tables)


def _reports(figures: Mapping[str, Any]) -> Section:
    facts = figures["reports"]
    rows = [
        ("with a report", str(facts["with_report"])),
        ("without", str(facts["without_report"])),
        *((f"language {language}", str(n)) for language, n in facts["languages"].items()),
        ("language is another than the text's", str(len(facts["language_differs_from_text"]))),
        ("words: median (quartiles)", "{median:.0f} ({q1:.0f}-{q3:.0f})".format(**facts["words"])),
        *((f"more than {length} words", str(count)) for length, count in facts["more_words_than"].items()),
        ("longer than most text encoders read", str(facts["longer_than_encoders_read"])),
        ("word for word the report of another patient", str(facts["shared_by_patients"])),
    ]
    tables = [Table("", ("", "studies"), rows)]
    if facts["said"]:
        tables.append(Table("", ("to know",), [(line,) for line in facts["said"]], prose=True))
    return Section("reports", "Reports", tables=tables)


def _duplicates(figures: Mapping[str, Any]) -> Section:
    found = figures["duplicates"]
    tables = []
    if found["identical"]:
        groups = [[", ".join(group)] for group in found["identical"]]
        tables.append(Table("The same pixels", ("studies",), groups, prose=True))
    if found["near"]:
        rows = [(" and ".join(pair["studies"]), str(pair["bits"])) for pair in found["near"]]
        tables.append(Table("Nearly the same", ("studies", "bits of 256 that differ"), rows))
    return Section("duplicates", "Duplicate images", text="" if tables else "None.", tables=tables)


def _pictures(png: bytes | None) -> list[Tile]:
    return [Tile("", data_uri(png))] if png else []
