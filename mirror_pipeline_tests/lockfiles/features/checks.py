"""What a feature means, whatever the format: one check for each row of the table in ``docs/lock-files.md``.

A check writes its scene in a format, reads it back as any lock is read, and plans with it where the feature
is about what gets selected. Rows that formats have in ways of their own are in ``own_selection`` and
``own_refusals``.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from packaging.specifiers import SpecifierSet

from mirror_pipeline.domain.coverage import Policy
from mirror_pipeline.domain.lock import Selection, everything
from mirror_pipeline.domain.naming import needs_names, refuse_unhashed
from mirror_pipeline.domain.reach import is_supported
from mirror_pipeline.domain.target import PLATFORMS, Python, Target
from mirror_pipeline.errors import LockError
from mirror_pipeline.lockfiles.formats import read_lock
from mirror_pipeline.lockfiles.project_files import ProjectFiles
from mirror_pipeline_tests.lockfiles.features.reading import (
    LINUX,
    WINDOWS,
    alone,
    asked_upstream,
    edited,
    files_in,
    pin_of,
    planned,
    refused,
    wanted,
)
from mirror_pipeline_tests.lockfiles.features.scenes import OTHER_INDEX, Item, Place, Scene
from mirror_pipeline_tests.locks import digest_of
from mirror_pipeline_tests.pdm_locks import FILES_AT

Write = Callable[[Scene], ProjectFiles]
"""A scene as a lock of the format and version at hand."""

_ON_WINDOWS, _ELSEWHERE = "sys_platform == 'win32'", "sys_platform != 'win32'"


def told_by_content(write: Write) -> None:
    project = write(Scene())
    for name in ("any.lock", "any.txt"):
        files = {name if file == project.lock_name else file: text for file, text in project.files.items()}
        lock, same = read_lock(replace(project, files=files, lock_name=name)), read_lock(project)
        assert (lock.format, lock.pins) == (same.format, same.pins)


def needs_pyproject(write: Write) -> None:
    refused(alone(write(Scene())), "there is no pyproject.toml beside it")


def without_pyproject(write: Write) -> None:
    lock = read_lock(alone(write(Scene((Item("alpha"), Item("checker", group="dev"))))))
    assert "dev" in lock.groups
    assert wanted(lock) == {"alpha==1.0"}
    assert wanted(lock, everything(lock)) == {"alpha==1.0", "checker==1.0"}


def prod_and_all(write: Write, group: str, extra: str) -> None:
    items = [Item("alpha")]
    items += [Item("checker", group=group)] if group else []
    items += [Item("fast", extra=extra)] if extra else []
    lock = read_lock(write(Scene(tuple(items))))
    assert wanted(lock) == {"alpha==1.0"}
    assert wanted(lock, everything(lock)) == {item.label for item in items}


def named_groups(write: Write, *groups: str) -> None:
    lock = read_lock(write(Scene((Item("alpha"), *(Item(f"for-{name}", group=name) for name in groups)))))
    assert lock.groups == tuple(sorted(groups))
    for name in groups:
        assert wanted(lock, Selection(groups=frozenset({name}))) == {"alpha==1.0", f"for-{name}==1.0"}


def named_extras(write: Write) -> None:
    lock = read_lock(write(Scene((Item("alpha"), Item("fast", extra="speed"), Item("tls", extra="net")))))
    assert lock.extras == ("net", "speed")
    assert wanted(lock, Selection(extras=frozenset({"net"}))) == {"alpha==1.0", "tls==1.0"}
    assert wanted(lock, Selection(extras=frozenset({"speed"}))) == {"alpha==1.0", "fast==1.0"}


def markers_per_target(write: Write) -> None:
    lock = read_lock(write(Scene((Item("alpha"), Item("winonly", marker=_ON_WINDOWS)))))
    assert wanted(lock, platform=LINUX) == {"alpha==1.0"}
    assert wanted(lock, platform=WINDOWS) == {"alpha==1.0", "winonly==1.0"}


def two_versions(write: Write) -> None:
    scene = Scene((Item("alpha", "1.0", marker=_ON_WINDOWS), Item("alpha", "2.0", marker=_ELSEWHERE)))
    lock = read_lock(write(scene))
    assert wanted(lock, platform=WINDOWS) == {"alpha==1.0"}
    assert wanted(lock, platform=LINUX) == {"alpha==2.0"}


def files_by_name(write: Write) -> None:
    names = ("alpha-1.0-cp312-cp312-win_amd64.whl", "alpha-1.0.tar.gz")
    lock = read_lock(write(Scene((Item("alpha", files=names),))))
    assert {file.name: file.sha256 for file in pin_of(lock, "alpha").files} == dict(
        zip(names, map(digest_of, names), strict=True)
    )
    assert not needs_names(pin_of(lock, "alpha"))


def files_by_hash(write: Write) -> None:
    names = ("alpha-1.0-cp312-cp312-win_amd64.whl", "alpha-1.0.tar.gz")
    lock = read_lock(write(Scene((Item("alpha", files=names),))))
    assert pin_of(lock, "alpha").files == ()
    assert set(pin_of(lock, "alpha").hashes) == set(map(digest_of, names))
    found = asked_upstream(lock, (*names, "alpha-1.0-py3-none-any.whl"))
    assert {file.name for file in pin_of(found, "alpha").files} == set(names)


def sizes(write: Write) -> None:
    (file,) = pin_of(read_lock(write(Scene())), "alpha").files
    assert file.size == 10


def urls(write: Write) -> None:
    (file,) = pin_of(read_lock(write(Scene())), "alpha").files
    assert file.url is not None
    assert file.url.startswith("https://files.example/")
    assert file.url.endswith(f"/{file.name}")


def index_per_pin(write: Write) -> None:
    lock = read_lock(write(Scene((Item("alpha"), Item("beta", place=Place("registry", OTHER_INDEX))))))
    assert pin_of(lock, "beta").source.url == OTHER_INDEX
    assert pin_of(lock, "alpha").source.url != OTHER_INDEX


def wheel_at_url(write: Write) -> None:
    url = f"{FILES_AT}/alpha-1.0-py3-none-any.whl"
    lock = read_lock(write(Scene((Item("alpha", place=Place("url", url)),))))
    plan = planned(lock)
    (artifact,) = plan.artifacts
    assert (artifact.file, artifact.url, artifact.direct) == ("alpha-1.0-py3-none-any.whl", url, True)
    assert not [outside for outside in plan.outside if outside.project == "alpha"]


_PLACES = {
    "git": "https://git.example/team/tool.git",
    "path": "./tool-1.0-py3-none-any.whl",
    "directory": "./tool",
    "editable": "./tool",
}


def outside(write: Write, kinds: Iterable[str]) -> None:
    for kind in kinds:
        place = Place(kind, _PLACES[kind])  # type: ignore[arg-type] # the keys are kinds
        tool = Item("tool", place=place, needs=("alpha",))
        plan = planned(read_lock(write(Scene((tool, Item("alpha", direct=False))))))
        (found,) = (item for item in plan.outside if item.project == "tool")
        assert found.why.startswith(f"a {kind} source")
        assert "tool" in found.source
        assert plan.targets[f"{LINUX}/3.12"] == ("alpha==1.0",)
        assert files_in(plan) <= {"alpha-1.0-py3-none-any.whl"}


def requires_python(write: Write) -> None:
    lock = read_lock(write(Scene(requires_python=">=3.12")))
    allowed = SpecifierSet(lock.requires_python)
    assert allowed.contains("3.12.1")
    assert not allowed.contains("3.11.9")


def supported_environments(write: Write) -> None:
    lock = read_lock(write(Scene(only_on="linux")))
    assert is_supported(lock, Target(PLATFORMS[LINUX], Python(12)))
    assert not is_supported(lock, Target(PLATFORMS[WINDOWS], Python(12)))
    assert wanted(lock, platform=LINUX) == {"alpha==1.0"}
    assert wanted(lock, platform=WINDOWS) == set()


def sdists(write: Write) -> None:
    wheel, sdist = "alpha-1.0-cp312-cp312-win_amd64.whl", "alpha-1.0.tar.gz"
    lock = asked_upstream(read_lock(write(Scene((Item("alpha", files=(wheel, sdist)),)))), (wheel, sdist))
    never = planned(lock)
    assert files_in(never) == {wheel}
    assert [(platform, gap.project) for platform, gap in never.gaps] == [(LINUX, "alpha")]
    fallback = planned(lock, Policy(sdists="fallback"))
    assert files_in(fallback) == {wheel, sdist}
    assert fallback.gaps == ()


def unhashed_by_opt_in(project: ProjectFiles) -> None:
    lock = read_lock(project)
    with pytest.raises(LockError, match=r"no hash is locked for alpha==1\.0"):
        refuse_unhashed(lock, project.lock_path)
    found = asked_upstream(lock, ("alpha-1.0-py3-none-any.whl", "alpha-2.0-py3-none-any.whl"))
    (file,) = pin_of(found, "alpha").files
    assert (file.name, file.sha256) == ("alpha-1.0-py3-none-any.whl", digest_of(file.name))


def newer_minor(project: ProjectFiles) -> None:
    lock = read_lock(project)
    assert wanted(lock) == {"alpha==1.0"}
    assert any("is newer than" in warning for warning in lock.warnings)


def cut_within_an_entry(write: Write) -> None:
    project = write(Scene((Item("alpha", needs=("beta",)), Item("beta", direct=False))))
    digest = digest_of("beta-1.0-py3-none-any.whl")
    refused(edited(project, lambda text: text[: text.index(digest) + 20]), "cut short")


def cut_between_entries(write: Write, begins: str) -> None:
    project = write(Scene((Item("alpha", needs=("beta",)), Item("beta", direct=False))))
    refused(edited(project, lambda text: text[: text.rindex(begins)]), "cut short")


def same_twice(write: Write) -> None:
    refused(write(Scene((Item("alpha"), Item("alpha")))), "is locked twice")


def unsafe_name(write: Write) -> None:
    refused(write(Scene((Item("alpha", files=("../alpha-1.0-py3-none-any.whl",)),))), "not a safe file name")


def unsafe_name_at_url(write: Write) -> None:
    place = Place("url", "https://files.example/..%2Falpha-1.0-py3-none-any.whl")
    refused(write(Scene((Item("alpha", place=place),))), "not a safe file name")


def foreign_wheel(write: Write) -> None:
    scene = Scene((Item("alpha", files=("other-1.0-py3-none-any.whl",)),))
    refused(write(scene), "other-1.0-py3-none-any.whl is a wheel of other, listed for alpha")


def file_of_another_version(write: Write) -> None:
    lock = read_lock(write(Scene((Item("alpha", files=("alpha-2.0-py3-none-any.whl",)),))))
    assert any("alpha-2.0-py3-none-any.whl for alpha==1.0" in warning for warning in lock.warnings)
    assert read_lock(write(Scene())).warnings == ()


def file_of_another_version_is_not_noticed(write: Write) -> None:
    lock = read_lock(write(Scene((Item("alpha", files=("alpha-2.0-py3-none-any.whl",)),))))
    assert [file.name for file in pin_of(lock, "alpha").files] == ["alpha-2.0-py3-none-any.whl"]
    assert lock.warnings == ()


def foreign_wheel_is_not_noticed(write: Write) -> None:
    lock = read_lock(write(Scene((Item("alpha", files=("other-1.0-py3-none-any.whl",)),))))
    assert [file.name for file in pin_of(lock, "alpha").files] == ["other-1.0-py3-none-any.whl"]


def mark_and_line_ends(write: Write) -> None:
    project = write(Scene((Item("alpha"), Item("winonly", marker=_ON_WINDOWS))))
    windows = {name: text.replace(b"\n", b"\r\n") for name, text in project.files.items()}
    assert windows != project.files
    for files in (windows, {name: codecs.BOM_UTF8 + text for name, text in windows.items()}):
        lock, same = read_lock(replace(project, files=files)), read_lock(project)
        assert (lock.pins, lock.edges, lock.warnings) == (same.pins, same.edges, same.warnings)
        assert wanted(lock) == {"alpha==1.0"}


def what_is_no_lock(write: Write) -> None:
    project = write(Scene())
    middle = len(project.lock_content) // 2
    at = project.lock_content.index(b"\n", middle) + 1
    text = project.lock_content.decode()
    conflict = f"{text[:at]}<<<<<<< ours\n=======\n>>>>>>> theirs\n{text[at:]}"
    refused(edited(project, lambda _: conflict), f":{text[:at].count(chr(10)) + 1}: merge-conflict marker")
    pointer = f"version https://git-lfs.example/spec/v1\noid sha256:{digest_of('')}\nsize 12\n"
    refused(edited(project, lambda _: pointer), "Git LFS pointer")
    refused(edited(project, lambda _: "<!DOCTYPE html><html></html>"), "a web page")
    refused(edited(project, lambda _: " \n"), "the file is empty")
