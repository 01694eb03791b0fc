"""For which environments a pdm lock was made: ``[[metadata.targets]]``, since lock_version 4.5.

A target is a range of Pythons and, where the project was locked for some platforms only, a platform (as
wheels name it, or a short name) and an implementation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from packaging.markers import Marker
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from mirror_pipeline.domain.poetry_core import ParseConstraintError, VersionConstraint, parse_constraint
from mirror_pipeline.lockfiles.markers import parse_marker
from mirror_pipeline.lockfiles.pdm_dependency import both, on_python
from mirror_pipeline.lockfiles.table import Table

_SHORT = {
    "linux": "manylinux_x86_64",
    "alpine": "musllinux_x86_64",
    "windows": "windows_amd64",
    "macos": "macos_arm64",
}
_SYSTEMS = {"manylinux": "linux", "musllinux": "linux", "windows": "win32", "macos": "darwin"}
_MACHINES = (
    ("x86_64", "x86_64"),
    ("amd64", "x86_64"),
    ("aarch64", "aarch64"),
    ("arm64", "aarch64"),
    ("i686", "x86"),
    ("i386", "x86"),
    ("x86", "x86"),
)
_OWN_NAMES: Mapping[tuple[str, str], str] = {
    ("win32", "x86_64"): "AMD64",
    ("win32", "aarch64"): "ARM64",
    ("darwin", "aarch64"): "arm64",
    ("linux", "x86"): "i686",
}
"""What ``platform_machine`` is where a system has a word of its own for an architecture."""


def requires_python(targets: Sequence[Table]) -> str:
    """One specifier around the Pythons of all targets (at least one).

    A specifier cannot leave out what lies between two targets; ``environments`` does that. Installers ask
    whether some target has their Python, so that the union is what counts, not the intersection.
    """
    texts = list(dict.fromkeys(target.text("requires_python", "") for target in targets))
    if len(texts) == 1:
        try:
            return str(SpecifierSet(texts[0]))
        except InvalidSpecifier:
            pass  # a union, as pdm writes it
    constraints = [_constraint(target) for target in targets]
    whole = constraints[0]
    for constraint in constraints[1:]:
        whole = whole.union(constraint)
    return _hull(whole)


def _constraint(target: Table) -> VersionConstraint:
    text = target.text("requires_python", "")
    try:
        constraint = parse_constraint(text or "*")
    except (ParseConstraintError, ValueError):
        raise target.error("requires_python", f"{text!r} is not a version specifier") from None
    if constraint.is_empty():
        raise target.error("requires_python", f"{text!r} allows no Python at all")
    return constraint


def _hull(whole: VersionConstraint) -> str:
    ranges: Sequence[Any] = getattr(whole, "ranges", (whole,))
    low, high = ranges[0], ranges[-1]
    bounds = []
    if low.min is not None:
        bounds.append(f"{'>=' if low.include_min else '>'}{_plain(low.min)}")
    if high.max is not None:
        bounds.append(f"{'<=' if high.include_max else '<'}{_plain(high.max)}")
    return str(SpecifierSet(",".join(bounds)))


def _plain(version: object) -> str:
    """A bound without the ``.dev0`` by which poetry-core keeps pre-releases out."""
    return str(version).removesuffix(".dev0")


def environments(targets: Sequence[Table]) -> tuple[Marker, ...]:
    """The environments that a lock is limited to, beyond its Pythons; empty where it is not."""
    limits = [_limits(target, several=len(targets) > 1) for target in targets]
    if "" in limits:
        return ()
    markers = (parse_marker(limit, target, "") for limit, target in zip(limits, targets, strict=True))
    return tuple(marker for marker in markers if marker is not None)


def _limits(target: Table, *, several: bool) -> str:
    python = target.text("requires_python", "")
    # One target's Pythons are the lock's requires_python, unless that can only be an approximation.
    limits = on_python(python) if several or "||" in python else ""
    if "platform" in target:
        limits = both(limits, _on_platform(target.text("platform")))
    if "implementation" in target:
        name = target.text("implementation")
        if not name.isidentifier():
            raise target.error("implementation", f"{name!r} is not the name of an implementation of Python")
        limits = both(limits, f'implementation_name == "{name}"')
    return limits


def _on_platform(text: str) -> str:
    """The marker of a platform. It does not tell glibc from musl, nor one release of a system from another:
    what fits is left to the tags of wheels, as pdm leaves it (it warns at most)."""
    name = "".join(letter for letter in _SHORT.get(text, text) if letter.isalnum() or letter == "_")
    system = name.partition("_")[0]
    system = _SYSTEMS.get(system, system)
    machine = next((to for end, to in _MACHINES if name.endswith(f"_{end}")), name.rpartition("_")[2])
    machine = _OWN_NAMES.get((system, machine), machine)
    return f'sys_platform == "{system}" and platform_machine == "{machine}"'
