"""Rows about what is selected that formats have each in a way of its own: what no scene can say."""

from __future__ import annotations

from dataclasses import replace

from mirror_pipeline.domain.lock import Lock, Selection, everything
from mirror_pipeline.lockfiles.formats import read_lock
from mirror_pipeline_tests import locks, pdm_locks, pylock_locks, uv_locks
from mirror_pipeline_tests.lockfiles.features.reading import alone, planned, refused, wanted
from mirror_pipeline_tests.lockfiles.features.scenes import OTHER_INDEX, Item, Place, Scene
from mirror_pipeline_tests.lockfiles.features.writers import pdm_with, requirement_sets
from mirror_pipeline_tests.requirement_files import required, requirements, requirements_file

_BASE, _CPU, _GPU = "alpha==0.9", "alpha==1.0", "alpha==2.0"


def _base_and_one_at_a_time(lock: Lock) -> None:
    """Of two extras either or none is installed, and a mirror serves all who install a part."""
    assert lock.extras == ("cpu", "gpu")
    assert wanted(lock) == {_BASE}
    assert wanted(lock, Selection(extras=frozenset({"cpu"}))) == {_BASE, _CPU}
    assert wanted(lock, Selection(extras=frozenset({"gpu"}))) == {_BASE, _GPU}
    assert wanted(lock, everything(lock)) == {_BASE, _CPU, _GPU}


def conflicts_by_list(version: str) -> None:
    """uv lists what excludes each other, so that nothing is wanted that only both together would want."""
    base, cpu, gpu = (uv_locks.locked("alpha", number) for number in ("0.9", "1.0", "2.0"))
    neither = "extra != 'extra-4-shop-cpu' and extra != 'extra-4-shop-gpu'"
    together = "extra == 'extra-4-shop-cpu' and extra == 'extra-4-shop-gpu'"
    root = uv_locks.project(
        "shop",
        dependencies=[uv_locks.want("alpha", neither, of=base), uv_locks.want("beta", together)],
        extras={
            "cpu": [uv_locks.want("alpha", "extra == 'extra-4-shop-cpu'", of=cpu)],
            "gpu": [uv_locks.want("alpha", "extra == 'extra-4-shop-gpu'", of=gpu)],
        },
    )
    text = uv_locks.uv_lock(
        [root, base, cpu, gpu, uv_locks.locked("beta")],
        revision=None if version == "0" else int(version),
        called="distribution" if version == "0" else "package",
        conflicts=[[{"package": "shop", "extra": "cpu"}, {"package": "shop", "extra": "gpu"}]],
    )
    _base_and_one_at_a_time(read_lock(uv_locks.uv_files(text)))


def conflicts_by_marker_in_poetry(version: str) -> None:
    """poetry writes into markers which extras are not to be there."""
    markers = {
        "0.9": 'extra != "cpu" and extra != "gpu"',
        "1.0": 'extra == "cpu" and extra != "gpu"',
        "2.0": 'extra == "gpu" and extra != "cpu"',
    }
    packages = [
        locks.package("alpha", number, markers=marker, optional=True) for number, marker in markers.items()
    ]
    text = locks.poetry_lock(packages, version=version, extras={"cpu": ["alpha"], "gpu": ["alpha"]})
    _base_and_one_at_a_time(read_lock(locks.project_files(text)))


def conflicts_by_marker_in_pylock(version: str) -> None:
    """Likewise in the standard's words."""
    del version
    markers = {
        "0.9": "'cpu' not in extras and 'gpu' not in extras",
        "1.0": "'cpu' in extras and 'gpu' not in extras",
        "2.0": "'gpu' in extras and 'cpu' not in extras",
    }
    packages = [pylock_locks.locked("alpha", number, marker=marker) for number, marker in markers.items()]
    _base_and_one_at_a_time(pylock_locks.read_pylock(pylock_locks.pylock(packages, extras=["cpu", "gpu"])))


def workspace(version: str) -> None:
    """The folder of a member selects what that member wants; the folder of all selects all."""
    api = uv_locks.project("api", at="libs/api", kind="editable", dependencies=[uv_locks.want("alpha")])
    web = uv_locks.project("web", at="libs/web", kind="editable", dependencies=[uv_locks.want("beta")])
    text = uv_locks.uv_lock(
        [api, web, uv_locks.locked("alpha"), uv_locks.locked("beta")],
        revision=None if version == "0" else int(version),
        manifest={"members": ["api", "web"]},
    )
    targets = {
        member: planned(read_lock(uv_locks.uv_files(text, member=member))).targets["linux-x86_64/3.12"]
        for member in ("libs/api", "libs/web", ".")
    }
    assert targets == {
        "libs/api": ("alpha==1.0",),
        "libs/web": ("beta==1.0",),
        ".": ("alpha==1.0", "beta==1.0"),
    }


def group_by_file(version: str) -> None:
    """MIRROR_REQUIREMENTS_DEV names further files, which are the group ``dev``."""
    del version
    others = {"dev.txt": requirements_file("-r more.txt"), "more.txt": requirements_file(required("checker"))}
    project = requirements(requirements_file(required("alpha")), others, dev=["dev.txt"])
    lock = read_lock(project)
    assert lock.groups == ("dev",)
    assert wanted(lock) == {"alpha==1.0"}
    assert wanted(lock, everything(lock)) == {"alpha==1.0", "checker==1.0"}


def pdm_without_pyproject(version: str) -> None:
    """Where packages have their groups; that some of those are extras, only pyproject.toml tells."""
    scene = Scene((Item("alpha"), Item("checker", group="dev"), Item("fast", extra="speed")))
    project = alone(pdm_with(scene, version))
    if version in pdm_locks.LISTED:
        lock = read_lock(project)
        assert (lock.groups, lock.extras) == (("dev", "speed"), ())
        assert wanted(lock) == {"alpha==1.0"}
        assert wanted(lock, Selection(groups=frozenset({"speed"}))) == {"alpha==1.0", "fast==1.0"}
    else:
        refused(project, "there is no pyproject.toml beside it")


def extras_of_packages_in_poetry(version: str) -> None:
    """``alpha[fast]`` needs what alpha needs, and what its extra does."""
    alpha = locks.package(
        "alpha", dependencies={"beta": {"version": "*", "optional": True}}, extras={"fast": ["beta"]}
    )
    pyproject = locks.poetry_pyproject(dependencies={"alpha": {"version": "*", "extras": ["fast"]}})
    plain = locks.poetry_pyproject(dependencies={"alpha": "*"})
    text = locks.poetry_lock([alpha, locks.package("beta")], version=version)
    _follows_extras(
        read_lock(locks.project_files(text, pyproject)), read_lock(locks.project_files(text, plain))
    )


def extras_of_packages_in_uv(version: str) -> None:
    """Likewise in uv's words."""
    alpha = uv_locks.locked("alpha", extras={"fast": [uv_locks.want("beta")]})
    found = [
        read_lock(
            uv_locks.uv_files(
                uv_locks.uv_lock(
                    [
                        uv_locks.project("shop", dependencies=[uv_locks.want("alpha", extra=extra)]),
                        alpha,
                        uv_locks.locked("beta"),
                    ],
                    revision=None if version == "0" else int(version),
                )
            )
        )
        for extra in (["fast"], [])
    ]
    _follows_extras(*found)


def extras_of_packages_in_pdm(version: str) -> None:
    """In pdm's words a package with extras is an entry of its own, in its groups where they are told."""
    listed = version in pdm_locks.LISTED
    packages = [
        pdm_locks.locked("alpha"),
        pdm_locks.locked("alpha", extras=["fast"], dependencies=["alpha==1.0", "beta"], groups=["turbo"]),
        pdm_locks.locked("beta", groups=["turbo"]),
    ]
    text = pdm_locks.pdm_lock(packages, version=version, groups=["default", "turbo"])
    pyproject = pdm_locks.pdm_pyproject(dependencies=["alpha"], extras={"turbo": ["alpha[fast]"]})
    lock = read_lock(pdm_locks.pdm_files(text, pyproject))
    assert any(edge.extras for edge in lock.edges) is not listed
    assert wanted(lock, everything(lock)) == {"alpha==1.0", "beta==1.0"}
    assert wanted(lock) == {"alpha==1.0"}


def _follows_extras(with_extra: Lock, without: Lock) -> None:
    assert wanted(with_extra) == {"alpha==1.0", "beta==1.0"}
    assert wanted(without) == {"alpha==1.0"}


def index_of_a_set(version: str) -> None:
    """pip takes the index of any file for the whole set; another set has its own."""
    place = Place("registry", OTHER_INDEX)
    scene = Scene((Item("alpha", place=place), Item("beta"), Item("checker", group="dev")))
    project = requirement_sets(scene, version)
    own_index = f"--index-url https://dev.example/simple\n{project.files['dev.txt'].decode()}"
    lock = read_lock(replace(project, files={**project.files, "dev.txt": own_index.encode()}))
    assert {pin.name: pin.source.url for pin in lock.pins} == {
        "alpha": OTHER_INDEX,
        "beta": OTHER_INDEX,
        "checker": "https://dev.example/simple",
    }
