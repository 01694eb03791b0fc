"""config.env and the environment: who wins, what is refused, and what is only warned about."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror_pipeline.config_values import OWNERS, Values, owners
from mirror_pipeline.domain.coverage import Policy
from mirror_pipeline.domain.floors import Floors
from mirror_pipeline.domain.target import DEFAULT_PLATFORMS, PLATFORMS, Python
from mirror_pipeline.errors import INPUT_IS_WRONG, SettingsError
from mirror_pipeline.settings import Settings, parse_settings

ROOT = Path("/srv/shop")
NO_ENVIRONMENT: Mapping[str, str] = {}


def parse(text: str = "", **environ: str) -> Settings:
    return parse_settings(text, environ, ROOT)


def refused(text: str = "", **environ: str) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        parse(text, **environ)
    assert caught.value.exit_code == INPUT_IS_WRONG
    assert "\n" not in str(caught.value)
    return caught.value


def test_what_is_meant_where_nothing_is_said() -> None:
    assert parse() == Settings(
        root=ROOT,
        projects=(ROOT / "examples/orbit-core-agent",),
        requirements_dev=(),
        home=ROOT / "mirror",
        selection="all",
        groups=(),
        extras=(),
        platforms=DEFAULT_PLATFORMS,
        pythons=(),
        policy=Policy("compatible", "never", Floors(glibc=(2, 28), macos=(13, 0))),
        index_url=None,
        extra_index_urls=None,
        file_hosts=(),
        allow_unhashed=False,
        concurrency=16,
        allow_failures=False,
        exporter="lock",
        schedule="0 3 * * *",
    )
    assert parse().site == ROOT / "mirror/site"


@pytest.mark.parametrize(
    "text", ["", "\n\n", "# a comment\n", "\ufeff", "MIRROR_HOME=\n", "MIRROR_HOME=''\r\n"]
)
def test_what_is_left_empty_has_its_default(text: str) -> None:
    assert parse(text) == parse()


def test_the_environment_wins_over_the_file() -> None:
    text = "MIRROR_SELECTION=all\nMIRROR_CONCURRENCY=4\n"
    found = parse(text, MIRROR_SELECTION="prod")
    assert (found.selection, found.concurrency) == ("prod", 4)


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_variable_wins_too_and_stands_for_the_default(value: str) -> None:
    assert parse("MIRROR_SELECTION=prod", MIRROR_SELECTION=value).selection == "all"


@pytest.mark.parametrize(
    "line",
    [
        "MIRROR_HOME=/data",
        " MIRROR_HOME = /data ",
        "export MIRROR_HOME=/data",
        'MIRROR_HOME="/data"',
        "MIRROR_HOME='/data'",
        "MIRROR_HOME=/data # where it all is",
        'MIRROR_HOME="/data" # where it all is',
        "MIRROR_HOME=/data\r",
        "# before\nMIRROR_HOME=/data\n# after",
        "\ufeffMIRROR_HOME=/data",
    ],
)
def test_ways_to_write_the_same(line: str) -> None:
    found = parse(f"{line}\n")
    assert (found.home, found.warnings) == (Path("/data"), ())


def test_a_hash_within_a_value_is_no_comment() -> None:
    assert parse("MIRROR_INDEX_URL=https://index.example/#x").index_url == "https://index.example/#x"
    assert parse("MIRROR_HOME='/data #x'").home == Path("/data #x")


def test_the_later_of_two_counts_and_warns() -> None:
    found = parse("MIRROR_SELECTION=all\n\nMIRROR_SELECTION=prod\n")
    assert found.selection == "prod"
    assert found.warnings == ("config.env:3: MIRROR_SELECTION is given twice; the later value counts",)


def test_unknown_names_in_the_environment_warn_if_they_could_be_meant() -> None:
    found = parse(MIRROR_SELECTON="prod", MIRROR_CONFIG="x.env", HOME="/root", BUCKET="x", MIRROR="y")
    assert found.warnings == ("unknown MIRROR_SELECTON in the environment is ignored",)
    assert found.selection == "all"


@pytest.mark.parametrize(
    ("line", "key", "near"),
    [
        ("MIRROR_SELECTON=prod", "MIRROR_SELECTON", "MIRROR_SELECTION"),
        ("mirror_home=/x", "mirror_home", None),
        ("BUCKET=x", "BUCKET", "BUCKET_NAME"),
        ("MIRROR_CONFIG=x", "MIRROR_CONFIG", None),
        ("NOTHING_LIKE_IT=1", "NOTHING_LIKE_IT", None),
    ],
)
def test_an_unknown_key_in_the_file_is_refused_with_what_may_be_meant(
    line: str, key: str, near: str | None
) -> None:
    error = refused(f"MIRROR_HOME=/x\n{line}\n")
    assert (error.facts["key"], error.facts["line"], error.facts["file"]) == (key, 2, "config.env")
    assert f"config.env:2: unknown key {key}" in str(error)
    assert "MIRROR_HOME" in list(error.facts["allowed"])  # type: ignore[call-overload]
    if near:
        assert error.hint == f"did you mean {near}?"
    else:
        assert error.hint


@pytest.mark.parametrize("line", ["MIRROR_HOME", "just words", "=5", "MIRROR_HOME: /x", "MIRROR_HOME='/x"])
def test_a_line_that_is_no_assignment_is_refused_with_its_number(line: str) -> None:
    error = refused(f"# first\n{line}\n")
    assert error.facts == {"file": "config.env", "line": 2}
    assert str(error).startswith("config.env:2: expected KEY=value")


@pytest.mark.parametrize(
    "line",
    ["MIRROR_INDEX_URL: https://ann:s3cret@a.example/", "MIRROR_INDEX_URL='https://ann:s3/cret@a.example/"],
)
def test_such_a_line_is_shown_without_a_password(line: str) -> None:
    error = refused(line)
    assert "MIRROR_INDEX_URL" in str(error)
    assert "s3" not in str(error)
    assert "cret" not in str(error)


ONE_INDEX = "one http://, https:// or file:///... URL"
INDEXES = "http://, https:// or file:///... URLs, separated by spaces or commas"
HOSTS = "a host name such as files.example.org, or *.example.org"
NO_URLS = [
    "index.example/simple",
    "simple",
    "./wheels",
    "/srv/wheels",
    "ftp://index.example/simple",
    "s3://wheels/simple",
    "git+https://index.example/simple",
    "https:index.example",
    "https://",
    "https:///simple",
    "https://:8080/simple",
    "https://./simple",
    "https://index.example:http/",
    "https://index.example:70000/",
    "https://[::1/simple",
    "https://index.example/\x07",
    "file:wheels",
    "file://",
    "file://wheels/simple",
]
NO_HOSTS = [
    "https://files.example",
    "//files.example",
    "files.example/wheels",
    "files.example/",
    "files.example:443",
    "*",
    "*.",
    "*.*.example",
    "files.*.example",
    "*files.example",
    ".files.example",
    "files..example",
    "-files.example",
    "[::1",
    "f" * 64,
]

BAD = [
    *(("MIRROR_INDEX_URL", url, ONE_INDEX) for url in NO_URLS),
    ("MIRROR_INDEX_URL", "https://a.example/ x", ONE_INDEX),
    ("MIRROR_INDEX_URL", "https://a.example/ https://b.example/", ONE_INDEX),
    ("MIRROR_INDEX_URL", "https://a.example/,https://b.example/", ONE_INDEX),
    *(("MIRROR_EXTRA_INDEX_URLS", url, INDEXES) for url in NO_URLS),
    *(("MIRROR_FILE_HOSTS", host, HOSTS) for host in NO_HOSTS),
    ("MIRROR_SELECTION", "dev", "prod or all"),
    ("MIRROR_WHEELS", "best", "compatible or best-per-floor"),
    ("MIRROR_PYTHONS", "pypy3.10", "CPython only (PyPy is not mirrored): 3.8, 3.9"),
    ("MIRROR_PYTHONS", "3.7", "CPython 3.8, 3.9"),
    ("MIRROR_PLATFORMS", "linux-armv7l", "linux-x86_64, linux-aarch64, macos-arm64"),
    ("MIRROR_SDISTS", "sometimes", "never or fallback or always"),
    ("MIRROR_EXPORTER", "uv", "lock or poetry"),
    ("MIRROR_GLIBC", "2", "a version such as 2.28"),
    ("MIRROR_GLIBC", "2.28.1", "a version such as 2.28"),
    ("MIRROR_GLIBC", "2.-28", "a version such as 2.28"),
    ("MIRROR_GLIBC", "two.28", "a version such as 2.28"),
    ("MIRROR_MACOS", "13", "a version such as 13.0"),
    ("MIRROR_MACOS", "13.", "a version such as 13.0"),
    ("MIRROR_CONCURRENCY", "0", "a whole number from 1 to 128"),
    ("MIRROR_CONCURRENCY", "129", "a whole number from 1 to 128"),
    ("MIRROR_CONCURRENCY", "-1", "a whole number from 1 to 128"),
    ("MIRROR_CONCURRENCY", "1.5", "a whole number from 1 to 128"),
    ("MIRROR_CONCURRENCY", "1_6", "a whole number from 1 to 128"),
    ("MIRROR_CONCURRENCY", "٣", "a whole number from 1 to 128"),
    ("MIRROR_CONCURRENCY", "9" * 5000, "a whole number from 1 to 128"),
    ("MIRROR_ALLOW_FAILURES", "perhaps", "true or false"),
    ("MIRROR_SCHEDULE", "daily", "five cron fields"),
    ("MIRROR_SCHEDULE", "0 3 * *", "five cron fields"),
    ("MIRROR_OWNERS", "somebody", OWNERS),
    ("MIRROR_OWNERS", "team:", OWNERS),
    ("MIRROR_OWNERS", "a@b", OWNERS),
    ("MIRROR_PLATFORMS", "noarch", "a platform besides noarch"),
    ("MIRROR_PLATFORMS", ",", "a platform besides noarch"),
    ("ORBIT_PROJECT", os.pathsep, "a project directory or lock file"),
    ("MIRROR_HOME", "~nobody-of-that-name/x", "a path"),
    ("ORBIT_PROJECT", "~nobody-of-that-name/x", "a path"),
    ("MIRROR_STORE_URL", "https://wheels.example/x", "s3://bucket/prefix"),
    ("MIRROR_STORE_URL", "s3://", "s3://bucket/prefix"),
    ("MIRROR_STORE_URL", "s3://Wheels/x", "s3://bucket/prefix"),
    ("MIRROR_STORE_URL", "s3://10.0.0.1/x", "s3://bucket/prefix"),
    ("MIRROR_STORE_URL", "s3:///x", "s3://bucket/prefix"),
    ("MIRROR_STORE_URL", "s3://wheels//x", "s3://bucket/prefix"),
    ("MIRROR_STORE_URL", "s3://wheels/../x", "s3://bucket/prefix"),
    ("MIRROR_STORE_URL", "s3://wheels/a b", "s3://bucket/prefix"),
    ("MIRROR_STORE_URL", "s3://wheels/x?y=1", "s3://bucket/prefix"),
    ("MIRROR_PUBLISH", "in-place", "empty"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value", "allowed"), BAD)
@pytest.mark.parametrize("place", ["file", "environment"])
def test_a_bad_value_is_refused_with_key_value_and_what_is_allowed(
    place: str, key: str, value: str, allowed: str
) -> None:
    error = refused(f"{key}={value}\n") if place == "file" else refused(**{key: value})
    assert (error.facts["key"], error.facts["value"]) == (key, value)
    assert str(error.facts["allowed"]).startswith(allowed)
    assert key in str(error)
    assert repr(value) in str(error)


@pytest.mark.parametrize(
    ("key", "value", "bad", "allowed"),
    [
        ("MIRROR_PLATFORMS", "linux-x86_64,linux-x86", "linux-x86", "linux-x86_64"),
        ("MIRROR_PLATFORMS", "Linux-x86_64", "Linux-x86_64", "noarch"),
        ("MIRROR_PYTHONS", "3.12,3.7", "3.7", "CPython 3.8"),
        ("MIRROR_PYTHONS", "3.12,3.12t", "3.12t", "free-threaded CPython from 3.13t on"),
        ("MIRROR_PYTHONS", "python3.12", "python3.12", "CPython"),
        ("MIRROR_EXTRA_INDEX_URLS", "https://a.example/ b.example", "b.example", INDEXES),
        ("MIRROR_EXTRA_INDEX_URLS", "ftp://a.example/,https://b.example", "ftp://a.example/", INDEXES),
        ("MIRROR_FILE_HOSTS", "a.example, https://b.example", "https://b.example", HOSTS),
        ("MIRROR_OWNERS", "team:data platform, b@example", "b@example", OWNERS),
    ],
)
def test_of_a_list_the_bad_one_is_named(key: str, value: str, bad: str, allowed: str) -> None:
    error = refused(f"{key}={value}")
    assert (error.facts["key"], error.facts["value"]) == (key, bad)
    assert allowed in str(error.facts["allowed"])


def test_owners_are_separated_by_commas() -> None:
    assert parse().owners == ()
    assert parse(MIRROR_OWNERS=" team:data platform,,ann.lee+x@example.com,team:data platform ").owners == (
        "team:data platform",
        "ann.lee+x@example.com",
    )


@given(
    st.one_of(
        st.from_regex(r"[\w.+%-]{0,5}@[\w.-]{0,6}\.[A-Za-z|0-9]{0,9}", fullmatch=True),
        st.text(max_size=9).map("team:".__add__),
        st.text(max_size=9),
    ).map(lambda text: text.replace(",", "").strip())
)
def test_owners_are_those_that_dagster_allows(owner: str) -> None:
    try:
        dg.AssetSpec("any", owners=[owner])
    except dg.DagsterInvalidDefinitionError:
        allowed: tuple[str, ...] | None = None if owner else ()
    else:
        allowed = (owner,)
    values = Values({"MIRROR_OWNERS": owner}, "config.env")
    try:
        found: tuple[str, ...] | None = owners(values, "MIRROR_OWNERS")
    except SettingsError:
        found = None
    assert found == allowed


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("a", ["/srv/shop/a"]),
        ("../other/poetry.lock", ["/srv/other/poetry.lock"]),
        ("/abs/./x/..", ["/abs"]),
        (os.pathsep.join(["a", " b ", "", "./a"]), ["/srv/shop/a", "/srv/shop/b"]),
        (".", ["/srv/shop"]),
    ],
)
def test_projects_are_relative_to_the_root(text: str, paths: list[str]) -> None:
    assert [str(path) for path in parse(f"ORBIT_PROJECT={text}").projects] == paths


def test_a_path_may_start_at_a_home_directory() -> None:
    assert parse("MIRROR_HOME=~/mirror").home == Path.home() / "mirror"


@pytest.mark.parametrize(
    ("value", "platforms"),
    [
        ("linux-x86_64", ("linux-x86_64", "noarch")),
        ("noarch, windows-amd64 linux-x86_64,", ("windows-amd64", "linux-x86_64", "noarch")),
        ("linux-x86_64,linux-x86_64", ("linux-x86_64", "noarch")),
        (",".join(PLATFORMS), (*PLATFORMS, "noarch")),
    ],
)
def test_platforms_keep_their_order_and_noarch_comes_last(value: str, platforms: tuple[str, ...]) -> None:
    assert parse(MIRROR_PLATFORMS=value).platforms == platforms


def test_pythons_are_sorted_and_named_once() -> None:
    found = parse(MIRROR_PYTHONS="3.13t, 3.9 3.13,3.9").pythons
    assert found == (Python(9), Python(13), Python(13, free_threaded=True))


def test_names_of_groups_and_extras_are_normalized() -> None:
    found = parse("MIRROR_GROUPS=Dev_Tools, docs,dev.tools\nMIRROR_EXTRAS=Fast Slow\n")
    assert found.extras == ("fast", "slow")
    assert set(found.groups) == {"dev-tools", "docs"}


@pytest.mark.parametrize("value", ["true", "TRUE", "1", "yes", "On"])
def test_yes(value: str) -> None:
    assert parse(MIRROR_ALLOW_FAILURES=value).allow_failures is True


@pytest.mark.parametrize("value", ["false", "False", "0", "no", "off"])
def test_no(value: str) -> None:
    assert parse(MIRROR_ALLOW_FAILURES=value).allow_failures is False


@pytest.mark.parametrize(
    ("text", "index", "extra"),
    [
        ("", None, None),
        ("MIRROR_INDEX_URL=https://a.example/s", "https://a.example/s", ()),
        ("MIRROR_EXTRA_INDEX_URLS=https://b.example/s", None, ("https://b.example/s",)),
        (
            "MIRROR_INDEX_URL=https://a.example/s\nMIRROR_EXTRA_INDEX_URLS=https://b.example,https://c.example",
            "https://a.example/s",
            ("https://b.example", "https://c.example"),
        ),
    ],
)
def test_an_index_of_ours_replaces_what_pip_would_add(
    text: str, index: str | None, extra: tuple[str, ...] | None
) -> None:
    found = parse(text)
    assert (found.index_url, found.extra_index_urls) == (index, extra)


@pytest.mark.parametrize(
    "url",
    [
        "https://index.example",
        "HTTPS://Index.Example/simple/",
        "http://ann:s3cret@127.0.0.1:8080/simple/",
        "http://ann@[::1]:8080/",
        "https://index.example/a,b/simple?x=y",
        "file:///srv/an%20index/",
        "file://localhost/srv/wheels",
    ],
)
def test_an_index_is_at_a_url_of_the_network_or_of_the_disk(url: str) -> None:
    assert parse(MIRROR_INDEX_URL=url).index_url == url
    if "," not in url:
        more = parse(MIRROR_EXTRA_INDEX_URLS=f"{url},https://b.example {url}").extra_index_urls
        assert more == (url, "https://b.example")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("ftp://ann:s3cret@a.example/simple", "ftp://a.example/simple"),
        ("ftp://s3cret@a.example", "ftp://a.example"),
        ("ann:s3cret@a.example/simple", "a.example/simple"),
        ("s3cret@a.example", "a.example"),
        ("https://ann:s3/cret@a.example", "https://a.example"),
        ("https://ann:s3?cr#et@a.example", "https://a.example"),
        ("https://ann:s3@cret@a.example:x/", "https://a.example:x/"),
        ("https://ann:s3cret@", "https://"),
        ("ftp://a.example/?token=s3cret", "ftp://a.example/?..."),
        ("ftp://a.example/#s3cret", "ftp://a.example/#..."),
    ],
)
@pytest.mark.parametrize("key", ["MIRROR_INDEX_URL", "MIRROR_EXTRA_INDEX_URLS", "MIRROR_FILE_HOSTS"])
def test_a_refused_url_is_shown_without_what_is_secret(key: str, value: str, shown: str) -> None:
    error = refused(**{key: value})
    assert error.facts["value"] == shown
    assert "s3" not in str(error)
    assert "cret" not in str(error)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *itertools.product(
            ["MIRROR_INDEX_URL", "MIRROR_EXTRA_INDEX_URLS", "MIRROR_FILE_HOSTS"],
            ["https://ann:s3 cret@a.example/", "https://b.example/ https://ann:s3/cret@a.example/"],
        ),
        *itertools.product(
            ["MIRROR_EXTRA_INDEX_URLS", "MIRROR_FILE_HOSTS"],
            [
                "https://ann:s3,cret@a.example/",
                "https://ann:33,s3cret,cret@a.example/",
                "https://ann:99999,cret@a.example/",
                "https://ann:33,44@s3:x,cret@a.example/",
            ],
        ),
    ],
)
def test_a_password_that_is_cut_by_a_separator_is_not_shown_either(key: str, value: str) -> None:
    error = refused(**{key: value})
    for secret in ("s3", "cret", "33", "99999"):
        assert secret not in str(error)


def test_a_url_under_another_key_is_shown_without_its_password() -> None:
    for key in ("MIRROR_STORE_URL", "MIRROR_PLATFORMS", "MIRROR_CONCURRENCY"):
        error = refused(**{key: "https://ann:s3cret@a.example/x"})
        assert "a.example/x" in str(error)
        assert "s3cret" not in f"{error} {error.facts}"


@pytest.mark.parametrize(
    ("value", "hosts"),
    [
        ("files.example", ("files.example",)),
        ("Files.Example., *.Example.ORG *.example.org", ("files.example", "*.example.org")),
        ("localhost 127.0.0.1", ("localhost", "127.0.0.1")),
        ("[::1],::1 FE80::1", ("::1", "fe80::1")),
        ("xn--bcher-kva.example my_host", ("xn--bcher-kva.example", "my_host")),
    ],
)
def test_hosts_are_names_or_what_names_end_with(value: str, hosts: tuple[str, ...]) -> None:
    assert parse(MIRROR_FILE_HOSTS=value).file_hosts == hosts


@pytest.mark.parametrize(("value", "numbers"), [("2.17", (2, 17)), ("2.34", (2, 34)), ("02.5", (2, 5))])
def test_floors(value: str, numbers: tuple[int, int]) -> None:
    assert parse(MIRROR_GLIBC=value).policy.floors == Floors(glibc=numbers)
    assert parse(MIRROR_MACOS=value).policy.floors == Floors(macos=numbers)


def test_every_choice_can_be_made() -> None:
    found = parse(
        "MIRROR_WHEELS=Best-per-Floor\nMIRROR_SDISTS=Fallback\nMIRROR_SELECTION=PROD\n"
        "MIRROR_EXPORTER=poetry\nMIRROR_SCHEDULE=*/5 * * * 1-5"
    )
    assert (found.policy.sdists, found.selection, found.exporter) == ("fallback", "prod", "poetry")
    assert found.policy.wheels == "best-per-floor"
    assert found.schedule == "*/5 * * * 1-5"


@settings(deadline=None, max_examples=80)
@given(st.text(st.characters(codec="utf-8") | st.sampled_from("MIRROR_HOME=\n\"'# $"), max_size=40))
def test_any_file_is_read_or_refused(text: str) -> None:
    refusal = None
    try:
        found = parse_settings(text, NO_ENVIRONMENT, ROOT)
    except SettingsError as error:
        refusal = error
    if refusal is None:
        assert found.home.is_absolute()
    else:
        assert refusal.facts["file"] == "config.env"


class TestAlerts:
    def test_where_to(self) -> None:
        told = parse(
            "MIRROR_WEBHOOK_URL=https://hooks.example/T0/x?y=z\nMIRROR_UI_URL=http://ui.example:3000/\n"
        )
        assert (told.webhook, told.ui_url) == ("https://hooks.example/T0/x?y=z", "http://ui.example:3000")
        assert (parse().webhook, parse().ui_url) == ("", "")

    @pytest.mark.parametrize(
        "url",
        [
            "hooks.example/T0k3n",
            "ftp://hooks.example/T0k3n",
            "file:///T0k3n",
            "https:///T0k3n",
            "https://a b/T0k3n",
        ],
    )
    def test_a_bad_webhook_is_refused_and_not_shown(self, url: str) -> None:
        error = refused(f"MIRROR_WEBHOOK_URL={url}")
        assert error.facts["value"] == "..."
        assert "T0k3n" not in str(error)
        assert "http:// or https://" in str(error)

    @pytest.mark.parametrize(
        "url", ["ui.example", "file:///ui", "https://ann:s3cret@ui.example", "https://ui.example/?s3cret"]
    )
    def test_a_bad_address_of_the_ui(self, url: str) -> None:
        error = refused(f"MIRROR_UI_URL={url}")
        assert error.facts["key"] == "MIRROR_UI_URL"
        assert "s3cret" not in str(error)

    @pytest.mark.parametrize(
        ("line", "shown"),
        [
            ("MIRROR_WEBHOOK_URL https://hooks.example/T0k3n", "'MIRROR_WEBHOOK_URL ...'"),
            ("MIRROR_WEBHOOK_URL: https://hooks.example/T0k3n", "'MIRROR_WEBHOOK_URL: ...'"),
            ("MIRROR_WEBHOOK_URL='https://hooks.example/T0k3n", "'MIRROR_WEBHOOK_URL= ...'"),
            ("https://hooks.example/T0k3n", "'...'"),
            ("T0k3n", "'...'"),
            ("MIRROR_HOME", "'MIRROR_HOME'"),
        ],
    )
    def test_of_a_line_that_is_no_assignment_the_key_alone_is_shown(self, line: str, shown: str) -> None:
        assert str(refused(line)) == f"config.env:1: expected KEY=value, found {shown}"


def test_the_time_that_pages_tell_comes_from_the_environment_alone() -> None:
    assert parse().made_at is None
    assert parse(SOURCE_DATE_EPOCH="0").made_at == datetime(1970, 1, 1, tzinfo=timezone.utc)
    refused("SOURCE_DATE_EPOCH=0\n")


@pytest.mark.parametrize("text", ["yesterday", "1.5", "9" * 30, "-9999999999999"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    error = refused(SOURCE_DATE_EPOCH=text)
    assert error.facts == {"key": "SOURCE_DATE_EPOCH", "value": text}
