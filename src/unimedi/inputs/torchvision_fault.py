"""An installed torchvision that does not fit torch: nothing here uses one, but transformers imports what it finds."""

from importlib import metadata
from importlib.util import find_spec
from traceback import format_exception

NAME = "torchvision"


def torchvision_fault(error: ImportError) -> str:
    """The sentence that names it, where ``error`` or what led to it arose while it was imported; else empty."""
    if find_spec(NAME) is None or NAME not in "".join(format_exception(error)):
        return ""
    first: BaseException = error
    while cause := first.__cause__ or first.__context__:
        first = cause
    return (
        f"{NAME}{_version(NAME)} is installed and cannot be imported beside torch{_version('torch')} "
        f"({type(first).__name__}: {first}); transformers imports it where it finds it. unimedi needs none: uninstall "
        f"{NAME}, or install the version that was made for this torch"
    )


def _version(package: str) -> str:
    try:
        return f" {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return ""
