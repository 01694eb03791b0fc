"""One requirement: a name with a version (PEP 508), or a place to install from, as pip's format has them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidName, NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from mirror_pipeline.domain.artifact import is_safe_file_name, is_sha256
from mirror_pipeline.domain.lock import LockedFile, Source
from mirror_pipeline.errors import LockError
from mirror_pipeline.lockfiles.hash_pins import Locked
from mirror_pipeline.lockfiles.locations import (
    NO_VERSION,
    file_name,
    fragment_of,
    is_archive,
    is_repository,
    is_url,
    local_kind,
    name_from_path,
    reachable_url,
    redacted,
    release_of,
)
from mirror_pipeline.lockfiles.markers import of_the_selection, parse_marker
from mirror_pipeline.lockfiles.requirements_lines import Line
from mirror_pipeline.lockfiles.table import Table

_PLACE = re.compile(
    r"""(?P<place>\S+?)
        (?P<extras>\[[A-Za-z0-9._,\s-]*\])?
        (\s*;\s*(?P<marker>[^;]*))?""",
    re.VERBOSE,
)
_NAMED = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?\s*@\s*(?P<place>\S+)(?P<rest>.*)")
_COMPARES = re.compile(r"[=~!]=|[<>(]")
_HASH = re.compile(r"(?P<algorithm>[a-z0-9]+):(?P<digest>[0-9A-Fa-f]+)")
_RELOCK = "lock again with sha256 hashes (pip-compile --generate-hashes, uv pip compile --generate-hashes)"
_LONGEST, _DEEPEST = 4000, 100
"""Of a requirement in characters, of a marker in parentheses: beyond, only a broken file goes."""

_ANY = SpecifierSet()


@dataclass(frozen=True, slots=True)
class Entry:
    """A requirement line, understood.

    ``pin`` is None where the line leaves the version open; ``hashes`` are what it accepts all the same.
    """

    line: Line
    name: NormalizedName
    specifier: SpecifierSet = _ANY
    marker: Marker | None = None
    hashes: tuple[str, ...] = ()
    pin: Locked | None = None


def entry_of(line: Line, folder: str) -> Entry:
    """What a requirement line says; ``folder`` is where its file lies, from which ``-e .`` has a name."""
    if len(line.requirement) > _LONGEST:
        raise line.error(f"{redacted(line.requirement)!r} is too long to be a requirement")
    found = _direct(line, line.requirement, folder) if line.editable else None
    if found is None and _looks_like_a_place(line.requirement):
        found = _direct(line, line.requirement, folder)
    return found or _from_the_index(line)


def _looks_like_a_place(text: str) -> bool:
    """What pip takes for a URL or a path, as far as that shows without looking at a disk."""
    first = re.split(r"\s*;|\s", text, maxsplit=1)[0]
    if _NAMED.match(text) or is_url(first) or first.startswith((".", "/", "\\")):
        return True
    path = first.partition("[")[0]
    return not _COMPARES.search(path) and ("/" in path or "\\" in path or is_archive(path))


def _from_the_index(line: Line) -> Entry:
    try:
        requirement = Requirement(line.requirement)
    except (InvalidRequirement, RecursionError):
        raise line.error(f"{redacted(line.requirement)!r} is not a requirement") from None
    name = _name(requirement.name, line)
    marker = _marker(str(requirement.marker) if requirement.marker else "", line)
    version = _only_version(requirement.specifier, line, name)
    hashes = accepted_hashes(line, name)
    pin = Locked(name, version, Source(), hashes) if version is not None else None
    return Entry(line, name, requirement.specifier, marker, hashes, pin)


def _name(text: str, line: Line) -> NormalizedName:
    try:
        return canonicalize_name(text, validate=True)
    except InvalidName:
        raise line.error(f"{redacted(text)!r} is not a project name") from None


def _marker(text: str, line: Line) -> Marker | None:
    if text.count("(") > _DEEPEST:
        raise line.error(f"{redacted(text)!r} is nested too deeply to be a marker")
    try:
        return parse_marker(of_the_selection(text), Table({}, line.place), "marker")
    except LockError:
        raise line.error(f"{redacted(text)!r} is not an environment marker") from None


def _only_version(specifier: SpecifierSet, line: Line, name: str) -> Version | None:
    """The version of ``==1.0`` or ``===1.0`` (PEP 440), whatever else is asked of it."""
    for part in specifier:
        if part.operator in ("==", "===") and not part.version.endswith(".*"):
            try:
                version = Version(part.version)
            except InvalidVersion:
                raise line.error(f"{part.version!r} is not a version", package=name) from None
            if not specifier.contains(version, prereleases=True):
                raise line.error(f"no version satisfies {specifier}", package=name)
            return version
    return None


def accepted_hashes(line: Line, name: str) -> tuple[str, ...]:
    """The SHA-256 of ``--hash`` options; other algorithms are left out, and refused where they are all."""
    found: dict[str, None] = {}
    for text in line.hashes:
        parts = _HASH.fullmatch(text.strip())
        if parts is None or (parts["algorithm"] == "sha256" and not is_sha256(parts["digest"].lower())):
            raise line.error(
                f"{name}: expected --hash=sha256:<64 hexadecimal digits>, found {redacted(text)!r}",
                hint="was the file cut short?",
                package=name,
            )
        if parts["algorithm"] == "sha256":
            found[parts["digest"].lower()] = None
    if line.hashes and not found:
        algorithm = line.hashes[0].partition(":")[0]
        raise line.error(f"{name}: only {algorithm} hashes, expected sha256", hint=_RELOCK, package=name)
    return tuple(found)


def _direct(line: Line, text: str, folder: str) -> Entry:
    """``name @ place``, a URL or a path, each with extras and a marker behind it."""
    named = _NAMED.fullmatch(text)
    if named is not None:
        text = named["place"] + named["rest"]
    parts = _PLACE.fullmatch(text)
    if parts is None:
        raise line.error(f"{redacted(text)!r} is not a requirement")
    place = parts["place"]
    name = _name(named["name"], line) if named else None
    pin = _remote(line, name, place) if _is_remote_file(place) else _outside(line, name, place, folder)
    return Entry(line, pin.name, marker=_marker(parts["marker"] or "", line), pin=pin)


def _is_remote_file(place: str) -> bool:
    return is_url(place) and not is_repository(place) and not place.lower().startswith("file:")


def _outside(line: Line, name: NormalizedName | None, place: str, folder: str) -> Locked:
    release = release_of(file_name(place))
    if name is None and "egg" in (fragment := fragment_of(place)):
        name = _name(fragment["egg"].partition("[")[0].partition("==")[0], line)
    if is_repository(place):
        plain = place.partition("#")[0]
        source = Source("git", redacted(plain))
        name = name or name_from_path(re.sub(r"(\.git)?(@[^@/]*)?$", "", plain.rstrip("/")))
        return Locked(name, NO_VERSION, source)
    path = place.partition("#")[0]
    kind = local_kind(path, editable=line.editable)
    if name is None:
        name = release[0] if release else name_from_path(path if path[:1] in "/\\" else f"{folder}/{path}")
    return Locked(name, release[1] if release else NO_VERSION, Source(kind, redacted(path)))


def _remote(line: Line, name: NormalizedName | None, place: str) -> Locked:
    """A file at a URL: mirrored where it has its one hash, told by the fragment or by an option."""
    url, file = reachable_url(place), file_name(place)
    if url is None:
        raise line.error("not a URL that a file can be fetched from", hint="write it out in the file")
    release = release_of(file)
    name = name or (release[0] if release else None)
    if name is None and "egg" in (fragment := fragment_of(place)):
        name = _name(fragment["egg"].partition("[")[0], line)
    if name is None:
        raise line.error("a URL that does not tell the project's name", hint="write 'name @ URL'")
    bare = Locked(name, release[1] if release else NO_VERSION, Source("url", url))
    hashes = accepted_hashes(line, name) or _hash_in(place, line, name)
    if len(hashes) > 1:
        raise line.error(f"{name}: one file at a URL has one hash, found {len(hashes)}", package=name)
    if not is_safe_file_name(file):
        raise line.error(f"{redacted(file)!r} is not a safe file name", package=name)
    return replace(bare, file=LockedFile(file, hashes[0], url=url)) if hashes else bare


def _hash_in(place: str, line: Line, name: str) -> tuple[str, ...]:
    digest = fragment_of(place).get("sha256")
    return () if digest is None else accepted_hashes(replace(line, hashes=(f"sha256:{digest}",)), name)
