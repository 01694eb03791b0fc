"""pylock.toml (PEP 751): what is read, what of an invalid file is taken, and what is refused."""

from __future__ import annotations

from typing import Any, cast

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Environment
from packaging.pylock import Pylock

from mirror_pipeline.domain.lock import Lock, LockedFile, Selection, Source, everything
from mirror_pipeline.domain.reach import graph_of, is_supported, pins_for_target
from mirror_pipeline.domain.target import PLATFORMS, Python, Target
from mirror_pipeline.errors import LockError
from mirror_pipeline_tests.locks import digest_of
from mirror_pipeline_tests.pylock_locks import FILES, file_at, locked, pylock, read_pylock

PATH = "shop/pylock.toml"
A = "a-1.0-py3-none-any.whl"
WINDOWS = 'sys_platform == "win32"'


def target(platform: str = "linux-x86_64", python: str = "3.12") -> Target:
    return Target(PLATFORMS[platform], Python.parse(python))


def wanted(lock: Lock, selection: Selection | None = None, **where: str) -> str:
    """What a target installs, as one line."""
    chosen = everything(lock) if selection is None else selection
    pins = pins_for_target(graph_of(lock), chosen, target(**where))
    return " ".join(sorted(pin.label for pin in pins))


def groups(*names: str) -> Selection:
    return Selection(groups=frozenset(names))


def extras(*names: str) -> Selection:
    return Selection(extras=frozenset(names))


def refused(text: str | bytes) -> LockError:
    with pytest.raises(LockError) as caught:
        read_pylock(text)
    error = caught.value
    assert error.facts["lock"] == PATH
    assert str(error).startswith(PATH)
    assert "\n" not in str(error)
    return error


class TestReading:
    def test_the_lock_itself(self) -> None:
        lock = read_pylock(
            pylock(
                [locked("a")],
                requires_python=">= 3.10",
                extras=["Fast_Path"],
                dependency_groups=["Dev_Tools", "base"],
                default_groups=["base"],
            ).replace("Fast_Path", "fast-path")
        )
        assert (lock.project, lock.format, lock.format_version) == ("shop", "pylock", "1.0")
        assert (lock.requires_python, lock.warnings, lock.environments) == (">=3.10", (), ())
        assert (lock.extras, lock.groups, lock.always) == (("fast-path",), ("dev-tools",), groups("base"))

    def test_a_pin_with_its_files(self) -> None:
        sdist = file_at("a-1.0.tar.gz", size=7, url=f"{FILES}/x/a-1.0.tar.gz#frag")
        entry = locked("a", "1.0", file_at(A, size=5), sdist=sdist, index="https://i.example/simple")
        (pin,) = read_pylock(pylock([entry])).pins
        assert (pin.label, pin.source) == ("a==1.0", Source("registry", "https://i.example/simple"))
        assert pin.files == (
            LockedFile(A, digest_of(A), 5, f"{FILES}/{A}"),
            LockedFile("a-1.0.tar.gz", digest_of("a-1.0.tar.gz"), 7, f"{FILES}/x/a-1.0.tar.gz#frag"),
        )

    @pytest.mark.parametrize(
        "where",
        [
            {"name": A, "url": f"{FILES}/blob/1234"},
            {"name": A, "path": "blob"},
            {"url": f"{FILES}/a-1.0%2Bcpu-py3-none-any.whl?x=y#z"},
            {"path": f"../packages/{A}"},
            {"path": f"..\\packages\\{A}"},
            {"path": A, "url": f"{FILES}/other"},
            {"url": f"file:///srv/{A}"},
        ],
    )
    def test_a_file_is_named_by_its_name_or_by_where_it_is(self, where: dict[str, str]) -> None:
        entry = {"hashes": {"sha256": digest_of("x")}, **where}
        (file,) = read_pylock(pylock([locked("a", "1.0", entry)])).pins[0].files
        assert file.name in (A, "a-1.0+cpu-py3-none-any.whl")
        assert file.url == (where.get("url") if "https" in where.get("url", "") else None)

    @pytest.mark.parametrize(
        ("keys", "source", "files"),
        [
            ({"vcs": {"type": "git", "url": "https://g.example"}}, Source("git", "https://g.example"), []),
            ({"vcs": {"type": "hg", "path": "../a"}}, Source("git", "../a"), []),
            ({"directory": {"path": "../a"}}, Source("directory", "../a"), []),
            ({"directory": {"path": ".", "editable": True}}, Source("editable", "."), []),
            ({"archive": file_at(A)}, Source("url", f"{FILES}/{A}"), [A]),
            ({"archive": file_at("main.zip")}, Source("url", f"{FILES}/main.zip"), ["main.zip"]),
            ({"archive": file_at(A, url=None, path=f"dist/{A}")}, Source("path", f"dist/{A}"), []),
        ],
    )  # fmt: skip
    def test_sources(self, keys: dict[str, Any], source: Source, files: list[str]) -> None:
        (pin,) = read_pylock(pylock([locked("a", None, **keys)])).pins
        assert (pin.source, [file.name for file in pin.files]) == (source, files)
        assert str(pin.version) == ("1.0" if files == [A] else "0")

    @pytest.mark.parametrize("file", [A, "a-1.0+x-py3-none-any.whl"])
    def test_a_version_that_only_files_tell(self, file: str) -> None:
        lock = read_pylock(pylock([locked("a", None, file_at(file))]))
        assert lock.pins[0].label == f"a=={file.split('-')[1]}"

    def test_a_version_that_only_an_sdist_tells(self) -> None:
        lock = read_pylock(pylock([locked("a-b", None, sdist=file_at("a-b-2.0.tar.gz"))]))
        assert lock.pins[0].label == "a-b==2.0"

    def test_other_hashes_and_unknown_keys_are_ignored(self) -> None:
        entry = file_at(A, hashes={"md5": "x", "sha256": digest_of(A), "sha512": "y"}, colour="red")
        lock = read_pylock(pylock([locked("a", "1.0", entry, taste={"x": 5})], tool={"x": 1}, wild=[5]))
        assert [file.sha256 for file in lock.pins[0].files] == [digest_of(A)]
        assert lock.warnings == ()

    def test_a_lock_without_packages(self) -> None:
        lock = read_pylock(pylock([]))
        assert (lock.pins, lock.edges, lock.warnings) == ((), (), ())


class TestSelecting:
    def test_markers_about_environments(self) -> None:
        lock = read_pylock(pylock([locked("a"), locked("b", marker=WINDOWS)]))
        assert (wanted(lock), wanted(lock, platform="windows-amd64")) == ("a==1.0", "a==1.0 b==1.0")

    def test_markers_about_what_is_selected(self) -> None:
        packages = [
            locked("a"),
            locked("b", marker="'fast' in extras"),
            locked("c", marker=f"'dev' in dependency_groups and {WINDOWS}"),
            locked("d", marker="'base' in dependency_groups"),
            locked("e", marker="'fast' not in extras"),
        ]
        text = pylock(packages, extras=["fast"], dependency_groups=["dev", "base"], default_groups=["base"])
        lock = read_pylock(text)
        assert wanted(lock, Selection()) == "a==1.0 d==1.0 e==1.0"
        assert "b==1.0" in wanted(lock, extras("fast"))
        assert "c==1.0" in wanted(lock, groups("dev"), platform="windows-amd64")
        assert "c==1.0" not in wanted(lock, groups("dev"))

    def test_one_name_under_different_markers(self) -> None:
        here, there = {"index": "https://x.example"}, {"index": "https://y.example"}
        packages = [
            locked("a", "1.0", marker="python_version < '3.12'"),
            locked("a", "2.0", marker="python_version >= '3.12'", **here),
            locked("b", "1.0", marker=WINDOWS, **here),
            locked("b", "1.0", marker="sys_platform != 'win32'", **there),
            locked("c", "1.0", marker=WINDOWS),
            locked("c", "1.0", file_at("c-1.0-py2-none-any.whl"), marker="sys_platform == 'linux'"),
        ]
        lock = read_pylock(pylock(packages))
        assert len({pin.key for pin in lock.pins}) == 6
        assert lock.warnings == ()
        assert wanted(lock, python="3.11") == "a==1.0 b==1.0 c==1.0"
        assert wanted(lock, python="3.12") == "a==2.0 b==1.0 c==1.0"
        found = pins_for_target(graph_of(lock), Selection(), target())
        assert [pin.source.url for pin in found] == ["https://x.example", "https://y.example", None]

    def test_environments(self) -> None:
        lock = read_pylock(pylock([locked("a")], environments=[WINDOWS, "python_version < '3.11'"]))
        assert is_supported(lock, target("windows-amd64"))
        assert is_supported(lock, target(python="3.10"))
        assert not is_supported(lock, target())

    @pytest.mark.parametrize("environments", [[], [""], [WINDOWS, ""]])
    def test_environments_without_a_condition_are_all(self, environments: list[str]) -> None:
        assert is_supported(read_pylock(pylock([locked("a")], environments=environments)), target())


MARKERS = (
    "",
    WINDOWS,
    "python_version < '3.12'",
    "'x' in extras",
    "'dev' in dependency_groups",
    "'base' in dependency_groups and sys_platform != 'darwin'",
    "'x' in extras or ('dev' in dependency_groups and platform_machine == 'arm64')",
)


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from(MARKERS)),
    st.sampled_from([Selection(), extras("x"), groups("dev"), extras("x") | groups("dev")]),
    st.sampled_from(["linux-x86_64", "windows-amd64", "macos-arm64"]),
    st.sampled_from(["3.11", "3.12"]),
)
def test_what_is_written_is_read_and_selected_as_the_standard_has_it(
    markers: dict[str, str], chosen: Selection, platform: str, python: str
) -> None:
    packages = [locked(name, **({"marker": marker} if marker else {})) for name, marker in markers.items()]
    text = pylock(packages, extras=["x"], dependency_groups=["dev"], default_groups=["base"])
    lock, strict, where = read_pylock(text), Pylock.from_dict(tomli.loads(text)), target(platform, python)
    assert [pin.label for pin in lock.pins] == [f"{name}==1.0" for name in markers]
    selected = {
        package.name
        for variables in where.environments
        for package, _ in strict.select(
            environment=cast("Environment", variables),
            tags=list(where.tags),
            extras=chosen.extras,
            dependency_groups=chosen.groups | {"base"},
        )
    }
    assert {pin.name for pin in pins_for_target(graph_of(lock), chosen, where)} == selected


class TestTakenWithAWarning:
    def test_a_name_that_is_not_normalized(self) -> None:
        lock = read_pylock(pylock([locked("A.B", "1.0", file_at("a_b-1.0-py3-none-any.whl"))]))
        assert [pin.label for pin in lock.pins] == ["a-b==1.0"]
        (warning,) = lock.warnings
        assert warning.startswith(f"{PATH}: not valid by PEP 751, read all the same: Name 'A.B'")

    def test_a_date_written_as_text(self) -> None:
        lock = read_pylock(pylock([locked("a", "1.0", file_at(A, upload_time="2022-07-13T14:00:00Z"))]))
        assert [file.name for file in lock.pins[0].files] == [A]
        assert "upload-time" in lock.warnings[0]

    def test_no_word_of_who_made_it(self) -> None:
        assert "created-by" in read_pylock(pylock([locked("a")], created_by=None)).warnings[0]

    def test_a_newer_minor_version(self) -> None:
        lock = read_pylock(pylock([locked("a")], lock_version="1.9"))
        assert wanted(lock) == "a==1.0"
        assert lock.warnings == (f"{PATH}: lock-version 1.9 is newer than 1.0: read as 1.0",)

    def test_names_that_are_made_up_leave_the_hashes(self) -> None:
        one, two = digest_of("one"), digest_of("two")
        made_up = locked("a", "1.0", file_at(A, digest=one), file_at(A, digest=two))
        known = locked("c", "1.0", file_at("c-1.0-cp312-cp312-win_amd64.whl"))
        lock = read_pylock(pylock([made_up, locked("b-c"), known]))
        assert [(len(pin.files), len(pin.hashes)) for pin in lock.pins] == [(0, 2), (0, 1), (1, 0)]
        assert lock.pins[0].hashes == (one, two)
        (warning,) = lock.warnings
        assert "hashes are, of a==1.0, b-c==1.0" in warning

    def test_one_file_named_twice_is_one_file(self) -> None:
        lock = read_pylock(pylock([locked("a", "1.0", file_at(A), file_at(A))]))
        assert ([file.name for file in lock.pins[0].files], lock.warnings) == ([A], ())

    def test_two_versions_for_the_same_environments(self) -> None:
        lock = read_pylock(pylock([locked("a", "1.0"), locked("a", "2.0")]))
        assert wanted(lock) == "a==1.0 a==2.0"
        assert lock.warnings == (f"{PATH}: several versions for the same environments: a",)

    def test_a_wheel_of_another_version(self) -> None:
        lock = read_pylock(pylock([locked("a", "1.0", file_at("a-2.0-py3-none-any.whl"))]))
        assert "a-2.0-py3-none-any.whl for a==1.0" in lock.warnings[-1]

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n", "  \n"])
    def test_an_empty_line_at_the_end_may_be_a_cut(self, end: str) -> None:
        text = pylock([locked("a")])
        assert read_pylock(text).warnings == ()
        assert read_pylock(text.removesuffix("\n")).warnings == ()
        assert "cut short between two entries" in read_pylock(text + end).warnings[0]


class TestRefusals:
    @pytest.mark.parametrize("tool", ["uv", "pip"])
    def test_an_empty_line_at_the_end_where_the_tool_writes_none(self, tool: str) -> None:
        text = pylock([locked("a")], created_by=tool)
        assert read_pylock(text).warnings == ()
        assert f"cut short between two entries; {tool} writes none" in str(refused(text + "\n"))

    @pytest.mark.parametrize("version", ["2.0", "0.9", "10", "2!1.0"])
    def test_an_unknown_major_version(self, version: str) -> None:
        assert f"lock-version: {version} is not known" in str(refused(pylock([], lock_version=version)))

    @pytest.mark.parametrize("version", [None, 1.0, "one"])
    def test_a_version_that_is_none(self, version: object) -> None:
        assert "lock-version" in str(refused(pylock([locked("a")], lock_version=version)))

    def test_a_lock_that_was_cut_before_its_packages(self) -> None:
        assert "packages: missing" in str(refused('lock-version = "1.0"\ncreated-by = "x"\n'))

    def test_a_dependency_that_is_not_there(self) -> None:
        there = pylock([locked("a", dependencies=[{"name": "B"}]), locked("b")])
        assert len(read_pylock(there).pins) == 2
        error = refused(pylock([locked("a", dependencies=[{"name": "b"}])]))
        assert "a==1.0 needs b, which is not in the lock: cut short?" in str(error)

    @pytest.mark.parametrize("hashes", [None, {}, {"md5": "0"}, {"sha256": "00"}, {"sha256": 5}, "x"])
    @pytest.mark.parametrize("kind", ["wheels", "sdist", "archive"])
    def test_a_file_without_sha256(self, kind: str, hashes: object) -> None:
        entry = file_at(A if kind != "sdist" else "a-1.0.tar.gz", hashes=hashes)
        error = refused(pylock([locked("a", "1.0", **{kind: [entry] if kind == "wheels" else entry})]))
        assert f"packages[0].{kind}" in str(error)
        if hashes is None:
            assert (error.facts["package"], error.facts["file"]) == ("a", entry["url"].rpartition("/")[2])

    def test_the_same_entry_twice(self) -> None:
        error = refused(pylock([locked("a", marker=WINDOWS), locked("A", marker=WINDOWS)]))
        assert "packages[1].name: a==1.0 is locked twice" in str(error)

    def test_a_wheel_of_another_project(self) -> None:
        error = refused(pylock([locked("a", "1.0", file_at("b-1.0-py3-none-any.whl"))]))
        assert "is a wheel of b, listed for a==1.0" in str(error)

    @pytest.mark.parametrize(
        "where",
        [
            {"name": "../a-1.0.tar.gz"},
            {"name": "..%2fa.whl"},
            {"path": "a b.whl"},
            {"path": "../.."},
            {"url": f"{FILES}/..%2Fa.whl"},
            {"url": f"{FILES}/"},
            {"url": "https://["},
            {},
        ],
    )
    def test_a_file_name_that_is_not_safe(self, where: dict[str, str]) -> None:
        refused(pylock([locked("a", "1.0", {"hashes": {"sha256": digest_of("a")}, **where})]))

    @pytest.mark.parametrize(
        "keys",
        [
            {"wheels": []},
            {"vcs": {"type": "git", "url": "x"}, "directory": {"path": "."}},
            {"wheels": [file_at(A)], "directory": {"path": "."}},
            {"vcs": {"type": "git"}},
            {"vcs": "x"},
            {"directory": {}},
            {"directory": {"path": ".", "editable": "yes"}},
            {"wheels": "x"},
            {"wheels": ["x"]},
            {"sdist": [file_at("a-1.0.tar.gz")]},
            {"index": 5},
            {"dependencies": ["b"]},
            {"dependencies": [{}]},
            {"marker": 5},
            {"marker": "python_version"},
            {"marker": "'x' in extra"},
            {"marker": "os_name ~= 'x'"},
            {"version": 1.0},
            {"version": "one"},
            {"name": "no name!"},
            {"wheels": [file_at(A, size="big")]},
            {"wheels": [file_at(A, size=-1)]},
        ],
    )
    def test_entries_that_say_nothing_clear(self, keys: dict[str, Any]) -> None:
        others = {key: value for key, value in keys.items() if key != "name"}
        assert "packages[0]" in str(refused(pylock([locked("a", **others) | keys])))

    @pytest.mark.parametrize(
        "keys",
        [
            {"requires_python": "words"},
            {"requires_python": 3.1},
            {"environments": "x"},
            {"environments": ["foo == 'x'"]},
            {"environments": ["'x' in extra"]},
            {"extras": "x"},
            {"dependency_groups": [5]},
            {"default_groups": {"x": 1}},
        ],
    )
    def test_values_of_another_kind(self, keys: dict[str, Any]) -> None:
        assert next(iter(keys)).replace("_", "-") in str(refused(pylock([locked("a")], **keys)))

    def test_packages_of_another_kind(self) -> None:
        assert "packages" in str(refused('lock-version = "1.0"\npackages = 5\n'))
        assert "packages[0]" in str(refused('lock-version = "1.0"\npackages = [5]\n'))
