"""Where files may come from: one source for a pin, no name told to others, hosts, lists of projects."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from mirror_pipeline.adapters.pip_config import default_index
from mirror_pipeline.adapters.store import WheelStore
from mirror_pipeline.adapters.upstream import Asked, Listing
from mirror_pipeline.domain.artifact import Artifact
from mirror_pipeline.domain.retry import ATTEMPTS
from mirror_pipeline.errors import UpstreamError
from mirror_pipeline_tests.fetchers import Waits, connect, fetch, reasons
from mirror_pipeline_tests.upstreams import FakeUpstream
from mirror_pipeline_tests.wheels import Dist, sdist, wheel

WRONG, WRONG_TOO = "0" * 64, "1" * 64
NOBODY = "upstream does not list this file"


@pytest.fixture
def waits() -> Waits:
    return Waits()


def asked_of(server: FakeUpstream) -> set[str]:
    return {request.path for request in server.requests}


# One source for a pin.


def test_one_version_never_comes_from_two_indexes(
    upstream: FakeUpstream, other: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    here, there = wheel("alpha", "1.0"), sdist("alpha", "1.0")
    upstream.add(here)
    other.add(here)
    other.add(there)

    fetched = fetch(connect(waits, upstream.url, other.url), store, here, there)

    assert set(fetched.sizes) == {here.file}
    assert reasons(fetched) == {there.file: NOBODY}
    assert not other.requests


def test_one_version_never_comes_from_two_indexes_one_platform_after_the_other(
    upstream: FakeUpstream, other: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    linux, windows = (wheel("alpha", "1.0", f"cp312-cp312-{tag}") for tag in ("linux_x86_64", "win_amd64"))
    upstream.add(linux)
    other.add(windows)
    fetcher = connect(waits, upstream.url, other.url)

    assert set(fetch(fetcher, store, linux).sizes) == {linux.file}
    assert reasons(fetch(fetcher, store, windows)) == {windows.file: NOBODY}
    assert not other.requests


def test_versions_of_one_project_may_come_from_different_indexes(
    upstream: FakeUpstream, other: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    old, new = upstream.add(wheel("alpha", "1.0")), other.add(wheel("alpha", "2.0"))

    fetched = fetch(connect(waits, upstream.url, other.url), store, old, new)

    assert set(fetched.sizes) == {old.file, new.file}
    assert asked_of(upstream) == {upstream.page_of("alpha"), upstream.path_of(old)}
    assert asked_of(other) == {other.page_of("alpha"), other.path_of(new)}


def test_an_index_with_other_bytes_is_passed_over(
    upstream: FakeUpstream, other: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    alpha = wheel("alpha")
    upstream.add(alpha, sha256=WRONG)
    other.add(alpha)

    fetched = fetch(connect(waits, upstream.url, other.url), store, alpha)

    assert set(fetched.sizes) == {alpha.file}
    assert upstream.count(upstream.path_of(alpha)) == 0


def test_other_bytes_everywhere_are_named(
    upstream: FakeUpstream, other: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    alpha = wheel("alpha")
    upstream.add(alpha, sha256=WRONG)
    other.add(alpha, sha256=WRONG_TOO)

    (failure,) = fetch(connect(waits, upstream.url, other.url), store, alpha).failures

    assert failure.permanent
    assert (failure.expected, failure.actual) == (alpha.sha256, f"{WRONG}, {WRONG_TOO}")
    assert all(digest in failure.reason for digest in (alpha.sha256, WRONG, WRONG_TOO))


def test_other_bytes_of_one_file_do_not_send_it_elsewhere(
    upstream: FakeUpstream, other: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    good, bad = upstream.add(wheel("alpha")), upstream.add(sdist("alpha"), sha256=WRONG)
    other.add(bad)

    fetched = fetch(connect(waits, upstream.url, other.url), store, good, bad)

    assert set(fetched.sizes) == {good.file}
    assert [failure.actual for failure in fetched.failures] == [WRONG]
    assert not other.requests


@pytest.mark.parametrize("status", [500, 503, 401, 403])
def test_an_index_in_trouble_has_no_deputy(
    upstream: FakeUpstream, other: FakeUpstream, store: WheelStore, waits: Waits, status: int
) -> None:
    alpha, beta = other.add(wheel("alpha")), upstream.add(wheel("beta"))
    upstream.fail(upstream.page_of("alpha"), status)

    fetched = fetch(connect(waits, upstream.url, other.url), store, alpha, beta)

    assert set(fetched.sizes) == {beta.file}
    (failure,) = fetched.failures
    assert f"HTTP {status}" in failure.reason
    assert failure.permanent is (status < 500)
    assert not other.requests


def test_an_index_that_is_not_there_has_no_deputy(
    other: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    with FakeUpstream() as gone:
        url = gone.url
    alpha = other.add(wheel("alpha"))

    (failure,) = fetch(connect(waits, url, other.url), store, alpha).failures

    assert "no connection" in failure.reason
    assert not failure.permanent
    assert not other.requests


def test_a_later_index_in_trouble_does_not_matter_to_earlier_pins(
    upstream: FakeUpstream, other: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    alpha, beta = upstream.add(wheel("alpha")), other.add(wheel("beta"))
    other.fail(other.page_of("beta"), 500)

    fetched = fetch(connect(waits, upstream.url, other.url), store, alpha, beta)

    assert set(fetched.sizes) == {alpha.file}
    assert set(reasons(fetched)) == {beta.file}


# Nobody hears of what is not theirs.


def test_no_name_is_told_to_an_index_that_the_lock_does_not_mean(
    upstream: FakeUpstream, other: FakeUpstream, third: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    """Every project is everywhere, and each index hears of its own alone."""
    public, private, missing = wheel("public"), wheel("private"), wheel("private-too")
    for server in (upstream, other, third):
        for dist in (public, private):
            server.add(dist)
    upstream.add(missing)
    third.add(missing)

    fetched = fetch(
        connect(waits, upstream.url, third.url),
        store,
        public,
        private.artifact(index=other.url),
        missing.artifact(index=other.url),
    )

    assert set(fetched.sizes) == {public.file, private.file}
    assert reasons(fetched) == {missing.file: f"{other.url} does not list this file"}
    assert asked_of(upstream) == {upstream.page_of("public"), upstream.path_of(public)}
    assert asked_of(other) == {
        other.page_of("private"),
        other.path_of(private),
        other.page_of("private-too"),
    }
    assert not third.requests


def test_two_versions_of_one_project_from_two_indexes(
    upstream: FakeUpstream, other: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    plain, local = wheel("alpha", "1.0"), wheel("alpha", "1.0+cpu")
    for server in (upstream, other):
        server.add(plain)
        server.add(local)

    fetched = fetch(connect(waits, upstream.url), store, plain, local.artifact(index=other.url))

    assert set(fetched.sizes) == {plain.file, local.file}
    assert asked_of(upstream) == {upstream.page_of("alpha"), upstream.path_of(plain)}
    assert asked_of(other) == {other.page_of("alpha"), other.path_of(local)}


@pytest.mark.parametrize("spelled", ["{}", "{}/", "ann:other@{}", "{}:443", "UPPER"])
def test_the_public_index_is_reached_as_this_machine_reaches_it(
    upstream: FakeUpstream, other: FakeUpstream, store: WheelStore, waits: Waits, spelled: str
) -> None:
    scheme, _, rest = default_index().rstrip("/").partition("://")
    host, slash, path = rest.partition("/")
    named = {
        "{}": rest,
        "{}/": f"{rest}/",
        "ann:other@{}": f"ann:other@{rest}",
        "{}:443": f"{host}:443{slash}{path}",
        "UPPER": f"{host.upper()}{slash}{path}",
    }[spelled]
    alpha, beta = upstream.add(wheel("alpha")), other.add(wheel("beta"))
    wanted = [dist.artifact(index=f"{scheme}://{named}") for dist in (alpha, beta)]

    fetched = fetch(connect(waits, upstream.url, other.url), store, *wanted)

    assert set(fetched.sizes) == {alpha.file, beta.file}


def test_a_configured_index_is_asked_as_it_is_configured(
    upstream: FakeUpstream, other: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    alpha = upstream.add(wheel("alpha"))
    other.add(alpha)
    upstream.require("ann", "s3cret")
    fetcher = connect(waits, other.url, upstream.url_with("ann", "s3cret"))

    fetched = fetch(fetcher, store, alpha.artifact(index=upstream.url.rstrip("/")))

    assert set(fetched.sizes) == {alpha.file}
    assert {request.status for request in upstream.requests} == {200}
    assert not other.requests


@pytest.mark.parametrize("index", ["{on_disk}", "../wheels", "ftp://files.example/simple/", "https://[::1/"])
def test_a_lock_cannot_name_an_index_that_is_none_of_the_network(
    upstream: FakeUpstream, tmp_path: Path, store: WheelStore, waits: Waits, index: str
) -> None:
    alpha = upstream.add(wheel("alpha"))
    url = on_disk(tmp_path, alpha)

    (failure,) = fetch(
        connect(waits, upstream.url), store, alpha.artifact(index=index.format(on_disk=url))
    ).failures

    assert failure.permanent
    assert "only http and https" in failure.reason
    assert not upstream.requests


def test_a_lock_may_name_an_index_on_disk_that_is_configured(
    upstream: FakeUpstream, tmp_path: Path, store: WheelStore, waits: Waits
) -> None:
    alpha = wheel("alpha")
    url = on_disk(tmp_path, alpha)

    fetched = fetch(connect(waits, upstream.url, url), store, alpha.artifact(index=url.rstrip("/")))

    assert set(fetched.sizes) == {alpha.file}
    assert not upstream.requests


# URLs in locks.


def direct(dist: Dist, url: str) -> Artifact:
    return replace(dist.artifact(url=url), direct=True)


def test_the_page_is_preferred_to_the_url_in_the_lock(
    upstream: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    alpha = upstream.add(wheel("alpha"), yanked="broken")

    fetched = fetch(connect(waits, upstream.url), store, alpha.artifact(url="https://gone.example/alpha.whl"))

    assert fetched.facts[alpha.file].yanked == "broken"


def get_into_trouble(index: FakeUpstream, alpha: Dist, trouble: str) -> None:
    """What an index may be like that does not list a file of alpha as the lock has it, nor ever will."""
    if trouble == "no version":
        index.add(wheel("alpha", "0.9"))
    if trouble == "other file":
        index.add(sdist("alpha"))
    if trouble == "other bytes":
        index.add(alpha, sha256=WRONG)
    if trouble.isdigit():
        index.fail(index.page_of("alpha"), int(trouble))
    if trouble == "no page":
        index.replace(index.page_of("alpha"), b"{", "application/json")
    if trouble == "unreachable":
        index.close()


@pytest.mark.parametrize("trouble", ["no project", "no version", "other file"])
def test_the_url_in_the_lock_serves_where_the_index_it_names_does_not_list_the_file(
    upstream: FakeUpstream,
    other: FakeUpstream,
    third: FakeUpstream,
    store: WheelStore,
    waits: Waits,
    trouble: str,
) -> None:
    alpha = upstream.add(wheel("alpha"), listed=False, path="/files/alpha.whl")
    third.add(alpha)
    get_into_trouble(other, alpha, trouble)
    wanted = alpha.artifact(url=f"{upstream.root}/files/alpha.whl", index=other.url)

    fetched = fetch(connect(waits, third.url), store, wanted)

    assert set(fetched.sizes) == {alpha.file}
    assert asked_of(other) == {other.page_of("alpha")}
    assert not third.requests


@pytest.mark.parametrize(
    ("trouble", "permanent", "reason"),
    [
        ("500", False, "HTTP 500"),
        ("503", False, "HTTP 503"),
        ("401", True, "HTTP 401"),
        ("403", True, "HTTP 403"),
        ("no page", False, "alpha/: "),
        ("unreachable", False, "no connection"),
        ("other bytes", True, "other bytes under this name"),
    ],
)
def test_the_url_in_the_lock_is_no_way_around_the_index_it_names(
    upstream: FakeUpstream,
    other: FakeUpstream,
    store: WheelStore,
    waits: Waits,
    trouble: str,
    permanent: bool,
    reason: str,
) -> None:
    alpha = upstream.add(wheel("alpha"), path="/files/alpha.whl")
    get_into_trouble(other, alpha, trouble)
    wanted = alpha.artifact(url=f"{upstream.root}/files/alpha.whl", index=other.url)

    (failure,) = fetch(connect(waits, upstream.url), store, wanted).failures

    assert reason in failure.reason
    assert failure.permanent is permanent
    assert not upstream.requests


@pytest.mark.parametrize("named", ["nothing", "the public index", "a configured index"])
@pytest.mark.parametrize(
    ("trouble", "permanent", "reason"),
    [
        ("no project", True, NOBODY),
        ("no version", True, NOBODY),
        ("other file", True, NOBODY),
        ("other bytes", True, "other bytes under this name"),
        ("500", False, "HTTP 500"),
        ("403", True, "HTTP 403"),
        ("unreachable", False, "no connection"),
    ],
)
def test_the_url_in_the_lock_is_no_way_around_a_configured_index(
    upstream: FakeUpstream,
    other: FakeUpstream,
    store: WheelStore,
    waits: Waits,
    named: str,
    trouble: str,
    permanent: bool,
    reason: str,
) -> None:
    """A curated index may hold back a release: then the mirror must not have it either."""
    alpha = other.add(wheel("alpha"), path="/files/alpha.whl")
    get_into_trouble(upstream, alpha, trouble)
    index = {"the public index": default_index(), "a configured index": upstream.url}.get(named)
    wanted = alpha.artifact(url=f"{other.root}/files/alpha.whl", index=index)

    (failure,) = fetch(connect(waits, upstream.url), store, wanted).failures

    assert reason in failure.reason
    assert failure.permanent is permanent
    assert not other.requests


def test_a_pin_at_a_url_is_taken_from_there_and_no_index_hears_of_it(
    upstream: FakeUpstream, other: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    alpha = upstream.add(wheel("alpha"))
    other.add(alpha, listed=False, path="/releases/alpha.whl")
    other.fail("/releases/alpha.whl", 404)

    (failure,) = fetch(
        connect(waits, upstream.url), store, direct(alpha, f"{other.root}/releases/alpha.whl")
    ).failures

    assert "HTTP 404" in failure.reason
    assert not upstream.requests


@pytest.mark.parametrize("is_direct", [True, False])
@pytest.mark.parametrize(
    "url",
    [
        "{file}",
        "ftp://files.example/a.whl",
        "a.whl",
        "http:///a.whl",
        "https://[::1/a",
        "http://a.example/\n",
    ],
)
def test_a_lock_cannot_name_files_that_are_none_of_the_network(
    upstream: FakeUpstream,
    other: FakeUpstream,
    tmp_path: Path,
    store: WheelStore,
    waits: Waits,
    url: str,
    is_direct: bool,
) -> None:
    alpha, beta = wheel("alpha"), upstream.add(wheel("beta"))
    private = tmp_path / alpha.file
    private.write_bytes(alpha.content)
    named = alpha.artifact(url=url.format(file=private.as_uri()), index=other.url)
    wanted = replace(named, index=None, direct=True) if is_direct else named

    fetched = fetch(connect(waits, upstream.url), store, wanted, beta)

    assert set(fetched.sizes) == {beta.file}
    (failure,) = fetched.failures
    assert failure.permanent
    assert "http and https URLs only" in failure.reason


@pytest.mark.parametrize("link", ["{file}", "ftp://files.example/alpha-1.0-py3-none-any.whl"])
def test_a_page_cannot_name_them_either(
    upstream: FakeUpstream, tmp_path: Path, store: WheelStore, waits: Waits, link: str
) -> None:
    alpha = wheel("alpha")
    private = tmp_path / alpha.file
    private.write_bytes(alpha.content)
    href = link.format(file=private.as_uri())
    upstream.replace(upstream.page_of("alpha"), f'<a href="{href}">{alpha.file}</a>'.encode(), "text/html")

    (failure,) = fetch(connect(waits, upstream.url), store, alpha).failures

    assert failure.permanent
    assert "http and https URLs only" in failure.reason


# Hosts that files may come from.


@pytest.mark.parametrize(
    ("allowed", "arrives"),
    [
        ((), True),
        (("127.0.0.1",), True),
        (("files.example", "*.0.0.1"), True),
        (("127.0.0.10",), False),
        (("*.127.0.0.1",), False),
        (("files.example",), False),
    ],
)
@pytest.mark.parametrize("said_by", ["page", "lock"])
def test_files_come_from_hosts_that_are_allowed(
    upstream: FakeUpstream,
    store: WheelStore,
    waits: Waits,
    allowed: tuple[str, ...],
    arrives: bool,
    said_by: str,
) -> None:
    alpha = upstream.add(wheel("alpha"))
    place = f"{upstream.root}{upstream.path_of(alpha)}"
    wanted = alpha.artifact() if said_by == "page" else direct(alpha, place.replace("://", "://ann:s3cret@"))

    fetched = fetch(connect(waits, upstream.url, file_hosts=allowed), store, wanted)

    assert (alpha.file in fetched.sizes) is arrives
    assert upstream.count(upstream.path_of(alpha)) == (1 if arrives else 0)
    for failure in fetched.failures:
        assert failure.permanent
        assert "127.0.0.1 is not among" in failure.reason
        assert "MIRROR_FILE_HOSTS" in failure.reason
        assert "s3cret" not in failure.reason


def test_a_file_is_not_followed_to_a_host_that_is_not_allowed(
    upstream: FakeUpstream, other: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    alpha, beta = upstream.add(wheel("alpha")), upstream.add(wheel("beta"))
    other.add(alpha)
    elsewhere = other.root.replace("127.0.0.1", "localhost")
    upstream.redirect(upstream.path_of(alpha), f"{elsewhere}{other.path_of(alpha)}")
    upstream.redirect(upstream.path_of(beta), f"{upstream.root}/files/beta", times=1)
    upstream.add(beta, path="/files/beta", listed=False)

    fetched = fetch(connect(waits, upstream.url, file_hosts=["127.0.0.1"]), store, alpha, beta)

    assert set(fetched.sizes) == {beta.file}
    (failure,) = fetched.failures
    assert failure.permanent
    assert "localhost is not among" in failure.reason
    assert not other.requests


def test_pages_may_come_from_any_host(
    upstream: FakeUpstream, other: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    alpha = wheel("alpha")
    upstream.add(alpha, listed=False)
    link = f"{upstream.root}/files/{alpha.file}".replace("127.0.0.1", "localhost")
    other.replace(other.page_of("alpha"), f'<a href="{link}">{alpha.file}</a>'.encode(), "text/html")

    fetched = fetch(connect(waits, other.url, file_hosts=["localhost"]), store, alpha)

    assert set(fetched.sizes) == {alpha.file}


def test_an_index_on_disk_is_no_host(tmp_path: Path, store: WheelStore, waits: Waits) -> None:
    alpha = wheel("alpha")

    fetched = fetch(connect(waits, on_disk(tmp_path, alpha), file_hosts=["files.example"]), store, alpha)

    assert set(fetched.sizes) == {alpha.file}


# Too long.


@pytest.mark.parametrize("told_by", ["page", "lock", "nobody"])
def test_a_file_that_does_not_end_is_stopped(
    upstream: FakeUpstream, store: WheelStore, waits: Waits, told_by: str
) -> None:
    alpha = wheel("alpha", payload=10_000)
    upstream.pages = "negotiated" if told_by == "page" else "html"  # only JSON tells sizes
    upstream.add(alpha)
    upstream.replace(upstream.path_of(alpha), alpha.content + bytes(3_000_000))
    wanted = replace(alpha.artifact(), size=alpha.size if told_by == "lock" else None)
    hold = upstream.hold(upstream.path_of(alpha), after=1_000_000)  # what follows is never sent
    if told_by == "nobody":
        hold.release()

    (failure,) = fetch(connect(waits, upstream.url), store, wanted).failures

    assert failure.permanent
    if told_by == "nobody":
        assert "wrong bytes arrived" in failure.reason
    else:
        assert f"more bytes arrive than the {alpha.size}" in failure.reason
    assert upstream.count(upstream.path_of(alpha)) == 1
    assert not list(store.packages.iterdir())


def test_the_second_half_of_a_longer_file_is_fetched_again_as_one(
    upstream: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    alpha = upstream.add(wheel("alpha", payload=50_000))
    path = upstream.path_of(alpha)
    upstream.cut(path, 10_000)

    class Mending(Waits):
        def __call__(self, seconds: float) -> None:
            super().__call__(seconds)
            upstream.replace(path, alpha.content + bytes(60_000))

    fetched = fetch(connect(Mending(), upstream.url), store, alpha)

    assert [request.status for request in upstream.asked(path)] == [200, 206, 200]
    assert "more bytes arrive" in reasons(fetched)[alpha.file]


# Lists of projects.


def on_disk(root: Path, *dists: Dist, name: str = "an index") -> str:
    """An index on disk, whose pages state no digest."""
    index = root / name
    for dist in dists:
        page = index / dist.project / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        before = page.read_text() if page.exists() else ""
        page.write_text(f'{before}<a href="../{dist.file}">{dist.file}</a>\n')
        (index / dist.file).write_bytes(dist.content)
    return f"{index.as_uri()}/"


def ask(project: str, index: str | None = None, *also: str) -> Asked:
    return Asked(canonicalize_name(project), index, also)


def told(listing: Listing) -> list[tuple[str | None, list[tuple[str, str | None]]]]:
    return [(index, [(file.file, file.sha256) for file in files]) for index, files in listing]


def test_lists_come_in_the_order_of_priority(
    upstream: FakeUpstream, other: FakeUpstream, third: FakeUpstream, waits: Waits
) -> None:
    one = upstream.add(wheel("alpha", "1.0", requires_python=">=3.9"), yanked="broken")
    two, three = other.add(wheel("alpha", "2.0")), third.add(wheel("alpha", "3.0"))
    configured, named = ask("alpha", None, third.url), ask("alpha", third.url, other.url)

    listings = connect(waits, upstream.url, other.url).listings([configured, named])

    assert told(listings[configured]) == [
        (None, [(one.file, one.sha256)]),
        (None, [(two.file, two.sha256)]),
        (third.url, [(three.file, three.sha256)]),
    ]
    assert told(listings[named]) == [
        (third.url, [(three.file, three.sha256)]),
        (other.url, [(two.file, two.sha256)]),
    ]
    file = listings[configured][0][1][0]
    assert (file.requires_python, file.yanked, file.size) == (">=3.9", "broken", one.size)
    assert file.url == f"{upstream.root}{upstream.path_of(one)}"


def test_every_file_of_a_project_is_listed_and_a_page_is_asked_for_once(
    upstream: FakeUpstream, store: WheelStore, waits: Waits
) -> None:
    dists = [upstream.add(wheel("alpha", f"1.{number}")) for number in range(30)]
    fetcher = connect(waits, upstream.url)
    wanted = [ask("alpha"), ask("alpha", upstream.url), ask("alpha", default_index()), ask("unknown")]

    listings = fetcher.listings(wanted)
    again = fetcher.listings(wanted[:1])
    fetched = fetch(fetcher, store, dists[7])

    assert {len(files) for asked in wanted[:3] for _, files in listings[asked]} == {30}
    assert told(listings[wanted[3]]) == [(None, [])]
    assert again[wanted[0]] == listings[wanted[0]]
    assert set(fetched.sizes) == {dists[7].file}
    assert upstream.count(upstream.page_of("alpha")) == upstream.count(upstream.page_of("unknown")) == 1


def test_pages_are_asked_for_side_by_side(upstream: FakeUpstream, waits: Waits) -> None:
    names = ["alpha", "beta", "gamma"]
    for name in names:
        upstream.add(wheel(name))
    holds = [upstream.hold(upstream.page_of(name)) for name in names]

    fetcher = connect(waits, upstream.url, concurrency=3)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(fetcher.listings, [ask(name) for name in names])
        for hold in holds:
            hold.wait_for_client()
        for hold in holds:
            hold.release()

        assert len(running.result()) == 3


def test_files_on_disk_are_listed_with_the_digest_of_their_bytes(tmp_path: Path, waits: Waits) -> None:
    alpha, missing = wheel("alpha", "1.0+x"), wheel("alpha", "2.0")
    url = on_disk(tmp_path, alpha, missing)
    (tmp_path / "an index" / missing.file).unlink()

    ((index, files),) = connect(waits, url).listings([ask("alpha")])[ask("alpha")]

    assert index is None
    assert [(file.file, file.sha256) for file in files] == [
        (alpha.file, hashlib.sha256(alpha.content).hexdigest()),
        (missing.file, None),
    ]
    assert all(file.url.startswith("file:") for file in files)


def test_lists_tell_no_credentials(upstream: FakeUpstream, waits: Waits) -> None:
    alpha = upstream.add(wheel("alpha"))
    upstream.require("ann", "s3cret")
    link = f"{upstream.url_with('ann', 's3cret')}{alpha.file}"
    upstream.replace(upstream.page_of("alpha"), f'<a href="{link}">{alpha.file}</a>'.encode(), "text/html")

    listings = connect(waits, upstream.url_with("ann", "s3cret")).listings([ask("alpha")])

    assert alpha.file in repr(listings)
    assert "s3cret" not in repr(listings)


@pytest.mark.parametrize("trouble", ["status", "page", "lock"])
def test_an_index_that_cannot_be_asked_ends_the_listing(
    upstream: FakeUpstream, waits: Waits, trouble: str
) -> None:
    upstream.add(wheel("alpha"))
    if trouble == "status":
        upstream.fail(upstream.page_of("alpha"), 503)
    if trouble == "page":
        upstream.replace(upstream.page_of("alpha"), b"{", "application/json")
    asked = ask("alpha", "file:///somewhere/" if trouble == "lock" else None)

    with pytest.raises(UpstreamError):
        connect(waits, upstream.url).listings([ask("unknown"), asked])

    assert len(waits) == (ATTEMPTS - 1 if trouble == "status" else 0)


def test_nothing_asked_is_nobody_asked(upstream: FakeUpstream, waits: Waits) -> None:
    assert connect(waits, upstream.url).listings([]) == {}
    assert not upstream.requests
