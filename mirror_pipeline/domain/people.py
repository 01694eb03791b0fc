"""What the front page for people says: what this mirror is, what it holds, and what it lacks.

Values in, a view out; the words of HTML are the templates' (``site_templates``). Nothing in here is a date
but the one that it is given: the same input gives the same page.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from mirror_pipeline.domain.about import one_line
from mirror_pipeline.domain.artifact import is_safe_file_name
from mirror_pipeline.domain.client_documents import client_documents
from mirror_pipeline.domain.file_words import bounds_in_words, pythons_in_words
from mirror_pipeline.domain.lock import Lock
from mirror_pipeline.domain.people_projects import ProjectView, size_in_words
from mirror_pipeline.domain.plan import AboveFloor, Gap, Plan
from mirror_pipeline.domain.snippets import CLIENTS, Snippet, snippets
from mirror_pipeline.domain.target import NOARCH
from mirror_pipeline.domain.wheelset import Held, WheelSet

FRONT = "index.html"
PLACEHOLDER = "https://mirror.example"
"""The address in snippets where no other is known; the page puts its own in its place, where scripts run."""

_TOOLS = {"poetry": "poetry", "uv": "uv", "pdm": "pdm", "pipfile": "Pipfile", "pylock": "pylock (PEP 751)"}
_CLIENTS = {"docker": "Docker", "github-actions": "GitHub Actions"}
_MOST_NAMES_IN_TITLE, _MOST_TITLE = 3, 120


@dataclass(frozen=True, slots=True)
class LockView:
    """A project whose lock is mirrored."""

    name: str
    format: str
    requires_python: str
    pins: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One target: how many pins are wanted and how many of them are covered."""

    covered: int
    wanted: int

    @property
    def complete(self) -> bool:
        """Whether nothing is lacking."""
        return self.covered == self.wanted


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """A platform, a cell for each Python; None where no project is for that target."""

    platform: str
    cells: tuple[Cell | None, ...]
    gaps: tuple[Gap, ...]
    floors: tuple[AboveFloor, ...]
    absent: tuple[str, ...]
    """Files that are planned and not here: they could not be fetched, or will be."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """The matrix, and what no index can serve."""

    pythons: tuple[str, ...]
    rows: tuple[CoverageRow, ...]
    outside: tuple[tuple[str, str], ...]
    """Project and the kind of its source."""

    @property
    def versions(self) -> str:
        """The Pythons in words."""
        return pythons_in_words(self.pythons)

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platforms that are mirrored for."""
        return tuple(row.platform for row in self.rows if row.platform != NOARCH)

    @property
    def lacking(self) -> int:
        """Gaps and files that did not arrive."""
        return sum(len(row.gaps) + len(row.absent) for row in self.rows)

    @property
    def gaps(self) -> Mapping[str, Sequence[tuple[str, Gap]]]:
        """By project: the platforms where it lacks a file, each with its gap."""
        found: dict[str, list[tuple[str, Gap]]] = {}
        for row in self.rows:
            for gap in row.gaps:
                found.setdefault(gap.project, []).append((row.platform, gap))
        return found

    @property
    def above(self) -> int:
        """Pins that need newer machines than the floor."""
        return sum(len(row.floors) for row in self.rows)


@dataclass(frozen=True, slots=True)
class Client:
    """An installer, or a place where one runs, and what to copy for it."""

    name: str
    title: str
    snippets: tuple[Snippet, ...]


@dataclass(frozen=True, slots=True)
class Front:
    """The front page, but for when its content last changed."""

    title: str
    base: str
    locks: tuple[LockView, ...]
    requirements: str
    projects: tuple[ProjectView, ...]
    files: int
    size: str
    coverage: Coverage
    requirement_files: tuple[str, ...]
    lock_files: tuple[str, ...]
    named: Mapping[str, str]
    """Which of these the snippets name: those of the first project."""


def front_view(
    title: str,
    base: str,
    requirements: str,
    locks: Sequence[Lock],
    projects: Sequence[ProjectView],
    held: Iterable[Held],
    coverage: Coverage,
    documents: Iterable[str],
) -> Front:
    """Everything that the front page says; ``documents`` are the keys that are published beside the pages."""
    sizes = [item.size for item in held]
    keys = sorted(key for key in documents if is_safe_file_name(key.replace("/", "-")))
    wanted = client_documents(locks, next(iter(coverage.platforms), ""))
    return Front(
        title=one_line(title, _MOST_TITLE) or title_of(locks),
        base=base or PLACEHOLDER,
        locks=tuple(map(_lock_view, locks)),
        requirements=requirements,
        projects=tuple(projects),
        files=len(sizes),
        size=size_in_words(sum(sizes)),
        coverage=coverage,
        requirement_files=tuple(key for key in keys if key.endswith(".txt")),
        lock_files=tuple(key for key in keys if not key.endswith(".txt")),
        named={what: key for what, key in wanted.items() if what == "project" or key in keys},
    )


def client_views(front: Front, *, private: bool) -> tuple[Client, ...]:
    """What to copy for each installer, with the requirements of production."""
    named = front.named
    if front.base == PLACEHOLDER:  # locks name no URLs then
        named = {what: key for what, key in named.items() if what not in ("lock", "uv_lock")}
    return tuple(
        Client(name, _CLIENTS.get(name, name), snippets(name, front.base, private=private, **named))
        for name in CLIENTS
    )


def title_of(locks: Sequence[Lock]) -> str:
    """A title made of the projects' names."""
    names = sorted(lock.project for lock in locks)
    shown = names[:_MOST_NAMES_IN_TITLE]
    rest = len(names) - len(shown)
    if rest:
        return f"{', '.join(shown)} and {rest} more"
    return " and ".join([*([", ".join(shown[:-1])] if shown[1:] else []), *shown[-1:]]) or "Package mirror"


def _lock_view(lock: Lock) -> LockView:
    tool = _TOOLS.get(lock.format, lock.format)
    return LockView(lock.project, tool, bounds_in_words(lock.requires_python), len(lock.pins))


def coverage_view(plan: Plan, sets: Iterable[WheelSet]) -> Coverage:
    """The matrix of a plan, and which of its files are not in the wheel sets."""
    targets = [target.partition("/")[::2] for target in plan.targets]
    pythons = tuple(dict.fromkeys(python for _, python in targets))
    held = {found.platform: frozenset(item.artifact.file for item in found.held) for found in sets}
    rows = [
        _row(plan, platform, pythons, held.get(platform, frozenset()))
        for platform in dict.fromkeys((*(platform for platform, _ in targets), NOARCH))
        if platform in plan.platforms
    ]
    outside = {(item.project, item.why.partition(":")[0]) for item in plan.outside}
    shown = (row for row in rows if row.platform != NOARCH or row.absent)
    return Coverage(pythons, tuple(shown), tuple(sorted(outside)))


def _row(plan: Plan, platform: str, pythons: Sequence[str], held: Container[str]) -> CoverageRow:
    part = plan.platforms[platform]
    absent = tuple(artifact.file for artifact in part.artifacts if artifact.file not in held)
    cells = tuple(_cell(plan, platform, python, part.gaps) for python in pythons)
    return CoverageRow(platform, cells, part.gaps, part.floors, absent)


def _cell(plan: Plan, platform: str, python: str, gaps: Iterable[Gap]) -> Cell | None:
    pins = plan.targets.get(f"{platform}/{python}")
    if pins is None:
        return None
    lacking = {f"{gap.project}=={gap.version}" for gap in gaps if python in gap.pythons}
    wanted = lacking.union(pins)
    return Cell(len(wanted) - len(lacking), len(wanted))
