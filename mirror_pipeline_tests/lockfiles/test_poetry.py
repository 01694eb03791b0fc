"""poetry.lock in its five formats: what is read, what is refused, and that nothing else can happen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import tomli
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from mirror_pipeline.domain.artifact import is_safe_file_name, is_sha256
from mirror_pipeline.domain.conditions import pin_conditions
from mirror_pipeline.domain.lock import Lock, Selection, Source, everything
from mirror_pipeline.domain.reach import graph_of, pins_for_target
from mirror_pipeline.domain.target import PLATFORMS, Python, Target
from mirror_pipeline.errors import LockError, MirrorError
from mirror_pipeline.lockfiles.formats import read_lock
from mirror_pipeline_tests.locks import (
    FORMATS,
    OLD_FORMATS,
    LockedPackage,
    digest_of,
    package,
    poetry_lock,
    poetry_pyproject,
    project_files,
    standard_pyproject,
)

PATH = "shop/poetry.lock"
EVERY = (*OLD_FORMATS, *FORMATS)
NAMED = ("1.0", *FORMATS)
"""Formats that name files."""
GRAPH_FORMATS = (*OLD_FORMATS, "1.1", "2.0")

SHA256 = f"sha256:{digest_of('a')}"
STRANGE = f"{PATH}: files that are not named like the pins they are listed for:"


def wanted(
    lock: Lock, selection: Selection | None = None, platform: str = "linux-x86_64", python: str = "3.12"
) -> str:
    """What a target installs, as one line."""
    target = Target(PLATFORMS[platform], Python.parse(python))
    chosen = everything(lock) if selection is None else selection
    return " ".join(sorted(pin.label for pin in pins_for_target(graph_of(lock), chosen, target)))


def extras(*names: str) -> Selection:
    return Selection(extras=frozenset(names))


def read(
    packages: Sequence[LockedPackage],
    version: str = "2.1",
    *,
    own: Mapping[str, Any] | None = None,
    own_extras: Mapping[str, Sequence[str]] | None = None,
    requires_python: str = ">=3.10",
) -> Lock:
    """Read a lock with a pyproject.toml beside it that wants ``own`` (by default every package)."""
    dependencies = {item.name: "*" for item in packages} if own is None else own
    pyproject = poetry_pyproject(dependencies=dependencies, extras=own_extras)
    text = poetry_lock(packages, version=version, extras=own_extras, requires_python=requires_python)
    return read_lock(project_files(text, pyproject))


def refused(text: str | bytes, pyproject: str | None = "") -> LockError:
    with pytest.raises(LockError) as caught:
        read_lock(project_files(text, poetry_pyproject() if pyproject == "" else pyproject))
    error = caught.value
    assert error.facts["lock"] == PATH
    assert str(error).startswith(PATH)
    assert "\n" not in str(error)
    assert len(str(error)) < 500
    return error


def changed(version: str = "2.1", **metadata: object) -> str:
    """A lock whose ``[metadata]`` is another; None removes a key."""
    document = tomli.loads(poetry_lock([package("a")], version=version))
    for key, value in metadata.items():
        document["metadata"].pop(key.replace("_", "-"))
        if value is not None:
            document["metadata"][key.replace("_", "-")] = value
    return tomli_w.dumps(document)


def with_entry(entry: object, version: str = "2.1") -> str:
    """A lock whose only package has one entry for a file."""
    document = tomli.loads(poetry_lock([package("a", files={})], version=version))
    if version in ("1.0", "1.1"):
        document["metadata"]["files"] = {"a": [entry]}
    else:
        document["package"][0]["files"] = [entry]
    return tomli_w.dumps(document)


class TestReading:
    @pytest.mark.parametrize("version", NAMED)
    def test_pins_with_their_files(self, version: str) -> None:
        files = {
            "Demo_Lib-1.0+cpu-py3-none-any.whl": digest_of("wheel"),
            "demo-lib-1.0+cpu.tar.gz": digest_of("sdist"),
        }
        (pin,) = read([package("Demo.Lib", "1.0+cpu", files=files)], version).pins
        assert (pin.name, str(pin.version), pin.label) == ("demo-lib", "1.0+cpu", "demo-lib==1.0+cpu")
        assert {file.name: file.sha256 for file in pin.files} == files
        assert pin.source == Source()

    @pytest.mark.parametrize("version", NAMED)
    def test_the_lock_itself(self, version: str) -> None:
        lock = read([package("a")], version, own_extras={"Fast_Path": ["a"]}, requires_python="^3.10")
        assert (lock.project, lock.format, lock.format_version) == ("shop", "poetry", version)
        assert (lock.requires_python, lock.extras, lock.warnings) == (">=3.10,<4.0", ("fast-path",), ())

    @pytest.mark.parametrize("version", NAMED)
    def test_a_lock_without_packages(self, version: str) -> None:
        lock = read([], version)
        assert (lock.pins, lock.edges) == ((), ())

    @pytest.mark.parametrize("version", NAMED)
    def test_windows_line_ends_and_a_byte_order_mark(self, version: str) -> None:
        text = poetry_lock([package("a"), package("b")], version=version)
        pyproject = poetry_pyproject(dependencies={"a": "*", "b": "*"})
        plain, other = (
            read_lock(project_files(content, pyproject))
            for content in (text.encode(), b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
        )
        assert plain == other

    @pytest.mark.parametrize(
        ("written", "specifier"),
        [
            ("*", ""),
            (">=3.10", ">=3.10"),
            ("^3.10", ">=3.10,<4.0"),
            ("~3.10", ">=3.10,<3.11"),
            ("3.11.4", "==3.11.4"),
            (">=3.10 <3.13", ">=3.10,<3.13"),
        ],
    )
    def test_constraints_on_python_become_specifiers(self, written: str, specifier: str) -> None:
        assert read([package("a")], requires_python=written).requires_python == specifier

    @pytest.mark.parametrize(
        ("written", "allowed"),
        [
            ("~3.10 || ~3.12", "3.10 3.12"),
            (">=3.10,<3.13,!=3.11.*", "3.10 3.12"),
            ("^3.12 || 3.10.*", "3.10 3.12 3.13 3.14"),
        ],
    )
    def test_constraints_with_holes_keep_them(self, written: str, allowed: str) -> None:
        lock = read([package("a")], requires_python=written)
        pythons = [Python(minor) for minor in range(10, 15)]
        assert " ".join(str(p) for p in pythons if p.allowed_by(lock.requires_python)) == allowed

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            (None, Source()),
            ({"type": "legacy", "url": "https://i.example/simple", "reference": "i"}, Source("registry", "https://i.example/simple")),
            ({"type": "url", "url": "https://f.example/a.whl"}, Source("url", "https://f.example/a.whl")),
            ({"type": "git", "url": "https://g.example/a", "reference": "main"}, Source("git", "https://g.example/a")),
            ({"type": "file", "url": "dist/a.whl"}, Source("path", "dist/a.whl")),
            ({"type": "directory", "url": "../a"}, Source("directory", "../a")),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("version", NAMED)
    def test_sources(self, version: str, source: Mapping[str, str] | None, expected: Source) -> None:
        assert read([package("a", source=source)], version).pins[0].source == expected

    @pytest.mark.parametrize("version", NAMED)
    def test_one_version_from_two_indexes_is_two_pins(self, version: str) -> None:
        cpu = {"type": "legacy", "url": "https://cpu.example/simple", "reference": "cpu"}
        lock = read([package("a"), package("a", source=cpu)], version)
        assert [pin.label for pin in lock.pins] == ["a==1.0", "a==1.0"]
        assert len({pin.key for pin in lock.pins}) == 2

    @pytest.mark.parametrize("version", OLD_FORMATS)
    def test_old_formats_are_told_by_where_the_files_are(self, version: str) -> None:
        assert read([package("a")], version).format_version == version

    def test_format_1_0_may_say_so(self) -> None:
        document = tomli.loads(poetry_lock([package("a")], version="1.0"))
        document["metadata"]["lock-version"] = "1.0"
        lock = read_lock(project_files(tomli_w.dumps(document), poetry_pyproject(dependencies={"a": "*"})))
        assert (lock.format_version, wanted(lock)) == ("1.0", "a==1.0")

    @pytest.mark.parametrize("name", ["setuptools", "pip", "distribute", "wheel"])
    def test_what_old_formats_took_for_granted_need_not_be_locked(self, name: str) -> None:
        packages = [package("a", dependencies={name: "*"})]
        for version in (*OLD_FORMATS, "1.1"):
            assert wanted(read(packages, version)) == "a==1.0"
        assert f"needs {name}" in str(refused(poetry_lock(packages, version="2.0")))

    def test_a_newer_minor_version_of_the_format_is_read_with_a_warning(self) -> None:
        lock = read_lock(project_files(changed(lock_version="2.9")))
        assert wanted(lock) == "a==1.0"
        assert lock.warnings == (f"{PATH}: lock-version 2.9 is newer than 2.1: read as 2.1",)


class TestFilesSharedByVersions:
    """Formats 1.0 and 1.1 list the files of all versions of a name together."""

    WHEEL = "zope_interface-1.0-py3-none-any.whl"

    def files_of(self, *names: str) -> Mapping[str, list[str]]:
        shared = {name: digest_of(name) for name in names}
        versions = ("1.0", "1.0+cpu", "2020.1", "2.0.post1")
        lock = read(
            [package("a", version, files=shared if version == "1.0" else {}) for version in versions], "1.1"
        )
        return {str(pin.version): [file.name for file in pin.files] for pin in lock.pins}

    @pytest.mark.parametrize(
        ("file", "version"),
        [
            ("a-1.0-py3-none-any.whl", "1.0"),
            ("a-1.0+cpu-py3-none-any.whl", "1.0+cpu"),
            ("a-2020.01-py3-none-any.whl", "2020.1"),
            ("a-2.0.post1-1-py3-none-any.whl", "2.0.post1"),
            ("a-1.0.tar.gz", "1.0"),
            ("a-1.0.zip", "1.0"),
            ("a-2020.01.tar.gz", "2020.1"),
            ("a-2.0-1.tar.gz", "2.0.post1"),
            ("a-2.0.post1.tar.gz", "2.0.post1"),
        ],
    )
    def test_a_file_belongs_to_the_version_in_its_name(self, file: str, version: str) -> None:
        found = self.files_of(file)
        assert {name: files for name, files in found.items() if files} == {version: [file]}

    @pytest.mark.parametrize("name", ["zope.interface", "Zope_Interface", "ZOPE-interface"])
    def test_the_list_is_found_by_any_spelling_of_the_name(self, name: str) -> None:
        text = poetry_lock([package(name, files={self.WHEEL: digest_of("z")})], version="1.1")
        lock = read_lock(project_files(text, poetry_pyproject()))
        assert [file.name for file in lock.pins[0].files] == [self.WHEEL]


class TestGroupsAndMarkers:
    """Format 2.1: both stand in the lock, and no pyproject.toml is needed."""

    def lock(self, *packages: LockedPackage, own_extras: Mapping[str, Sequence[str]] | None = None) -> Lock:
        return read_lock(project_files(poetry_lock(packages, extras=own_extras)))

    def test_groups(self) -> None:
        lock = self.lock(package("a"), package("b", groups=["dev"]), package("c", groups=["main", "dev"]))
        assert lock.groups == ("dev",)
        assert wanted(lock, Selection()) == "a==1.0 c==1.0"
        assert wanted(lock) == "a==1.0 b==1.0 c==1.0"

    def test_names_of_groups_are_normalized(self) -> None:
        lock = self.lock(package("a", groups=["Dev_Tools"], markers={"Dev_Tools": 'sys_platform == "linux"'}))
        assert lock.groups == ("dev-tools",)
        assert wanted(lock, Selection(groups=frozenset({"dev-tools"}))) == "a==1.0"
        assert wanted(lock, Selection(groups=frozenset({"dev-tools"})), "macos-arm64") == ""

    def test_one_marker_for_all_groups(self) -> None:
        lock = self.lock(package("a", groups=["main", "dev"], markers='sys_platform == "win32"'))
        assert wanted(lock, platform="linux-x86_64") == ""
        assert wanted(lock, Selection(), platform="windows-amd64") == "a==1.0"

    def test_markers_by_group_and_none_for_a_group_that_is_absent(self) -> None:
        lock = self.lock(package("a", groups=["main", "dev"], markers={"main": 'sys_platform == "win32"'}))
        assert wanted(lock, Selection()) == ""
        assert wanted(lock, Selection(groups=frozenset({"dev"}))) == "a==1.0"

    def test_extras_of_the_project_stand_in_markers(self) -> None:
        lock = self.lock(
            package("a", markers='extra == "fast"', optional=True),
            package("b", markers='extra == "slow" or sys_platform == "win32"', optional=True),
            own_extras={"fast": ["a"], "slow": ["b"]},
        )
        assert lock.extras == ("fast", "slow")
        assert wanted(lock, Selection()) == ""
        assert wanted(lock, extras("fast")) == "a==1.0"
        assert wanted(lock) == "a==1.0 b==1.0"
        assert wanted(lock, Selection(), "windows-amd64") == "b==1.0"

    def test_two_versions_by_marker(self) -> None:
        lock = self.lock(
            package("a", "1.0", markers='python_version < "3.12"'),
            package("a", "2.0", markers='python_version >= "3.12"'),
        )
        assert (wanted(lock, python="3.11"), wanted(lock, python="3.12")) == ("a==1.0", "a==2.0")

    @pytest.mark.parametrize(
        "markers", [5, ["x"], {"main": 5}, "python_version", "foo == 'x'", 'os_name ~= "posix"']
    )
    def test_markers_that_are_none_are_refused(self, markers: object) -> None:
        document = tomli.loads(poetry_lock([package("a")]))
        document["package"][0]["markers"] = markers
        assert "package[0].markers" in str(refused(tomli_w.dumps(document)))


@pytest.mark.parametrize("version", GRAPH_FORMATS)
class TestGraphs:
    """Formats up to 2.0: the walk starts at pyproject.toml."""

    def test_dependencies_are_followed_where_their_markers_hold(self, version: str) -> None:
        a = package(
            "a",
            dependencies={
                "b": ">=1",
                "c": {"version": "*", "markers": 'sys_platform == "win32"'},
                "d": {"version": "*", "python": "<3.12"},
            },
        )
        lock = read([a, package("b"), package("c"), package("d")], version, own={"a": "^1.0"})
        assert wanted(lock) == "a==1.0 b==1.0"
        assert wanted(lock, platform="windows-amd64") == "a==1.0 b==1.0 c==1.0"
        assert wanted(lock, python="3.11") == "a==1.0 b==1.0 d==1.0"

    def test_a_constraint_chooses_between_versions(self, version: str) -> None:
        a = package(
            "a",
            dependencies={
                "b": [
                    {"version": "<2", "markers": 'sys_platform == "win32"'},
                    {"version": ">=2", "markers": 'sys_platform != "win32"'},
                ]
            },
        )
        lock = read([a, package("b", "1.0"), package("b", "2.0")], version, own={"a": "*"})
        assert wanted(lock) == "a==1.0 b==2.0"
        assert wanted(lock, platform="windows-amd64") == "a==1.0 b==1.0"

    def test_a_constraint_that_nothing_fits_takes_what_is_locked(self, version: str) -> None:
        lock = read([package("a", "1.0"), package("a", "2.0")], version, own={"a": "^9"})
        assert wanted(lock) == ("a==2.0" if version in OLD_FORMATS else "a==1.0 a==2.0")

    def test_extras_of_a_dependency(self, version: str) -> None:
        a = package(
            "a",
            dependencies={
                "b": {"version": "*", "optional": True},
                "c": {"version": "*", "optional": True, "markers": 'extra == "slow"'},
            },
            extras={"Fast": ["b (>=1.0)"], "slow": ["c"], "all": ["a[fast,slow]"]},
        )
        packages = [a, package("b"), package("c")]
        assert wanted(read(packages, version, own={"a": "*"})) == "a==1.0"
        for asked, found in (
            ("fast", "b==1.0"),
            ("FAST", "b==1.0"),
            ("slow", "c==1.0"),
            ("all", "b==1.0 c==1.0"),
        ):
            lock = read(packages, version, own={"a": {"version": "*", "extras": [asked]}})
            assert wanted(lock) == f"a==1.0 {found}"

    def test_extras_asked_for_by_a_dependency(self, version: str) -> None:
        a = package("a", dependencies={"b": {"version": "*", "extras": ["fast"]}})
        b = package("b", dependencies={"c": {"version": "*", "optional": True}}, extras={"fast": ["c"]})
        assert wanted(read([a, b, package("c")], version, own={"a": "*"})) == "a==1.0 b==1.0 c==1.0"

    def test_a_dependency_on_the_project_itself(self, version: str) -> None:
        lock = read([package("a", dependencies={"Shop": "*"})], version, own={"a": "*"})
        assert wanted(lock) == "a==1.0"

    def test_without_a_pyproject_there_is_no_telling_what_is_wanted(self, version: str) -> None:
        error = refused(poetry_lock([package("a")], version=version), None)
        assert "no pyproject.toml" in str(error)
        assert error.hint

    @pytest.mark.parametrize(
        "value",
        [
            5,
            "",
            "not a version",
            [5],
            {"version": 1.5, "markers": 5},
            {"version": "*", "markers": "foo == 1"},
            {"version": "*", "markers": 'os_name ~= "posix"'},
            {"version": "*", "python": "words"},
            {"version": "*", "python": ">=3.8,<3.8"},
            {"version": "*", "extras": "fast"},
            {"version": "*", "extras": [5]},
            {"version": "*", "markers": "(" * 5_000 + "python_version > '3'" + ")" * 5_000},
        ],
    )
    def test_what_is_no_dependency_is_refused(self, version: str, value: object) -> None:
        error = refused(poetry_lock([package("a", dependencies={"b": value}), package("b")], version=version))
        assert "package[0].dependencies.b" in str(error)

    def test_extras_that_the_project_asks_of_itself(self, version: str) -> None:
        pyproject = standard_pyproject(
            dependencies=["a"],
            extras={
                "all": ["Shop[fast,slow]; sys_platform == 'linux'"],
                "fast": ["b; python_version >= '3.12'", "shop[all]"],
                "slow": ["c"],
            },
            groups={"dev": ["shop[slow]"]},
        )
        text = poetry_lock([package(name) for name in "abc"], version=version)
        lock = read_lock(project_files(text, pyproject))
        assert wanted(lock, extras("all")) == "a==1.0 b==1.0 c==1.0"
        assert wanted(lock, extras("all"), python="3.11") == "a==1.0 c==1.0"
        assert wanted(lock, extras("all"), "windows-amd64") == "a==1.0"
        assert wanted(lock, extras("fast")) == "a==1.0 b==1.0 c==1.0"
        assert wanted(lock, Selection(groups=frozenset({"dev"}))) == "a==1.0 c==1.0"

    def test_a_source_chooses_between_indexes(self, version: str) -> None:
        index = {
            name: {"type": "legacy", "url": f"https://{name}.example/simple", "reference": name}
            for name in ("cpu", "gpu")
        }
        packages = [package("a", source=index["cpu"]), package("a", source=index["gpu"]), package("a")]
        for name, url in (
            ("gpu", "https://gpu.example/simple"),
            ("CPU", "https://cpu.example/simple"),
            ("PyPI", None),
        ):
            lock = read(packages, version, own={"a": {"version": "*", "source": name}})
            target = Target(PLATFORMS["linux-x86_64"], Python(12))
            pins = pins_for_target(graph_of(lock), Selection(), target)
            assert [pin.source.url for pin in pins] == [url]

    def test_a_source_that_nothing_came_from_decides_nothing(self, version: str) -> None:
        packages = [package("a", "1.0"), package("a", "2.0")]
        lock = read(packages, version, own={"a": {"version": "<2", "source": "gone"}})
        assert wanted(lock) == "a==1.0"


@pytest.mark.parametrize("version", OLD_FORMATS)
class TestOldFormats:
    """Formats 0.x and 1.0: a package carries a condition of its own."""

    def test_a_marker_of_the_package_cuts_with_all_that_it_led_to(self, version: str) -> None:
        packages = [
            package("a", markers='sys_platform == "win32"', dependencies={"b": "*"}),
            package("b"),
        ]
        lock = read(packages, version, own={"a": "*"})
        assert wanted(lock) == ""
        assert wanted(lock, platform="windows-amd64") == "a==1.0 b==1.0"

    def test_the_pythons_of_the_package_cut(self, version: str) -> None:
        lock = read([package("a", python=">=2.7, !=3.0.*, <3.12")], version)
        assert (wanted(lock, python="3.11"), wanted(lock, python="3.12")) == ("a==1.0", "")

    def test_requirements_of_the_package_cut(self, version: str) -> None:
        document = tomli.loads(poetry_lock([package("a")], version=version))
        document["package"][0]["requirements"] = {"python": "<3.12", "platform": "win32"}
        lock = read_lock(project_files(tomli_w.dumps(document), poetry_pyproject(dependencies={"a": "*"})))
        assert wanted(lock, python="3.11") == ""
        assert wanted(lock, platform="windows-amd64", python="3.11") == "a==1.0"
        assert wanted(lock, platform="windows-amd64", python="3.12") == ""

    def test_of_several_versions_the_newest_that_python_allows(self, version: str) -> None:
        packages = [
            package("a", "1.0"),
            package("a", "3.0", python=">=3.12"),
            package("a", "2.0", markers='python_version < "3.11"'),
        ]
        lock = read(packages, version, own={"a": ">=1"})
        assert wanted(lock, python="3.12") == "a==3.0"
        assert wanted(lock, python="3.11") == ""
        assert wanted(lock, python="3.10") == "a==2.0"

    def test_an_extra_in_the_marker_of_a_package_counts_as_chosen(self, version: str) -> None:
        marker = 'extra == "fast" and sys_platform == "win32"'
        lock = read([package("a", markers=marker)], version)
        assert (wanted(lock), wanted(lock, platform="windows-amd64")) == ("", "a==1.0")

    def test_a_marker_that_never_holds(self, version: str) -> None:
        marker = 'python_version < "3" and python_version > "4"'
        assert wanted(read([package("a", markers=marker), package("b")], version)) == "b==1.0"

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("marker", 5),
            ("marker", "python_version"),
            ("marker", "foo == 'x'"),
            ("python-versions", 5),
            ("python-versions", "words"),
            ("python-versions", "<2,>=3"),
            ("requirements", "x"),
            ("requirements", {"python": 5}),
            ("requirements", {"python": "words"}),
        ],
    )
    def test_conditions_that_are_none(self, version: str, key: str, value: object) -> None:
        document = tomli.loads(poetry_lock([package("a")], version=version))
        document["package"][0][key] = value
        assert f"package[0].{key}" in str(refused(tomli_w.dumps(document)))


class TestHashesWithoutNames:
    """Format 0.x knows digests alone."""

    def test_they_are_kept_as_they_are(self) -> None:
        digests = sorted(map(digest_of, "xy"))
        (pin,) = read([package("Demo.Lib", files=dict(zip("xy", digests, strict=True)))], "0.x").pins
        assert (pin.files, pin.hashes, pin.unhashed) == ((), tuple(digests), False)

    @pytest.mark.parametrize("hashes", [5, "x", [5], ["00"], ["md5:" + "0" * 32], {"x": "y"}])
    def test_what_is_no_list_of_digests(self, hashes: object) -> None:
        document = tomli.loads(poetry_lock([package("a")], version="0.x"))
        document["metadata"]["hashes"]["a"] = hashes
        assert "metadata.hashes.a" in str(refused(tomli_w.dumps(document)))


class TestNamesOfFiles:
    @pytest.mark.parametrize("version", NAMED)
    def test_a_wheel_of_another_project_is_refused(self, version: str) -> None:
        error = refused(with_entry({"file": "b-1.0-py3-none-any.whl", "hash": SHA256}, version))
        assert "b-1.0-py3-none-any.whl is a wheel of b, listed for a" in str(error)
        assert error.facts["file"] == "b-1.0-py3-none-any.whl"

    @pytest.mark.parametrize("file", ["b-1.0.tar.gz", "a-2.0-py3-none-any.whl", "A-1.0+x-1.zip"])
    def test_what_only_looks_foreign_is_told(self, file: str) -> None:
        lock = read_lock(project_files(with_entry({"file": file, "hash": SHA256})))
        expected = () if file.startswith("A") else (f"{STRANGE} {file} for a==1.0",)
        assert ([each.name for each in lock.pins[0].files], lock.warnings) == ([file], expected)

    @pytest.mark.parametrize(
        "file",
        [
            "a-1.0-py3-none-any.whl",
            "A-1.0-1-py3-none-any.whl",
            "a-1.0+cu123torch2.4-cp310-cp310-linux_x86_64.whl",
            "a-v1.0.tar.bz2",
            "a-1.0-py2.7.egg",
            "a-1.0.win32-py2.7.exe",
            "a-1.0.linux-x86_64.tar.gz",
        ],
    )
    def test_what_is_named_like_the_pin_is_not(self, file: str) -> None:
        assert read_lock(project_files(with_entry({"file": file, "hash": SHA256}))).warnings == ()

    def test_several_are_told_at_once(self) -> None:
        files = {f"a-{version}-py3-none-any.whl": digest_of(version) for version in ("2.0", "1.0", "3.0")}
        (warning,) = read([package("a", files=files)]).warnings
        assert warning == f"{STRANGE} a-2.0-py3-none-any.whl for a==1.0 and 1 more"


class TestRefusals:
    @pytest.mark.parametrize("version", NAMED)
    @pytest.mark.parametrize(
        "name",
        [
            "../a-1.0.tar.gz",
            "..%2fa-1.0.tar.gz",
            "x/a-1.0.tar.gz",
            "/a.whl",
            "..",
            "",
            "a b.whl",
            "a\n.whl",
            "x\\a.whl",
        ],
    )
    def test_unsafe_file_names(self, version: str, name: str) -> None:
        error = refused(with_entry({"file": name, "hash": f"sha256:{digest_of('a')}"}, version))
        assert "not a safe file name" in str(error)
        assert error.facts["file"] == name

    @pytest.mark.parametrize("version", NAMED)
    @pytest.mark.parametrize(
        "digest",
        [
            "",
            "sha256:",
            "sha256:00",
            "md5:" + "0" * 32,
            "sha512:" + "0" * 128,
            "0" * 64,
            "sha256:" + "F" * 64,
        ],
    )
    def test_hashes_that_are_no_sha256(self, version: str, digest: str) -> None:
        error = refused(with_entry({"file": "a-1.0.tar.gz", "hash": digest}, version))
        assert "sha256" in str(error)
        assert error.facts["file"] == "a-1.0.tar.gz"

    @pytest.mark.parametrize("version", NAMED)
    @pytest.mark.parametrize(
        ("entry", "key"),
        [
            ({"file": "a-1.0.tar.gz"}, "hash"),
            ({"hash": f"sha256:{digest_of('a')}"}, "file"),
            ({"file": 5, "hash": "x"}, "file"),
            ({"file": "a", "hash": 5}, "hash"),
            ("a-1.0.tar.gz", ""),
        ],
    )
    def test_entries_that_lack_something(self, version: str, entry: object, key: str) -> None:
        assert key in str(refused(with_entry(entry, version)))

    @pytest.mark.parametrize("version", NAMED)
    @pytest.mark.parametrize("twin", ["a", "A"])
    def test_the_same_package_twice(self, version: str, twin: str) -> None:
        error = refused(poetry_lock([package("a"), package("b"), package(twin)], version=version))
        assert "a==1.0 is locked twice" in str(error)
        assert error.facts["package"] == "a==1.0"

    @pytest.mark.parametrize("version", NAMED)
    def test_a_dependency_without_its_pin(self, version: str) -> None:
        error = refused(poetry_lock([package("a", dependencies={"gone": ">=1"})], version=version))
        assert "a==1.0 needs gone, which is not in the lock" in str(error)
        assert error.facts["package"] == "a==1.0"

    @pytest.mark.parametrize("version", NAMED)
    def test_dependencies_that_may_be_left_out_need_no_pin(self, version: str) -> None:
        dependencies = {
            "b": {"version": "*", "markers": 'python_version < "3"'},
            "c": {"version": "*", "optional": True},
        }
        assert wanted(read([package("a", dependencies=dependencies)], version)) == "a==1.0"

    @pytest.mark.parametrize("version", ["3.0", "10.0", "2!1.0", "0.9"])
    def test_an_unknown_major_version(self, version: str) -> None:
        assert f"metadata.lock-version: {version} is not known here" in str(
            refused(changed(lock_version=version))
        )

    def test_a_version_that_is_missing_or_none(self) -> None:
        assert "lock-version: missing" in str(refused(changed(lock_version=None)))
        assert "'two' is not a version" in str(refused(changed(lock_version="two")))
        assert "expected text" in str(refused(changed(lock_version=2.1)))

    @pytest.mark.parametrize("constraint", ["words", "", ">=3.8,<3.8", "==", 3])
    def test_constraints_on_python_that_are_none(self, constraint: object) -> None:
        assert "metadata.python-versions" in str(refused(changed(python_versions=constraint)))

    @pytest.mark.parametrize("version", NAMED)
    def test_missing_metadata(self, version: str) -> None:
        document = tomli.loads(poetry_lock([package("a")], version=version))
        del document["metadata"]
        assert "cut short" in str(refused(tomli_w.dumps(document)))

    @pytest.mark.parametrize("version", NAMED)
    @pytest.mark.parametrize("ends_with", ["[[package]]", "[metadata]"])
    def test_a_lock_that_was_cut_between_tables(self, version: str, ends_with: str) -> None:
        text = poetry_lock([package("a"), package("b")], version=version)
        assert "cut short" in str(refused(text[: text.rindex(ends_with)]))

    @pytest.mark.parametrize("version", NAMED)
    def test_a_lock_that_was_cut_within_a_word(self, version: str) -> None:
        text = poetry_lock([package("a"), package("b")], version=version)
        assert "not valid TOML" in str(refused(text[: text.index('"b"') + 2]))

    def test_a_merge_conflict_is_named_with_its_line(self) -> None:
        text = poetry_lock([package("a")]).replace("[metadata]", "<<<<<<< HEAD\n[metadata]")
        assert refused(text).facts["line"] == text[: text.index("<<<")].count("\n") + 1

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("name", 5),
            ("name", "no name!"),
            ("name", ""),
            ("version", "one"),
            ("version", 1.0),
            ("files", "x"),
            ("files", {"a": "b"}),
            ("groups", "main"),
            ("groups", [5]),
            ("dependencies", ["b"]),
            ("source", "x"),
            ("source", {"type": "svn", "url": "x"}),
            ("source", {"type": "git"}),
            ("source", {"type": 5, "url": "x"}),
        ],
    )
    def test_values_of_another_kind(self, key: str, value: object) -> None:
        document = tomli.loads(poetry_lock([package("a")]))
        document["package"][0][key] = value
        assert f"package[0].{key}" in str(refused(tomli_w.dumps(document)))

    @pytest.mark.parametrize(
        "text",
        [
            'package = 5\n[metadata]\ncontent-hash = "x"\nlock-version = "2.1"\n',
            "package = []\nmetadata = 5\n",
            "package = [1]\n[metadata]\ncontent-hash = ''\nlock-version = '2.1'\n",
        ],
    )
    def test_tables_of_another_kind(self, text: str) -> None:
        assert "expected a" in str(refused(text))

    @pytest.mark.parametrize("extras", [5, {"x": 5}, {"x": [5]}])
    def test_extras_of_another_kind(self, extras: object) -> None:
        document = {**tomli.loads(poetry_lock([package("a")])), "extras": extras}
        if isinstance(extras, dict):
            assert read_lock(project_files(tomli_w.dumps(document))).extras == (
                "x",
            )  # names are all it takes
        else:
            assert "extras" in str(refused(tomli_w.dumps(document)))

    def test_a_pyproject_that_is_broken_is_named_itself(self) -> None:
        with pytest.raises(LockError, match=r"^shop/pyproject\.toml:1: not valid TOML"):
            read_lock(project_files(poetry_lock([package("a")]), "= 5\n"))


def whole(version: str) -> bytes:
    """A lock with everything that a lock may have."""
    two_versions = [
        {"version": "<2", "markers": 'sys_platform == "win32"'},
        {"version": ">=2", "optional": True},
    ]
    index = {"type": "legacy", "url": "https://index.example/simple", "reference": "index"}
    git = {"type": "git", "url": "https://git.example/d", "reference": "main"}
    packages = [
        package(
            "a",
            dependencies={"b": ">=1.0", "c": two_versions},
            extras={"fast": ["c (>=2)"]},
            groups=["main", "dev"],
            markers={"dev": 'python_version < "3.12"'},
        ),
        package("b", "2.0+cpu", markers='extra == "x"', optional=True, source=index),
        package("c", files={name: digest_of(name) for name in ("c-1.0.tar.gz", "c-1.0-py3-none-any.whl")}),
        package("d", source=git, files={}, groups=["dev"]),
    ]
    return poetry_lock(packages, version=version, extras={"x": ["b"]}).encode()


VALUES = (
    "5",
    "true",
    '""',
    '"../../x"',
    '"<empty>"',
    '"=="',
    '"\\u0000"',
    "[]",
    "[[]]",
    "{}",
    "1979-05-27T07:32:00Z",
    "nan",
    '{ file = "../../a-1.0.tar.gz", hash = "sha256:' + "0" * 64 + '" }',
    '[{ file = "..%2fa-1.0.tar.gz", hash = "sha256:' + "0" * 64 + '" }]',
    "'python_version == \"3\" and ('",
    "'extra ~= \"x\"'",
)


@st.composite
def mutilated(draw: st.DrawFn) -> bytes:
    """A lock after an accident: cut, a line lost, doubled, replaced or moved, bytes changed."""
    content = whole(draw(st.sampled_from(EVERY)))
    lines = content.splitlines(keepends=True)
    at = draw(st.integers(0, len(lines) - 1))
    accident = draw(st.sampled_from(("cut", "lose", "double", "replace", "move", "value", "bytes")))
    if accident == "cut":
        return content[: draw(st.integers(0, len(content)))]
    if accident == "bytes":
        changed = bytearray(content)
        for place, byte in draw(
            st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=4)
        ):
            changed[place] = byte
        return bytes(changed)
    if accident == "value":
        key = lines[at].partition(b"=")[0]
        lines[at] = key + b"= " + draw(st.sampled_from(VALUES)).encode() + b"\n"
    elif accident == "replace":
        lines[at] = lines[draw(st.integers(0, len(lines) - 1))]
    elif accident == "move":
        lines.insert(draw(st.integers(0, len(lines) - 1)), lines.pop(at))
    else:
        lines[at] = lines[at] * (0 if accident == "lose" else 2)
    return b"".join(lines)


def lock_or_error(content: bytes, pyproject: str) -> Lock | MirrorError:
    try:
        return read_lock(project_files(content, pyproject))
    except MirrorError as error:
        return error


@settings(deadline=None, max_examples=400)
@given(mutilated())
def test_after_any_accident_it_is_a_safe_lock_or_refused(content: bytes) -> None:
    pyproject = poetry_pyproject(
        dependencies={
            "a": {"version": "*", "extras": ["fast"]},
            "b": {"version": "*", "optional": True},
            "d": "*",
        },
        extras={"x": ["b"]},
        groups={"dev": {"c": "*"}},
    )
    found = lock_or_error(content, pyproject)
    if isinstance(found, MirrorError):
        assert "\n" not in str(found)
        assert found.facts["lock"] == PATH
    else:
        files = [file for pin in found.pins for file in pin.files]
        assert all(is_safe_file_name(file.name) and is_sha256(file.sha256) for file in files)
        assert len({pin.key for pin in found.pins}) == len(found.pins)
        assert set(wanted(found).split()) <= {pin.label for pin in found.pins}
        assert set(pin_conditions(found, everything(found))) <= {pin.key for pin in found.pins}
        assert str(SpecifierSet(found.requires_python)) != "<empty>"


def test_before_any_accident_it_is_a_lock() -> None:
    for version in EVERY:
        assert len(read_lock(project_files(whole(version), poetry_pyproject())).pins) == 4
