"""Lines of the access log: read back, told without secrets, and never two lines for one request."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from mirror_pipeline.domain.access_line import Visit, access_line, clock

VISIT = Visit("192.0.2.7", "ci", "GET", "/simple/x/", "1.1", 200, 512, 0.0123, "", "pip/25.0")
COMBINED = re.compile(
    r'(?P<host>\S+) - (?P<user>\S+) \[(?P<time>[^\]]+)\] "(?P<line>[^"]*)" (?P<status>\d{3}) (?P<sent>\d+) '
    r'"(?P<referer>[^"]*)" "(?P<agent>[^"]*)" (?P<seconds>\d+\.\d{3})'
)
WHEN = clock(2026, 11, 8, "09:01:02")


def fields(visit: Visit) -> dict[str, str]:
    found = COMBINED.fullmatch(access_line(visit, WHEN))
    assert found, access_line(visit, WHEN)
    return found.groupdict()


def test_a_line_is_the_combined_format_and_seconds() -> None:
    assert access_line(VISIT, WHEN) == (
        '192.0.2.7 - ci [08/Nov/2026:09:01:02 +0000] "GET /simple/x/ HTTP/1.1" 200 512 "-" "pip/25.0" 0.012'
    )


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("/simple/?token=SECRET", "/simple/"),
        ("http://ci:SECRET@mirror.example/simple/", "-"),
        ("//ci:x@mirror.example/", "//ci:x@mirror.example/"),
        ('/a" 200 1 "-', "/a\\x22 200 1 \\x22-"),
        ("/a\r\nb\x1b", "/a\\x0d\\x0ab\\x1b"),
        ("/\\x22", "/\\x5cx22"),
        ("/\xe4", "/\\xe4"),
        ("-", "-"),
    ],
)
def test_a_target_is_told_without_secrets_and_cannot_forge(target: str, told: str) -> None:
    line = fields(replace(VISIT, target=target))["line"]
    assert line == f"GET {told} HTTP/1.1"


@pytest.mark.parametrize(
    ("referer", "told"),
    [
        ("https://ci:SECRET@mirror.example/simple/?token=SECRET#x", "https://mirror.example/simple/"),
        ("http://[broken", "-"),
        ("SECRET", "-"),
        ("", "-"),
    ],
)
def test_a_referer_is_told_without_login_and_query(referer: str, told: str) -> None:
    assert fields(replace(VISIT, referer=referer))["referer"] == told


def test_a_long_agent_is_cut() -> None:
    assert len(fields(replace(VISIT, agent="a" * 30_000))["agent"]) == 1000


def test_nobody_is_a_dash() -> None:
    assert fields(replace(VISIT, user="", client="", agent=""))["user"] == "-"
