"""The wheel plan: per platform, before any download, the artifacts wanted and every gap with its reason.

For a pin on a target *all* compatible wheels are wanted (installers choose; an older machine may
need an older build), unless the policy is ``best-per-floor``. Wheels for any platform make up
``noarch``, the union over all targets; a target is covered by its platform's wheels and noarch together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from packaging.utils import NormalizedName

from mirror_pipeline.domain.artifact import Artifact, is_any_platform, wheel_tags
from mirror_pipeline.domain.conflicts import refuse_conflicts
from mirror_pipeline.domain.coverage import Choice, Policy, choose, floor_text, gap_reason
from mirror_pipeline.domain.lock import Lock, LockedFile, Pin, Selection
from mirror_pipeline.domain.naming import is_nowhere, needs_names
from mirror_pipeline.domain.reach import graph_of, pins_for_target
from mirror_pipeline.domain.redaction import without_login
from mirror_pipeline.domain.target import NOARCH, Python, Target, targets_of


@dataclass(frozen=True, slots=True, order=True)
class Gap:
    """A pin for which the lock has no artifact that some Pythons of a platform could install.

    ``wanted_by`` names the projects whose locks want it. ``failure`` marks what is a failure where files are
    fetched: by its hashes the lock says that there are files, and no upstream lists any of them.
    """

    project: NormalizedName
    version: str
    pythons: tuple[str, ...]
    reason: str
    wanted_by: tuple[str, ...] = ()
    failure: bool = False


@dataclass(frozen=True, slots=True, order=True)
class AboveFloor:
    """A pin that newer machines can install and machines at the floor cannot: a fact, no gap.

    ``needs`` is the least that its wheels ask for (``glibc 2.34``), ``floor`` what there is (``glibc 2.28``).
    """

    project: NormalizedName
    version: str
    pythons: tuple[str, ...]
    needs: str
    floor: str


@dataclass(frozen=True, slots=True, order=True)
class Outside:
    """A pin that no index can serve: git, path, directory, editable, virtual."""

    project: NormalizedName
    source: str
    why: str


@dataclass(frozen=True, slots=True)
class PlatformPlan:
    """What one partition is to hold. For ``noarch`` there are no gaps and no floors: targets have those."""

    platform: str
    artifacts: tuple[Artifact, ...] = ()
    gaps: tuple[Gap, ...] = ()
    floors: tuple[AboveFloor, ...] = ()

    @property
    def failures(self) -> tuple[Gap, ...]:
        """The gaps that are failures."""
        return tuple(gap for gap in self.gaps if gap.failure)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One project to plan for: its lock, what is selected from it, and for which Pythons."""

    lock: Lock
    selection: Selection
    pythons: tuple[Python, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole coverage matrix. ``targets`` maps ``platform/python`` to the registry pins that apply.

    ``unnamed`` are pins known by hash only, as long as no upstream was asked for their files. ``built`` maps
    targets to the pins that are served there as source only, so that an installer has to build them.
    """

    targets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    outside: tuple[Outside, ...] = ()
    platforms: Mapping[str, PlatformPlan] = field(default_factory=dict)
    unnamed: tuple[str, ...] = ()
    built: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def gaps(self) -> tuple[tuple[str, Gap], ...]:
        """Every gap with its platform."""
        return tuple((name, gap) for name, plan in self.platforms.items() for gap in plan.gaps)

    @property
    def floors(self) -> tuple[tuple[str, AboveFloor], ...]:
        """Every pin that machines at the floor cannot install, with its platform."""
        return tuple((name, above) for name, plan in self.platforms.items() for above in plan.floors)

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """Every artifact once, in the order of file names, with all the projects that want it."""
        found: dict[str, Artifact] = {}
        for artifact in (artifact for part in self.platforms.values() for artifact in part.artifacts):
            known = found.get(artifact.file)
            found[artifact.file] = artifact if known is None else known.united(artifact)
        return tuple(sorted(found.values()))


@dataclass(frozen=True, slots=True)
class _Cell:
    """One pin on one target: the files that serve it, or why none does."""

    project: str
    pin: Pin
    target: Target
    choice: Choice
    reason: str = ""


def make_plan(
    projects: Sequence[Wanted],
    platforms: Sequence[str],
    policy: Policy = Policy(),  # noqa: B008
    *,
    offline: bool = False,
) -> Plan:
    """Select the artifacts for every target of every project; the same input gives the same plan.

    ``offline``: no upstream was asked for the names of files that locks know by hash only.
    """
    applying = [(item, target, pins) for item in projects for target, pins in _applying(item, platforms)]
    cells = [
        _cell(item.lock.project, pin, target, policy)
        for item, target, pins in applying
        for pin in pins
        if pin.source.mirrored and not (offline and _is_unnamed(pin))
    ]
    wanted, here = _artifacts(cells), _by_platform(cells)
    refuse_conflicts(artifact for artifacts in wanted.values() for artifact in artifacts)
    return Plan(
        _labels(applying),
        _outside(applying),
        {
            name: PlatformPlan(name, wanted.get(name, ()), _gaps(here[name]), _floors(here[name], policy))
            for name in platforms
        },
        tuple(sorted({pin.label for _, _, pins in applying for pin in pins if offline and _is_unnamed(pin)})),
        _built(cells),
    )


def _is_unnamed(pin: Pin) -> bool:
    return not pin.files and needs_names(pin)


def _applying(item: Wanted, platforms: Sequence[str]) -> Iterator[tuple[Target, tuple[Pin, ...]]]:
    graph = graph_of(item.lock)
    for target in targets_of(platforms, item.pythons):
        yield target, pins_for_target(graph, item.selection, target)


def _cell(project: str, pin: Pin, target: Target, policy: Policy) -> _Cell:
    choice = choose(pin.files, target, policy)
    return _Cell(project, pin, target, choice, "" if choice.files else gap_reason(pin, target))


def _labels(applying: Iterable[tuple[Wanted, Target, tuple[Pin, ...]]]) -> Mapping[str, tuple[str, ...]]:
    labels: dict[str, set[str]] = defaultdict(set)
    for _, target, pins in applying:
        labels[str(target)].update(pin.label for pin in pins if pin.source.kind == "registry")
    return {target: tuple(sorted(found)) for target, found in labels.items()}


def _outside(applying: Iterable[tuple[Wanted, Target, tuple[Pin, ...]]]) -> tuple[Outside, ...]:
    why = "a {} source: no index can serve it; installers take it from where the lock says"
    sources = {(pin.name, pin.source) for _, _, pins in applying for pin in pins if not pin.source.mirrored}
    found = {
        Outside(name, without_login(source.url or source.kind), why.format(source.kind))
        for name, source in sources
    }
    return tuple(sorted(found))


def _artifacts(cells: Iterable[_Cell]) -> Mapping[str, tuple[Artifact, ...]]:
    wanted: dict[str, dict[tuple[str, str], Artifact]] = defaultdict(dict)
    for cell in cells:
        for file in cell.choice.files:
            place, key = wanted[_partition(file.name, cell.target)], (file.name, file.sha256)
            known = place.get(key)
            if known is None:
                place[key] = _artifact(cell, file)
            elif cell.project not in known.wanted_by:
                place[key] = known.united(_artifact(cell, file))
    return {platform: tuple(sorted(found.values())) for platform, found in wanted.items()}


def _partition(file: str, target: Target) -> str:
    tags = wheel_tags(file)
    return NOARCH if tags is None or is_any_platform(tags) else target.platform.name


def _artifact(cell: _Cell, file: LockedFile) -> Artifact:
    pin = cell.pin
    return Artifact(
        file=file.name,
        sha256=file.sha256,
        project=pin.name,
        version=str(pin.version),
        size=file.size,
        url=file.url or (pin.source.url if pin.source.kind == "url" else None),
        index=pin.source.url if pin.source.kind == "registry" else None,
        wanted_by=(cell.project,),
        direct=pin.source.kind == "url",
    )


def _by_platform(cells: Iterable[_Cell]) -> Mapping[str, Sequence[_Cell]]:
    found: dict[str, list[_Cell]] = defaultdict(list)
    for cell in cells:
        found[cell.target.platform.name].append(cell)
    return found


def _gaps(cells: Iterable[_Cell]) -> tuple[Gap, ...]:
    """Gaps of one platform, the Pythons with the same reason taken together."""
    found: dict[tuple[NormalizedName, str, str, bool], list[_Cell]] = defaultdict(list)
    for cell in cells:
        if cell.reason:
            found[cell.pin.name, str(cell.pin.version), cell.reason, is_nowhere(cell.pin)].append(cell)
    return tuple(
        sorted(
            Gap(
                name,
                version,
                _pythons(alike),
                reason,
                tuple(sorted({cell.project for cell in alike})),
                failure,
            )
            for (name, version, reason, failure), alike in found.items()
        )
    )


def _floors(cells: Iterable[_Cell], policy: Policy) -> tuple[AboveFloor, ...]:
    """What machines at one platform's floor cannot install, the Pythons with the same need taken together."""
    found: dict[tuple[NormalizedName, str, str, str], list[_Cell]] = defaultdict(list)
    for cell in cells:
        if cell.choice.needs:
            floor = floor_text(cell.target, policy.floors)
            found[cell.pin.name, str(cell.pin.version), cell.choice.needs, floor].append(cell)
    return tuple(
        sorted(
            AboveFloor(name, version, _pythons(alike), needs, floor)
            for (name, version, needs, floor), alike in found.items()
        )
    )


def _pythons(cells: Iterable[_Cell]) -> tuple[str, ...]:
    return tuple(map(str, sorted({cell.target.python for cell in cells})))


def _built(cells: Iterable[_Cell]) -> Mapping[str, tuple[str, ...]]:
    """Per target, the pins of which it gets source only."""
    found: dict[str, set[str]] = defaultdict(set)
    for cell in cells:
        if cell.choice.sdists and not cell.choice.wheels:
            found[str(cell.target)].add(cell.pin.label)
    return {target: tuple(sorted(labels)) for target, labels in sorted(found.items())}
