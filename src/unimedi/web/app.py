"""The application: routes, static files, and how an error is said."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from unimedi import __version__
from unimedi.web import api_routes, image_routes, metrics, pages, upload_routes
from unimedi.web.guard import add_guard
from unimedi.web.site import Site

STATIC = Path(__file__).parent / "static"


def create_app(site: Site, token: str | None = None) -> FastAPI:
    """The page over a site, as an ASGI application.

    Args:
        token: that every visitor must have; None: only a browser on this machine is answered.
    """
    app = FastAPI(title="unimedi", version=__version__, docs_url=None, redoc_url=None)
    app.state.site = site
    for routes in (pages.router, api_routes.router, image_routes.router, upload_routes.router, metrics.router):
        app.include_router(routes)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    add_guard(app, token, site.limits, site.metrics, pages.error_page)
    return app
