"""Requirement files and pylock.toml: what a lock pins, in the forms that every installer reads.

Formats: pip's requirements file format with hash-checking mode; PEP 751 for pylock.toml. All output is
sorted and carries no date, so that the same lock gives the same bytes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from typing import Any
from urllib.parse import quote

from packaging.markers import Marker
from packaging.pylock import Package, PackageSdist, PackageWheel, Pylock
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from mirror_pipeline.domain.artifact import Artifact, is_sdist, wheel_tags
from mirror_pipeline.domain.conditions import Conditions
from mirror_pipeline.domain.lock import Lock, Pin, Selection
from mirror_pipeline.domain.marker_functions import either_of
from mirror_pipeline.domain.reach import normalized
from mirror_pipeline.domain.redaction import without_login

CREATED_BY = "mirror-pipeline"
WRITTEN_BY = "# Written by mirror-pipeline"
"""Begins the line by which a requirements file of ours is known."""


def requirement_lines(lock: Lock, conditions: Conditions, selection: str) -> str:
    """A requirements file with hashes and markers of the pins that ``conditions`` holds."""
    header = [
        f"# {lock.project}: the selection '{selection}' of its {lock.format} lock.",
        f"{WRITTEN_BY}; edit the lock instead.",
    ]
    if selection == "all" and lock.conflicts:
        header.append("# Some of its extras or groups exclude each other: it cannot be installed as a whole.")
    chosen = _chosen(lock, conditions)
    outside = [_told_outside(pin) for pin in chosen if not pin.source.mirrored]
    blocks = [_requirement(pin, conditions[pin.key]) for pin in chosen if pin.source.mirrored]
    return "\n".join([*header, *outside, *blocks]) + "\n"


def _told_outside(pin: Pin) -> str:
    """A comment of one line, whatever a lock has for a URL: what follows a line break would count."""
    place = " ".join(without_login(pin.source.url or "").split())
    return f"# outside the mirror: {pin.name} ({f'{pin.source.kind} {place}'.rstrip()})"


def _chosen(lock: Lock, conditions: Conditions) -> Sequence[Pin]:
    chosen = [pin for pin in lock.pins if pin.key in conditions]
    return sorted(chosen, key=lambda pin: (pin.name, pin.version, pin.key))


def _requirement(pin: Pin, marker: Marker | None) -> str:
    line = f"{pin.label} ; {marker}" if marker else pin.label
    digests = {*(file.sha256 for file in pin.files), *pin.hashes}
    hashes = [f"--hash=sha256:{digest}" for digest in sorted(digests)]
    return " \\\n    ".join([line, *hashes])


@dataclass(frozen=True, slots=True)
class Pinned:
    """A lock, when each pin applies, and the extras and groups that these conditions ask for."""

    lock: Lock
    conditions: Conditions
    offered: Selection


def pylock(
    locks: Sequence[Pinned],
    artifacts: Mapping[str, Artifact],
    prefix: str,
    environments: Sequence[Marker] = (),
) -> Mapping[str, Any]:
    """A PEP 751 document of what the mirror holds, its files at ``prefix`` + file name.

    ``prefix`` is a path relative to the document, or a URL: then entries have ``url`` and no ``path``, since
    installers take the path where there are both, and uv takes it from the working directory where the
    document itself was given by URL. ``environments`` are those that the files suffice for; none is all.

    ``artifacts`` maps file names to what is mirrored; files of a pin that are not among them are left
    out, and so is a pin with none: what lies outside the mirror is not for its lock to name.
    """
    packages = [
        [
            package
            for pin in _chosen(one.lock, one.conditions)
            for package in _packages(pin, one.conditions[pin.key], artifacts, prefix)
        ]
        for one in locks
    ]
    asked = normalized(reduce(or_, (one.offered for one in locks), Selection()))
    document = Pylock(
        lock_version=Version("1.0"),
        environments=list(environments) or None,
        requires_python=_requires_python([one.lock for one in locks]),
        extras=[canonicalize_name(name) for name in sorted(asked.extras)],
        dependency_groups=sorted(asked.groups),
        created_by=CREATED_BY,
        packages=_distinct(packages),
    )
    table = _table(document)
    Pylock.from_dict(table)  # refuses what the standard does not allow
    return table


def _table(document: Pylock) -> Mapping[str, Any]:
    """``document.to_dict()``, which copies every value deeply: seconds for thousands of packages."""
    packages = [_package_table(package) for package in document.packages]
    return {**replace(document, packages=[]).to_dict(), "packages": packages}


def _package_table(package: Package) -> Mapping[str, Any]:
    """What ``to_dict`` makes of the fields that ``_packages`` fills."""
    table: dict[str, Any] = {"name": package.name}
    if package.version is not None:
        table["version"] = str(package.version)
    if package.marker is not None:
        table["marker"] = str(package.marker)
    if package.sdist is not None:
        table["sdist"] = _file_table(package.sdist)
    if package.wheels is not None:
        table["wheels"] = [_file_table(wheel) for wheel in package.wheels]
    return table


def _file_table(file: PackageWheel | PackageSdist) -> Mapping[str, Any]:
    fields = {
        "name": file.name,
        "url": file.url,
        "path": file.path,
        "size": file.size,
        "hashes": dict(file.hashes),
    }
    return {key: value for key, value in fields.items() if value is not None}


def _requires_python(locks: Sequence[Lock]) -> SpecifierSet | None:
    texts = {lock.requires_python for lock in locks}
    return SpecifierSet(texts.pop()) if len(texts) == 1 and texts != {""} else None


def _packages(
    pin: Pin, marker: Marker | None, artifacts: Mapping[str, Artifact], prefix: str
) -> Iterator[Package]:
    held = [artifacts[file.name] for file in pin.files if _is_held(file.name, file.sha256, artifacts)]
    wheels = [PackageWheel(**_file(artifact, prefix)) for artifact in held if wheel_tags(artifact.file)]
    sdist = next(
        (PackageSdist(**_file(artifact, prefix)) for artifact in held if is_sdist(artifact.file)), None
    )
    if wheels or sdist:  # of some pins there are only kinds of files that no installer takes any more
        yield Package(name=pin.name, version=pin.version, marker=marker, wheels=wheels or None, sdist=sdist)


def _is_held(file: str, sha256: str, artifacts: Mapping[str, Artifact]) -> bool:
    return file in artifacts and artifacts[file].sha256 == sha256


def _file(artifact: Artifact, prefix: str) -> dict[str, Any]:
    by_url = "://" in prefix
    place = f"{prefix}{quote(artifact.file, safe='!') if by_url else artifact.file}"
    return {
        "name": artifact.file,
        "url" if by_url else "path": place,
        "size": artifact.size,
        "hashes": {"sha256": artifact.sha256},
    }


def _distinct(locks: Sequence[Sequence[Package]]) -> list[Package]:
    """Several projects may pin the same version: one entry where that can be, by names and versions.

    An installer refuses two entries of a name that both apply. But a lock with several of one version tells
    by their markers which files are for whom (a build from elsewhere for one platform, say): then only
    entries with the same files, or the same marker, are one.
    """
    alike: dict[str, list[Package]] = defaultdict(list)
    several: set[str] = set()
    for packages in locks:
        labels = Counter(map(_label, packages))
        several |= {label for label, number in labels.items() if number > 1}
        for package in packages:
            alike[_label(package)].append(package)
    found: list[Package] = []
    for label, group in alike.items():
        found += _joined(_joined(group, _file_names), _marker) if label in several else [_united(group)]
    return sorted(found, key=lambda package: (package.name, str(package.version), _marker(package)))


def _label(package: Package) -> str:
    return f"{package.name}=={package.version}"


def _marker(package: Package) -> str:
    return str(package.marker or "")


def _file_names(package: Package) -> str:
    return " ".join(sorted(str(file.name) for file in (*(package.wheels or ()), package.sdist) if file))


def _joined(packages: Iterable[Package], key: Callable[[Package], str]) -> list[Package]:
    """One entry for each key."""
    groups: dict[str, list[Package]] = defaultdict(list)
    for package in packages:
        groups[key(package)].append(package)
    return list(map(_united, groups.values()))


def _united(packages: Sequence[Package]) -> Package:
    """One entry that applies where one of these does, with the files of all."""
    wheels = {str(wheel.name): wheel for package in packages for wheel in package.wheels or ()}
    sdists = {str(package.sdist.name): package.sdist for package in packages if package.sdist}
    return replace(
        packages[0],
        marker=either_of(package.marker for package in packages),
        wheels=[wheels[name] for name in sorted(wheels)] or None,
        sdist=sdists[min(sdists)] if sdists else None,
    )
