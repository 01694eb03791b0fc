"""What pages for people say: views of plans, wheel sets and locks."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from packaging.utils import NormalizedName

from mirror_pipeline.domain.about import About
from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.lock import Lock
from mirror_pipeline.domain.people import (
    PLACEHOLDER,
    Cell,
    Coverage,
    Front,
    client_views,
    coverage_view,
    front_view,
    title_of,
)
from mirror_pipeline.domain.people_projects import ProjectView, project_views, size_in_words
from mirror_pipeline.domain.plan import AboveFloor, Gap, Outside, Plan, PlatformPlan
from mirror_pipeline.domain.snippets import CLIENTS
from mirror_pipeline.domain.wheelset import CoreMetadata, Held, WheelSet, by_project

SHOP = NormalizedName("shop")
PLAN = Plan(
    targets={
        "linux-x86_64/3.11": ("alpha==1", "shop==1"),
        "linux-x86_64/3.12": ("alpha==1", "shop==1"),
        "windows-amd64/3.12": ("alpha==1", "shop==1"),
    },
    outside=(
        Outside(NormalizedName("own"), "https://git.example/own", "a git source: no index can serve it; x"),
    ),
    platforms={
        "linux-x86_64": PlatformPlan(
            "linux-x86_64",
            floors=(AboveFloor(SHOP, "1", ("3.11",), "glibc 2.34", "glibc 2.28"),),
        ),
        "windows-amd64": PlatformPlan("windows-amd64", gaps=(Gap(SHOP, "1", ("3.12",), "source only"),)),
        "noarch": PlatformPlan("noarch"),
    },
)


def lock(project: str, format_: str = "uv", requires_python: str = "<4,>=3.9") -> Lock:
    return Lock(project, format_, "1", requires_python, (), (), (), ())


def held(
    file: str, version: str = "1.0", project: str = "shop", *, about: About | None = None, **facts: object
) -> Held:
    sha256 = hashlib.sha256(file.encode()).hexdigest()
    artifact = Artifact(file, sha256, NormalizedName(project), version, wanted_by=("office",))
    core = CoreMetadata(sha256, 3, None, about) if file.endswith(".whl") else None
    return replace(Held(artifact, 1500, core), **facts)  # type: ignore[arg-type]


def shown(*items: Held, platform: str = "noarch") -> ProjectView:
    """The one project that these files are of."""
    sets = [WheelSet(platform, items)]
    (view,) = project_views(by_project(sets), sets)
    return view


# Projects.


def test_the_newest_version_comes_first_and_says_what_the_project_is() -> None:
    view = shown(
        held("shop-1.9-py3-none-any.whl", "1.9", about=About("old")),
        held("shop-1.10-py3-none-any.whl", "1.10", about=About("new")),
    )
    assert (view.numbers, view.newest.version) == ("1.10, 1.9", "1.10")
    assert view.about.summary == "new"


@pytest.mark.parametrize("silent", [None, About()])
def test_a_version_that_says_nothing_lets_the_one_before_speak(silent: About | None) -> None:
    view = shown(
        held("shop-1.0-py3-none-any.whl", "1.0", about=About("old")),
        held("shop-2.0-py3-none-any.whl", "2.0", about=silent),
        held("shop-3.0.tar.gz", "3.0"),
    )
    assert (view.newest.version, view.about.summary) == ("3.0", "old")


def test_files_stand_below_their_platforms() -> None:
    view = shown(
        held("shop-1.0.tar.gz"),
        held("shop-1.0-cp312-cp312-win_amd64.whl"),
        held("shop-1.0-cp312-cp312-manylinux_2_17_x86_64.whl"),
        held("shop-1.0-cp311-cp311-manylinux_2_17_x86_64.whl"),
        held("shop-1.0-cp39-cp39-manylinux_2_17_x86_64.whl"),
        held("shop-1.0-py3-none-any.whl"),
    )
    groups = [(name, [file.runs.needs for file in files]) for name, files in view.newest.groups]
    assert groups == [
        ("Any platform", ["Python 3"]),
        (
            "Linux x86-64",
            ["CPython 3.9, glibc 2.17+", "CPython 3.11, glibc 2.17+", "CPython 3.12, glibc 2.17+"],
        ),
        ("Windows x86-64", ["CPython 3.12"]),
        ("Source", ["to be built"]),
    ]
    assert (view.files, view.size) == (6, "9.0 kB")


def test_a_project_names_the_platforms_that_have_files_of_their_own() -> None:
    native, pure = (
        held("shop-1.0-cp312-cp312-win_amd64.whl"),
        held("pure-1.0-py3-none-any.whl", project="pure"),
    )
    sets = [
        WheelSet("noarch", (pure,)),
        WheelSet("windows-amd64", (native,)),
        WheelSet("linux-x86_64", (native,)),
    ]
    views = {view.name: view.platforms for view in project_views(by_project(sets), sets)}
    assert views == {"pure": (), "shop": ("windows-amd64", "linux-x86_64")}


def test_facts_of_files() -> None:
    view = shown(
        held(
            "shop-1.0+cpu-py3-none-any.whl",
            "1.0+cpu",
            yanked="broken\u202e <b>",
            upload_time="2024-05-06T07:08:09.1Z",
            requires_python="<4,>=3.8",
        )
    )
    (file,) = view.newest.files
    assert (file.yanked, file.uploaded, file.size) == ("broken <b>", "2024-05-06", "1.5 kB")
    assert file.url == "shop-1.0%2Bcpu-py3-none-any.whl"
    assert view.newest.requires_python == ">=3.8, <4"
    assert view.wanted_by == ("office",)
    assert view.newest.yanked
    assert view.yanked


@pytest.mark.parametrize(("told", "expected"), [(False, None), (True, ""), ("", ""), ("why", "why")])
def test_yanked_with_and_without_a_reason(told: str | bool, expected: str | None) -> None:
    (file,) = shown(held("shop-1.0-py3-none-any.whl", yanked=told)).newest.files
    assert file.yanked == expected


@pytest.mark.parametrize("time", ["yesterday", "<script>", "", None, "20240506"])
def test_a_time_that_is_none_is_not_told(time: str | None) -> None:
    (file,) = shown(held("shop-1.0-py3-none-any.whl", upload_time=time)).newest.files
    assert file.uploaded == ""


@pytest.mark.parametrize(
    ("size", "expected"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (123_456, "123 kB"), (36_300_000, "36.3 MB"),
     (2_500_000_000, "2.5 GB"), (1_234_000_000_000, "1,234 GB")],
)  # fmt: skip
def test_sizes(size: int, expected: str) -> None:
    assert size_in_words(size) == expected


# The front page.


def test_coverage_is_pins_with_a_file_of_pins_wanted() -> None:
    view = coverage_view(PLAN, [])
    assert view.pythons == ("3.11", "3.12")
    cells = {row.platform: row.cells for row in view.rows}
    assert cells == {
        "linux-x86_64": (Cell(2, 2), Cell(2, 2)),
        "windows-amd64": (None, Cell(1, 2)),
    }
    assert [cell.complete for row in view.rows for cell in row.cells if cell] == [True, True, False]
    assert (view.lacking, view.above, view.platforms) == (1, 1, ("linux-x86_64", "windows-amd64"))


@pytest.mark.parametrize("arrived", [False, True])
def test_what_did_not_arrive_is_lacking_too(arrived: bool) -> None:
    item = held("shop-1.0-py3-none-any.whl")
    planned = {**PLAN.platforms, "noarch": PlatformPlan("noarch", (item.artifact,))}
    view = coverage_view(replace(PLAN, platforms=planned), [WheelSet("noarch", (item,) if arrived else ())])
    rows = {row.platform: row.absent for row in view.rows if row.absent}
    assert rows == ({} if arrived else {"noarch": ("shop-1.0-py3-none-any.whl",)})
    assert view.lacking == (1 if arrived else 2)
    assert view.platforms == ("linux-x86_64", "windows-amd64")


def test_where_a_pin_comes_from_that_is_outside_is_not_told() -> None:
    assert coverage_view(PLAN, []).outside == (("own", "a git source"),)


@pytest.mark.parametrize(
    ("projects", "expected"),
    [
        ([], "Package mirror"),
        (["shop"], "shop"),
        (["shop", "office"], "office and shop"),
        (["c", "b", "a"], "a, b and c"),
        (["d", "c", "b", "a", "e"], "a, b, c and 2 more"),
    ],
)
def test_a_title_is_made_of_names(projects: list[str], expected: str) -> None:
    assert title_of([lock(name) for name in projects]) == expected


def test_the_front_page_says_what_is_mirrored_and_where() -> None:
    items = [held("shop-1.0-py3-none-any.whl")]
    documents = ["requirements-prod.txt", "pylock/pylock.linux-x86_64.toml", "requirements/shop-all.txt"]
    view = front_view(
        "", "", "digest", [lock("shop")], [shown(*items)], items, Coverage((), (), ()), documents
    )
    assert (view.title, view.base, view.size, view.files) == ("shop", PLACEHOLDER, "1.5 kB", 1)
    assert view.requirement_files == ("requirements-prod.txt", "requirements/shop-all.txt")
    assert view.lock_files == ("pylock/pylock.linux-x86_64.toml",)
    assert [(one.name, one.format, one.requires_python) for one in view.locks] == [
        ("shop", "uv", ">=3.9, <4")
    ]
    named = front_view("Ours", "https://m.example", "", [], [], [], Coverage((), (), ()), [])
    assert (named.title, named.base) == ("Ours", "https://m.example")


def front(base: str, *documents: str) -> Front:
    return front_view("", base, "", [lock("shop")], [], [], coverage_view(PLAN, []), documents)


def test_every_client_is_told_of_the_production_requirements() -> None:
    clients = client_views(front("", "requirements-all.txt", "requirements-prod.txt"), private=False)
    assert [client.name for client in clients] == list(CLIENTS)
    assert f"{PLACEHOLDER}/requirements-prod.txt" in clients[0].snippets[0].text
    assert all(client.snippets for client in clients)


def test_of_several_projects_the_first_is_named_and_no_mixture() -> None:
    locks, coverage = [lock("shop"), lock("office")], coverage_view(PLAN, [])
    keys = [
        *(f"requirements/{name}-{kind}.txt" for name in ("office", "shop") for kind in ("all", "prod")),
        *(f"pylock/pylock.{name}linux-x86_64.toml" for name in ("", "office-", "shop-")),
        *(f"pylock/{name}/uv.lock.toml" for name in ("office", "shop")),
    ]
    view = front_view("", "https://m.example", "", locks, [], [], coverage, keys)
    assert view.named == {
        "project": "shop",
        "requirements": "requirements/shop-prod.txt",
        "lock": "pylock/pylock.shop-linux-x86_64.toml",
        "uv_lock": "pylock/shop/uv.lock.toml",
    }
    texts = [part.text for client in client_views(view, private=False) for part in client.snippets]
    assert "office" not in "".join(texts)


@pytest.mark.parametrize("base", ["", "https://m.example"])
def test_locks_with_urls_are_offered_where_the_url_is_known(base: str) -> None:
    files = [
        "requirements-prod.txt", "pylock/pylock.a-linux-x86_64.toml", "pylock/pylock.linux-x86_64.toml",
        "pylock/pylock.windows-amd64.toml", "pylock/uv.lock.toml",
    ]  # fmt: skip
    (uv,) = (client for client in client_views(front(base, *files), private=False) if client.name == "uv")
    text = "".join(snippet.text for snippet in uv.snippets)
    for key in ("pylock/pylock.linux-x86_64.toml", "pylock/uv.lock.toml"):
        assert (f"{base}/{key}" in text) == bool(base)
    assert "windows" not in text
