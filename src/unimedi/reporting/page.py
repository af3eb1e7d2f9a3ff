"""One HTML file that needs nothing else, from its sections: a run's page and the doctor's."""

from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, select_autoescape

from unimedi.reporting.schema import Section


def render(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """The page as HTML.

    Args:
        title: the heading, a question.
        subtitle: what was looked at, in a sentence.
        sections: in the order of reading; the first is what a reader in a hurry reads, so the contents leave it out.
    """
    environment = Environment(
        loader=PackageLoader("unimedi.reporting"), autoescape=select_autoescape(default=True), trim_blocks=True
    )
    return environment.get_template("page.html").render(title=title, subtitle=subtitle, sections=sections)
