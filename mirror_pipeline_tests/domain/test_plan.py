"""The coverage matrix: every pin on every target has an artifact or a gap, whatever the order of things."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.markers import Marker
from packaging.version import Version

from mirror_pipeline.domain.artifact import is_any_platform, is_sdist, wheel_tags
from mirror_pipeline.domain.coverage import Policy, SdistPolicy, WheelPolicy
from mirror_pipeline.domain.floors import Floors
from mirror_pipeline.domain.lock import Lock, LockedFile, Pin, Selection, Source
from mirror_pipeline.domain.plan import AboveFloor, Plan, Wanted, make_plan
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
policies = st.sampled_from(
    (
        Policy(),
        Policy(sdists="fallback"),
        Policy(sdists="always"),
        Policy("best-per-floor"),
        Policy("best-per-floor", "fallback", Floors((2, 17), (12, 0))),
    )
)


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


def test_the_order_of_projects_does_not_decide_where_a_shared_file_comes_from() -> None:
    sources = (Source("url", "https://files.example/a.whl"), Source(), Source("registry", INDEX))
    locked = [lock_of(pin("a", source=source), project=f"p{n}") for n, source in enumerate(sources)]
    sized = replace(locked[1], pins=tuple(_sized(item) for item in locked[1].pins))
    plans = [plan_of(*order) for order in permutations((locked[0], sized, locked[2]))]
    assert all(plan == plans[0] for plan in plans)
    (artifact,) = plans[0].artifacts
    assert (artifact.index, artifact.direct, artifact.size) == (INDEX, False, 7)
    assert artifact.wanted_by == ("p0", "p1", "p2")


def _sized(item: Pin) -> Pin:
    return replace(item, files=tuple(replace(file, size=7) for file in item.files))


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
        "sources": [INDEX, f"{INDEX}/cpu"],
    }
    assert f"x wants it from {INDEX} ({digest_of('one')})" in str(caught.value)
    assert f"y wants it from {INDEX}/cpu ({digest_of('two')})" in str(caught.value)


def two_of_one_name(one: Source, two: Source) -> Lock:
    """A lock that takes a file of one name from two places, by platform."""
    file = "torchvision-0.22.0-cp312-cp312-manylinux_2_28_aarch64.whl"
    pins = [
        Pin(key, pin("torchvision").name, Version("0.22.0"), (LockedFile(file, digest_of(key)),), source)
        for key, source in (("one", one), ("two", two))
    ]
    return lock_of(*pins)


def test_one_project_may_contradict_itself_too() -> None:
    lock = two_of_one_name(Source("registry", f"{INDEX}/cpu"), Source())
    with pytest.raises(ConflictError) as caught:
        plan_of(lock)
    message = str(caught.value)
    assert message.count("shop wants it from") == 2
    assert f"{INDEX}/cpu ({digest_of('one')})" in message
    assert f"the configured upstream ({digest_of('two')})" in message
    assert "\n" not in message


def test_a_conflict_does_not_tell_who_asks() -> None:
    secret = "https://user:s3cret@index.example/simple"
    with pytest.raises(ConflictError) as caught:
        plan_of(
            two_of_one_name(Source("registry", secret), Source("url", "https://t0ken@files.example/x.whl"))
        )
    told = f"{caught.value} {caught.value.facts}"
    assert "index.example" in told
    assert "files.example" in told
    assert "s3cret" not in told
    assert "t0ken" not in told


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:s3cret@git.example/a", "https://git.example/a"),
        ("git+https://t0ken@git.example/a", "git+https://git.example/a"),
        ("ssh://git@git.example/a", "ssh://git@git.example/a"),
        ("ssh://git:s3cret@git.example/a", "ssh://git.example/a"),
        ("../local@home", "../local@home"),
    ],
)
def test_what_lies_outside_is_told_without_secrets(url: str, shown: str) -> None:
    assert plan_of(lock_of(pin("a", source=Source("git", url)))).outside[0].source == shown


# Floors.

NEWER = "a-1.0-cp312-cp312-manylinux_2_34_x86_64.whl"
NEWER_MAC = "a-1.0-cp311-cp311-macosx_14_0_arm64.whl"


@pytest.mark.parametrize("wheels", ["compatible", "best-per-floor"])
def test_what_machines_at_the_floor_cannot_install_is_said_and_is_no_gap(wheels: WheelPolicy) -> None:
    files = (NEWER, NEWER.replace("312", "311"), NEWER_MAC, NEWER_MAC.replace("311", "312"))
    plan = plan_of(lock_of(pin("a", "1.0", *files)), policy=Policy(wheels))
    name = pin("a").name
    assert {platform: part.floors for platform, part in plan.platforms.items() if part.floors} == {
        "linux-x86_64": (AboveFloor(name, "1.0", ("3.11", "3.12"), "glibc 2.34", "glibc 2.28"),),
        "macos-arm64": (AboveFloor(name, "1.0", ("3.11", "3.12"), "macOS 14.0", "macOS 13.0"),),
    }
    gaps = {(platform, *gap.pythons) for platform, gap in plan.gaps}
    assert ("linux-x86_64", "3.13t") in gaps
    assert ("linux-x86_64", "3.11", "3.12", "3.13t") not in gaps


def test_floors_follow_the_settings() -> None:
    lock = lock_of(pin("a", "1.0", NEWER))
    assert plan_of(lock, policy=Policy(floors=Floors(glibc=(2, 34)))).floors == ()
    assert [
        above.floor for _, above in plan_of(lock, policy=Policy(floors=Floors(glibc=(2, 31)))).floors
    ] == ["glibc 2.31"]


@settings(deadline=None, max_examples=40)
@given(locks)
def test_one_wheel_per_target_at_most_is_kept_under_best_per_floor(lock: Lock) -> None:
    every, best = plan_of(lock), plan_of(lock, policy=Policy("best-per-floor"))
    assert {a.file for a in best.artifacts} <= {a.file for a in every.artifacts}
    assert (best.gaps, best.floors, best.targets) == (every.gaps, every.floors, every.targets)
    for target in every.targets:
        platform, _, python = target.partition("/")
        tags = set(Target(PLATFORMS[platform], Python.parse(python)).tags)
        held = {*best.platforms[platform].artifacts, *best.platforms[NOARCH].artifacts}
        fitting = [item for item in held if tags & (wheel_tags(item.file) or set())]
        served = {item.project for item in fitting}
        wanted = {gap.project for gap in every.platforms[platform].gaps if python in gap.pythons}
        assert served | wanted >= {label.partition("==")[0] for label in every.targets[target]}


# Environments, and pins known by hash only.


def test_a_target_that_a_lock_was_not_made_for_stays_without_pins() -> None:
    lock = replace(lock_of(pin("a")), environments=(Marker('sys_platform == "linux"'),))
    plan = plan_of(lock)
    assert plan.targets["linux-x86_64/3.12"] == ("a==1.0",)
    assert plan.targets["windows-amd64/3.12"] == ()
    assert plan.gaps == ()


def by_hash(name: str, hashes: int = 2) -> Pin:
    unknown = tuple(digest_of(f"{name}{number}") for number in range(hashes))
    return replace(pin(name), files=(), hashes=unknown, unhashed=not hashes)


@pytest.mark.parametrize("hashes", [0, 1, 2])
def test_offline_a_pin_known_by_hash_only_is_neither_artifact_nor_gap(hashes: int) -> None:
    lock = lock_of(by_hash("a", hashes), pin("b"))
    plan = make_plan([Wanted(lock, Selection(), PYTHONS)], DEFAULT_PLATFORMS, offline=True)
    assert (plan.unnamed, plan.gaps) == (("a==1.0",), ())
    assert files_of(plan) == {NOARCH: ["b-1.0-py3-none-any.whl"]}
    assert set(plan.targets.values()) == {("a==1.0", "b==1.0")}


def test_a_pin_whose_hashes_no_upstream_knows_is_a_gap() -> None:
    plan = plan_of(lock_of(by_hash("a", 3)), platforms=["linux-x86_64", NOARCH])
    assert plan.unnamed == ()
    assert [gap.reason for _, gap in plan.gaps] == [
        "no upstream lists a file with any of its 3 locked hashes"
    ]


def test_what_is_not_mirrored_anyway_is_never_called_unnamed() -> None:
    lock = lock_of(replace(by_hash("a"), source=Source("git", "https://git.example/a")))
    plan = make_plan([Wanted(lock, Selection(), PYTHONS)], DEFAULT_PLATFORMS, offline=True)
    assert (plan.unnamed, len(plan.outside)) == ((), 1)


# Several projects, and source distributions.


def test_a_gap_names_the_projects_that_want_the_pin() -> None:
    windows = pin("a", "1.0", "a-1.0-cp38-abi3-win_amd64.whl")
    plan = plan_of(
        lock_of(windows, project="two"),
        lock_of(windows, pin("b", "1.0", "b-1.0.tar.gz"), project="one"),
        platforms=["linux-x86_64", NOARCH],
    )
    assert {gap.project: gap.wanted_by for _, gap in plan.gaps} == {"a": ("one", "two"), "b": ("one",)}


def test_a_file_of_two_platforms_is_wanted_by_the_projects_of_both() -> None:
    file = "a-1.0-cp312-cp312-macosx_11_0_universal2.whl"
    arm, intel = (
        lock_of(locked, edges=[wants(locked, f'platform_machine == "{machine}"')], project=machine)
        for locked, machine in ((pin("a", "1.0", file), "arm64"), (pin("a", "1.0", file), "x86_64"))
    )
    plan = plan_of(arm, intel, platforms=["macos-arm64", "macos-x86_64", NOARCH])
    assert [part.artifacts[0].wanted_by for part in plan.platforms.values() if part.artifacts] == [
        ("arm64",),
        ("x86_64",),
    ]
    assert [artifact.wanted_by for artifact in plan.artifacts] == [("arm64", "x86_64")]


BOTH = ("a-1.0-cp312-cp312-win_amd64.whl", "a-1.0.tar.gz")


@pytest.mark.parametrize(
    ("sdists", "files", "built"),
    [
        ("never", {"windows-amd64": [BOTH[0]]}, {}),
        (
            "fallback",
            {"windows-amd64": [BOTH[0]], NOARCH: ["b-1.0.zip", BOTH[1]]},
            {"linux-x86_64/3.12": ("a==1.0", "b==1.0"), "windows-amd64/3.12": ("b==1.0",)},
        ),
    ],
)
def test_a_target_that_a_wheel_serves_does_not_build(
    sdists: SdistPolicy, files: dict[str, list[str]], built: dict[str, tuple[str, ...]]
) -> None:
    lock = lock_of(pin("a", "1.0", *BOTH), pin("b", "1.0", "b-1.0.zip"))
    wanted = Wanted(lock, Selection(), (Python(12),))
    plan = make_plan([wanted], ["linux-x86_64", "windows-amd64", NOARCH], Policy(sdists=sdists))
    assert {name: sorted(held) for name, held in files_of(plan).items()} == {
        name: sorted(held) for name, held in files.items()
    }
    assert plan.built == built


def test_where_wheels_serve_every_target_fallback_takes_no_source() -> None:
    lock = lock_of(pin("a", "1.0", *BOTH))
    wanted = Wanted(lock, Selection(), (Python(12),))
    plan = make_plan([wanted], ["windows-amd64", NOARCH], Policy(sdists="fallback"))
    assert (files_of(plan), plan.built) == ({"windows-amd64": [BOTH[0]]}, {})
    always = make_plan([wanted], ["windows-amd64", NOARCH], Policy(sdists="always"))
    assert (files_of(always)[NOARCH], always.built) == ([BOTH[1]], {})


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
