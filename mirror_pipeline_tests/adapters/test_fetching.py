"""Fetching from upstreams that behave and that do not: what arrives, what fails, and what is left behind."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from mirror_pipeline.adapters.fetching import Fetched, Fetcher
from mirror_pipeline.adapters.pip_config import PipConfig
from mirror_pipeline.adapters.progress import Lines
from mirror_pipeline.adapters.store import WheelStore
from mirror_pipeline.domain.retry import ATTEMPTS
from mirror_pipeline.errors import StorageError
from mirror_pipeline_tests.fetchers import Waits, connect, fetch, reasons
from mirror_pipeline_tests.upstreams import FakeUpstream
from mirror_pipeline_tests.wheels import noise, sdist, wheel

WRONG = "0" * 64


@pytest.fixture
def waits() -> Waits:
    return Waits()


def stored(home: Path) -> set[str]:
    return {path.name for path in (home / "packages").iterdir()}


def half_done(home: Path) -> list[Path]:
    return list((home / "tmp").iterdir())


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """The kernel refuses to write beyond ``size``, to root as well: the nearest thing to a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# What arrives.


def test_everything_arrives_with_its_bytes(
    upstream: FakeUpstream, store: WheelStore, home: Path, waits: Waits
) -> None:
    dists = [
        upstream.add(wheel("alpha", payload=300_000)),
        upstream.add(wheel("alpha", "1.0", "cp312-cp312-win_amd64")),
        upstream.add(wheel("beta-core", "2.0+cpu")),
        upstream.add(sdist("gamma", "3.1")),
    ]

    fetched = fetch(connect(waits, upstream.url), store, *dists)

    assert fetched.sizes == {dist.file: dist.size for dist in dists}
    assert not fetched.failures
    assert {path.name: path.read_bytes() for path in store.packages.iterdir()} == {
        dist.file: dist.content for dist in dists
    }
    assert not half_done(home)
    assert upstream.count(upstream.page_of("alpha")) == 1
    assert not waits


def test_files_arrive_side_by_side(upstream: FakeUpstream, store: WheelStore, waits: Waits) -> None:
    dists = [upstream.add(wheel(name)) for name in ("alpha", "beta", "gamma")]
    holds = [upstream.hold(upstream.path_of(dist)) for dist in dists]

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(fetch, connect(waits, upstream.url, concurrency=3), store, *dists)
        for hold in holds:
            hold.wait_for_client()  # all at once: none is let go before
        for hold in holds:
            hold.release()
        fetched = running.result()

    assert set(fetched.sizes) == {dist.file for dist in dists}


def test_nothing_wanted_asks_nobody(upstream: FakeUpstream, store: WheelStore, waits: Waits) -> None:
    fetcher = connect(waits, upstream.url)

    assert fetch(fetcher, store) == Fetched()
    assert fetcher.locate([]) == Fetched()
    assert not upstream.requests


def test_a_page_is_asked_for_once_by_all_platforms(
    upstream: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    linux = upstream.add(wheel("alpha", "1.0", "cp312-cp312-manylinux_2_28_x86_64"))
    windows = upstream.add(wheel("alpha", "1.0", "cp312-cp312-win_amd64"))
    fetcher = connect(waits, upstream.url)

    for dist in (linux, windows):
        assert dist.file in fetch(fetcher, store, dist).sizes

    assert upstream.count(upstream.page_of("alpha")) == 1


def test_html_and_json_pages_give_the_same(tmp_path: Path, waits: Waits) -> None:
    dist = wheel("alpha", "1.0+b.1", requires_python=">=3.8,<4")
    yanked = wheel("alpha", "2.0")
    seen = []
    for pages in ("negotiated", "html"):
        with FakeUpstream(pages=pages) as upstream:
            upstream.add(dist)
            upstream.add(yanked, yanked="broken <build>")
            store = WheelStore(tmp_path / pages)
            store.prepare()
            fetched = fetch(connect(waits, upstream.url), store, dist, yanked)
            facts = {
                file: replace(
                    fact,
                    url=fact.url.removeprefix(upstream.root),
                    page=fact.page.removeprefix(upstream.root),
                    size=None,
                )
                for file, fact in fetched.facts.items()
            }
            seen.append((fetched.sizes, fetched.failures, facts))

    assert seen[0] == seen[1]
    assert seen[0][2][dist.file].requires_python == ">=3.8,<4"
    assert seen[0][2][yanked.file].yanked == "broken <build>"


def test_a_gzip_encoded_page_is_read(upstream: FakeUpstream, store: WheelStore, waits: Waits) -> None:
    alpha = upstream.add(wheel("alpha"))
    upstream.compress(upstream.page_of("alpha"))

    assert alpha.file in fetch(connect(waits, upstream.url), store, alpha).sizes


def test_what_pages_tell_is_handed_on(upstream: FakeUpstream, store: WheelStore, waits: Waits) -> None:
    alpha = upstream.add(wheel("alpha"), yanked=True, upload_time="2024-05-06T07:08:09Z")

    fact = fetch(connect(waits, upstream.url), store, alpha).facts[alpha.file]

    assert (fact.yanked, fact.upload_time, fact.size) == (True, "2024-05-06T07:08:09Z", alpha.size)


def test_locating_tells_sizes_and_downloads_nothing(upstream: FakeUpstream, home: Path, waits: Waits) -> None:
    alpha, missing = upstream.add(wheel("alpha")), wheel("beta")

    found = connect(waits, upstream.url).locate([alpha.artifact(), missing.artifact()])

    assert found.sizes == {alpha.file: alpha.size}
    assert reasons(found) == {missing.file: "upstream does not list this file"}
    assert upstream.count(upstream.path_of(alpha)) == 0
    assert not home.exists()


def test_progress_is_told_of_every_file(upstream: FakeUpstream, store: WheelStore, waits: Waits) -> None:
    alpha, missing = upstream.add(wheel("alpha", payload=200_000)), wheel("beta")
    lines: list[str] = []

    connect(waits, upstream.url).fetch(
        [alpha.artifact(), missing.artifact()], store, Lines(lines.append), "linux-x86_64"
    )

    assert lines[-1].startswith("linux-x86_64: 2/2 files, 0.2 MB, ")
    assert {name for line in lines for name in line.rpartition(": ")[2].split(", ")} == {
        alpha.file,
        missing.file,
    }


# Where it is taken from.


def test_indexes_are_asked_in_their_order(
    upstream: FakeUpstream, other: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    both, second_only = wheel("both"), wheel("second")
    upstream.add(both)
    other.add(both)
    other.add(second_only)

    fetched = fetch(connect(waits, upstream.url, other.url), store, both, second_only)

    assert set(fetched.sizes) == {both.file, second_only.file}
    assert upstream.count(upstream.path_of(both)) == 1
    assert other.count(other.page_of("both")) == 0
    assert other.count(other.path_of(second_only)) == 1


def test_pip_s_configuration_is_taken_where_ours_says_nothing(
    upstream: FakeUpstream, other: FakeUpstream, store: WheelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = upstream.add(wheel("first")), other.add(wheel("second"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", upstream.url)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", other.url)

    theirs = fetch(Fetcher(None, None, 2), store, first, second)
    ours = fetch(Fetcher(other.url, (), 2), store, first, second)

    assert set(theirs.sizes) == {first.file, second.file}
    assert set(ours.sizes) == {second.file}


def test_an_index_that_a_lock_names_is_the_only_one(
    upstream: FakeUpstream, other: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    here, nowhere = other.add(wheel("here")), upstream.add(wheel("nowhere"))
    upstream.add(here)

    fetched = fetch(
        connect(waits, upstream.url),
        store,
        here.artifact(index=other.url),
        nowhere.artifact(index=other.url),
    )

    assert set(fetched.sizes) == {here.file}
    assert reasons(fetched) == {nowhere.file: f"{other.url} does not list this file"}
    assert not upstream.requests


def test_a_pin_with_a_url_needs_no_page(
    upstream: FakeUpstream, other: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    alpha = other.add(wheel("alpha"), path="/releases/v1/alpha file.whl", listed=False)

    fetched = fetch(
        connect(waits, upstream.url),
        store,
        replace(alpha.artifact(url=f"{other.root}/releases/v1/alpha%20file.whl"), direct=True),
    )

    assert set(fetched.sizes) == {alpha.file}
    assert not upstream.requests
    assert other.count() == 1


def test_files_may_lie_on_another_path(upstream: FakeUpstream, store: WheelStore, waits: Waits) -> None:
    alpha = upstream.add(wheel("alpha", "1.0+local"), path="/deep/er/100%/alpha-1.0+local-py3-none-any.whl")

    assert alpha.file in fetch(connect(waits, upstream.url), store, alpha).sizes


def test_links_of_a_redirected_page_start_where_it_was_found(
    upstream: FakeUpstream, other: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    alpha = other.add(wheel("alpha"))
    upstream.redirect(upstream.page_of("alpha"), f"{other.root}{other.page_of('alpha')}")

    assert alpha.file in fetch(connect(waits, upstream.url), store, alpha).sizes
    assert other.count(other.path_of(alpha)) == 1


def test_a_file_may_be_redirected(
    upstream: FakeUpstream, other: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    alpha = upstream.add(wheel("alpha"))
    other.add(alpha)
    upstream.redirect(upstream.path_of(alpha), f"{other.root}{other.path_of(alpha)}", status=307)

    assert alpha.file in fetch(connect(waits, upstream.url), store, alpha).sizes


def test_an_index_on_disk(tmp_path: Path, store: WheelStore, home: Path, waits: Waits) -> None:
    alpha, absent, damaged = wheel("alpha", "1.0+x"), wheel("absent"), wheel("damaged")
    index = tmp_path / "an index"
    for dist in (alpha, absent, damaged):
        page = index / "simple" / dist.project / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text(f'<a href="../../{dist.file.replace("+", "%2B")}">{dist.file}</a>')
    (index / alpha.file).write_bytes(alpha.content)
    (index / damaged.file).write_bytes(b"not that")

    fetched = fetch(
        connect(waits, (index / "simple").as_uri()), store, alpha, absent, damaged, wheel("unlisted")
    )

    assert set(fetched.sizes) == {alpha.file}
    assert store.path(alpha.file).read_bytes() == alpha.content
    assert set(reasons(fetched)) == {absent.file, damaged.file, "unlisted-1.0-py3-none-any.whl"}
    assert "no such file" in reasons(fetched)[absent.file]
    assert damaged.sha256 in reasons(fetched)[damaged.file]
    assert stored(home) == {alpha.file}
    assert not half_done(home)


def test_a_page_from_the_network_cannot_name_files_of_this_machine(
    upstream: FakeUpstream, tmp_path: Path, store: WheelStore, home: Path, waits: Waits
) -> None:
    alpha = upstream.add(wheel("alpha"))
    private = tmp_path / alpha.file
    private.write_bytes(alpha.content)
    upstream.replace(
        upstream.page_of("alpha"), f'<a href="{private.as_uri()}">{alpha.file}</a>'.encode(), "text/html"
    )

    fetched = fetch(connect(waits, upstream.url), store, alpha)

    assert set(reasons(fetched)) == {alpha.file}
    assert not stored(home)


# Trying again.


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 522])
def test_trouble_that_passes_is_waited_out(
    upstream: FakeUpstream, store: WheelStore, waits: Waits, status: int
) -> None:
    alpha = upstream.add(wheel("alpha"))
    upstream.fail(upstream.page_of("alpha"), status, times=1)
    upstream.fail(upstream.path_of(alpha), status, times=2)

    fetched = fetch(connect(waits, upstream.url), store, alpha)

    assert set(fetched.sizes) == {alpha.file}
    assert upstream.count(upstream.page_of("alpha")) == 2
    assert upstream.count(upstream.path_of(alpha)) == 3
    assert len(waits) == 3
    assert all(0 < pause < 1 for pause in waits)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0", 0.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("86400", 120.0)],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_obeyed(
    upstream: FakeUpstream, store: WheelStore, waits: Waits, status: int, header: str, seconds: float
) -> None:
    alpha = upstream.add(wheel("alpha"))
    upstream.fail(upstream.path_of(alpha), status, times=1, retry_after=header)

    assert alpha.file in fetch(connect(waits, upstream.url), store, alpha).sizes
    assert waits == [seconds]


def test_trouble_that_stays_is_a_failure_worth_another_run(
    upstream: FakeUpstream, store: WheelStore, home: Path, waits: Waits
) -> None:
    alpha = upstream.add(wheel("alpha"))
    upstream.fail(upstream.path_of(alpha), 503)

    (failure,) = fetch(connect(waits, upstream.url), store, alpha).failures

    assert (failure.file, failure.project, failure.permanent) == (alpha.file, "alpha", False)
    assert "HTTP 503" in failure.reason
    assert upstream.count(upstream.path_of(alpha)) == ATTEMPTS
    assert len(waits) == ATTEMPTS - 1
    assert not stored(home)
    assert not half_done(home)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_not_tried_again(
    upstream: FakeUpstream, store: WheelStore, waits: Waits, status: int
) -> None:
    alpha = upstream.add(wheel("alpha"))
    upstream.fail(upstream.path_of(alpha), status)

    (failure,) = fetch(connect(waits, upstream.url), store, alpha).failures

    assert failure.permanent
    assert f"HTTP {status}" in failure.reason
    assert upstream.count(upstream.path_of(alpha)) == 1
    assert not waits


@pytest.mark.parametrize("status", [401, 403])
def test_a_page_behind_a_closed_door_fails_all_its_files(
    upstream: FakeUpstream, store: WheelStore, waits: Waits, status: int
) -> None:
    alpha, alpha_too = upstream.add(wheel("alpha")), upstream.add(sdist("alpha"))
    upstream.fail(upstream.page_of("alpha"), status)

    failures = fetch(connect(waits, upstream.url), store, alpha, alpha_too).failures

    assert {failure.file for failure in failures} == {alpha.file, alpha_too.file}
    assert all(failure.permanent and f"HTTP {status}" in failure.reason for failure in failures)
    assert upstream.count() == 1


# Broken transfers.


def test_a_cut_transfer_goes_on_where_it_broke(
    upstream: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    alpha = upstream.add(wheel("alpha", payload=50_000))
    upstream.cut(upstream.path_of(alpha), 10_000, times=3)

    fetched = fetch(connect(waits, upstream.url), store, alpha)

    asked = upstream.asked(upstream.path_of(alpha))
    assert fetched.sizes == {alpha.file: alpha.size}
    assert store.path(alpha.file).read_bytes() == alpha.content
    assert [request.headers.get("range") for request in asked] == [
        None, "bytes=10000-", "bytes=20000-", "bytes=30000-",
    ]  # fmt: skip
    assert [request.status for request in asked] == [200, 206, 206, 206]


def test_a_cut_transfer_begins_again_where_ranges_are_ignored(
    upstream: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    alpha = upstream.add(wheel("alpha", payload=50_000))
    upstream.cut(upstream.path_of(alpha), 10_000, times=2)
    upstream.ignore_ranges(upstream.path_of(alpha))

    fetched = fetch(connect(waits, upstream.url), store, alpha)

    assert fetched.sizes == {alpha.file: alpha.size}
    assert store.path(alpha.file).read_bytes() == alpha.content
    assert [request.status for request in upstream.asked(upstream.path_of(alpha))] == [200, 200, 200]


def test_a_server_in_trouble_between_two_parts(
    upstream: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    alpha = upstream.add(wheel("alpha", payload=50_000))
    upstream.cut(upstream.path_of(alpha), 10_000)
    upstream.fail(upstream.path_of(alpha), 503, times=1)

    assert fetch(connect(waits, upstream.url), store, alpha).sizes == {alpha.file: alpha.size}
    assert [request.status for request in upstream.asked(upstream.path_of(alpha))] == [200, 503, 206]


def test_a_length_that_was_overstated_means_beginning_again(
    upstream: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    alpha = upstream.add(wheel("alpha", payload=50_000))
    upstream.overstate(upstream.path_of(alpha), 10)

    fetched = fetch(connect(waits, upstream.url), store, alpha)

    assert fetched.sizes == {alpha.file: alpha.size}
    assert [request.status for request in upstream.asked(upstream.path_of(alpha))] == [200, 416, 200]


def test_a_transfer_that_always_breaks_leaves_nothing(
    upstream: FakeUpstream, store: WheelStore, home: Path, waits: Waits
) -> None:
    alpha = upstream.add(wheel("alpha", payload=50_000))
    upstream.cut(upstream.path_of(alpha), 0, times=1_000)

    (failure,) = fetch(connect(waits, upstream.url), store, alpha).failures

    assert not failure.permanent
    assert upstream.count(upstream.path_of(alpha)) == ATTEMPTS
    assert not stored(home)
    assert not half_done(home)


# Wrong bytes.


def test_wrong_bytes_are_a_permanent_failure_that_names_both_digests(
    upstream: FakeUpstream, store: WheelStore, home: Path, waits: Waits
) -> None:
    alpha, evil = upstream.add(wheel("alpha", payload=1_000)), wheel("alpha", payload=999)
    upstream.replace(upstream.path_of(alpha), evil.content)

    fetched = fetch(connect(waits, upstream.url), store, alpha)

    (failure,) = fetched.failures
    assert failure.permanent
    assert (failure.expected, failure.actual) == (alpha.sha256, evil.sha256)
    assert alpha.sha256 in failure.reason
    assert evil.sha256 in failure.reason
    assert not fetched.sizes
    assert not stored(home)
    assert not half_done(home)
    assert upstream.count(upstream.path_of(alpha)) == 1


def test_wrong_bytes_after_a_cut_are_wrong_as_well(
    upstream: FakeUpstream, store: WheelStore, home: Path, waits: Waits
) -> None:
    alpha = upstream.add(wheel("alpha", payload=50_000))
    upstream.cut(upstream.path_of(alpha), 10_000)
    upstream.replace(upstream.path_of(alpha), noise("evil", alpha.size))

    (failure,) = fetch(connect(waits, upstream.url), store, alpha).failures

    assert failure.actual != alpha.sha256
    assert not stored(home)


def test_halves_of_two_files_are_fetched_again_as_one(upstream: FakeUpstream, store: WheelStore) -> None:
    """Two servers behind one name, one of them with old bytes: the file is there, so it is to be had."""
    alpha = upstream.add(wheel("alpha", payload=50_000))
    path = upstream.path_of(alpha)
    upstream.cut(path, 10_000)
    upstream.replace(path, noise("old", alpha.size))

    fetched = fetch(connect(_Mending(upstream, path, alpha.content), upstream.url), store, alpha)

    assert fetched.sizes == {alpha.file: alpha.size}
    assert [request.status for request in upstream.asked(path)] == [200, 206, 200]


class _Mending(Waits):
    """While the client pauses, the server gets the right bytes."""

    def __init__(self, upstream: FakeUpstream, path: str, content: bytes) -> None:
        super().__init__()
        self._upstream, self._path, self._content = upstream, path, content

    def __call__(self, seconds: float) -> None:
        super().__call__(seconds)
        self._upstream.replace(self._path, self._content)


def test_a_page_that_states_another_digest_is_believed_to_mean_other_bytes(
    upstream: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    alpha = upstream.add(wheel("alpha"), sha256=WRONG)

    (failure,) = fetch(connect(waits, upstream.url), store, alpha).failures

    assert failure.permanent
    assert (failure.expected, failure.actual) == (alpha.sha256, WRONG)
    assert upstream.count(upstream.path_of(alpha)) == 0


def test_a_page_without_digests_is_enough(upstream: FakeUpstream, store: WheelStore, waits: Waits) -> None:
    alpha = upstream.add(wheel("alpha"), sha256=None)

    assert alpha.file in fetch(connect(waits, upstream.url), store, alpha).sizes


# What is missing, and its neighbours.


def test_one_failure_leaves_its_neighbours_alone(
    upstream: FakeUpstream, store: WheelStore, home: Path, waits: Waits
) -> None:
    good = [upstream.add(wheel(f"good-{number}")) for number in range(4)]
    gone, wrong, unlisted = upstream.add(wheel("gone")), upstream.add(wheel("wrong")), wheel("good-1", "9.9")
    upstream.fail(upstream.path_of(gone), 404)
    upstream.replace(upstream.path_of(wrong), b"wrong")

    fetched = fetch(connect(waits, upstream.url), store, gone, *good[:2], wrong, unlisted, *good[2:])

    assert stored(home) == set(fetched.sizes) == {dist.file for dist in good}
    assert [failure.file for failure in fetched.failures] == sorted([gone.file, unlisted.file, wrong.file])


def test_a_project_that_nobody_has(upstream: FakeUpstream, store: WheelStore, waits: Waits) -> None:
    (failure,) = fetch(connect(waits, upstream.url), store, wheel("alpha")).failures

    assert failure.permanent
    assert failure.reason == "upstream does not list this file"


def test_a_page_that_is_none(upstream: FakeUpstream, store: WheelStore, waits: Waits) -> None:
    alpha, beta = upstream.add(wheel("alpha")), upstream.add(wheel("beta"))
    upstream.replace(upstream.page_of("alpha"), b"{", "application/json")
    upstream.replace(upstream.page_of("beta"), b"\x89PNG", "image/png")

    fetched = fetch(connect(waits, upstream.url), store, alpha, beta)

    assert "not a Simple project page" in reasons(fetched)[alpha.file]
    assert "unexpected content type 'image/png'" in reasons(fetched)[beta.file]
    assert upstream.page_of("alpha") in reasons(fetched)[alpha.file]


def test_a_host_that_is_not_there_is_given_up_once_for_all(store: WheelStore, waits: Waits) -> None:
    with FakeUpstream() as gone:
        url = gone.url
    dists = [wheel(f"project-{number}") for number in range(20)]

    fetched = fetch(connect(waits, url, concurrency=1), store, *dists)

    assert {failure.file for failure in fetched.failures} == {dist.file for dist in dists}
    assert not any(failure.permanent for failure in fetched.failures)
    assert all("check the network" in failure.reason for failure in fetched.failures)
    assert len(waits) == ATTEMPTS - 1  # not once for each of the twenty


def test_a_host_that_goes_away_takes_only_its_own_files(
    upstream: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    with FakeUpstream() as gone:
        lost = gone.add(wheel("lost")).artifact(index=gone.url)
    alpha = upstream.add(wheel("alpha"))

    fetched = fetch(connect(waits, upstream.url), store, lost, alpha)

    assert set(fetched.sizes) == {alpha.file}
    assert set(reasons(fetched)) == {lost.file}


# Credentials.


def test_credentials_of_the_url_open_pages_and_files(
    upstream: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    alpha = upstream.add(wheel("alpha"))
    upstream.require("ann", "s3cret/@:")

    fetched = fetch(connect(waits, upstream.url_with("ann", "s3cret/@:")), store, alpha)

    assert set(fetched.sizes) == {alpha.file}
    assert {request.status for request in upstream.requests} == {200}


def test_credentials_stay_with_their_host(
    upstream: FakeUpstream, other: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    alpha = other.add(wheel("alpha"))
    upstream.add(alpha)
    upstream.require("ann", "s3cret")
    link = f'<a href="{other.root}{other.path_of(alpha)}">{alpha.file}</a>'
    upstream.replace(upstream.page_of("alpha"), link.encode(), "text/html")

    fetched = fetch(connect(waits, upstream.url_with("ann", "s3cret")), store, alpha)

    assert set(fetched.sizes) == {alpha.file}
    assert [request.headers.get("authorization") for request in other.requests] == [None]


@pytest.mark.parametrize("trouble", ["password", "file", "page", "type", "unreachable"])
def test_credentials_are_in_no_message(store: WheelStore, waits: Waits, trouble: str) -> None:
    with FakeUpstream() as upstream:
        alpha = upstream.add(wheel("alpha"))
        upstream.require("ann", "other" if trouble == "password" else "s3cret")
        if trouble == "file":
            upstream.fail(upstream.path_of(alpha), 500)
        if trouble == "page":
            upstream.fail(upstream.page_of("alpha"), 500)
        if trouble == "type":
            upstream.replace(upstream.page_of("alpha"), b"", "image/png")
        if trouble == "unreachable":
            upstream.close()

        (failure,) = fetch(connect(waits, upstream.url_with("ann", "s3cret")), store, alpha).failures

        assert upstream.host.rpartition(":")[2] in failure.reason
    assert "s3cret" not in repr(failure)
    assert "ann" not in failure.reason


# The disk.


@pytest.mark.parametrize("place", ["home", "home/packages", "home/tmp"])
def test_a_file_where_a_directory_should_be(tmp_path: Path, place: str) -> None:
    blocked = tmp_path / place
    blocked.parent.mkdir(exist_ok=True)
    blocked.write_text("in the way")

    with pytest.raises(StorageError, match="a file is where a directory should be") as caught:
        WheelStore(tmp_path / "home").prepare()

    assert str(blocked) in str(caught.value)
    assert blocked.read_text() == "in the way"


def test_a_store_that_cannot_be_written_stops_the_fetch(
    upstream: FakeUpstream, store: WheelStore, home: Path, waits: Waits
) -> None:
    alpha = upstream.add(wheel("alpha"))
    (home / "tmp").rmdir()
    (home / "tmp").write_text("in the way")

    with pytest.raises(StorageError, match="a file is where a directory should be"):
        fetch(connect(waits, upstream.url), store, alpha)

    assert upstream.count(upstream.path_of(alpha)) == 0


@pytest.mark.parametrize(
    ("size", "room"), [(3_000_000, 1_000_000), (5_000, 2_000)]
)  # more than a buffer, less
def test_a_full_disk_stops_everything_and_keeps_what_is_whole(
    upstream: FakeUpstream, store: WheelStore, home: Path, waits: Waits, size: int, room: int
) -> None:
    small, big = upstream.add(wheel("alpha")), upstream.add(wheel("beta", payload=size))
    slow = upstream.add(wheel("slow", payload=10_000))
    upstream.hold(upstream.path_of(slow), after=5_000)  # never let go: it has to be given up
    fetcher = connect(waits, upstream.url)
    fetch(fetcher, store, small)

    with no_file_longer_than(room), pytest.raises(StorageError, match="too large"):
        fetch(fetcher, store, big, slow)

    assert stored(home) == {small.file}
    assert not half_done(home)


def test_nobody_sits_out_a_pause_once_all_is_given_up(
    upstream: FakeUpstream, store: WheelStore, home: Path
) -> None:
    busy, big = upstream.add(wheel("busy")), upstream.add(wheel("zeta", payload=3_000_000))
    upstream.fail(upstream.path_of(busy), 503, retry_after="100")
    first, second = upstream.hold(upstream.path_of(busy)), upstream.hold(upstream.path_of(big))
    fetcher = Fetcher(upstream.url, (), 2, config=PipConfig(upstream.url))  # waits as it does in earnest

    with ThreadPoolExecutor(1) as pool, no_file_longer_than(1_000_000):
        running = pool.submit(fetch, fetcher, store, busy, big)
        first.wait_for_client()
        first.release()
        second.wait_for_client()
        second.release()
        error = running.exception(timeout=20)

    assert isinstance(error, StorageError)
    assert not half_done(home)


def test_the_fetcher_works_again_after_it_was_stopped(
    upstream: FakeUpstream, store: WheelStore, home: Path, waits: Waits
) -> None:
    big = upstream.add(wheel("beta", payload=3_000_000))
    fetcher = connect(waits, upstream.url)
    with no_file_longer_than(1_000_000), pytest.raises(StorageError):
        fetch(fetcher, store, big)

    assert fetch(fetcher, store, big).sizes == {big.file: big.size}
    assert stored(home) == {big.file}
