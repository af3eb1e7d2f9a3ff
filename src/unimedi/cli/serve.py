"""``unimedi serve``: the page over an archive, for browsers."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from unimedi.cli.options import POSITIONAL
from unimedi.ranges import Range


@dataclass(frozen=True)
class Serve:
    """Open an archive in the browser: search it, look at studies, drop a file on it."""

    archive: Annotated[str, POSITIONAL]
    """what unimedi index made"""
    model: Path
    """the run or pretrained folder that made its vectors"""
    host: str = "127.0.0.1"
    """where to listen; anything but this machine's own address asks visitors for a token"""
    port: Annotated[int, Range(0, 65535)] = 8765
    """0 takes a free one"""
    token: str | None = None
    """what visitors must have (default: none on this machine, else a new one)"""

    def run(self) -> None:
        from unimedi.archive.archive import Archive
        from unimedi.representation.embedder import Embedder
        from unimedi.web.app import create_app
        from unimedi.web.guard import check_token, is_loopback
        from unimedi.web.server import serve
        from unimedi.web.site import Site

        token = self.token
        if token is None and not is_loopback(self.host):
            token = secrets.token_urlsafe(16)
        check_token(token)
        site = Site(Archive(self.archive), Embedder.from_pretrained(self.model))

        def ready(address: str) -> None:
            shown = f"{address}?token={token}" if token else address
            print(f"{site.archive.stats().studies:,} studies: {shown}   (Ctrl-C ends it)", flush=True)

        serve(create_app(site, token), self.host, self.port, site.limits, ready)
