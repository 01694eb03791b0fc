"""The pages for people, a part of the index: what the phases before it left, as views, as HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mirror_pipeline.adapters import people_pages
from mirror_pipeline.domain.people import FRONT, Client, Front, client_views, coverage_view, front_view
from mirror_pipeline.domain.people_projects import project_views
from mirror_pipeline.domain.project_facts import ProjectFacts
from mirror_pipeline.domain.wheelset import Held, WheelSet
from mirror_pipeline.phases.mirror import Mirror
from mirror_pipeline.phases.requirements import Requirements
from mirror_pipeline.phases.tokens import is_private
from mirror_pipeline.phases.wheel_plan import plan_for


@dataclass(frozen=True, slots=True)
class People:
    """Pages by key, the front page without its time among them, and what makes one with a time."""

    pages: Mapping[str, bytes]
    view: Front
    clients: tuple[Client, ...]

    def front(self, refreshed: datetime) -> bytes:
        """The front page as it is published."""
        return people_pages.front_page(self.view, self.clients, refreshed)


def pages_for_people(
    mirror: Mirror,
    requirements: Requirements,
    sets: Sequence[WheelSet],
    projects: Mapping[str, Sequence[Held]],
    facts: Mapping[str, ProjectFacts],
    documents: Iterable[str],
) -> People:
    """Every page for people. The plan is the one that the wheel sets come from, made again where need be."""
    settings = mirror.settings
    plan, _, _ = plan_for(mirror, requirements)
    view = front_view(
        title=settings.title,
        base=settings.cloud.public_url,
        requirements=requirements.version,
        locks=requirements.locks,
        projects=project_views(projects, sets, facts),
        held=[item for files in projects.values() for item in files],
        coverage=coverage_view(plan, sets),
        documents=documents,
    )
    clients = client_views(view, private=is_private(settings))
    pages = {
        FRONT: people_pages.front_page(view, clients, None),
        **people_pages.assets(),
        **dict(people_pages.project_pages(view)),
    }
    return People(pages, view, clients)
