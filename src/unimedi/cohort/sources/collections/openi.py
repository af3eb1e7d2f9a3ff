"""OpenI (Indiana University): X-rays with reports in XML, as the NLM gives them, or as two tables on Kaggle."""

from pathlib import Path
from xml.etree import ElementTree

from unimedi.cohort.sources.collections.listing import find, first_there, headed, rows, skip_unlisted
from unimedi.cohort.sources.source_cohort import SourceCohort, SourceError
from unimedi.cohort.split import assign_splits
from unimedi.cohort.study import Modality

HEADINGS = ("indication", "comparison", "findings", "impression")


def openi(root: Path) -> SourceCohort:
    """``ecgen-radiology/*.xml`` with ``NLMCXR_png/*.png``, or ``indiana_reports.csv`` with ``indiana_projections.csv``.

    Only Kaggle's tables say which image is lateral; of the NLM's, all are taken.
    """
    if not root.is_dir():
        raise SourceError(f"no such folder: {root}")
    cohort = SourceCohort(root)
    images, named = _tables(cohort) if (root / "indiana_reports.csv").is_file() else _xml(cohort)
    skip_unlisted(cohort, images, {images / name for name in named}, ".png")
    cohort.studies = assign_splits(cohort.studies)
    return cohort


def _tables(cohort: SourceCohort) -> tuple[Path, set[str]]:
    """The folder of the images, and the names of those that are listed; so does ``_xml``."""
    texts = {
        row["uid"]: headed({name: row[name] for name in HEADINGS})
        for row in rows(cohort.root / "indiana_reports.csv", "uid", *HEADINGS)
    }
    root = cohort.root
    images = first_there(root / "images" / "images_normalized", root / "images_normalized", root / "images", root)
    named = set()
    for row in rows(find(cohort.root, "indiana_projections.csv"), "uid", "filename", "projection"):
        named.add(row["filename"])
        if row["projection"] != "Frontal":
            cohort.skip(row["filename"], f"projection {row['projection'] or 'not stated'}: not frontal")
        else:
            _add(cohort, row["uid"], images / row["filename"], texts.get(row["uid"]))
    return images, named


def _xml(cohort: SourceCohort) -> tuple[Path, set[str]]:
    folder = find(cohort.root, "ecgen-radiology")
    images = find(cohort.root, "NLMCXR_png", "images")
    named = set()
    for path in sorted(folder.glob("*.xml"), key=lambda path: (len(path.stem), path.stem)):
        try:
            tree = ElementTree.fromstring(path.read_bytes(), ElementTree.XMLParser(target=_NoDoctype()))
        except (ElementTree.ParseError, ValueError, LookupError) as error:  # an unknown or a multi-byte encoding
            cohort.skip(path.name, f"unreadable report: {error}")
            continue
        parts = {str(e.get("Label")).lower(): (e.text or "").strip() for e in tree.iter("AbstractText")}
        shown = [str(image.get("id")) for image in tree.iter("parentImage")]
        if not shown:
            cohort.skip(path.name, "no image")
        for name in shown:
            _add(cohort, path.stem, images / f"{name}.png", headed({name: parts.get(name, "") for name in HEADINGS}))
            named.add(f"{name}.png")
    return images, named


class _NoDoctype(ElementTree.TreeBuilder):
    """Refuses what declares a document type, whatever its encoding: entity bombs are declared there."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ElementTree.ParseError("declares a document type, which no report of the collection does")


def _add(cohort: SourceCohort, patient: str, image: Path, text: str | None) -> None:
    """The collection has a report a patient."""
    if not image.is_file():  # an empty cell would be the folder
        return cohort.skip(image.name, "no image")
    return cohort.add(image.name, image, Modality.DX, text, image.stem, f"CXR{patient}", language="en")
