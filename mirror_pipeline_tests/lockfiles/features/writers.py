"""A scene written as a lock: one function for each column of the table in ``docs/lock-files.md``.

Each takes the scene and the version of the format to write, and gives what the readers take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline_tests import locks, pdm_locks, pylock_locks, uv_locks
from mirror_pipeline_tests.lockfiles.features.scenes import OTHER_INDEX, Item, Scene
from mirror_pipeline_tests.pipfile_locks import SOURCES, entry, pipfile_lock, pipfile_project
from mirror_pipeline_tests.requirement_files import required, requirements, requirements_file

Table = dict[str, Any]
COMMIT = "0" * 40


@dataclass(frozen=True)
class Column:
    """A column of the table: its heading, the versions that it stands for, and how a scene is written."""

    name: str
    versions: tuple[str, ...]
    write: Callable[[Scene, str], ProjectFiles]


def poetry(scene: Scene, version: str) -> ProjectFiles:
    """A poetry.lock with a pyproject.toml beside it, which is what locks up to 2.0 are selected by."""
    packages = [
        locks.package(
            item.name,
            item.version,
            files=item.digests,
            groups=(item.group or "main",),
            markers=_poetry_marker(item, version),
            optional=bool(item.extra),
            dependencies=dict.fromkeys(item.needs, "*"),
            source=_poetry_source(item),
        )
        for item in scene.items
    ]
    extras = {extra: [item.name for item in items] for extra, items in scene.extras.items()}
    groups = {group: _poetry_wishes(items) for group, items in scene.groups.items()}
    old = version in locks.OLD_FORMATS
    pyproject = locks.poetry_pyproject(
        dependencies=_poetry_wishes(item for item in scene.items if item.direct and not item.group),
        extras=extras,
        groups=None if old else groups,
        dev_dependencies=groups.get("dev") if old else None,
    )
    text = locks.poetry_lock(packages, version=version, requires_python=scene.requires_python, extras=extras)
    return locks.project_files(text, pyproject)


def _poetry_marker(item: Item, version: str) -> str:
    selected = f'extra == "{item.extra}"' if item.extra and version == "2.1" else ""
    return " and ".join(filter(None, (item.marker, selected)))


def _poetry_source(item: Item) -> Mapping[str, str] | None:
    if item.place is None:
        return None
    kinds = {"registry": "legacy", "path": "file"}
    source = {"type": kinds.get(item.place.kind, item.place.kind), "url": item.place.at}
    if item.place.kind == "registry":
        source["reference"] = "other"
    if item.place.kind == "git":
        source |= {"reference": "main", "resolved_reference": COMMIT}
    return source


def _poetry_wishes(items: Iterable[Item]) -> Table:
    wishes: Table = {}
    for item in items:
        wish: Table = {"version": item.version, "optional": bool(item.extra)}
        wishes.setdefault(item.name, []).append(wish | ({"markers": item.marker} if item.marker else {}))
    return {name: found[0] if len(found) == 1 else found for name, found in wishes.items()}


def uv(scene: Scene, version: str) -> ProjectFiles:
    """A uv.lock; the first revision has none, and calls packages by their first name."""
    packages = {item: _uv_package(item) for item in scene.items}

    def wants(items: Iterable[Item]) -> list[uv_locks.Table]:
        return [uv_locks.want(item.name, item.marker, of=packages[item]) for item in items]

    root = uv_locks.project(
        "shop",
        dependencies=wants(scene.main),
        extras={extra: wants(items) for extra, items in scene.extras.items()},
        groups={group: wants(items) for group, items in scene.groups.items()},
    )
    text = uv_locks.uv_lock(
        [root, *(_uv_package(item) for item in scene.items)],
        revision=None if version == "0" else int(version),
        called="distribution" if version == "0" else "package",
        requires_python=scene.requires_python,
        environments=[f"sys_platform == '{scene.only_on}'"] if scene.only_on else [],
    )
    return uv_locks.uv_files(text)


def _uv_package(item: Item) -> uv_locks.Table:
    files = {name: uv_locks.file_at(name.replace("/", "%2F")) for name in item.file_names}
    source: Table | None = None
    if item.place is not None:
        commit = f"?rev=main#{COMMIT}" if item.place.kind == "git" else ""
        source = {item.place.kind: f"{item.place.at}{commit}"}
    if item.place is not None and item.place.kind == "url":
        files = {name: {**file, "url": item.place.at} for name, file in files.items()}
    return uv_locks.locked(
        item.name,
        item.version,
        source=source,
        wheels=[file for name, file in files.items() if name.endswith(".whl")],
        sdist=next((file for name, file in files.items() if not name.endswith(".whl")), None),
        dependencies=[uv_locks.want(name) for name in item.needs],
    )


def pdm(scene: Scene, version: str) -> ProjectFiles:
    """A pdm.lock with its pyproject.toml, which tells extras from groups."""
    return pdm_with(scene, version)


def pdm_with(scene: Scene, version: str, strategy: Sequence[str] | None = None) -> ProjectFiles:
    """Likewise, with a strategy other than the default one of that version."""
    in_urls = version == "4.2" or "static_urls" in (strategy or ())
    packages = [
        pdm_locks.locked(
            item.name,
            item.version,
            files={name.replace("/", "%2F") if in_urls else name: at for name, at in item.digests.items()},
            groups=(item.group or item.extra or "default",),
            marker=item.marker,
            dependencies=item.needs,
            source=_pdm_source(item),
        )
        for item in scene.items
    ]
    target = {"requires_python": scene.requires_python}
    if scene.only_on:
        target["platform"] = scene.only_on
    text = pdm_locks.pdm_lock(packages, version=version, strategy=strategy, targets=[target])
    pyproject = pdm_locks.pdm_pyproject(
        dependencies=_requirements_of(scene.main),
        extras={extra: _requirements_of(items) for extra, items in scene.extras.items()},
        groups={group: _requirements_of(items) for group, items in scene.groups.items()},
        requires_python=scene.requires_python,
    )
    return pdm_locks.pdm_files(text, pyproject)


def _pdm_source(item: Item) -> Mapping[str, Any] | None:
    if item.place is None:
        return None
    own: Mapping[str, Table] = {
        "git": {"git": item.place.at, "revision": COMMIT},
        "editable": {"path": item.place.at, "editable": True},
        "url": {"url": item.place.at},
    }
    return own.get(item.place.kind, {"path": item.place.at})


def _requirements_of(items: Iterable[Item]) -> list[str]:
    return [f"{item.label} ; {item.marker}" if item.marker else item.label for item in items]


def pylock(scene: Scene, version: str) -> ProjectFiles:
    """A pylock.toml, whose markers say what is selected."""
    del version
    text = pylock_locks.pylock(
        [_pylock_package(item) for item in scene.items],
        requires_python=scene.requires_python,
        extras=list(scene.extras) or None,
        dependency_groups=list(scene.groups) or None,
        environments=[f"sys_platform == '{scene.only_on}'"] if scene.only_on else None,
    )
    return locks.project_files(text, name="pylock.toml")


def _pylock_package(item: Item) -> Table:
    selected = (
        item.marker,
        f"'{item.extra}' in extras" if item.extra else "",
        f"'{item.group}' in dependency_groups" if item.group else "",
    )
    more: Table = {"dependencies": [{"name": name} for name in item.needs]} if item.needs else {}
    if marker := " and ".join(filter(None, selected)):
        more["marker"] = marker
    files = {name: pylock_locks.file_at(name.replace("/", "%2F"), size=10) for name in item.file_names}
    if item.place is None or item.place.kind == "registry":
        if item.place is not None:
            more["index"] = item.place.at
        if sdist := next((file for name, file in files.items() if not name.endswith(".whl")), None):
            more["sdist"] = sdist
        wheels = [file for name, file in files.items() if name.endswith(".whl")]
        return pylock_locks.locked(item.name, item.version, *wheels, **more)
    return pylock_locks.locked(item.name, item.version, **more, **_pylock_place(item))


def _pylock_place(item: Item) -> Table:
    assert item.place is not None
    at, hashes = item.place.at, {"sha256": locks.digest_of(item.place.at)}
    if item.place.kind == "git":
        return {"vcs": {"type": "git", "url": at, "commit-id": COMMIT}}
    if item.place.kind == "url":
        return {"archive": {"url": at, "hashes": {"sha256": item.digests[item.file_names[0]]}}}
    if item.place.kind == "path":
        return {"archive": {"path": at, "hashes": hashes}}
    return {"directory": {"path": at, "editable": item.place.kind == "editable"}}


def pipfile(scene: Scene, version: str) -> ProjectFiles:
    """A Pipfile.lock: groups are sections, with ``develop`` for the group of that name."""
    del version

    def section(items: Iterable[Item]) -> Table:
        return {item.name: _pipfile_entry(item) for item in items}

    groups = {group: section(items) for group, items in scene.groups.items()}
    transitive = tuple(item for item in scene.items if not item.direct)
    text = pipfile_lock(
        section((*scene.main, *transitive)),
        groups.pop("develop", None),
        sources=(*SOURCES, {"name": "other", "url": OTHER_INDEX, "verify_ssl": True}),
        requires={"python_version": scene.requires_python.lstrip(">=~")},
        **groups,
    )
    return pipfile_project(text)


def _pipfile_entry(item: Item) -> Mapping[str, Any]:
    more: Table = {"markers": item.marker} if item.marker else {}
    if item.place is None:
        return entry(f"=={item.version}", hashes=list(item.digests.values()), **more)
    if item.place.kind == "registry":
        return entry(f"=={item.version}", hashes=list(item.digests.values()), index="other", **more)
    keys = {"git": "git", "url": "file", "path": "file"}
    place: Table = {keys.get(item.place.kind, "path"): item.place.at, **more}
    if item.place.kind == "url":
        place["hashes"] = [f"sha256:{digest}" for digest in item.digests.values()]
    return place | ({"editable": True} if item.place.kind == "editable" else {})


def requirement_sets(scene: Scene, version: str) -> ProjectFiles:
    """Requirements files: the main one, and one more for the group ``dev``."""
    del version
    main = (*scene.main, *(item for item in scene.items if not item.direct))
    indexes = {item.place.at for item in main if item.place and item.place.kind == "registry"}
    text = requirements_file(*map(_line, main), options=[f"--index-url {url}" for url in sorted(indexes)])
    dev = [requirements_file(*map(_line, items)) for items in scene.groups.values()]
    others = dict(zip(("dev.txt",), dev, strict=False))
    return requirements(text, others, dev=tuple(others))


def _line(item: Item) -> str:
    if item.place is None or item.place.kind == "registry":
        return required(item.name, item.version, marker=item.marker, hashes=list(item.digests.values()))
    if item.place.kind == "url":
        return f"{item.name} @ {item.place.at}" + "".join(
            f" --hash=sha256:{digest}" for digest in item.digests.values()
        )
    if item.place.kind == "git":
        return f"{item.name} @ git+{item.place.at}@{COMMIT}"
    return f"-e {item.place.at}" if item.place.kind == "editable" else item.place.at


OLD_POETRY = Column("poetry 0.x, 1.0", ("0.x", "1.0"), poetry)
GRAPH_POETRY = Column("poetry 1.1, 2.0", ("1.1", "2.0"), poetry)
POETRY = Column("poetry 2.1", ("2.1",), poetry)
UV = Column("uv", ("0", "3", "5"), uv)
OLD_PDM = Column("pdm 2–4.3", ("2", "3.1", "4.2", "4.3"), pdm)
PDM = Column("pdm 4.4, 4.5", ("4.4", "4.4.1", "4.5.0"), pdm)
PYLOCK = Column("pylock", ("1.0",), pylock)
PIPFILE = Column("Pipfile.lock", ("6",), pipfile)
REQUIREMENTS = Column("requirements", ("files",), requirement_sets)

COLUMNS = (OLD_POETRY, GRAPH_POETRY, POETRY, UV, OLD_PDM, PDM, PYLOCK, PIPFILE, REQUIREMENTS)
