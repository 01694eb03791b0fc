"""uv.lock, version 1: its packages, what is selected of the project, and what excludes each other.

``[[package]]`` was called ``[[distribution]]`` in the first releases; later revisions added nothing that has
to be known here. The graph is in ``lockfiles.uv_edges``. Nothing beside the lock is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from packaging.markers import Marker
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from mirror_pipeline.domain.lock import Lock, Selection
from mirror_pipeline.lockfiles.file_names import told
from mirror_pipeline.lockfiles.markers import parse_marker
from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline.lockfiles.table import Table
from mirror_pipeline.lockfiles.uv_conflicts import Conflict, conflicts_in, exclusive
from mirror_pipeline.lockfiles.uv_edges import asked_items, edges_of, wants_of
from mirror_pipeline.lockfiles.uv_names import Names
from mirror_pipeline.lockfiles.uv_packages import Package, Packages, normalized_folder

FORMAT = "uv"
FILE_NAMES = ("uv.lock",)

_VERSION = 1
_NEWEST_REVISION = 5


def recognizes(document: Mapping[str, Any]) -> bool:
    """A uv lock has ``version`` and ``requires-python`` at its top (Cargo's has the first alone)."""
    if "version" not in document or "metadata" in document:
        return False
    return "requires-python" in document or "distribution" in document


def read(document: Mapping[str, Any], project: ProjectFiles) -> Lock:
    """Parse a uv lock."""
    top = Table(document, project.lock_path)
    revision, warnings = _revision(top)
    packages = Packages(top.tables("distribution" if "distribution" in top else "package"))
    roots = _roots(packages, top, project.member)
    manifest = _manifest(top, roots, project.member)
    wants = wants_of(packages, roots, manifest)
    conflicts = conflicts_in(top)
    _refuse_roots_in_conflict(top, roots, conflicts)
    selected = (item for root in roots for item in root.selected)
    names = Names((root.pin.name for root in roots), selected, asked_items(wants).union(*conflicts))
    edges = edges_of(wants, roots, names)
    selectable = _selectable(roots, manifest)
    strange = [file for package in packages.all for file in package.strange]
    return Lock(
        project=roots[0].pin.name if len(roots) == 1 else project.name,
        format=FORMAT,
        format_version=f"{_VERSION}.{revision}",
        requires_python=_requires_python(top),
        groups=tuple(sorted(selectable.groups)),
        extras=tuple(sorted(selectable.extras)),
        pins=tuple(package.pin for package in packages.all),
        edges=edges,
        warnings=(*warnings, *told(strange, top.lock)),
        conflicts=exclusive(conflicts, selectable.parts, edges, names) if conflicts else (),
        environments=_environments(top),
    )


def _revision(top: Table) -> tuple[int, tuple[str, ...]]:
    version, revision = top.number("version"), top.number("revision") or 0
    if version != _VERSION:
        raise top.error("version", f"{version} is not read here, only {_VERSION}", hint="run 'uv lock'")
    if revision > _NEWEST_REVISION:
        newer = (
            f"{top.lock}: revision {revision} is newer than {_NEWEST_REVISION}: read as {_NEWEST_REVISION}"
        )
        return revision, (newer,)
    return revision, ()


def _requires_python(top: Table) -> str:
    text = top.text("requires-python", "")
    try:
        return str(SpecifierSet(text))
    except InvalidSpecifier:
        raise top.error("requires-python", f"{text!r} is not a version specifier") from None


def _environments(top: Table) -> tuple[Marker, ...]:
    """The environments that a project confines itself to; a lock of it says nothing of others."""
    key = "supported-markers"
    parsed = (parse_marker(text, top, key) for text in top.texts(key))
    return tuple(marker for marker in parsed if marker is not None)


def _roots(packages: Packages, top: Table, member: str) -> tuple[Package, ...]:
    """The package in the folder that is mirrored; at the top of a workspace without one, all its members."""
    folder = normalized_folder(member)
    found = tuple(package for package in packages.all if package.folder == folder)
    if len(found) > 1:
        both = " and ".join(package.pin.label for package in found)
        raise top.error("", f"{both} are both in folder {folder!r}: which is the project?")
    if found:
        return found
    manifest = top.table("manifest")
    names = manifest.texts("members")
    if folder == "." and names:
        return _members(packages, names, manifest)
    if folder == "." and ("requirements" in manifest or "dependency-groups" in manifest or not packages.all):
        return ()
    folders = ", ".join(sorted({package.folder for package in packages.all if package.folder})) or "none"
    raise top.error("", f"no package in folder {folder!r} is locked: cut short?", hint=f"folders: {folders}")


def _members(packages: Packages, names: Sequence[str], manifest: Table) -> tuple[Package, ...]:
    for name in names:
        if len(packages.named(name)) != 1:
            problem = f"{name} is not in the lock once, but {len(packages.named(name))} times: cut short?"
            raise manifest.error("members", problem, package=name)
    return tuple(packages.named(name)[0] for name in names)


def _manifest(top: Table, roots: Sequence[Package], member: str) -> Table:
    """What is wanted besides the roots. A member's own group comes before the workspace's of that name."""
    manifest = top.table("manifest")
    if normalized_folder(member) == ".":
        return manifest
    groups = manifest.table("dependency-groups")
    own = {group for root in roots for group in root.groups}
    kept = {name: groups.raw(name) for name in groups.names() if name not in own}
    return Table({"dependency-groups": kept}, top.lock, "manifest")


def _refuse_roots_in_conflict(top: Table, roots: Sequence[Package], conflicts: Iterable[Conflict]) -> None:
    """Members that exclude each other cannot be mirrored as one project."""
    names = {root.pin.name for root in roots}
    for conflict in conflicts:
        both = sorted(item.package for item in conflict if item.kind == "project" and item.package in names)
        if len(both) > 1:
            raise top.error(
                "conflicts",
                f"members {' and '.join(both)} of the workspace exclude each other",
                hint="name the folder of the one to mirror in ORBIT_PROJECT",
            )


def _selectable(roots: Iterable[Package], manifest: Table) -> Selection:
    """Every group and extra of the roots, and the groups of the workspace."""
    extras, groups = (
        set[NormalizedName](),
        set(map(canonicalize_name, manifest.table("dependency-groups").names())),
    )
    for root in roots:
        extras.update(root.extras)
        groups.update(root.groups)
    return Selection(frozenset(groups), frozenset(extras))
