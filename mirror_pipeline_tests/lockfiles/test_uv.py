"""uv.lock: the packages and files that are read, what is refused, and that nothing else can happen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import tomli
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror_pipeline.domain.artifact import is_safe_file_name, is_sha256
from mirror_pipeline.domain.conditions import pin_conditions
from mirror_pipeline.domain.lock import Lock, LockedFile, Pin, Selection, Source, everything
from mirror_pipeline.domain.reach import graph_of, pins_for_target
from mirror_pipeline.domain.target import PLATFORMS, Python, Target
from mirror_pipeline.errors import LockError, MirrorError
from mirror_pipeline.lockfiles.formats import read_lock
from mirror_pipeline_tests.locks import digest_of, wheel_name
from mirror_pipeline_tests.uv_locks import (
    FILES,
    INDEX,
    Table,
    file_at,
    locked,
    project,
    uv_files,
    uv_lock,
    want,
)

PATH = "shop/uv.lock"
NO_HASH = {"url": f"{FILES}/a-1.0.tar.gz"}
WHEEL = wheel_name("a", "1.0")


def read(*packages: Table, **more: Any) -> Lock:
    """Read a lock of these packages, all of which the project wants."""
    wants = [want(package["name"], of=package) for package in packages]
    return read_lock(uv_files(uv_lock([project(dependencies=wants), *packages], **more)))


def the_pin(package: Table) -> Pin:
    return read(package).pins[1]


def refused(text: str | bytes, member: str = ".") -> LockError:
    with pytest.raises(LockError) as caught:
        read_lock(uv_files(text, member=member))
    error = caught.value
    assert error.facts["lock"] == PATH
    assert str(error).startswith(PATH)
    assert "\n" not in str(error)
    assert len(str(error)) < 500
    return error


def refused_package(package: Table) -> LockError:
    return refused(uv_lock([project(dependencies=[want(package["name"])]), package]))


class TestPins:
    def test_a_package_from_an_index(self) -> None:
        sdist, wheel = file_at("a_b-1.0+cpu.tar.gz"), file_at("a_b-1.0+cpu-py3-none-any.whl", size=None)
        pin = the_pin(locked("A.b", "1.0+cpu", sdist=sdist, wheels=[wheel]))
        assert (pin.name, str(pin.version), pin.source) == ("a-b", "1.0+cpu", Source("registry", INDEX))
        assert pin.files == (
            LockedFile("a_b-1.0+cpu.tar.gz", digest_of("a_b-1.0+cpu.tar.gz"), 10, sdist["url"]),
            LockedFile(
                "a_b-1.0+cpu-py3-none-any.whl", digest_of("a_b-1.0+cpu-py3-none-any.whl"), None, wheel["url"]
            ),
        )
        assert not pin.unhashed

    def test_a_name_in_a_url_is_percent_decoded(self) -> None:
        entry = file_at("x", url=f"{FILES}/1/a-1.0%2Bcpu-py3-none-any.whl?x=1#y")
        assert the_pin(locked("a", wheels=[entry])).files[0].name == "a-1.0+cpu-py3-none-any.whl"

    @pytest.mark.parametrize("path", [WHEEL, f"wheels/{WHEEL}", f"/srv/wheels/{WHEEL}", f"../wheels/{WHEEL}"])
    def test_files_of_a_folder_of_wheels(self, path: str) -> None:
        package = locked(
            "a", source={"registry": "../wheels"}, wheels=[{"path": path, "hash": file_at(WHEEL)["hash"]}]
        )
        pin = the_pin(package)
        assert pin.files == (LockedFile(WHEEL, digest_of(WHEEL)),)
        assert pin.source == Source("registry", "../wheels")

    @pytest.mark.parametrize("place", [{"url": f"{FILES}/{WHEEL}"}, {"filename": WHEEL}, {}])
    def test_a_wheel_at_a_url(self, place: Table) -> None:
        entry = {**place, "hash": file_at(WHEEL)["hash"]}
        pin = the_pin(locked("a", source={"url": f"{FILES}/{WHEEL}"}, wheels=[entry]))
        assert pin.source == Source("url", f"{FILES}/{WHEEL}")
        assert pin.files == (LockedFile(WHEEL, digest_of(WHEEL), None, f"{FILES}/{WHEEL}"),)

    def test_an_archive_at_a_url_with_a_project_in_a_folder_of_it(self) -> None:
        source = {"url": f"{FILES}/a-1.0.tar.gz", "subdirectory": "python"}
        pin = the_pin(locked("a", source=source, sdist={"hash": file_at("a-1.0.tar.gz")["hash"]}))
        assert pin.source == Source("url", f"{FILES}/a-1.0.tar.gz#subdirectory=python")
        assert [(file.name, file.url) for file in pin.files] == [("a-1.0.tar.gz", f"{FILES}/a-1.0.tar.gz")]

    @pytest.mark.parametrize(
        "source",
        [
            {"git": "https://git.example/a?rev=1#0123"},
            {"path": f"wheels/{WHEEL}"},
            {"directory": "../a"},
            {"editable": "libs/a"},
            {"virtual": "libs/a"},
        ],
    )
    def test_sources_outside_the_mirror_keep_no_files(self, source: Table) -> None:
        entry = {"filename": WHEEL, "hash": file_at(WHEEL)["hash"]}
        pin = the_pin(locked("a", source=source, wheels=[entry, {"filename": WHEEL}]))
        ((kind, where),) = source.items()
        assert (pin.source.kind, pin.source.url, pin.files, pin.unhashed) == (kind, where, (), False)

    @pytest.mark.parametrize("source", [{"directory": "a"}, {"editable": "a"}, {"virtual": "a"}])
    def test_a_source_tree_without_a_version(self, source: Table) -> None:
        assert the_pin(locked("a", None, source=source)).label == "a==0"

    @pytest.mark.parametrize("source", [{"registry": INDEX}, {"url": f"{FILES}/{WHEEL}"}])
    def test_files_without_a_hash_are_left_out_and_told(self, source: Table) -> None:
        pin = the_pin(locked("a", source=source, sdist=NO_HASH, wheels=[file_at(WHEEL)]))
        assert ([file.name for file in pin.files], pin.unhashed) == ([WHEEL], True)

    def test_one_version_from_two_indexes_is_two_pins(self) -> None:
        lock = read(locked("a"), locked("a", source={"registry": "https://cpu.example/simple"}))
        assert [pin.label for pin in lock.pins[1:]] == ["a==1.0", "a==1.0"]
        assert len({pin.key for pin in lock.pins}) == 3


class TestTheLock:
    def test_what_it_tells_of_itself(self) -> None:
        lock = read(locked("a"), requires_python=">=3.11, <3.13", environments=["sys_platform == 'linux'"])
        assert (lock.project, lock.format, lock.format_version) == ("shop", "uv", "1.3")
        assert (lock.requires_python, lock.groups, lock.extras, lock.warnings) == ("<3.13,>=3.11", (), (), ())
        assert [str(marker) for marker in lock.environments] == ['sys_platform == "linux"']

    @pytest.mark.parametrize("revision", [None, 0, 1, 2, 3, 4, 5])
    @pytest.mark.parametrize("called", ["package", "distribution"])
    def test_every_revision(self, revision: int | None, called: str) -> None:
        lock = read(locked("a"), revision=revision, called=called)
        assert ([pin.label for pin in lock.pins], lock.warnings) == (["shop==0.1", "a==1.0"], ())
        assert lock.format_version == f"1.{revision or 0}"

    def test_a_newer_revision_is_read_with_a_warning(self) -> None:
        lock = read(locked("a"), revision=6)
        assert lock.warnings == (f"{PATH}: revision 6 is newer than 5: read as 5",)
        assert len(lock.pins) == 2

    def test_windows_line_ends_and_a_byte_order_mark(self) -> None:
        text = uv_lock([project(dependencies=[want("a")]), locked("a")])
        crlf = b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()
        assert read_lock(uv_files(text)) == read_lock(uv_files(crlf))

    def test_a_lock_without_packages(self) -> None:
        lock = read_lock(uv_files(uv_lock([])))
        assert (lock.pins, lock.edges, lock.project) == ((), (), "shop")


class TestRefusals:
    @pytest.mark.parametrize("version", [0, 2, "1", 1.0, True, [1]])
    def test_other_versions(self, version: object) -> None:
        document = tomli.loads(uv_lock([project()])) | {"version": version}
        assert "version" in str(refused(tomli_w.dumps(document)))

    def test_version_2_has_a_hint(self) -> None:
        error = refused(uv_lock([project()], version=2))
        assert (error.message, error.hint) == (
            f"{PATH}: version: 2 is not read here, only 1",
            "run 'uv lock'",
        )

    @pytest.mark.parametrize(
        "source", [{}, {"registry": INDEX, "git": "x"}, {"hg": "x"}, {"registry": 5}, "registry+x", 5]
    )
    def test_sources_that_are_none(self, source: object) -> None:
        assert "package[1].source" in str(refused_package({**locked("a"), "source": source}))

    def test_a_package_of_an_index_without_a_version(self) -> None:
        assert "package[1].version: missing" in str(refused_package(locked("a", None)))

    def test_the_same_package_twice(self) -> None:
        error = refused(uv_lock([project(), locked("a"), locked("b"), locked("A")]))
        assert "package[3].name: a==1.0 is locked twice" in str(error)
        assert error.facts["package"] == "a==1.0"

    @pytest.mark.parametrize(
        "dependency",
        [want("b"), want("a", of=locked("a", "2.0")), want("a", of=locked("a", source={"registry": "x"}))],
    )
    @pytest.mark.parametrize("key", ["dependencies", "optional-dependencies", "dev-dependencies"])
    def test_a_dependency_without_its_package(self, dependency: Table, key: str) -> None:
        written = [dependency] if key == "dependencies" else {"x": [dependency]}
        error = refused(uv_lock([{**project(), key: written}, locked("a")]))
        assert f"package[0].{key}" in str(error)
        assert f"shop==0.1 needs {dependency['name']}" in str(error)
        assert "not in the lock: cut short?" in str(error)
        assert error.facts["package"] == "shop==0.1"

    def test_a_dependency_that_could_be_several_packages(self) -> None:
        packages = [project(dependencies=[want("a")]), locked("a", "1.0"), locked("a", "2.0")]
        assert "needs a, and 2 packages in the lock could be meant" in str(refused(uv_lock(packages)))

    def test_a_lock_without_its_root(self) -> None:
        error = refused(uv_lock([project(at="libs/a"), locked("b")]))
        assert "no package in folder '.' is locked: cut short?" in str(error)
        assert error.hint == "folders: libs/a"

    def test_two_roots(self) -> None:
        assert "which is the project?" in str(refused(uv_lock([project("a"), project("b", at="./")])))

    @pytest.mark.parametrize(
        "name", ["..%2fa-1.0.tar.gz", "..%5ca-1.0.tar.gz", "..", "", "a%20b.whl", "a%0a.whl", "%2e%2e"]
    )
    def test_unsafe_names_in_urls(self, name: str) -> None:
        error = refused_package(locked("a", wheels=[file_at("x", url=f"{FILES}/{name}")]))
        assert "package[1].wheels[0].url" in str(error)
        assert "not a safe file name" in str(error)

    @pytest.mark.parametrize("entry", [{"path": "wheels/"}, {"path": "a/.."}, {"filename": "../a.whl"}])
    def test_unsafe_names_of_files(self, entry: Table) -> None:
        assert "not a safe file name" in str(refused_package(locked("a", sdist=entry)))

    @pytest.mark.parametrize(
        ("entry", "key"),
        [
            ({}, "url"),
            ({"url": 5}, "url"),
            ({"url": "https://[x/a.whl"}, "url"),
            ({"path": 5}, "path"),
            ({**file_at(WHEEL), "hash": 5}, "hash"),
            ({**file_at(WHEEL), "hash": "md5:00"}, "hash"),
            ({**file_at(WHEEL), "hash": "sha512:" + "0" * 128}, "hash"),
            ({**file_at(WHEEL), "size": "10"}, "size"),
            (5, ""),
        ],
    )
    def test_file_entries_that_are_none(self, entry: object, key: str) -> None:
        error = refused_package({**locked("a"), "wheels": [entry]})
        assert f"package[1].wheels[0].{key}".rstrip(".") in str(error)

    @pytest.mark.parametrize("marker", ["os_name", "os_name ~= 'posix'", "foo == 'x'", "(" * 200, 5])
    def test_markers_that_are_none(self, marker: Any) -> None:
        error = refused(uv_lock([project(dependencies=[{"name": "a", "marker": marker}]), locked("a")]))
        assert "package[0].dependencies[0].marker" in str(error)

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("requires-python", "words"),
            ("requires-python", 3.1),
            ("revision", "3"),
            ("supported-markers", ["x"]),
            ("supported-markers", [5]),
            ("supported-markers", "os_name == 'posix'"),
            ("package", {}),
            ("package", [5]),
            ("manifest", 5),
            ("conflicts", [5]),
            ("conflicts", [[5]]),
            ("conflicts", [[{"extra": "x"}]]),
            ("conflicts", [[{"package": "shop", "extra": 5}]]),
            ("conflicts", {}),
        ],
    )
    def test_what_is_of_another_kind(self, key: str, value: object) -> None:
        document = tomli.loads(uv_lock([project()])) | {key: value}
        assert key in str(refused(tomli_w.dumps(document)))

    @pytest.mark.parametrize(
        "text", ["", "<!DOCTYPE html>", "<<<<<<< HEAD\n", "version https://git-lfs.example/1"]
    )
    def test_what_is_no_lock_at_all(self, text: str) -> None:
        assert refused(text).message != PATH


# Values that TOML can hold and uv would not write at that place.
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 10**30, 1.5, float("nan"), "", "x", "..", "é\x00", [], [[]], {}, {"a": 1}]
)
NAMES = st.sampled_from(["a", "b", "c", "d"])
MARKERS = st.sampled_from(["", "sys_platform == 'win32'", "python_full_version < '3.12'"])


@st.composite
def locks(draw: st.DrawFn) -> tuple[Mapping[str, list[Table]], str]:
    """What packages want of each other, and the text of a lock that says so."""
    dependency = st.builds(want, NAMES, MARKERS, extra=st.lists(st.just("x"), max_size=1))
    several = st.lists(dependency, max_size=3)
    wants = {name: draw(several) for name in "abcd"}
    packages = [
        locked(name, dependencies=entries, extras={"x": draw(several)}) for name, entries in wants.items()
    ]
    root = project(dependencies=draw(several), extras={"e": draw(several)}, groups={"g": draw(several)})
    return wants, uv_lock([root, *packages], revision=draw(st.integers(0, 5)))


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document, except its top."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, inner in items for place in ((*path, key), *places(inner, (*path, key)))]


@settings(max_examples=60, deadline=None)
@given(locks())
def test_a_lock_reads_back_and_both_walks_agree_on_it(made: tuple[Mapping[str, list[Table]], str]) -> None:
    wants, text = made
    lock = read_lock(uv_files(text))
    graph = graph_of(lock)
    assert [pin.label for pin in lock.pins] == ["shop==0.1", *(f"{name}==1.0" for name in "abcd")]
    assert [file.name for pin in lock.pins[1:] for file in pin.files] == [
        wheel_name(name, "1.0") for name in "abcd"
    ]
    assert (lock.groups, lock.extras) == (("g",), ("e",))
    for selection in (Selection(), everything(lock)):
        conditions = pin_conditions(lock, selection)
        for platform in ("linux-x86_64", "windows-amd64"):
            pins = {
                pin.key for pin in pins_for_target(graph, selection, Target(PLATFORMS[platform], Python(12)))
            }
            assert pins <= set(conditions)
            for pin in lock.pins[1:]:
                unconditional = [entry["name"] for entry in wants[pin.name] if "marker" not in entry]
                assert (
                    pin.key not in pins
                    or {found.key for found in lock.pins if found.name in unconditional} <= pins
                )


def judged(content: bytes) -> None:
    """A lock is refused with one line, or all that is read of it is safe and hangs together."""
    try:
        lock: Lock | MirrorError = read_lock(uv_files(content))
    except MirrorError as error:
        lock = error
    if isinstance(lock, MirrorError):
        assert str(lock).startswith(PATH)
        assert "\n" not in str(lock)
    else:
        files = [file for pin in lock.pins for file in pin.files]
        assert all(is_safe_file_name(file.name) and is_sha256(file.sha256) for file in files)
        assert {edge.pin for edge in lock.edges} <= {pin.key for pin in lock.pins}
        assert len({pin.key for pin in lock.pins}) == len(lock.pins)
        pin_conditions(lock, everything(lock))


@settings(max_examples=150, deadline=None)
@given(locks(), st.data())
def test_a_mutilated_lock_is_read_or_refused(made: tuple[object, str], data: st.DataObject) -> None:
    document = tomli.loads(made[1])
    place = data.draw(st.sampled_from(places(document)))
    odd = data.draw(ODD)
    inner: Any = document
    for key in place[:-1]:
        inner = inner[key]
    if odd is None:
        del inner[place[-1]]
    else:
        inner[place[-1]] = odd
    judged(tomli_w.dumps(document).encode())


@settings(max_examples=60, deadline=None)
@given(locks(), st.data())
def test_a_lock_that_was_cut_is_read_or_refused(made: tuple[object, str], data: st.DataObject) -> None:
    content = made[1].encode()
    judged(content[: data.draw(st.integers(0, len(content)))])
