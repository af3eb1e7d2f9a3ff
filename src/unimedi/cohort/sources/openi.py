"""OpenI (Indiana University): X-rays with reports in XML, as the NLM gives them, or as two tables on Kaggle."""

from pathlib import Path
from xml.etree import ElementTree

from unimedi.cohort.sources.listing import find, rows
from unimedi.cohort.sources.scan import FolderCohort, FolderError
from unimedi.cohort.split import assign_splits
from unimedi.cohort.study import Modality

HEADINGS = ("indication", "comparison", "findings", "impression")


def openi(root: Path) -> FolderCohort:
    """``ecgen-radiology/*.xml`` with ``NLMCXR_png/*.png``, or ``indiana_reports.csv`` with ``indiana_projections.csv``.

    Only Kaggle's tables say which image is lateral; of the NLM's, all are taken.
    """
    if not root.is_dir():
        raise FolderError(f"no such folder: {root}")
    cohort = FolderCohort(root)
    if (root / "indiana_reports.csv").is_file():
        _tables(cohort)
    else:
        _xml(cohort)
    cohort.studies = assign_splits(cohort.studies)
    return cohort


def _tables(cohort: FolderCohort) -> None:
    texts = {
        row["uid"]: _headed({name: row[name] for name in HEADINGS})
        for row in rows(cohort.root / "indiana_reports.csv", "uid", *HEADINGS)
    }
    folders = [cohort.root / "images" / "images_normalized", cohort.root / "images_normalized", cohort.root / "images"]
    images = next((folder for folder in folders if folder.is_dir()), cohort.root)
    for row in rows(find(cohort.root, "indiana_projections.csv"), "uid", "filename", "projection"):
        if row["projection"] != "Frontal":
            cohort.skip(row["filename"], f"projection {row['projection'] or 'not stated'}: not frontal")
        else:
            _add(cohort, row["uid"], images / row["filename"], texts.get(row["uid"]))


def _xml(cohort: FolderCohort) -> None:
    folder = find(cohort.root, "ecgen-radiology")
    images = find(cohort.root, "NLMCXR_png", "images")
    for path in sorted(folder.glob("*.xml"), key=lambda path: (len(path.stem), path.stem)):
        content = path.read_bytes()
        try:
            if b"<!DOCTYPE" in content or b"<!ENTITY" in content:  # where entity bombs are declared
                raise ElementTree.ParseError("declares entities, which no report of the collection does")
            tree = ElementTree.fromstring(content)
        except ElementTree.ParseError as error:
            cohort.skip(path.name, f"unreadable report: {error}")
            continue
        parts = {str(e.get("Label")).lower(): (e.text or "").strip() for e in tree.iter("AbstractText")}
        shown = [str(image.get("id")) for image in tree.iter("parentImage")]
        if not shown:
            cohort.skip(path.name, "no image")
        for name in shown:
            _add(cohort, path.stem, images / f"{name}.png", _headed(parts))


def _add(cohort: FolderCohort, patient: str, image: Path, text: str | None) -> None:
    """The collection has a report a patient."""
    if ".." in image.parts or not image.is_file():
        return cohort.skip(image.name, "no image")
    return cohort.add(image.name, image, Modality.DX, text, image.stem, f"CXR{patient}", language="en")


def _headed(parts: dict[str, str]) -> str:
    """Empty where neither findings nor an impression was written."""
    if not any(parts.get(name) for name in ("findings", "impression")):
        return ""
    return "\n".join(f"{name.upper()}: {parts[name]}" for name in HEADINGS if parts.get(name))
