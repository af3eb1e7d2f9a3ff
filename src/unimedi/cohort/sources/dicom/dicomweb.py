"""Studies from a PACS by DICOMweb (QIDO-RS, WADO-RS) onto disk: a folder a series, whole or not there."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unimedi.cohort.sources.source_cohort import Skipped, SourceError
from unimedi.files.atomic import atomic_folder
from unimedi.files.lock import alone_in

PAGE = 100  # studies asked for at once
PER_SECOND = 5.0  # requests: a PACS has a clinic to serve
TIMEOUT = 300.0  # s without a byte
WANTED = ("CT", "MR", "DX", "CR", "US", "SR")  # modalities of series: images, and reports that are DICOM objects
TOKEN = "UNIMEDI_DICOMWEB_TOKEN"  # the name of an environment variable, not a token
STUDY, SERIES, PATIENT, MODALITY, INSTANCES = "0020000D", "0020000E", "00100020", "00080060", "00201209"
Say = Callable[[str], None]


class IncompleteSeriesError(SourceError):
    """Fewer files of a series came than the server had promised."""


@dataclass(slots=True)
class Pulled:
    """Series that are on disk now, how many of them were before, and what could not be had."""

    folder: Path
    series: int = 0
    kept: int = 0
    skipped: list[Skipped] = field(default_factory=list)


def pull(
    url: str,
    folder: Path,
    query: Mapping[str, str],
    per_second: float = PER_SECOND,
    say: Say = lambda text: None,
) -> Pulled:
    """Download every series of every study that ``query`` finds to ``folder/<patient>/<study>/<series>/``.

    A series that is there is not downloaded again; one that was interrupted is. The patient's folder is named by a
    hash, for identifiers do not belong into paths; the files themselves are as the server sends them.
    A token is taken from the environment variable UNIMEDI_DICOMWEB_TOKEN, a password from ~/.netrc; certificates are
    verified.

    Args:
        url: where the DICOMweb service is.
        folder: where to write; made if it is not there.
        query: QIDO-RS attributes and values, as ``{"StudyDate": "20240101-20240131", "ModalitiesInStudy": "CT"}``.
        per_second: requests at most; after an answer of 429 or 503 it waits and asks again, five times.
        say: hears of each study and series.

    Returns:
        What is on disk now, and what could not be had.

    Raises:
        SourceError: the package is not installed, the server cannot be reached or refuses, or nothing matches.
        LockedError: another process pulls into the folder.
    """
    client = _client(url, per_second)
    with alone_in(folder):
        done = Pulled(folder)
        try:
            studies = list(_studies(client, query))
            if not studies:
                raise SourceError(
                    f"{url}: no study matches {' '.join(f'{k}={v}' for k, v in query.items()) or 'anything'}"
                )
            for number, study in enumerate(studies, start=1):
                say(f"study {number} of {len(studies)}")
                _study(client, study, done, say)
        except OSError as error:  # of requests, whose texts may hold the address and no more
            raise SourceError(f"{url}: {error}; what was fetched is kept, run the same again") from error
        return done


def _client(url: str, per_second: float) -> Any:
    try:
        from dicomweb_client.session_utils import create_session
        from dicomweb_client.web import DICOMwebClient
    except ImportError as error:
        raise SourceError("DICOMweb needs the package dicomweb-client: pip install 'unimedi[dicomweb]'") from error
    session = create_session()  # reads ~/.netrc
    if token := os.environ.get(TOKEN):
        session.headers["Authorization"] = f"Bearer {token}"
    plain, last = session.send, [0.0]

    def polite(*words: Any, **more: Any) -> Any:
        time.sleep(max(0.0, last[0] + 1 / per_second - time.monotonic()))
        last[0] = time.monotonic()
        return plain(*words, **more)

    session.send = polite
    return DICOMwebClient(url.rstrip("/"), session=session, timeout=TIMEOUT)


def _studies(client: Any, query: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    """Page by page; a server that ignores the offset gives the first page for ever, so nothing new is the end."""
    seen: set[str] = set()
    offset = 0
    while True:
        page = client.search_for_studies(limit=PAGE, offset=offset, search_filters=dict(query))
        new = [study for study in page if _value(study, STUDY) not in seen]
        seen |= {_value(study, STUDY) for study in new}
        yield from new
        if not new:
            return
        offset += len(page)


def _study(client: Any, study: Mapping[str, Any], done: Pulled, say: Say) -> None:
    uid = _value(study, STUDY)
    patient = hashlib.sha256(_value(study, PATIENT).encode()).hexdigest()[:16]
    for series in client.search_for_series(uid):
        name, modality = _value(series, SERIES), _value(series, MODALITY)
        target = done.folder / patient / _safe(uid) / _safe(name)
        if modality not in WANTED:
            done.skipped.append(Skipped(name, f"series of modality {modality or 'not stated'}"))
        elif target.is_dir():
            done.series += 1
            done.kept += 1
        else:
            reason = _fetch(client, uid, name, target, _value(series, INSTANCES))
            if reason:
                done.skipped.append(Skipped(name, reason))
            else:
                done.series += 1
            say(f"  {modality}: {reason or f'{len(list(target.iterdir()))} files'}")


def _fetch(client: Any, study: str, series: str, target: Path, promised: str) -> str:
    """Write the files of a series into the folder ``target``, all or none; the reason where it is not whole."""
    try:
        with atomic_folder(target) as part:
            for instance in client.iter_series(study, series, media_types=(("application/dicom", "*"),)):
                instance.save_as(part / f"{_safe(str(instance.SOPInstanceUID))}.dcm", enforce_file_format=True)
            count = len(list(part.iterdir()))
            if not count or (promised.isdigit() and count < int(promised)):
                raise IncompleteSeriesError(f"incomplete: {count} of {promised or 'some'} files came")
    except IncompleteSeriesError as error:
        return str(error)
    return ""


def _value(found: Mapping[str, Any], tag: str) -> str:
    """The first value of an attribute in DICOM's JSON."""
    values = found.get(tag, {}).get("Value") or [""]
    return str(values[0])


def _safe(uid: str) -> str:
    """A UID as the name of a folder: digits and dots, for anything else could be a path."""
    if not uid or not set(uid) <= set("0123456789.") or uid.strip(".") == "":
        raise SourceError(f"the server gave {uid[:80]!r} for a UID")
    return uid
