"""Requirement files and pylock.toml: what a lock pins, in the forms that every installer reads.

Formats: pip's requirements file format with hash-checking mode; PEP 751 for pylock.toml. All output is
sorted and carries no date, so that the same lock gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from packaging.markers import Marker
from packaging.pylock import Package, PackageSdist, PackageWheel, Pylock
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from mirror_pipeline.domain.artifact import Artifact, is_sdist, wheel_tags
from mirror_pipeline.domain.conditions import Conditions
from mirror_pipeline.domain.conflicts import without_login
from mirror_pipeline.domain.lock import Lock, Pin

CREATED_BY = "mirror_pipeline"


def requirement_lines(lock: Lock, conditions: Conditions, selection: str) -> str:
    """A requirements file with hashes and markers of the pins that ``conditions`` holds."""
    header = [
        f"# {lock.project}: the selection '{selection}' of its {lock.format} lock.",
        "# Written by mirror-pipeline; edit the lock instead.",
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


def pylock(
    locks: Sequence[tuple[Lock, Conditions]],
    artifacts: Mapping[str, Artifact],
    prefix: str,
) -> Mapping[str, Any]:
    """A PEP 751 document of what the mirror holds, its files at ``prefix`` + file name.

    ``artifacts`` maps file names to what is mirrored; files of a pin that are not among them are left
    out, and so is a pin with none: what lies outside the mirror is not for its lock to name.
    """
    packages = [
        package
        for lock, conditions in locks
        for pin in _chosen(lock, conditions)
        for package in _packages(pin, conditions[pin.key], artifacts, prefix)
    ]
    document = Pylock(
        lock_version=Version("1.0"),
        requires_python=_requires_python([lock for lock, _ in locks]),
        created_by=CREATED_BY,
        packages=_distinct(packages),
    )
    document.validate()
    return document.to_dict()


def _requires_python(locks: Sequence[Lock]) -> SpecifierSet | None:
    texts = {lock.requires_python for lock in locks}
    return SpecifierSet(texts.pop()) if len(texts) == 1 and texts != {""} else None


def _packages(
    pin: Pin, marker: Marker | None, artifacts: Mapping[str, Artifact], prefix: str
) -> Iterator[Package]:
    held = [artifacts[file.name] for file in pin.files if _is_held(file.name, file.sha256, artifacts)]
    wheels = [_wheel(artifact, prefix) for artifact in held if wheel_tags(artifact.file)]
    sdist = next((_sdist(artifact, prefix) for artifact in held if is_sdist(artifact.file)), None)
    if wheels or sdist:  # of some pins there are only kinds of files that no installer takes any more
        yield Package(name=pin.name, version=pin.version, marker=marker, wheels=wheels or None, sdist=sdist)


def _is_held(file: str, sha256: str, artifacts: Mapping[str, Artifact]) -> bool:
    return file in artifacts and artifacts[file].sha256 == sha256


def _wheel(artifact: Artifact, prefix: str) -> PackageWheel:
    return PackageWheel(
        name=artifact.file,
        path=f"{prefix}{artifact.file}",
        size=artifact.size,
        hashes={"sha256": artifact.sha256},
    )


def _sdist(artifact: Artifact, prefix: str) -> PackageSdist:
    return PackageSdist(
        name=artifact.file,
        path=f"{prefix}{artifact.file}",
        size=artifact.size,
        hashes={"sha256": artifact.sha256},
    )


def _distinct(packages: Iterable[Package]) -> list[Package]:
    """Several projects may pin the same: one entry each, with the files of all, by names and versions."""
    found: dict[str, Package] = {}
    for package in packages:
        key = repr((package.name, package.version, package.marker))
        found[key] = _united(found[key], package) if key in found else package
    return sorted(
        found.values(), key=lambda package: (package.name, str(package.version), str(package.marker))
    )


def _united(one: Package, other: Package) -> Package:
    wheels = {wheel.name: wheel for wheel in (*(other.wheels or ()), *(one.wheels or ()))}
    sdists = sorted((sdist for sdist in (one.sdist, other.sdist) if sdist), key=lambda sdist: str(sdist.name))
    return replace(
        one,
        wheels=[wheels[name] for name in sorted(wheels, key=str)] or None,
        sdist=sdists[0] if sdists else None,
    )
