"""One set of requirements: a file with all that it includes, its indexes, and what constraints make of it.

pip reads ``-r`` and ``-c`` relative to the file that names them and lets options hold for the whole set,
wherever they stand. Constraints ask for nothing; they pin what is asked for without a version, and narrow
the hashes.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from packaging.markers import Marker
from packaging.utils import NormalizedName

from mirror_pipeline.domain.lock import Source
from mirror_pipeline.lockfiles.hash_pins import Locked, both
from mirror_pipeline.lockfiles.locations import reachable_url, redacted
from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline.lockfiles.requirements_entry import Entry, entry_of
from mirror_pipeline.lockfiles.requirements_lines import Line, beside, is_remote, lines_of
from mirror_pipeline.lockfiles.source_text import decode

_DEEPEST = 40
"""Files that include files that include files: more is no set that anybody keeps."""


@dataclass
class RequirementSet:
    """What a file and its includes say. ``index`` is None where no line names one."""

    asked: list[Entry] = field(default_factory=list)
    constraints: dict[NormalizedName, list[Entry]] = field(default_factory=dict)
    index: str | None = None
    also: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def source(self) -> Source:
        """Where the set's pins come from, but for those at a place of their own."""
        return Source(url=self.index, also=tuple(dict.fromkeys(self.also)))


def read_set(project: ProjectFiles, name: str) -> RequirementSet:
    """Read one of a project's files with what it includes."""
    found = RequirementSet()
    _read_file(project, name, found, (), set(), constraint=False)
    return found


def _read_file(
    project: ProjectFiles,
    name: str,
    found: RequirementSet,
    above: tuple[str, ...],
    done: set[tuple[str, bool]],
    *,
    constraint: bool,
) -> None:
    if (name, constraint) in done:
        return
    done.add((name, constraint))
    for line in _lines(project, name):
        if line.requirement:
            entry = entry_of(line, posixpath.join(project.folder, posixpath.dirname(name)))
            (found.constraints.setdefault(entry.name, []) if constraint else found.asked).append(entry)
            continue
        _note_options(line, found)
        for others, as_constraint in ((line.requirements, False), (line.constraints, True)):
            for other in others:
                inner = _checked_include(project, line, beside(name, other), (*above, name))
                _read_file(project, inner, found, (*above, name), done, constraint=as_constraint)


def _lines(project: ProjectFiles, name: str) -> Iterator[Line]:
    content, path = project.files[name], project.path_of(name)
    if name != project.lock_name and not content.decode("utf-8-sig", errors="replace").strip():
        return iter(())  # of several files one may be empty
    return lines_of(decode(content, path), path)


def _checked_include(project: ProjectFiles, line: Line, name: str, above: tuple[str, ...]) -> str:
    if is_remote(name):
        raise line.error(
            f"includes {redacted(name)}, and URLs are not followed",
            hint="save it beside the file and include it by its name",
        )
    if name in above:
        raise line.error(f"{redacted(name)} includes itself: {redacted(' → '.join((*above, name)))}")
    if len(above) > _DEEPEST:
        raise line.error("files include each other too deeply")
    if name not in project.files:
        raise line.error(
            f"includes {redacted(name)}, which is not there or is no requirements file",
            hint="paths are relative to the file",
        )
    return name


def _note_options(line: Line, found: RequirementSet) -> None:
    for url in line.indexes:
        found.index = _index(url, "--index-url", line, found)
    extra = (_index(url, "--extra-index-url", line, found) for url in line.extra_indexes)
    found.also.extend(url for url in extra if url)
    if line.find_links:
        found.warnings.append(f"{line.place}: --find-links is left out: files are taken from indexes only")
    if line.no_index:
        found.warnings.append(f"{line.place}: --no-index is left out: files are taken from indexes only")


def _index(url: str, option: str, line: Line, found: RequirementSet) -> str | None:
    known = reachable_url(url)
    if known is None:
        found.warnings.append(
            f"{line.place}: {option} is left out: not a URL that is known without its user's environment"
        )
    return known


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a line of a set asks for, with its pin, and the line to speak of."""

    line: Line
    pin: Locked
    marker: Marker | None


def resolved(found: RequirementSet, source: Source) -> Iterator[Wanted]:
    """What the set asks for; what nothing pins is refused, and so is what contradicts itself.

    ``source`` is where pins come from that no line gives a place of their own.
    """
    seen: dict[tuple[NormalizedName, str], Wanted] = {}
    for entry in found.asked:
        for wanted in _wanted(entry, found.constraints.get(entry.name, []), source):
            first = seen.setdefault((entry.name, str(wanted.marker or "")), wanted)
            if first.pin.release != wanted.pin.release:
                raise wanted.line.error(
                    f"{entry.name} is wanted as {_told(wanted.pin)}, and as {_told(first.pin)} in "
                    f"{first.line.place}",
                    hint="a set of requirements has one of each",
                    package=entry.name,
                )
            yield wanted


def _told(pin: Locked) -> str:
    return str(pin.version) if pin.source.kind == "registry" else redacted(pin.source.url or pin.source.kind)


def _wanted(entry: Entry, constraints: list[Entry], source: Source) -> Iterator[Wanted]:
    if entry.pin is not None:
        pin = _from(entry.pin, source)
        for constraint in constraints:
            pin = _narrowed(entry, pin, constraint)
        yield Wanted(entry.line, pin, entry.marker)
        return
    fitting = [each for each in constraints if each.pin and _fits(entry, each.pin)]
    if not fitting:
        raise entry.line.error(
            f"{entry.name} is not pinned: expected {entry.name}==<version>",
            hint="compile the requirements (pip-compile, uv pip compile), or pin it in a constraints file",
            package=entry.name,
        )
    for constraint in fitting:
        if constraint.pin is not None:
            hashes = _in_common(entry, entry.hashes, constraint)
            marker = both(entry.marker, constraint.marker)
            yield Wanted(entry.line, _from(replace(constraint.pin, hashes=hashes), source), marker)


def _from(pin: Locked, source: Source) -> Locked:
    return replace(pin, source=source) if pin.source.kind == "registry" else pin


def _fits(entry: Entry, pin: Locked) -> bool:
    return pin.source.kind != "registry" or entry.specifier.contains(pin.version, prereleases=True)


def _narrowed(entry: Entry, pin: Locked, constraint: Entry) -> Locked:
    """A pin under a constraint that holds wherever the pin does: its version, and the hashes of both."""
    unconditional = constraint.marker is None or str(constraint.marker) == str(entry.marker)
    if not unconditional or pin.source.kind != "registry":
        return pin
    if not constraint.specifier.contains(pin.version, prereleases=True):
        raise entry.line.error(
            f"{entry.name} is pinned to {pin.version}, against {entry.name}{constraint.specifier} in "
            f"{constraint.line.place}",
            hint="lock again",
            package=entry.name,
        )
    return replace(pin, hashes=_in_common(entry, pin.hashes, constraint))


def _in_common(entry: Entry, hashes: tuple[str, ...], constraint: Entry) -> tuple[str, ...]:
    """What a requirement and its constraint both accept; who tells no hash accepts any, as pip has it."""
    if not hashes or not constraint.hashes:
        return hashes or constraint.hashes
    both = tuple(digest for digest in hashes if digest in constraint.hashes)
    if not both:
        raise entry.line.error(
            f"{entry.name}: none of its hashes is accepted by {constraint.line.place}", package=entry.name
        )
    return both
