"""The pages for people as HTML: views of ``domain.people`` put into the package's templates.

Everything is escaped unless a template says otherwise, and none does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from mirror_pipeline.domain.people import FRONT, PLACEHOLDER, Client, Front

if TYPE_CHECKING:
    from jinja2 import Environment

_ASSETS = ("mark.svg", "site.css", "site.js")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip


def project_pages(front: Front) -> Iterator[tuple[str, bytes]]:
    """The page of every project: key → content."""
    page = _environment().get_template("project.html")
    common = {"root": "../../", "base": front.base, "title": front.title}
    gaps = front.coverage.gaps
    for project in front.projects:
        text = page.render(project=project, gaps=gaps.get(project.name, ()), **common)
        yield f"project/{project.name}/index.html", text.encode()


def front_page(front: Front, clients: Sequence[Client], refreshed: datetime | None) -> bytes:
    """The front page; without ``refreshed`` it says everything but when its content last changed."""
    page = _environment().get_template(FRONT.replace("index", "front"))
    text = page.render(
        root="./", base=front.base, front=front, clients=clients, refreshed=refreshed, months=_MONTHS
    )
    return text.encode()


def assets() -> Mapping[str, bytes]:
    """What every page uses: key → content."""
    return {f"assets/{name}": _text(name).encode() for name in _ASSETS}


@lru_cache(maxsize=1)
def _environment() -> Environment:
    """Compiled once in a process. Imported here: most commands make no page."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    made = Environment(
        loader=FunctionLoader(_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals["placeholder"] = PLACEHOLDER
    return made


def _text(name: str) -> str:
    return resources.files("mirror_pipeline.site_templates").joinpath(name).read_text("utf-8")
