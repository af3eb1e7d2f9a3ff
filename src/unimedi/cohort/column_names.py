"""Names of a table's columns: what is missing or misspelt, and a person's own names for the fields read here."""

from collections.abc import Iterable, Mapping, Sequence

from unimedi.errors import InputError, nearest

PATIENT = frozenset(("patient", "patientid", "patientnumber", "subject", "subjectid", "mrn", "pid"))
PREFIXES = ("label", "mask")  # of columns of a finding: ``label:nodule``


def missing_column(column: str, header: Sequence[str], ours: Iterable[str]) -> str:
    """That ``column`` is not in the header, and which of its other names could be meant."""
    others = [name for name in header if name not in set(ours)]
    return f"column {column!r} is missing{nearest_column(column, others, header)}"


def nearest_column(column: str, candidates: Sequence[str], header: Sequence[str]) -> str:
    """`` (did you mean 'StudyID'?)``, or else what there is."""
    return nearest(column, candidates, 0.5, _plain) or f"; found {', '.join(header) or 'none'}"


def misspelt_columns(header: Sequence[str], ours: Iterable[str]) -> list[str]:
    """A sentence for each column whose name is nearly one of ``ours``: ``Split`` for ``split``, ``lable:nodule``.

    Without it the column would not be read, and nobody told. Columns of quite other names may stand beside ours.
    """
    ours = list(ours)
    absent = {_plain(name): name for name in ours if name not in header}
    found = []
    for name in header:
        prefix, colon, finding = name.partition(":")
        prefixed = [f"{known}:{finding}" for known in PREFIXES]
        if name not in ours and (meant := absent.get(_plain(name))):
            found.append(f"column {name!r} is not known (did you mean {meant!r}?)")
        elif colon and prefix not in PREFIXES and (hinted := nearest(name, prefixed, alike=_prefix)):
            found.append(f"column {name!r} is not known{hinted}")
    return found


def unnamed_patient_column(header: Sequence[str], ours: str) -> str:
    """A sentence where a column seems to hold the patient under another name; empty where none does.

    If it were not read, one patient could come into two splits.
    """
    found = next((name for name in header if _plain(name) in PATIENT), "")
    return f"column {found!r} seems to hold the patient; say --column {ours}={found}, or rename it" if found else ""


def given_names(pairs: Sequence[str], option: str = "--column", form: str = "OURS=THEIRS") -> dict[str, str]:
    """``["image=file"]`` as ``{"image": "file"}``.

    Raises:
        InputError: not ``OURS=THEIRS``, or a name of ours that is given twice.
    """
    names: dict[str, str] = {}
    for pair in pairs:
        ours, sign, theirs = (part.strip() for part in pair.partition("="))
        if not sign or not ours or not theirs:
            raise InputError(f"{option} {pair!r}: expected {form}")
        if names.setdefault(ours, theirs) != theirs:
            raise InputError(f"{option} {ours} is given twice, as {names[ours]!r} and as {theirs!r}")
    return names


def check_names(names: Mapping[str, str], fields: Sequence[str]) -> str:
    """Why ``names`` are not all of ``fields``; empty where they are."""
    for ours, theirs in names.items():
        if ours not in fields:
            if theirs in fields:
                return f"unknown field {ours!r}; is it the other way round, {theirs}={ours}?"
            meant = nearest(ours, fields, 0.5, str.casefold)
            return f"unknown field {ours!r}{meant}; the fields are {', '.join(fields)}"
    return ""


def _prefix(name: str) -> str:
    return name.partition(":")[0].strip().casefold()


def _plain(name: str) -> str:
    """Without case, blanks, underscores and hyphens."""
    return "".join(char for char in name.casefold() if char.isalnum() or char == ":")
