"""The wheel plan: per platform, before any download, the artifacts wanted and every gap with its reason.

For a pin on a target *all* compatible wheels are wanted (installers choose; an older machine may
need an older build), unless the policy is ``best-per-floor``. Wheels for any platform make up
``noarch``, the union over all targets; a target is covered by its platform's wheels and noarch together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from packaging.utils import NormalizedName

from mirror_pipeline.domain.artifact import Artifact, is_any_platform, wheel_tags
from mirror_pipeline.domain.coverage import Policy, chosen_files, gap_reason
from mirror_pipeline.domain.lock import Lock, LockedFile, Pin, Selection
from mirror_pipeline.domain.reach import graph_of, pins_for_target
from mirror_pipeline.domain.target import NOARCH, Python, Target, targets_of
from mirror_pipeline.errors import ConflictError


@dataclass(frozen=True, slots=True, order=True)
class Gap:
    """A pin for which the lock has no artifact that some Pythons of a platform could install."""

    project: NormalizedName
    version: str
    pythons: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True, order=True)
class Outside:
    """A pin that no index can serve: git, path, directory, editable, virtual."""

    project: NormalizedName
    source: str
    why: str


@dataclass(frozen=True, slots=True)
class PlatformPlan:
    """What one partition is to hold. For ``noarch`` there are no gaps: targets have those."""

    platform: str
    artifacts: tuple[Artifact, ...] = ()
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """One project to plan for: its lock, what is selected from it, and for which Pythons."""

    lock: Lock
    selection: Selection
    pythons: tuple[Python, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole coverage matrix. ``targets`` maps ``platform/python`` to the registry pins that apply."""

    targets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    outside: tuple[Outside, ...] = ()
    platforms: Mapping[str, PlatformPlan] = field(default_factory=dict)

    @property
    def gaps(self) -> tuple[tuple[str, Gap], ...]:
        """Every gap with its platform."""
        return tuple((name, gap) for name, plan in self.platforms.items() for gap in plan.gaps)

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """Every artifact once, in the order of file names."""
        return tuple(sorted({a.file: a for p in self.platforms.values() for a in p.artifacts}.values()))


@dataclass(frozen=True, slots=True)
class _Cell:
    """One pin on one target: the files that serve it, or why none does."""

    project: str
    pin: Pin
    target: Target
    files: tuple[LockedFile, ...]
    reason: str = ""


def make_plan(projects: Sequence[Wanted], platforms: Sequence[str], policy: Policy = Policy()) -> Plan:  # noqa: B008
    """Select the artifacts for every target of every project; the same input gives the same plan."""
    applying = [(item, target, pins) for item in projects for target, pins in _applying(item, platforms)]
    cells = [
        _cell(item.lock.project, pin, target, policy)
        for item, target, pins in applying
        for pin in pins
        if pin.source.mirrored
    ]
    by_platform = _artifacts(cells)
    _refuse_conflicts(by_platform)
    plans = {name: PlatformPlan(name, by_platform.get(name, ()), _gaps(cells, name)) for name in platforms}
    return Plan(_labels(applying), _outside(applying), plans)


def _applying(item: Wanted, platforms: Sequence[str]) -> Iterator[tuple[Target, tuple[Pin, ...]]]:
    graph = graph_of(item.lock)
    for target in targets_of(platforms, item.pythons):
        yield target, pins_for_target(graph, item.selection, target)


def _cell(project: str, pin: Pin, target: Target, policy: Policy) -> _Cell:
    files = chosen_files(pin.files, target, policy)
    return _Cell(project, pin, target, files, "" if files else gap_reason(pin.files, target))


def _labels(applying: Iterable[tuple[Wanted, Target, tuple[Pin, ...]]]) -> Mapping[str, tuple[str, ...]]:
    labels: dict[str, set[str]] = defaultdict(set)
    for _, target, pins in applying:
        labels[str(target)].update(pin.label for pin in pins if pin.source.kind == "registry")
    return {target: tuple(sorted(found)) for target, found in labels.items()}


def _outside(applying: Iterable[tuple[Wanted, Target, tuple[Pin, ...]]]) -> tuple[Outside, ...]:
    why = "a {} source: no index can serve it; installers take it from where the lock says"
    return tuple(
        sorted(
            {
                Outside(pin.name, pin.source.url or pin.source.kind, why.format(pin.source.kind))
                for _, _, pins in applying
                for pin in pins
                if not pin.source.mirrored
            }
        )
    )


def _artifacts(cells: Iterable[_Cell]) -> Mapping[str, tuple[Artifact, ...]]:
    wanted: dict[str, dict[tuple[str, str], Artifact]] = defaultdict(dict)
    for cell in cells:
        for file in cell.files:
            place = wanted[_partition(file.name, cell.target)]
            place[file.name, file.sha256] = _united(place.get((file.name, file.sha256)), cell, file)
    return {platform: tuple(sorted(found.values())) for platform, found in wanted.items()}


def _partition(file: str, target: Target) -> str:
    tags = wheel_tags(file)
    return NOARCH if tags is None or is_any_platform(tags) else target.platform.name


def _united(known: Artifact | None, cell: _Cell, file: LockedFile) -> Artifact:
    if known is not None:
        if cell.project in known.wanted_by:
            return known
        return replace(known, wanted_by=tuple(sorted((*known.wanted_by, cell.project))))
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
    )


def _refuse_conflicts(by_platform: Mapping[str, Iterable[Artifact]]) -> None:
    """The same file name with different bytes cannot be served from one index."""
    known: dict[str, Artifact] = {}
    for artifact in (artifact for artifacts in by_platform.values() for artifact in artifacts):
        other = known.setdefault(artifact.file, artifact)
        if other.sha256 != artifact.sha256:
            one, two = (f"{a.index or a.url or 'the upstream'} ({a.sha256})" for a in (other, artifact))
            raise ConflictError(
                f"{artifact.file}: two different files of that name are locked, from {one} and from {two}",
                file=artifact.file,
                digests=sorted((other.sha256, artifact.sha256)),
                wanted_by=sorted({*other.wanted_by, *artifact.wanted_by}),
            )


def _gaps(cells: Iterable[_Cell], platform: str) -> tuple[Gap, ...]:
    """Gaps of one platform, the Pythons with the same reason taken together."""
    found: dict[tuple[NormalizedName, str, str], set[Python]] = defaultdict(set)
    for cell in cells:
        if not cell.files and cell.target.platform.name == platform:
            found[cell.pin.name, str(cell.pin.version), cell.reason].add(cell.target.python)
    return tuple(
        sorted(
            Gap(name, version, tuple(map(str, sorted(pythons))), reason)
            for (name, version, reason), pythons in found.items()
        )
    )
