"""The coverage matrix: every pin on every target has an artifact or a gap, whatever the order of things."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.markers import Marker

from mirror_pipeline.domain.artifact import is_any_platform, is_sdist, wheel_tags
from mirror_pipeline.domain.coverage import Policy
from mirror_pipeline.domain.lock import Lock, LockedFile, Pin, Selection, Source
from mirror_pipeline.domain.plan import Plan, Wanted, make_plan
from mirror_pipeline.domain.target import DEFAULT_PLATFORMS, NOARCH, PLATFORMS, Python, Target
from mirror_pipeline.errors import ConflictError
from mirror_pipeline_tests.locks import digest_of, lock_of, pin, wants

PYTHONS = (Python(11), Python(12), Python(13, free_threaded=True))
INDEX = "https://index.example/simple"
TAGS = (
    "py3-none-any",
    "py2-none-any",
    "cp312-none-any",
    "cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64",
    "cp311-cp311-manylinux_2_28_aarch64",
    "cp38-abi3-win_amd64",
    "cp38-abi3-macosx_11_0_arm64",
    "cp313-cp313t-macosx_11_0_universal2",
    "cp312-cp312-win32",
)


def plan_of(*locks: Lock, policy: Policy = Policy(), platforms: Sequence[str] = DEFAULT_PLATFORMS) -> Plan:  # noqa: B008
    return make_plan([Wanted(lock, Selection(), PYTHONS) for lock in locks], platforms, policy)


def files_of(plan: Plan) -> Mapping[str, list[str]]:
    return {
        name: [artifact.file for artifact in part.artifacts]
        for name, part in plan.platforms.items()
        if part.artifacts
    }


@st.composite
def pins(draw: st.DrawFn) -> Pin:
    name = draw(st.sampled_from("abcdef"))
    version = draw(st.sampled_from(("1.0", "2.0+cpu", "1!3.0")))
    files = [f"{name}-{version}-{tags}.whl" for tags in draw(st.lists(st.sampled_from(TAGS), unique=True))]
    if draw(st.booleans()):
        files.append(f"{name}-{version}.tar.gz")
    sources = (Source(), Source("registry", INDEX), Source("git", "https://git.example/x"))
    locked = tuple(LockedFile(file, digest_of(file)) for file in files)
    return replace(pin(name, version, source=draw(st.sampled_from(sources))), files=locked)


locks = st.lists(pins(), max_size=6, unique_by=lambda item: item.key).flatmap(
    lambda items: st.lists(
        st.sampled_from(("", 'sys_platform == "win32"', 'python_version < "3.12"')),
        min_size=len(items),
        max_size=len(items),
    ).map(lambda markers: lock_of(*items, edges=list(map(wants, items, markers))))
)
policies = st.sampled_from((Policy(), Policy(sdists="fallback"), Policy(sdists="always")))


@settings(deadline=None, max_examples=50)
@given(locks, policies)
def test_every_pin_of_every_target_is_covered_or_a_gap(lock: Lock, policy: Policy) -> None:
    plan = plan_of(lock, policy=policy)
    for target, labels in plan.targets.items():
        platform, _, python = target.partition("/")
        tags = set(Target(PLATFORMS[platform], Python.parse(python)).tags)
        mine = {*plan.platforms[platform].artifacts, *plan.platforms[NOARCH].artifacts}
        gaps = {
            f"{gap.project}=={gap.version}" for gap in plan.platforms[platform].gaps if python in gap.pythons
        }
        for label in labels:
            own = [artifact for artifact in mine if f"{artifact.project}=={artifact.version}" == label]
            fits = any(tags & (wheel_tags(artifact.file) or set()) for artifact in own)
            serves = fits or (policy.sdists != "never" and any(is_sdist(artifact.file) for artifact in own))
            assert serves != (label in gaps)


@settings(deadline=None, max_examples=50)
@given(locks, policies)
def test_noarch_holds_wheels_for_any_platform_and_platforms_hold_the_others(
    lock: Lock, policy: Policy
) -> None:
    plan = plan_of(lock, policy=policy)
    for name, part in plan.platforms.items():
        for artifact in part.artifacts:
            tags = wheel_tags(artifact.file)
            assert (name == NOARCH) == (tags is None or is_any_platform(tags))
            assert tags is not None or policy.sdists != "never"
    assert plan.platforms[NOARCH].gaps == ()


@settings(deadline=None, max_examples=40)
@given(locks, st.randoms(use_true_random=False))
def test_the_order_in_the_lock_does_not_matter(lock: Lock, chance: random.Random) -> None:
    shuffled = replace(
        lock,
        pins=tuple(
            replace(item, files=tuple(chance.sample(item.files, len(item.files))))
            for item in chance.sample(lock.pins, len(lock.pins))
        ),
        edges=tuple(chance.sample(lock.edges, len(lock.edges))),
    )
    assert plan_of(shuffled) == plan_of(lock) == plan_of(lock)


@settings(deadline=None, max_examples=40)
@given(locks)
def test_only_files_that_the_lock_names_are_wanted_each_once(lock: Lock) -> None:
    named = {(file.name, file.sha256) for item in lock.pins for file in item.files}
    plan = plan_of(lock, policy=Policy(sdists="always"))
    names = [artifact.file for artifact in plan.artifacts]
    assert {(artifact.file, artifact.sha256) for artifact in plan.artifacts} <= named
    assert names == sorted(set(names))


def test_platform_wheels_and_pure_wheels_go_to_their_partitions() -> None:
    plan = plan_of(lock_of(pin("a", "1.0", "a-1.0-cp38-abi3-win_amd64.whl", "a-1.0-py3-none-any.whl")))
    assert files_of(plan) == {
        "windows-amd64": ["a-1.0-cp38-abi3-win_amd64.whl"],
        NOARCH: ["a-1.0-py3-none-any.whl"],
    }
    assert plan.gaps == ()


def test_a_gap_takes_the_pythons_with_the_same_reason_together() -> None:
    plan = plan_of(lock_of(pin("a", "1.0", "a-1.0-cp38-abi3-win_amd64.whl")))
    gaps = {name: [(gap.pythons, gap.reason) for gap in part.gaps] for name, part in plan.platforms.items()}
    assert gaps["linux-x86_64"] == [(("3.11", "3.12", "3.13t"), "no wheel for linux-x86_64 among 1")]
    assert gaps["windows-amd64"] == [
        (("3.13t",), "wheels for windows-amd64 are for other Pythons only: cp38")
    ]
    assert len(plan.gaps) == 4


def test_a_target_without_pins_is_listed_all_the_same() -> None:
    plan = plan_of(lock_of(), platforms=["linux-x86_64", NOARCH])
    assert plan.targets == {f"linux-x86_64/{python}": () for python in PYTHONS}
    assert plan.artifacts == ()


def test_what_an_artifact_remembers_of_its_origin() -> None:
    from_index = pin("a", source=Source("registry", INDEX))
    from_url = pin("b", source=Source("url", "https://files.example/b-1.0-py3-none-any.whl"))
    a, b = plan_of(lock_of(from_index, from_url)).artifacts
    assert (a.index, a.url, a.project, a.version, a.wanted_by) == (INDEX, None, "a", "1.0", ("shop",))
    assert (b.index, b.url) == (None, "https://files.example/b-1.0-py3-none-any.whl")


@pytest.mark.parametrize("kind", ["git", "path", "directory", "editable", "virtual"])
def test_what_lies_outside_is_listed_and_neither_fetched_nor_a_gap(kind: str) -> None:
    source = replace(Source(), kind=kind, url="https://git.example/a")  # type: ignore[arg-type]
    plan = plan_of(lock_of(pin("a", source=source), pin("b")))
    assert [(item.project, item.source) for item in plan.outside] == [("a", "https://git.example/a")]
    assert kind in plan.outside[0].why
    assert files_of(plan) == {NOARCH: ["b-1.0-py3-none-any.whl"]}
    assert plan.gaps == ()
    assert set(plan.targets.values()) == {("b==1.0",)}


def test_a_source_without_address_is_named_by_its_kind() -> None:
    assert plan_of(lock_of(pin("a", source=Source("virtual")))).outside[0].source == "virtual"


def test_wheels_at_a_url_are_mirrored_but_are_no_registry_pins() -> None:
    plan = plan_of(lock_of(pin("a", source=Source("url", "https://files.example/a.whl"))))
    assert files_of(plan) == {NOARCH: ["a-1.0-py3-none-any.whl"]}
    assert set(plan.targets.values()) == {()}


def test_projects_that_want_the_same_file_share_it() -> None:
    one, two = lock_of(pin("a"), project="one"), lock_of(pin("a"), pin("b"), project="two")
    shared = {artifact.file: artifact.wanted_by for artifact in plan_of(two, one).artifacts}
    assert shared == {"a-1.0-py3-none-any.whl": ("one", "two"), "b-1.0-py3-none-any.whl": ("two",)}
    assert plan_of(one, two) == plan_of(two, one)


def test_each_project_counts_on_its_own_pythons_only() -> None:
    old = Wanted(lock_of(pin("a"), project="one"), Selection(), (Python(11),))
    new = Wanted(lock_of(pin("a", "2.0"), project="two"), Selection(), (Python(12),))
    assert make_plan([old, new], ["linux-x86_64", NOARCH]).targets == {
        "linux-x86_64/3.11": ("a==1.0",),
        "linux-x86_64/3.12": ("a==2.0",),
    }


def test_markers_decide_per_target() -> None:
    a, b = pin("a"), pin("b")
    plan = plan_of(lock_of(a, b, edges=[wants(a, str(Marker('sys_platform == "win32"'))), wants(b)]))
    assert plan.targets["windows-amd64/3.12"] == ("a==1.0", "b==1.0")
    assert plan.targets["linux-x86_64/3.12"] == ("b==1.0",)


@pytest.mark.parametrize("tags", ["py3-none-any", "cp38-abi3-win_amd64"])
def test_one_name_with_different_bytes_is_refused_with_both_origins(tags: str) -> None:
    file = f"a-1.0-{tags}.whl"
    one = replace(
        pin("a", source=Source("registry", INDEX)), key="one", files=(LockedFile(file, digest_of("one")),)
    )
    two = replace(
        pin("a", source=Source("registry", f"{INDEX}/cpu")),
        key="two",
        files=(LockedFile(file, digest_of("two")),),
    )
    with pytest.raises(ConflictError) as caught:
        plan_of(lock_of(one, project="x"), lock_of(two, project="y"))
    assert caught.value.facts == {
        "file": file,
        "digests": sorted([digest_of("one"), digest_of("two")]),
        "wanted_by": ["x", "y"],
    }
    assert f"{INDEX} ({digest_of('one')})" in str(caught.value)
    assert f"{INDEX}/cpu ({digest_of('two')})" in str(caught.value)


def test_a_conflict_is_seen_across_partitions_too() -> None:
    file = "a-1.0-py3-none-macosx_11_0_arm64.macosx_11_0_x86_64.whl"
    lock = lock_of(
        replace(pin("a"), key="one", files=(LockedFile(file, digest_of("one")),)),
        replace(pin("a"), key="two", files=(LockedFile(file, digest_of("two")),)),
    )
    edges = (
        replace(lock.edges[0], marker=Marker('platform_machine == "arm64"')),
        replace(lock.edges[1], marker=Marker('platform_machine == "x86_64"')),
    )
    with pytest.raises(ConflictError):
        plan_of(replace(lock, edges=edges), platforms=["macos-arm64", "macos-x86_64", NOARCH])
