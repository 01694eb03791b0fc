"""uv.lock: what a selection takes. Every lock here is written as uv writes one for such a project."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from mirror_pipeline.domain.lock import Lock, Selection, everything
from mirror_pipeline.domain.reach import graph_of, is_supported, pins_for_target
from mirror_pipeline.domain.target import PLATFORMS, Python, Target
from mirror_pipeline.errors import LockError
from mirror_pipeline.lockfiles.formats import read_lock
from mirror_pipeline_tests.uv_locks import Table, locked, project, uv_files, uv_lock, want

A1, A2 = locked("a", "1.0"), locked("a", "2.0")
B, C, D = locked("b"), locked("c"), locked("d")
CPU, GPU = "extra == 'extra-4-shop-cpu'", "extra == 'extra-4-shop-gpu'"
SHOP_CPU, SHOP_GPU = ({"package": "shop", "extra": extra} for extra in ("cpu", "gpu"))
SHOP_DEV = {"package": "shop", "group": "dev"}


def read(*packages: Table, member: str = ".", **more: Any) -> Lock:
    return read_lock(uv_files(uv_lock(packages, **more), member=member))


def chosen(*names: str) -> Selection:
    """``"x"`` is an extra, ``"+x"`` a group."""
    groups = frozenset(name[1:] for name in names if name.startswith("+"))
    return Selection(groups, frozenset(names) - {f"+{name}" for name in groups})


def excluded(lock: Lock) -> set[frozenset[str]]:
    """The sets of names that exclude each other, written as ``chosen`` takes them."""
    return {conflict.extras | {f"+{name}" for name in conflict.groups} for conflict in lock.conflicts}


def wanted(lock: Lock, *names: str, platform: str = "linux-x86_64", python: str = "3.12") -> str:
    """What a target installs of the index, as one line."""
    target = Target(PLATFORMS[platform], Python.parse(python))
    pins = pins_for_target(graph_of(lock), chosen(*names), target)
    return " ".join(sorted(f"{pin.name}{pin.version.major}" for pin in pins if pin.source.kind == "registry"))


def wanted_of_all(lock: Lock) -> str:
    return wanted(lock, *lock.extras, *(f"+{group}" for group in lock.groups))


class TestOneProject:
    @pytest.mark.parametrize("kind", ["virtual", "editable", "directory"])
    @pytest.mark.parametrize("at", [".", "./"])
    def test_the_root_is_the_package_in_the_folder_of_the_lock(self, kind: str, at: str) -> None:
        other = project("other", at="libs/other", dependencies=[want("b")])
        lock = read(other, project(kind=kind, at=at, dependencies=[want("a")]), A1, B)
        assert lock.project == "shop"
        assert wanted(lock) == "a1"

    def test_groups_and_extras_are_taken_by_name_alone(self) -> None:
        root = project(
            dependencies=[want("a")],
            extras={"fast": [want("b")]},
            groups={"dev": [want("c")], "docs": [want("d")]},
        )
        lock = read(root, A1, B, C, D)
        assert (lock.groups, lock.extras) == (("dev", "docs"), ("fast",))
        assert (wanted(lock), wanted(lock, "fast"), wanted(lock, "+dev")) == ("a1", "a1 b1", "a1 c1")
        assert wanted_of_all(lock) == "a1 b1 c1 d1"

    def test_names_of_groups_and_extras_are_normalized(self) -> None:
        root = project(extras={"Fast_Path": [want("a")]}, groups={"Dev.Tools": [want("b")]})
        lock = read(root, A1, B)
        assert (lock.groups, lock.extras) == (("dev-tools",), ("fast-path",))
        assert wanted(lock, "fast-path", "+dev-tools") == "a1 b1"

    def test_groups_and_extras_without_dependencies_are_known(self) -> None:
        lock = read(project(empty_extras=["Bare"], empty_groups=["none"]))
        assert (lock.groups, lock.extras) == (("none",), ("bare",))
        assert wanted_of_all(lock) == ""

    def test_groups_by_the_other_name_that_uv_reads(self) -> None:
        root = {**project(), "dependency-groups": {"dev": [want("a")]}}
        root["metadata"] = {"dependency-groups": {"dev": [], "none": []}}
        lock = read(root, A1)
        assert (lock.groups, wanted(lock), wanted(lock, "+dev")) == (("dev", "none"), "", "a1")

    def test_a_dependency_of_a_group_on_an_extra_of_the_project(self) -> None:
        root = project(
            extras={"fast": [want("a")]}, groups={"dev": [want("shop", extra=["fast"]), want("b")]}
        )
        lock = read(root, A1, B)
        assert (wanted(lock), wanted(lock, "+dev")) == ("", "a1 b1")

    def test_markers_hold_for_the_target(self) -> None:
        wants = [want("a", "sys_platform == 'win32'"), want("b", "python_full_version >= '3.12'")]
        lock = read(project(dependencies=wants), A1, B)
        assert wanted(lock, python="3.11") == ""
        assert wanted(lock) == "b1"
        assert wanted(lock, platform="windows-amd64") == "a1 b1"

    def test_extras_of_dependencies(self) -> None:
        a = locked("a", dependencies=[want("b")], extras={"Fast": [want("c")], "slow": [want("d")]})
        lock = read(project(dependencies=[want("a", extra=["fast"])]), a, B, C, D)
        assert wanted(lock) == "a1 b1 c1"

    def test_two_versions_by_marker(self) -> None:
        wants = [want("a", "sys_platform == 'win32'", of=A1), want("a", "sys_platform != 'win32'", of=A2)]
        lock = read(project(dependencies=wants), A1, A2)
        assert (wanted(lock), wanted(lock, platform="windows-amd64")) == ("a2", "a1")

    def test_one_version_from_two_indexes(self) -> None:
        cpu = locked("a", source={"registry": "https://cpu.example/simple"})
        lock = read(project(dependencies=[want("a", of=cpu)]), A1, cpu)
        target = Target(PLATFORMS["linux-x86_64"], Python(12))
        pins = pins_for_target(graph_of(lock), Selection(), target)
        assert [pin.source.url for pin in pins] == [".", "https://cpu.example/simple"]

    def test_dependencies_of_what_is_outside_the_mirror_are_followed(self) -> None:
        git = locked("g", source={"git": "https://git.example/g#0"}, dependencies=[want("a")])
        assert wanted(read(project(dependencies=[want("g")]), git, A1)) == "a1"

    def test_environments_that_a_project_confines_itself_to(self) -> None:
        lock = read(
            project(dependencies=[want("a")]),
            A1,
            environments=[
                "sys_platform == 'linux'",
                "sys_platform == 'darwin' and platform_machine == 'arm64'",
            ],
        )
        supported = [name for name in PLATFORMS if is_supported(lock, Target(PLATFORMS[name], Python(12)))]
        assert {name.partition("-")[0] for name in supported} == {"linux", "musllinux", "macos"}
        assert "macos-x86_64" not in supported
        assert (wanted(lock), wanted(lock, platform="windows-amd64")) == ("a1", "")


class TestWorkspaces:
    def lock(self, member: str = ".") -> Lock:
        lib = project(
            "lib",
            at="libs/lib",
            kind="editable",
            dependencies=[want("b")],
            extras={"fast": [want("c")]},
            groups={"dev": [want("d")]},
        )
        root = project(dependencies=[want("lib", extra=["fast"])], extras={"x": [want("a")]})
        return read(lib, root, A1, B, C, D, manifest={"members": ["lib", "shop"]}, member=member)

    def test_of_a_member_that_is_wanted_its_groups_are_not(self) -> None:
        lock = self.lock()
        assert (lock.project, lock.groups, lock.extras) == ("shop", (), ("x",))
        assert (wanted(lock), wanted_of_all(lock)) == ("b1 c1", "a1 b1 c1")

    @pytest.mark.parametrize("member", ["libs/lib", "./libs/lib/", "libs/../libs/lib"])
    def test_a_member_may_be_the_root(self, member: str) -> None:
        lock = self.lock(member)
        assert (lock.project, lock.groups, lock.extras) == ("lib", ("dev",), ("fast",))
        assert (wanted(lock), wanted(lock, "fast"), wanted(lock, "+dev")) == ("b1", "b1 c1", "b1 d1")

    def test_a_member_that_is_not_there_is_refused(self) -> None:
        with pytest.raises(LockError, match="no package in folder 'libs/other' is locked") as caught:
            self.lock("libs/other")
        assert caught.value.hint == "folders: ., libs/lib"


class TestWorkspacesWithoutARoot:
    def lock(self, member: str = ".", *, members: Sequence[str] = ("m", "n")) -> Lock:
        m = project(
            "m", at="m", dependencies=[want("a")], extras={"x": [want("b")]}, groups={"dev": [want("c")]}
        )
        n = project("n", at="n", extras={"x": [want("d")], "y": [want("m", extra=["x"])]})
        groups = {
            "dev": [{"name": "d", "marker": "sys_platform == 'linux'"}],
            "w": [{"name": "m", "extras": ["x"]}],
        }
        manifest = {"members": list(members), "dependency-groups": groups}
        return read(m, n, A1, B, C, D, manifest=manifest, member=member)

    def test_what_any_member_wants_is_wanted(self) -> None:
        lock = self.lock()
        assert (lock.project, lock.groups, lock.extras) == ("shop", ("dev", "w"), ("x", "y"))
        assert (wanted(lock), wanted(lock, "x"), wanted(lock, "y")) == ("a1", "a1 b1 d1", "a1 b1")

    def test_groups_of_the_workspace_and_of_members_by_the_same_name(self) -> None:
        assert wanted(self.lock(), "+dev") == "a1 c1 d1"
        assert wanted(self.lock(), "+dev", platform="windows-amd64") == "a1 c1"
        assert wanted(self.lock(), "+w") == "a1 b1"

    def test_a_member_has_the_groups_of_the_workspace_but_for_its_own(self) -> None:
        lock = self.lock("m")
        assert (lock.project, lock.groups, lock.extras) == ("m", ("dev", "w"), ("x",))
        assert (wanted(lock, "+dev"), wanted(lock, "+w")) == ("a1 c1", "a1 b1")
        assert wanted(self.lock("n"), "+dev") == "d1"

    def test_a_member_that_is_not_locked_is_refused(self) -> None:
        with pytest.raises(LockError, match=r"manifest\.members: gone is not in the lock once, but 0 times"):
            self.lock(members=["m", "gone"])

    def test_requirements_of_a_script(self) -> None:
        windows, others = (
            locked("a", v, forks=[f"sys_platform {op} 'win32'"]) for v, op in (("1", "=="), ("2", "!="))
        )
        requirements = [{"name": "a", "specifier": ">=1"}, {"name": "b", "marker": "os_name == 'nt'"}]
        lock = read(windows, others, B, manifest={"requirements": requirements})
        assert (wanted(lock), wanted(lock, platform="windows-amd64")) == ("a2", "a1 b1")

    def test_a_requirement_without_its_package_is_refused(self) -> None:
        with pytest.raises(
            LockError, match=r"manifest\.requirements\[0\]: the project needs a, which is not"
        ):
            read(B, manifest={"requirements": [{"name": "a"}]})


class TestConflicts:
    def lock(self) -> Lock:
        """Extras that pin ``a`` differently; without either ``b`` takes the newer one."""
        root = project(
            dependencies=[want("b")],
            extras={"cpu": [want("a", CPU, of=A1)], "gpu": [want("a", GPU, of=A2)], "more": [want("c")]},
        )
        b = locked("b", dependencies=[want("a", CPU, of=A1), want("a", f"extra != {CPU[9:]}", of=A2)])
        return read(root, A1, A2, b, C, conflicts=[[SHOP_CPU, SHOP_GPU]])

    def test_extras_that_exclude_each_other_are_named(self) -> None:
        assert excluded(self.lock()) == {frozenset({"cpu", "gpu"})}

    def test_a_marker_asks_for_an_extra_of_the_root(self) -> None:
        lock = self.lock()
        assert (wanted(lock), wanted(lock, "gpu")) == ("a2 b1", "a2 b1")
        assert wanted_of_all(lock) == "a1 a2 b1 c1"
        markers = {str(edge.marker) for edge in lock.edges if edge.marker}
        assert markers == {'"cpu" in extras', '"cpu" not in extras', '"gpu" in extras'}

    def test_what_is_chosen_is_united_with_what_is_taken_without_it(self) -> None:
        assert wanted(self.lock(), "cpu") == "a1 a2 b1"

    def test_groups_that_exclude_each_other(self) -> None:
        dev, gpu = "extra == 'group-4-shop-dev'", "extra == 'group-4-shop-gpu'"
        root = project(groups={"dev": [want("a", dev, of=A1)], "gpu": [want("a", gpu, of=A2)]})
        lock = read(root, A1, A2, conflicts=[[SHOP_DEV, {"package": "shop", "group": "gpu"}]])
        assert excluded(lock) == {frozenset({"+dev", "+gpu"})}
        assert (wanted(lock, "+dev"), wanted(lock, "+gpu"), wanted_of_all(lock)) == ("a1", "a2", "a1 a2")

    def test_an_extra_and_a_group_that_exclude_each_other(self) -> None:
        root = project(
            extras={"cpu": [want("a", CPU, of=A1)]},
            groups={"dev": [want("a", "extra == 'group-4-shop-dev'", of=A2)]},
        )
        lock = read(root, A1, A2, conflicts=[[SHOP_CPU, SHOP_DEV]])
        assert excluded(lock) == {frozenset({"cpu", "+dev"})}
        assert (wanted(lock, "cpu"), wanted(lock, "+dev"), wanted_of_all(lock)) == ("a1", "a2", "a1 a2")

    def test_a_group_puts_the_extra_that_it_asks_for_in_force(self) -> None:
        root = project(
            extras={"cpu": [want("a", CPU, of=A1)], "gpu": [want("a", GPU, of=A2)]},
            groups={"dev": [want("shop", extra=["cpu"])]},
        )
        lock = read(root, A1, A2, conflicts=[[SHOP_CPU, SHOP_GPU]])
        assert wanted(lock, "+dev") == "a1"
        assert excluded(lock) == {frozenset({"cpu", "gpu"}), frozenset({"+dev", "gpu"})}

    def test_an_extra_or_a_group_without_dependencies_is_never_in_force(self) -> None:
        bare, none = "extra == 'extra-4-shop-bare'", "extra == 'group-4-shop-none'"
        root = project(
            dependencies=[want("a", bare), want("b", none), want("c", f"extra != {bare[9:]}")],
            empty_extras=["bare"],
            empty_groups=["none"],
        )
        conflict = [{"package": "shop", "extra": "bare"}, {"package": "shop", "group": "none"}]
        lock = read(root, A1, B, C, conflicts=[conflict])
        assert wanted(lock, "bare") == wanted(lock, "+none") == wanted_of_all(lock) == "c1"
        assert excluded(lock) == {frozenset({"bare", "+none"})}

    def test_names_with_hyphens_and_digits(self) -> None:
        marker = "extra == 'extra-8-my-2-lib-cpu-11' or 'group-8-my-2-lib-dev-1' == extra"
        root = project("my-2-lib", dependencies=[want("a", marker)], extras={"cpu-11": [want("b")]})
        lock = read(root, A1, B)
        assert (wanted(lock), wanted(lock, "cpu-11")) == ("", "a1 b1")
        assert '"cpu-11" in extras' in {str(edge.marker).partition(" or ")[0] for edge in lock.edges}

    @pytest.mark.parametrize("name", ["x", "extra-4-shop", "extra-9-shop-x", "group-0-x", "project-3-shop"])
    def test_names_that_encode_nothing_are_extras_of_the_package(self, name: str) -> None:
        lock = read(
            project(dependencies=[want("a", f"extra == '{name}'")], extras={name: [want("b")]}), A1, B
        )
        assert (wanted(lock), wanted(lock, name)) == ("", "a1 b1")


class TestConflictsInAWorkspace:
    def lib(self, name: str, extra: str, a: Table) -> Table:
        marker = f"extra == 'extra-{len(name)}-{name}-{extra}'"
        return project(name, at=name, kind="editable", extras={extra: [want("a", marker, of=a)]})

    CONFLICT = ({"package": "one", "extra": "cpu"}, {"package": "two", "extra": "gpu"})

    def lock(self, *roots: Table, member: str = ".") -> Lock:
        libs = (self.lib("one", "cpu", A1), self.lib("two", "gpu", A2))
        members = {"members": ["one", "two", *(root["name"] for root in roots)]}
        return read(*roots, *libs, A1, A2, B, conflicts=[self.CONFLICT], manifest=members, member=member)

    def test_an_extra_of_a_member_is_in_force_where_it_is_asked_for(self) -> None:
        wants = [want("one"), want("two"), want("b", "extra == 'extra-3-one-cpu'")]
        root = project(
            dependencies=wants, extras={"x": [want("one", extra=["cpu"])], "y": [want("two", extra=["gpu"])]}
        )
        lock = self.lock(root)
        assert (wanted(lock), wanted(lock, "x"), wanted(lock, "y")) == ("", "a1 b1", "a2")

    def test_extras_that_lead_to_a_conflict_exclude_each_other(self) -> None:
        root = project(
            extras={"x": [want("one", extra=["cpu"])], "y": [want("two", extra=["gpu"])], "z": [want("b")]},
            groups={"dev": [want("two", extra=["gpu"], marker="sys_platform == 'win32'")]},
        )
        lock = self.lock(root)
        assert excluded(lock) == {frozenset({"x", "y"}), frozenset({"x", "+dev"})}
        assert wanted_of_all(lock) == "a1 a2 b1"

    def test_members_of_a_workspace_without_a_root(self) -> None:
        lock = self.lock()
        assert lock.extras == ("cpu", "gpu")
        assert excluded(lock) == {frozenset({"cpu", "gpu"})}
        assert (wanted(lock), wanted(lock, "cpu"), wanted(lock, "gpu")) == ("", "a1", "a2")

    def test_an_extra_of_one_member_is_not_that_of_another(self) -> None:
        three = project("three", at="three", extras={"y": [want("one", extra=["cpu"])], "cpu": [want("b")]})
        lock = self.lock(three)
        assert (wanted(lock, "y"), wanted(lock, "cpu")) == ("a1", "a1 b1")

    def test_a_member_as_the_root(self) -> None:
        lock = self.lock(member="two")
        assert (lock.extras, excluded(lock), wanted(lock), wanted(lock, "gpu")) == (("gpu",), set(), "", "a2")


class TestMembersThatExcludeEachOther:
    CONFLICT = ({"package": "one"}, {"package": "two"})

    def lock(self, *roots: Table, member: str = ".") -> Lock:
        one, two = (
            project(name, at=name, dependencies=[want("a", f"extra == 'project-3-{name}'", of=a)])
            for name, a in (("one", A1), ("two", A2))
        )
        members = {"members": ["one", "two", *(root["name"] for root in roots)]}
        return read(*roots, one, two, A1, A2, conflicts=[self.CONFLICT], manifest=members, member=member)

    def test_one_of_them_may_be_the_root(self) -> None:
        assert (wanted(self.lock(member="one")), wanted(self.lock(member="two"))) == ("a1", "a2")

    def test_both_are_refused(self) -> None:
        with pytest.raises(
            LockError, match="conflicts: members one and two of the workspace exclude"
        ) as caught:
            self.lock()
        assert "ORBIT_PROJECT" in caught.value.hint

    def test_extras_that_want_one_each_exclude_each_other(self) -> None:
        """uv takes a member that is only depended on as not active: its guarded dependencies are left out."""
        lock = self.lock(project(extras={"x": [want("one")], "y": [want("two")]}))
        assert excluded(lock) == {frozenset({"x", "y"})}
        assert wanted_of_all(lock) == ""


def test_everything_is_every_group_and_extra() -> None:
    lock = read(project(extras={"x": [want("a")]}, groups={"dev": [want("b")]}), A1, B)
    assert everything(lock) == chosen("x", "+dev")
