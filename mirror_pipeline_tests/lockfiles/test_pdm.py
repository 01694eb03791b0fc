"""pdm.lock from lock_version 2 to 4.5: what is read, what is refused, and that nothing else can happen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
import tomli
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.markers import Marker

from mirror_pipeline.domain.artifact import is_safe_file_name
from mirror_pipeline.domain.conditions import pin_conditions
from mirror_pipeline.domain.lock import Lock, Selection, Source, everything
from mirror_pipeline.domain.reach import graph_of, pins_for_target, reachable, satisfies
from mirror_pipeline.domain.target import (
    DEFAULT_PLATFORMS,
    PLATFORMS,
    Python,
    Target,
    known_pythons,
    targets_of,
)
from mirror_pipeline.errors import LockError
from mirror_pipeline.lockfiles.formats import read_lock
from mirror_pipeline_tests.locks import digest_of
from mirror_pipeline_tests.pdm_locks import (
    FILES_AT,
    LISTED,
    VERSIONS,
    WALKED,
    Locked,
    locked,
    pdm_document,
    pdm_files,
    pdm_lock,
    pdm_pyproject,
)

PATH = "shop/pdm.lock"
WINDOWS = 'sys_platform == "win32"'


def wanted(
    lock: Lock, selection: Selection | None = None, platform: str = "linux-x86_64", python: str = "3.12"
) -> str:
    """What a target installs, as one line."""
    target = Target(PLATFORMS[platform], Python.parse(python))
    chosen = everything(lock) if selection is None else selection
    return " ".join(sorted(pin.label for pin in pins_for_target(graph_of(lock), chosen, target)))


def extras(*names: str) -> Selection:
    return Selection(extras=frozenset(names))


def groups(*names: str) -> Selection:
    return Selection(groups=frozenset(names))


def read(packages: Sequence[Locked], pyproject: str | None = None, **options: Any) -> Lock:
    """Read a lock with a pyproject.toml beside it that wants every package, or is the one given."""
    beside = pdm_pyproject(dependencies=[item.name for item in packages if not item.extras])
    return read_lock(pdm_files(pdm_lock(packages, **options), pyproject or beside))


def alone(packages: Sequence[Locked], **options: Any) -> Lock:
    return read_lock(pdm_files(pdm_lock(packages, **options)))


def refused(document: Mapping[str, Any] | str, pyproject: str | None = None) -> LockError:
    text = document if isinstance(document, str) else tomli_w.dumps(document)
    with pytest.raises(LockError) as caught:
        read_lock(pdm_files(text, pyproject or pdm_pyproject(dependencies=["a"])))
    error = caught.value
    assert "\n" not in str(error)
    assert len(str(error)) < 500
    return error


def with_package(version: str = "4.5.0", /, **values: object) -> dict[str, Any]:
    """A lock of one package with some of its values replaced."""
    document = pdm_document([locked("a")], version=version)
    document["package"][0].update(values)
    return document


@pytest.mark.parametrize("version", VERSIONS)
class TestEveryVersion:
    def test_the_lock_itself(self, version: str) -> None:
        lock = read([locked("a")], version=version)
        assert (lock.project, lock.format, lock.format_version) == ("shop", "pdm", version)
        assert (lock.requires_python, lock.warnings, lock.environments) == (">=3.10", (), ())
        assert (lock.groups, lock.extras) == ((), ())
        assert wanted(lock) == "a==1.0"

    def test_pins_with_their_files(self, version: str) -> None:
        files = {
            "Demo_Lib-1.0+cpu-py3-none-any.whl": digest_of("wheel"),
            "demo-lib-1.0+cpu.tar.gz": digest_of("sdist"),
        }
        (pin,) = read([locked("Demo.Lib", "1.0+cpu", files=files)], version=version).pins
        assert (pin.key, pin.name, pin.label) == ("demo-lib==1.0+cpu", "demo-lib", "demo-lib==1.0+cpu")
        assert {file.name: file.sha256 for file in pin.files} == files
        assert (pin.source, pin.unhashed, pin.hashes) == (Source(), False, ())

    def test_windows_line_ends_and_a_byte_order_mark(self, version: str) -> None:
        text = pdm_lock([locked("a"), locked("b")], version=version)
        pyproject = pdm_pyproject(dependencies=["a", "b"])
        plain, other = (
            read_lock(pdm_files(content, pyproject))
            for content in (text.encode(), b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
        )
        assert plain == other

    def test_no_packages(self, version: str) -> None:
        lock = read([], version=version)
        assert (lock.pins, lock.edges) == ((), ())

    def test_an_entry_with_extras_is_the_same_pin(self, version: str) -> None:
        more = {"a-1.0-py3-none-any.whl": digest_of("a-1.0-py3-none-any.whl"), "a-1.0.tar.gz": digest_of("s")}
        lock = read(
            [locked("a"), locked("a", extras=["fast"], dependencies=["a==1.0"], files=more)], version=version
        )
        (pin,) = lock.pins
        assert sorted(file.name for file in pin.files) == sorted(more)

    def test_a_pin_without_any_hash_says_so(self, version: str) -> None:
        assert read([locked("a", files={})], version=version).pins[0].unhashed

    def test_entries_of_one_pin_with_different_hashes_are_refused(self, version: str) -> None:
        if version in ("2", "3.1", "4.2"):  # one list for both
            document = pdm_document([locked("a")], version=version)
            document["metadata"]["files"]["a[fast] 1.0"] = document["metadata"]["files"]["a 1.0"]
            assert len(read_lock(pdm_files(tomli_w.dumps(document), pdm_pyproject())).pins[0].files) == 1
            return
        other = {"a-1.0-py3-none-any.whl": digest_of("another")}
        document = pdm_document([locked("a"), locked("a", extras=["x"], files=other)], version=version)
        assert "a[x]==1.0: a-1.0-py3-none-any.whl is locked with another hash too" in str(refused(document))

    def test_the_same_entry_twice_is_refused(self, version: str) -> None:
        error = refused(pdm_document([locked("a"), locked("b"), locked("A")], version=version))
        assert "package[2].name: a==1.0 is locked twice" in str(error)
        assert error.facts["package"] == "a==1.0"

    def test_a_dependency_that_is_not_locked(self, version: str) -> None:
        document = pdm_document([locked("a", dependencies=["gone>=1"])], version=version)
        problem = "package[0].dependencies.gone: a==1.0 needs gone, which is not in the lock"
        if list(document)[-1] == "metadata":  # nothing was cut off behind it
            lock = read_lock(pdm_files(tomli_w.dumps(document), pdm_pyproject(dependencies=["a"])))
            assert problem in lock.warnings[0]
            assert wanted(lock) == "a==1.0"
        else:
            assert problem in str(refused(document))
            assert "cut short" in refused(document).hint

    @pytest.mark.parametrize("dependency", [f"gone; {WINDOWS}", "shop>=1", "Shop[x]", "never"])
    def test_dependencies_that_may_be_missing(self, version: str, dependency: str) -> None:
        pyproject = pdm_pyproject("Shop", dependencies=["a"], excludes=["Never"])
        lock = read([locked("a", dependencies=[dependency])], pyproject, version=version)
        assert (wanted(lock), lock.warnings) == ("a==1.0", ())

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ({"url": "https://f.example/a-1.0.zip#sha256=1"}, Source("url", "https://f.example/a-1.0.zip")),
            (
                {"git": "https://g.example/a", "ref": "m", "revision": "1"},
                Source("git", "https://g.example/a"),
            ),
            ({"hg": "https://h.example/a"}, Source("git", "hg+https://h.example/a")),
            ({"path": "./dist/a-1.0.whl"}, Source("path", "./dist/a-1.0.whl")),
            ({"path": "./a", "subdirectory": "b"}, Source("directory", "./a")),
            ({"path": "./a", "editable": True}, Source("editable", "./a")),
            ({"url": "file:///${PROJECT_ROOT}/a"}, Source("directory", "file:///${PROJECT_ROOT}/a")),
        ],
    )
    def test_sources(self, version: str, source: Mapping[str, Any], expected: Source) -> None:
        (pin,) = read([locked("a", source=source)], version=version).pins
        assert pin.source == expected
        assert pin.key == f"a==1.0 @ {expected.url}"

    def test_a_folder_may_be_locked_as_it_is_and_editable(self, version: str) -> None:
        packages = [
            locked("a", source={"path": "./a"}),
            locked("a", source={"path": "./a", "editable": True}),
        ]
        (pin,) = read(packages, version=version).pins
        assert pin.source == Source("directory", "./a")

    def test_what_lies_outside_needs_neither_hash_nor_version(self, version: str) -> None:
        document = pdm_document([locked("a", files={}, source={"path": "./a"})], version=version)
        del document["package"][0]["version"]
        (pin,) = read_lock(pdm_files(tomli_w.dumps(document), pdm_pyproject())).pins
        assert (str(pin.version), pin.unhashed) == ("0", False)

    @pytest.mark.parametrize("name", ["..%2fa-1.0.whl", "", ".hidden", "a%00"])
    def test_an_unsafe_file_name_is_refused(self, version: str, name: str) -> None:
        error = refused(pdm_document([locked("a", files={name: digest_of("a")})], version=version))
        assert "is not a safe file name" in str(error)
        assert str(error).startswith(PATH)

    def test_a_hash_that_is_none_is_refused(self, version: str) -> None:
        error = refused(pdm_document([locked("a", files={"a-1.0.zip": "abc"})], version=version))
        assert "hash: a-1.0.zip: expected sha256:" in str(error)


class TestVersions:
    @pytest.mark.parametrize("version", ["1", "0.9", "1.4"])
    def test_older_ones_are_refused(self, version: str) -> None:
        error = refused(pdm_document([locked("a")], version=version))
        assert f"metadata.lock_version: {version} is older than 2" in str(error)
        assert error.hint == "run 'pdm lock'"

    @pytest.mark.parametrize("version", ["5", "5.0.1", "17"])
    def test_unknown_ones_are_refused(self, version: str) -> None:
        error = refused(pdm_document([locked("a")], version=version))
        assert f"metadata.lock_version: {version} is not known here (newest: 4.5)" in str(error)
        assert error.hint

    def test_a_newer_minor_one_is_read_with_a_warning(self) -> None:
        lock = alone([locked("a")], version="4.9", strategy=["inherit_metadata"])
        assert lock.warnings == (f"{PATH}: lock_version 4.9 is newer than 4.5: read as 4.5",)
        assert wanted(lock) == "a==1.0"

    @pytest.mark.parametrize("version", ["4.5.1", "4.5.7", "3.0", "4.1"])
    def test_others_of_a_known_one_are_read(self, version: str) -> None:
        assert read([locked("a")], version=version).warnings == ()

    @pytest.mark.parametrize("value", [4, True, [], "x", ""])
    def test_what_is_no_version_is_refused(self, value: object) -> None:
        document = pdm_document([locked("a")])
        document["metadata"]["lock_version"] = value
        assert "metadata.lock_version" in str(refused(document))

    @pytest.mark.parametrize(
        "metadata", [{"strategy": ["static_urls"]}, {"strategy": []}, {"cross_platform": False}]
    )
    def test_a_lock_for_one_machine_is_read_with_a_warning(self, metadata: Mapping[str, Any]) -> None:
        document = pdm_document([locked("a")], version="4.4")
        del document["metadata"]["strategy"]
        document["metadata"].update(metadata)
        lock = read_lock(pdm_files(tomli_w.dumps(document), pdm_pyproject(dependencies=["a"])))
        assert "for the platform and the Python of one machine only" in lock.warnings[0]


class TestFiles:
    @pytest.mark.parametrize("version", ["4.2", "4.3", "4.5.0"])
    def test_a_static_url_tells_name_and_place(self, version: str) -> None:
        files = {"a-1.0%2Bcpu-py3-none-any.whl": digest_of("a")}
        strategy = ["static_urls", "inherit_metadata"]
        (pin,) = read([locked("a", "1.0+cpu", files=files)], version=version, strategy=strategy).pins
        (file,) = pin.files
        assert file.name == "a-1.0+cpu-py3-none-any.whl"
        assert file.url == f"{FILES_AT}/a-1.0%2Bcpu-py3-none-any.whl"

    def test_a_file_without_hash_is_left_to_the_index(self) -> None:
        entries = [{"file": "a-1.0.zip"}, {"file": "a-1.0.whl", "hash": f"sha256:{digest_of('a')}"}]
        (pin,) = read_lock(pdm_files(tomli_w.dumps(with_package(files=entries)))).pins
        assert [file.name for file in pin.files] == ["a-1.0.whl"]
        assert pin.unhashed

    @pytest.mark.parametrize(
        "entry", [{"file": "../x"}, {"url": "https://[x/a.whl"}, {"hash": "sha256:00"}, "x", 7, {"file": 1}]
    )
    def test_what_is_no_file_is_refused(self, entry: object) -> None:
        assert "package[0].files" in str(refused(with_package(files=[entry])))

    def test_lists_of_entries_with_extras_are_the_pins_too(self) -> None:
        document = pdm_document([locked("A.b", files={"a_b-1.0.zip": digest_of("z")})], version="2")
        document["metadata"]["files"]["a-b[x] 1.0"] = [
            {"file": "a_b-1.0.whl", "hash": f"sha256:{digest_of('w')}"}
        ]
        (pin,) = read_lock(pdm_files(tomli_w.dumps(document))).pins
        assert {file.name for file in pin.files} == {"a_b-1.0.zip", "a_b-1.0.whl"}


@pytest.mark.parametrize("version", LISTED)
class TestGroupsAndMarkers:
    """Versions that record both: no graph is walked, and what packages need says nothing."""

    def test_groups(self, version: str) -> None:
        packages = [
            locked("a", dependencies=["b"]),
            locked("b", groups=["Dev_Tools"]),
            locked("c", groups=["default", "Dev_Tools"]),
            locked("d", groups=[]),
        ]
        lock = alone(packages, version=version)
        assert (lock.groups, lock.extras) == (("dev-tools",), ())
        assert wanted(lock, Selection()) == "a==1.0 c==1.0 d==1.0"
        assert wanted(lock) == "a==1.0 b==1.0 c==1.0 d==1.0"

    def test_pyproject_tells_extras_from_groups(self, version: str) -> None:
        pyproject = pdm_pyproject(extras={"Fast_Path": ["a"]}, groups={"dev": ["b"]})
        lock = read(
            [locked("a", groups=["fast-path"]), locked("b", groups=["dev"])], pyproject, version=version
        )
        assert (lock.groups, lock.extras) == (("dev",), ("fast-path",))
        assert wanted(lock, Selection()) == ""
        assert wanted(lock, extras("fast-path")) == "a==1.0"
        assert wanted(lock, groups("dev")) == "b==1.0"

    def test_a_marker_holds_in_all_groups(self, version: str) -> None:
        lock = alone([locked("a", groups=["default", "dev"], marker=WINDOWS)], version=version)
        assert wanted(lock) == ""
        assert wanted(lock, Selection(), "windows-amd64") == "a==1.0"

    def test_entries_with_extras_have_groups_of_their_own(self, version: str) -> None:
        packages = [locked("a", groups=["dev"]), locked("a", extras=["x"], marker=WINDOWS)]
        lock = alone(packages, version=version)
        assert (wanted(lock, Selection()), wanted(lock, groups("dev"))) == ("", "a==1.0")
        assert wanted(lock, Selection(), "windows-amd64") == "a==1.0"

    def test_two_versions_by_marker(self, version: str) -> None:
        packages = [
            locked("a", "1.0", marker='python_version < "3.12"'),
            locked("a", "2.0", marker='python_version >= "3.12"'),
        ]
        lock = alone(packages, version=version)
        assert (wanted(lock, python="3.11"), wanted(lock, python="3.12")) == ("a==1.0", "a==2.0")

    def test_excluded_projects_are_not_installed(self, version: str) -> None:
        pyproject = pdm_pyproject(excludes=["A"])
        assert wanted(read([locked("a"), locked("b")], pyproject, version=version)) == "b==1.0"

    @pytest.mark.parametrize("marker", ["python_version", "foo == 'x'", 5, ["x"]])
    def test_markers_that_are_none_are_refused(self, version: str, marker: object) -> None:
        assert "package[0].marker" in str(refused(with_package(version, marker=marker)))

    @pytest.mark.parametrize("value", ["default", [1], 3])
    def test_groups_that_are_no_list_of_names_are_refused(self, version: str, value: object) -> None:
        key = "sections" if version == "2" else "groups"
        assert f"package[0].{key}" in str(refused(with_package(version, **{key: value})))


@pytest.mark.parametrize("version", [*WALKED, "4.5.0"])
class TestGraphs:
    """Versions and strategies that record no groups for packages: the walk starts at pyproject.toml."""

    def walk(self, version: str, packages: Sequence[Locked], **own: Any) -> Lock:
        strategy = () if version == "4.5.0" else None
        names = ["default", *own.get("extras", {}), *own.get("groups", {}), *own.get("dev_dependencies", {})]
        return read(packages, pdm_pyproject(**own), version=version, strategy=strategy, groups=names)

    def test_dependencies_are_followed_where_their_markers_hold(self, version: str) -> None:
        a = locked("a", dependencies=["B>=1", f"c; {WINDOWS}", 'd<2,>=1.*; python_version < "3.12"'])
        packages = [a, locked("b"), locked("c"), locked("d"), locked("e")]
        lock = self.walk(version, packages, dependencies=["a>=1"])
        assert wanted(lock) == "a==1.0 b==1.0"
        assert wanted(lock, platform="windows-amd64") == "a==1.0 b==1.0 c==1.0"
        assert wanted(lock, python="3.11") == "a==1.0 b==1.0 d==1.0"

    def test_extras_lead_to_the_entry_that_has_them(self, version: str) -> None:
        packages = [
            locked("a"),
            locked("a", extras=["X_y"], dependencies=["a==1.0", "b"]),
            locked("a", extras=["x-y", "z"], dependencies=["a==1.0", "b", "c", "d"]),
            locked("a", extras=["z"], dependencies=["c"]),
            *map(locked, "bcd"),
        ]
        found = {
            asked: wanted(self.walk(version, packages, dependencies=[asked]))
            for asked in ("a", "a[x-Y]", "a[z]", "a[Z, x_y]", "a[unknown]", "a[unknown,z]")
        }
        assert found == {
            "a": "a==1.0",
            "a[x-Y]": "a==1.0 b==1.0",
            "a[z]": "a==1.0 c==1.0",
            "a[Z, x_y]": "a==1.0 b==1.0 c==1.0 d==1.0",
            "a[unknown]": "a==1.0",
            "a[unknown,z]": "a==1.0 c==1.0",
        }

    def test_groups_and_extras_of_the_project(self, version: str) -> None:
        lock = self.walk(
            version,
            [*map(locked, "abcdef")],
            dependencies=["a"],
            extras={"Fast_Path": ["b"], "all": ["shop[fast-path]", "c"]},
            groups={"dev": ["d", {"include-group": "Lint"}], "lint": ["e"]},
            dev_dependencies={"dev": ["f"], "docs": ["shop[fast_path]"]},
        )
        assert (lock.groups, lock.extras) == (("dev", "docs", "lint"), ("all", "fast-path"))
        found = {name: wanted(lock, groups(name) | extras(name)) for name in (*lock.groups, *lock.extras)}
        assert found == {
            "dev": "a==1.0 d==1.0 e==1.0 f==1.0",
            "docs": "a==1.0 b==1.0",
            "lint": "a==1.0 e==1.0",
            "all": "a==1.0 b==1.0 c==1.0",
            "fast-path": "a==1.0 b==1.0",
        }

    def test_extras_that_ask_for_each_other_end(self, version: str) -> None:
        own_extras = {"a": ["a", "shop[b]"], "b": [f"b; {WINDOWS}", f"shop[a]; {WINDOWS}"]}
        lock = self.walk(version, [locked("a"), locked("b")], extras=own_extras)
        assert wanted(lock, extras("a")) == "a==1.0"
        assert wanted(lock, extras("b"), "windows-amd64") == "a==1.0 b==1.0"
        assert wanted(lock, extras("b")) == ""

    def test_a_group_has_the_name_of_an_extra(self, version: str) -> None:
        lock = self.walk(version, [locked("a"), locked("b")], extras={"x": ["a"]}, groups={"X": ["b"]})
        assert (lock.groups, lock.extras) == ((), ("x",))
        assert wanted(lock) == "a==1.0"

    def test_lines_as_pip_takes_them(self, version: str) -> None:
        packages = [
            locked("a", source={"path": "./libs/a", "editable": True}, dependencies=["b"]),
            locked("b"),
            locked("c", source={"git": "https://g.example/c"}),
            locked("d", source={"path": "./d.zip"}),
            locked(
                "e", source={"url": "https://f.example/e.zip"}, dependencies=["c @ git+https://g.example/c"]
            ),
        ]
        lines = {
            "-e file:///${PROJECT_ROOT}/libs/a#egg=a": "a==1.0 b==1.0",
            "-e file:///${PROJECT_ROOT}/libs/a": "a==1.0 b==1.0",
            "git+https://g.example/c@main#egg=c": "c==1.0",
            "./d.zip": "d==1.0",
            f"https://f.example/e.zip ; {WINDOWS}": "",
            "e @ https://f.example/e.zip": "c==1.0 e==1.0",
        }
        for line, expected in lines.items():
            lock = self.walk(version, packages, dev_dependencies={"dev": [line]})
            assert wanted(lock) == expected, line

    def test_a_specifier_chooses_between_versions(self, version: str) -> None:
        a = locked("a", dependencies=[f"b<2; {WINDOWS}", 'b>=2; sys_platform != "win32"'])
        lock = self.walk(version, [a, locked("b", "1.0"), locked("b", "2.0")], dependencies=["a"])
        assert wanted(lock) == "a==1.0 b==2.0"
        assert wanted(lock, platform="windows-amd64") == "a==1.0 b==1.0"

    def test_what_the_project_asks_decides_for_what_its_packages_ask(self, version: str) -> None:
        packages = [locked("a", dependencies=["b"]), locked("b", "1.0"), locked("b", "2.0")]
        own = ["a", 'b<2; python_version < "3.12"', 'b>=2; python_version >= "3.12"']
        lock = self.walk(version, packages, dependencies=own)
        assert wanted(lock, python="3.11") == "a==1.0 b==1.0"
        assert wanted(lock, python="3.12") == "a==1.0 b==2.0"

    def test_a_version_that_the_project_rules_out_everywhere(self, version: str) -> None:
        packages = [
            locked("a", dependencies=["b"]),
            locked("b", "1.0"),
            locked("b", "2.0"),
            locked("b", "3.0"),
        ]
        lock = self.walk(version, packages, dependencies=["a", "b<3", f"b<2; {WINDOWS}"])
        assert wanted(lock) == "a==1.0 b==1.0 b==2.0"
        assert wanted(lock, platform="windows-amd64") == "a==1.0 b==1.0"

    def test_of_several_versions_those_count_that_run_on_the_python(self, version: str) -> None:
        old, new = locked("b", "1.0", requires_python="<3.12"), locked("b", "2.0", requires_python=">=3.12")
        lock = self.walk(version, [old, new], dependencies=["b"])
        assert (wanted(lock, python="3.11"), wanted(lock, python="3.12")) == ("b==1.0", "b==2.0")

    def test_a_version_that_none_asks_for_is_taken_all_the_same(self, version: str) -> None:
        packages = [locked("a", "1.0"), locked("a", "2.0")]
        assert wanted(self.walk(version, packages, dependencies=["a>=3"])) == "a==1.0 a==2.0"

    def test_without_pyproject_it_is_refused(self, version: str) -> None:
        strategy = () if version == "4.5.0" else None
        with pytest.raises(LockError, match=r"records no groups, and there is no pyproject\.toml") as caught:
            alone([locked("a")], version=version, strategy=strategy)
        assert "inherit_metadata" in caught.value.hint

    @pytest.mark.parametrize("line", ["a b", "a>=", "a; python_version", "a; extra = 'x'", ">=1"])
    def test_a_line_that_is_no_requirement_is_refused(self, version: str, line: str) -> None:
        document = pdm_document([locked("a", dependencies=[line])], version=version)
        error = refused(document)
        assert str(error).startswith(f"{PATH}: package[0].dependencies[0]")
        with pytest.raises(LockError, match=r"^shop/pyproject\.toml: project\.dependencies"):
            self.walk(version, [locked("a")], dependencies=[line])

    @pytest.mark.parametrize("excludes", [[], ["gone"]])
    def test_a_wish_of_the_project_that_is_not_locked(self, version: str, excludes: list[str]) -> None:
        own: dict[str, Any] = {"dependencies": ["gone"], "excludes": excludes}
        if excludes or version in ("3.1", "4.2"):  # these end with [metadata]
            lock = self.walk(version, [locked("a")], **own)
            assert len(lock.warnings) == (not excludes)
        else:
            with pytest.raises(LockError, match=r"pyproject\.toml wants gone, which is not in the lock"):
                self.walk(version, [locked("a")], **own)


def test_only_the_groups_that_a_lock_was_made_for_can_be_selected() -> None:
    pyproject = pdm_pyproject(dependencies=["gone"], extras={"x": ["a"]}, groups={"dev": ["gone", "b"]})
    lock = read([locked("a"), locked("b")], pyproject, version="4.4", groups=["x"])
    assert (lock.groups, lock.extras) == ((), ("x",))
    assert wanted(lock) == "a==1.0"


def test_groups_of_2021_in_the_project_table() -> None:
    pyproject = '[project]\nname = "shop"\ndependencies = ["a"]\ndev-dependencies = ["b"]\n'
    lock = read([locked("a"), locked("b")], pyproject, version="3.1")
    assert lock.groups == ("dev",)
    assert (wanted(lock, Selection()), wanted(lock)) == ("a==1.0", "a==1.0 b==1.0")


class TestTargets:
    """``[[metadata.targets]]`` of 4.5: for which environments a lock was made."""

    def lock(self, *targets: Mapping[str, Any]) -> Lock:
        return alone([locked("a")], targets=targets)

    def on(self, lock: Lock, python: str = "3.12") -> str:
        """The platforms that get anything, as one line."""
        names = [name for name in DEFAULT_PLATFORMS if name != "noarch"]
        return " ".join(name for name in names if wanted(lock, platform=name, python=python))

    @pytest.mark.parametrize(
        ("pythons", "specifier"),
        [
            ([">=3.9"], ">=3.9"),
            ([">=3.9,!=3.9.7"], "!=3.9.7,>=3.9"),
            ([""], ""),
            (["<3.11", ">=3.11"], ""),
            ([">=3.9,<3.11", ">=3.11"], ">=3.9"),
            (["==3.10.*", "==3.12.*"], "<3.13,>=3.10"),
            ([">=3.10,<3.11||>=3.12"], ">=3.10"),
            ([">3.9.1", "<=3.9"], ""),
            ([">=3.12", ">=3.9,<=3.10.4"], ">=3.9"),
        ],
    )
    def test_pythons(self, pythons: Sequence[str], specifier: str) -> None:
        lock = self.lock(*({"requires_python": python} for python in pythons))
        assert sorted(filter(None, lock.requires_python.split(","))) == sorted(
            filter(None, specifier.split(","))
        )

    @pytest.mark.parametrize("pythons", [["==3.10.*", "==3.12.*"], ["==3.10.*||==3.12.*"]])
    def test_what_lies_between_targets_is_left_out(self, pythons: Sequence[str]) -> None:
        lock = self.lock(*({"requires_python": python} for python in pythons))
        found = [python for python in ("3.10", "3.11", "3.12") if wanted(lock, python=python)]
        assert found == ["3.10", "3.12"]

    @pytest.mark.parametrize(
        ("platform", "expected"),
        [
            ("linux", "linux-x86_64"),
            ("manylinux_2_17_x86_64", "linux-x86_64"),
            ("manylinux_2_28_aarch64", "linux-aarch64"),
            ("musllinux_1_2_x86_64", "linux-x86_64"),
            ("alpine", "linux-x86_64"),
            ("windows", "windows-amd64"),
            ("windows_amd64", "windows-amd64"),
            ("windows_x86", ""),
            ("windows_arm64", ""),
            ("macos", "macos-arm64"),
            ("macos_14_0_arm64", "macos-arm64"),
            ("macos_x86_64", ""),
            ("freebsd_13_x86_64", ""),
        ],
    )
    def test_platforms(self, platform: str, expected: str) -> None:
        assert self.on(self.lock({"requires_python": ">=3.10", "platform": platform})) == expected

    def test_further_platforms_by_the_names_that_they_have_for_themselves(self) -> None:
        names = {"macos_x86_64": "macos-x86_64", "windows_arm64": "windows-arm64"}
        for written, platform in names.items():
            assert wanted(self.lock({"platform": written}), platform=platform) == "a==1.0"

    def test_several_targets_are_united(self) -> None:
        lock = self.lock(
            {"requires_python": ">=3.11,<3.13", "platform": "linux"},
            {"requires_python": "==3.12.*", "platform": "windows", "implementation": "cpython"},
        )
        assert (self.on(lock, "3.11"), self.on(lock, "3.12")) == (
            "linux-x86_64",
            "linux-x86_64 windows-amd64",
        )

    def test_a_target_for_everything_limits_nothing(self) -> None:
        lock = self.lock({"requires_python": ""}, {"requires_python": ">=3.10", "platform": "linux"})
        assert lock.environments == ()

    def test_an_implementation_that_is_not_served(self) -> None:
        assert self.on(self.lock({"requires_python": ">=3.10", "implementation": "pypy"})) == ""

    @pytest.mark.parametrize(
        "target",
        [
            {"requires_python": ">=3.x.y"},
            {"requires_python": "<3.10,>=3.12||<3.9,>=3.10"},
            {"requires_python": ">=3.12,<3.10||"},
            {"requires_python": 3},
            {"platform": 3},
            {"implementation": 'x" or "'},
            "linux",
        ],
    )
    def test_what_is_no_target_is_refused(self, target: object) -> None:
        document = pdm_document([locked("a")])
        document["metadata"]["targets"] = [target]
        assert "metadata.targets[0]" in str(refused(document))

    @pytest.mark.parametrize("platform", ["", "x", "_", 'a"b_c', "manylinux", "win_\n"])
    def test_a_platform_of_any_spelling_is_a_marker(self, platform: str) -> None:
        assert self.on(self.lock({"platform": platform})) == ""


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("key", ["package", "metadata"])
@pytest.mark.parametrize("value", [1, "x", [1], [[]], True, {"a": 1}])
def test_absurd_types_are_refused(version: str, key: str, value: object) -> None:
    document = pdm_document([locked("a")], version=version)
    document[key] = value
    assert str(refused(document)).startswith(PATH)


@pytest.mark.parametrize(
    "key",
    [
        "name",
        "version",
        "dependencies",
        "extras",
        "git",
        "path",
        "url",
        "editable",
        "files",
        "requires_python",
    ],
)
def test_absurd_values_of_a_package_are_refused(key: str) -> None:
    for value in (7, {"x": [1]}, [{"a": 1}, 2]):
        document = with_package(**{key: value})
        if key == "editable":
            document["package"][0]["path"] = "./a"
        assert f"package[0].{key}" in str(refused(document))


@pytest.mark.parametrize(
    "text",
    ["[project]\nname = 3\n", '[project]\nrequires-python = "3"\n', "project = 1\n", '[tool]\npdm = "x"\n'],
)
def test_a_pyproject_that_is_none_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(LockError, match=r"^shop/pyproject\.toml"):
        read_lock(pdm_files(pdm_lock([locked("a")]), text))


def test_merge_conflicts_are_refused_with_their_line() -> None:
    text = pdm_lock([locked("a")]) + "<<<<<<< HEAD\n=======\n>>>>>>> other\n"
    assert f"{PATH}:{text.count(chr(10)) - 2}: merge-conflict marker" in str(refused(text))


@pytest.mark.parametrize("version", ["4.3", "4.4", "4.4.1", "4.5.0"])
def test_a_lock_cut_at_any_entry_is_refused(version: str) -> None:
    packages = [locked("a", dependencies=["b"]), locked("b", dependencies=["c"]), locked("c")]
    text = pdm_lock(packages, version=version)
    parts = text.split("[[package]]")
    for kept in range(2, len(parts)):
        assert "which is not in the lock" in str(refused("[[package]]".join(parts[:kept])))


ENVIRONMENTS = [
    variables
    for target in targets_of(DEFAULT_PLATFORMS, known_pythons()[-3:])
    for variables in target.environments
]
NAMES = ("a", "b-b", "c")
MARKERS = ("", WINDOWS, 'python_version < "3.12"', 'sys_platform != "darwin" or python_version >= "3.13"')

some_packages = st.lists(
    st.builds(
        lambda name, version, chosen, marker, needs, digest: locked(
            name,
            version,
            files={f"{name}-{version}.tar.gz": digest},
            groups=sorted(chosen),
            marker=marker,
            dependencies=[f"{need}; {marker}" if marker else need for need in needs],
        ),
        name=st.sampled_from(NAMES),
        version=st.sampled_from(("1.0", "2.0rc1", "3!4.post1+x.1")),
        chosen=st.sets(st.sampled_from(("default", "dev", "docs")), min_size=1),
        marker=st.sampled_from(MARKERS),
        needs=st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
        digest=st.text("0123456789abcdef", min_size=64, max_size=64),
    ),
    unique_by=lambda item: (item.name, item.version),
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(packages=some_packages, version=st.sampled_from(VERSIONS))
def test_what_is_written_reads_back(packages: list[Locked], version: str) -> None:
    kept = without_dangling(packages)
    lock = read(kept, version=version)
    found = [(pin.label, {file.name: file.sha256 for file in pin.files}) for pin in lock.pins]
    assert found == [(f"{item.name}=={item.version}", item.files) for item in kept]
    if version in LISTED:
        assert set(lock.groups) == {group for item in kept for group in item.groups} - {"default"}
    graph = graph_of(lock)
    for selection in (Selection(), everything(lock)):
        conditions = pin_conditions(lock, selection)
        for variables in ENVIRONMENTS:
            holds = {key for key, when in conditions.items() if when is None or satisfies(when, variables)}
            assert holds == reachable(graph, selection, variables)
            if version in LISTED:
                assert holds == {
                    f"{item.name}=={item.version}" for item in kept if installs(item, selection, variables)
                }


def without_dangling(packages: list[Locked]) -> list[Locked]:
    """The packages whose dependencies are among them."""
    names = {item.name for item in packages}
    kept = [item for item in packages if all(need.partition(";")[0] in names for need in item.dependencies)]
    return kept if len(kept) == len(packages) else without_dangling(kept)


def installs(item: Locked, selection: Selection, variables: Mapping[str, str]) -> bool:
    """What pdm does with a package whose groups and marker are recorded."""
    chosen = not {*item.groups}.isdisjoint({"default", *selection.groups})
    return chosen and (not item.marker or Marker(item.marker).evaluate(dict(variables)))


absurd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(("${X}", "-e ", "-e ./", "a @ ", "[", "://[", "a[", ">=1||", "..", "%2f", "a;", "file:")),
    st.lists(st.text(max_size=3), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def places(value: object) -> Iterator[tuple[Any, Any]]:
    """Every container of a document with each key in it."""
    if isinstance(value, dict | list):
        for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
            yield value, key
            yield from places(inner)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), version=st.sampled_from(VERSIONS))
def test_a_mutilated_lock_is_read_or_refused(data: st.DataObject, version: str) -> None:
    packages = [
        locked("a", dependencies=["b[x]", f"c; {WINDOWS}", "-e ./c#egg=c"], marker=WINDOWS, groups=["dev"]),
        locked("b", extras=["x"], dependencies=["b==1.0"], requires_python=">=3.9"),
        locked("b"),
        locked("b", "2.0", requires_python=">=3.11"),
        locked("c", source={"path": "./c", "editable": True}),
    ]
    target = {"requires_python": ">=3.10", "platform": "linux", "implementation": "cpython"}
    targets = (target, dict[str, str]())
    lock = pdm_document(packages, version=version, targets=targets)
    own_extras = {"x": ["shop[x]", "b"]}
    beside = pdm_pyproject(dependencies=["a"], extras=own_extras, dev_dependencies={"dev": ["-e ./c"]})
    pyproject = tomli.loads(beside)
    container, key = data.draw(st.sampled_from([*places(lock), *places(pyproject)]))
    value = data.draw(absurd)
    if value is None:
        del container[key]
    else:
        container[key] = value
    refusal = ""
    try:
        found = read_lock(pdm_files(tomli_w.dumps(lock), tomli_w.dumps(pyproject)))
        assert all(is_safe_file_name(file.name) for pin in found.pins for file in pin.files)
        pin_conditions(found, everything(found))
    except LockError as error:
        refusal = str(error)
    assert not refusal or refusal.startswith("shop/")
    assert "\n" not in refusal
