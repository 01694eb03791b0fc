"""Requirement files and pylock.toml: read back by ``packaging``, as installers would."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import cast

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.markers import Environment
from packaging.pylock import Pylock
from packaging.requirements import Requirement
from packaging.tags import Tag

from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.conditions import asking_conditions, pin_conditions
from mirror_pipeline.domain.lock import Lock, Root, Selection, Source
from mirror_pipeline.domain.reach import graph_of, normalized, reachable
from mirror_pipeline.domain.requirements import Pinned, pylock, requirement_lines
from mirror_pipeline.domain.scenarios import offered
from mirror_pipeline.domain.target import known_pythons, targets_of
from mirror_pipeline_tests.domain.test_conditions import locks, selections
from mirror_pipeline_tests.locks import digest_of, lock_of, pin, wants


def text_of(lock: Lock, selection: Selection = Selection(), name: str = "all") -> str:  # noqa: B008
    return requirement_lines(lock, pin_conditions(lock, selection), name)


def read_back(text: str) -> dict[str, tuple[str, set[str]]]:
    """Requirements as pip joins its lines: ``name==version`` → marker and hashes."""
    found = {}
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if not line.startswith("#"):
            written, *hashes = line.split(" --hash=sha256:")
            requirement = Requirement(written.strip())
            found[f"{requirement.name}{requirement.specifier}"] = (
                str(requirement.marker or ""),
                {digest.strip() for digest in hashes},
            )
    return found


def held(lock: Lock) -> dict[str, Artifact]:
    return {
        file.name: Artifact(file.name, file.sha256, item.name, str(item.version), size=1)
        for item in lock.pins
        for file in item.files
    }


@settings(deadline=None, max_examples=60)
@given(locks(), selections)
def test_every_line_is_a_requirement_with_the_condition_of_its_pin(lock: Lock, selection: Selection) -> None:
    conditions = pin_conditions(lock, selection)
    assert read_back(requirement_lines(lock, conditions, "all")) == {
        item.label: (str(conditions[item.key] or ""), {file.sha256 for file in item.files})
        for item in lock.pins
        if item.key in conditions
    }


@settings(deadline=None, max_examples=40)
@given(locks(), st.randoms(use_true_random=False))
def test_the_order_of_pins_leaves_no_trace(lock: Lock, chance: random.Random) -> None:
    shuffled = replace(lock, pins=tuple(chance.sample(lock.pins, len(lock.pins))))
    assert text_of(shuffled) == text_of(lock)


def test_the_form_of_a_requirements_file() -> None:
    windows = pin("b", "2.0+cpu", "b-2.0+cpu-py3-none-any.whl", "b-2.0+cpu.tar.gz")
    lock = lock_of(windows, pin("a"), edges=[wants(windows, 'sys_platform == "win32"'), wants(pin("a"))])
    low, high = sorted(file.sha256 for file in windows.files)
    assert text_of(lock, name="prod") == (
        "# shop: the selection 'prod' of its poetry lock.\n"
        "# Written by mirror-pipeline; edit the lock instead.\n"
        f"a==1.0 \\\n    --hash=sha256:{digest_of('a-1.0-py3-none-any.whl')}\n"
        f'b==2.0+cpu ; sys_platform == "win32" \\\n    --hash=sha256:{low} \\\n    --hash=sha256:{high}\n'
    )


def test_what_lies_outside_is_a_comment() -> None:
    lock = lock_of(
        pin("a", source=Source("git", "https://user:t0ken@git.example/a")), pin("b", source=Source("virtual"))
    )
    comments = text_of(lock).splitlines()[2:]
    assert comments == [
        "# outside the mirror: a (git https://git.example/a)",
        "# outside the mirror: b (virtual)",
    ]


def test_hashes_without_a_file_name_are_accepted_too() -> None:
    unknown = digest_of("a file that no upstream lists")
    lock = lock_of(replace(pin("a"), hashes=(unknown,)))
    assert read_back(text_of(lock)) == {"a==1.0": ("", {digest_of("a-1.0-py3-none-any.whl"), unknown})}


def test_extras_that_exclude_each_other_are_told_where_all_of_them_are() -> None:
    both = Selection(extras=frozenset({"cpu", "gpu"}))
    lock = replace(lock_of(pin("a"), extras=["cpu", "gpu"]), conflicts=(both,))
    assert "exclude each other" in text_of(lock, both, "all")
    assert "exclude each other" not in text_of(lock, Selection(), "prod")
    assert "exclude each other" not in text_of(lock_of(pin("a")), Selection(), "all")


def test_two_versions_stand_in_their_order() -> None:
    pins = [pin("a", version) for version in ("10.0", "9.0")]
    assert list(read_back(text_of(lock_of(*pins)))) == ["a==9.0", "a==10.0"]


def test_an_empty_lock_is_a_file_of_comments() -> None:
    assert read_back(text_of(lock_of())) == {}
    assert text_of(lock_of()).endswith("\n")


def pinned(lock: Lock, selection: Selection = Selection()) -> Pinned:  # noqa: B008
    return Pinned(lock, asking_conditions(lock, selection), offered(lock, selection))


def document_of(
    locks: Sequence[Lock], artifacts: Iterable[Artifact] | None = None, prefix: str = "../packages/"
) -> Pylock:
    chosen = {artifact.file: artifact for artifact in artifacts or ()}
    if artifacts is None:
        chosen = {name: artifact for lock in locks for name, artifact in held(lock).items()}
    written = pylock([pinned(lock) for lock in locks], chosen, prefix)
    document = Pylock.from_dict(written)
    assert tomli_w.dumps(written) == tomli_w.dumps(document.to_dict())  # as packaging writes it, in its order
    return document


def test_a_pylock_names_what_is_held_by_path_size_and_digest() -> None:
    lock = lock_of(pin("a", "1.0", "a-1.0-py3-none-any.whl", "a-1.0.tar.gz", "a-1.0-py3.12.egg"))
    (package,) = document_of([lock]).packages
    assert (package.name, str(package.version)) == ("a", "1.0")
    assert package.wheels is not None
    assert package.sdist is not None
    assert [wheel.path for wheel in package.wheels] == ["../packages/a-1.0-py3-none-any.whl"]
    assert package.sdist.path == "../packages/a-1.0.tar.gz"
    assert package.wheels[0].hashes == {"sha256": digest_of("a-1.0-py3-none-any.whl")}
    assert package.wheels[0].size == 1


def test_a_pylock_leaves_out_what_is_not_held() -> None:
    lock = lock_of(pin("a", "1.0", "a-1.0-py3-none-any.whl", "a-1.0.tar.gz"), pin("b"))
    only = [artifact for artifact in held(lock).values() if artifact.file == "a-1.0.tar.gz"]
    (package,) = document_of([lock], only).packages
    assert (package.name, package.wheels) == ("a", None)


def test_a_pylock_leaves_out_files_with_other_bytes() -> None:
    lock = lock_of(pin("a"))
    other = [replace(artifact, sha256=digest_of("other")) for artifact in held(lock).values()]
    assert document_of([lock], other).packages == []


def test_a_pylock_keeps_requires_python_where_all_locks_agree() -> None:
    one, two = lock_of(pin("a"), requires_python=">=3.10"), lock_of(pin("b"), requires_python=">=3.11")
    assert str(document_of([one]).requires_python) == ">=3.10"
    assert document_of([one, two]).requires_python is None
    assert document_of([lock_of(pin("a"), requires_python="")]).requires_python is None


def test_locks_that_pin_the_same_share_an_entry() -> None:
    one, two = lock_of(pin("a"), pin("b"), project="one"), lock_of(pin("b"), project="two")
    both, turned = document_of([one, two]), document_of([two, one])
    assert [package.name for package in both.packages] == ["a", "b"]
    assert both.to_dict() == turned.to_dict()


def test_an_entry_that_locks_share_has_the_files_of_each() -> None:
    files = ("a-1.0-cp312-cp312-win_amd64.whl", "a-1.0-py3-none-any.whl", "a-1.0.tar.gz", "a-1.0.zip")
    one, two = lock_of(pin("a", "1.0", *files[1:3])), lock_of(pin("a", "1.0", files[3], files[0]))
    both, turned = document_of([one, two]), document_of([two, one])
    (package,) = both.packages
    assert package.wheels is not None
    assert package.sdist is not None
    assert [str(wheel.name) for wheel in package.wheels] == list(files[:2])
    assert package.sdist.name == "a-1.0.tar.gz"
    assert both.to_dict() == turned.to_dict()


LINUX, WINDOWS = 'sys_platform == "linux"', 'sys_platform == "win32"'


def markers_of(document: Pylock) -> dict[str, str]:
    return {f"{item.name}=={item.version}": str(item.marker or "") for item in document.packages}


def test_locks_that_pin_the_same_under_other_markers_share_an_entry() -> None:
    a, b = pin("a"), pin("b")
    one = lock_of(a, b, edges=[wants(a, LINUX), wants(b)], project="one")
    two = lock_of(a, b, edges=[wants(a, WINDOWS), wants(b, WINDOWS)], project="two")
    both, turned = document_of([one, two]), document_of([two, one])
    assert markers_of(both) == {"a==1.0": f"{LINUX} or {WINDOWS}", "b==1.0": ""}
    assert len(both.packages) == 2
    assert both.to_dict() == turned.to_dict()


def test_files_that_a_lock_keeps_apart_by_markers_stay_apart() -> None:
    index, built = (replace(pin("a", "1.0", f"a-1.0-{tag}-none-any.whl"), key=tag) for tag in ("py2", "py3"))
    one = lock_of(index, built, edges=[wants(index, LINUX), wants(built, WINDOWS)], project="one")
    two = lock_of(built, edges=[wants(built, 'sys_platform == "darwin"')], project="two")
    both, turned = document_of([one, two]), document_of([two, one])
    assert {(package.wheels or [])[0].name: str(package.marker) for package in both.packages} == {
        "a-1.0-py2-none-any.whl": LINUX,
        "a-1.0-py3-none-any.whl": f'sys_platform == "darwin" or {WINDOWS}',
    }
    assert both.to_dict() == turned.to_dict()


CPU, GPU = Selection(extras=frozenset({"c.pu"})), Selection(extras=frozenset({"gpu"}))
DEV = Selection(groups=frozenset({"dev"}))


def exclusive_lock() -> tuple[Lock, Selection]:
    """A base, a group, and two extras that want other versions of one project."""
    old, new, base, tool = pin("torch", "1.0"), pin("torch", "2.0"), pin("base"), pin("tool")
    edges = [
        wants(base, LINUX),
        wants(old, root=Root("extra", "c.pu")),
        wants(new, LINUX, root=Root("extra", "gpu")),
        wants(tool, root=Root("group", "dev")),
    ]
    lock = lock_of(old, new, base, tool, edges=edges, groups=["dev"], extras=["c.pu", "gpu"])
    return replace(lock, conflicts=(CPU | GPU,)), CPU | GPU | DEV


def test_a_pylock_of_extras_that_exclude_each_other_asks_for_them() -> None:
    lock, selection = exclusive_lock()
    document = Pylock.from_dict(pylock([pinned(lock, selection)], held(lock), ""))
    assert (document.extras, document.dependency_groups) == (["c-pu", "gpu"], ["dev"])
    assert markers_of(document) == {
        "base==1.0": LINUX,
        "tool==1.0": '"dev" in dependency_groups',
        "torch==1.0": '"c-pu" in extras',
        "torch==2.0": f'"gpu" in extras and {LINUX}',
    }


def test_a_selection_without_an_exclusion_asks_for_nothing() -> None:
    lock, _ = exclusive_lock()
    document = Pylock.from_dict(pylock([pinned(lock, CPU | DEV)], held(lock), ""))
    assert (document.extras, document.dependency_groups) == ([], [])
    assert markers_of(document) == {"base==1.0": LINUX, "tool==1.0": "", "torch==1.0": ""}


@pytest.mark.parametrize("part", [Selection(), CPU, GPU, DEV, CPU | DEV, GPU | DEV])
def test_an_installer_that_is_told_an_extra_takes_the_pins_that_the_walk_finds(part: Selection) -> None:
    lock, selection = exclusive_lock()
    document = Pylock.from_dict(pylock([pinned(lock, selection)], held(lock), ""))
    (target,) = targets_of(["linux-x86_64"], known_pythons()[-1:])
    for environment in target.environments:
        chosen = document.select(
            environment=cast("Environment", dict(environment)),
            tags=[Tag("py3", "none", "any")],
            extras=normalized(part).extras,
            dependency_groups=part.groups,
        )
        found = {f"{package.name}=={package.version}" for package, _ in chosen}
        assert found == reachable(graph_of(lock), part, environment)


@pytest.mark.parametrize("files", [["a-1.0-py3.8.egg"], ["a-1.0.tar.bz2", "a-1.0.exe"]])
def test_a_pin_of_files_that_no_installer_takes_is_left_out_of_a_pylock(files: list[str]) -> None:
    assert [
        str(package.name) for package in document_of([lock_of(pin("a", "1.0", *files), pin("b"))]).packages
    ] == ["b"]


@settings(deadline=None, max_examples=30)
@given(locks(), selections)
def test_a_pylock_is_valid_and_says_the_conditions(lock: Lock, selection: Selection) -> None:
    conditions = pin_conditions(lock, selection)
    document = Pylock.from_dict(pylock([Pinned(lock, conditions, Selection())], held(lock), ""))
    assert {f"{item.name}=={item.version}": str(item.marker or "") for item in document.packages} == {
        item.label: str(conditions[item.key] or "") for item in lock.pins if item.key in conditions
    }


def test_no_source_can_write_a_line_of_its_own() -> None:
    source = Source("git", "https://git.example/a\n--index-url https://evil.example\u2028-e .")
    lines = text_of(lock_of(pin("a", source=source))).splitlines()
    assert [line for line in lines if not line.startswith("#")] == []


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://someone:secret@git.example/a", "https://git.example/a"),
        ("HTTPS://secret@git.example/a", "HTTPS://git.example/a"),
        ("https://git.example/a?token=secret&rev=main#0123", "https://git.example/a?token=...&rev=main#0123"),
        (
            "ssh://git@git.example/a?rev=main&subdirectory=b",
            "ssh://git@git.example/a?rev=main&subdirectory=b",
        ),
        ("../a", "../a"),
    ],
)
def test_what_lies_outside_is_told_without_secrets(url: str, told: str) -> None:
    text = text_of(lock_of(pin("a", source=Source("git", url))))
    assert f"# outside the mirror: a (git {told})" in text.splitlines()
