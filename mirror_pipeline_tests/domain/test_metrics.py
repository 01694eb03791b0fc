"""Counters as Prometheus reads them, by a reader of the text format (0.0.4)."""

from __future__ import annotations

import re

import pytest

from mirror_pipeline.domain.metrics import BUCKETS, Gauges, Metrics, exposition

GAUGES = Gauges('1.0"x\\', "3.11", 7, 1000.0, 1060.0)
_SAMPLE = re.compile(r'([a-zA-Z_:][\w:]*)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)')


def read(text: str) -> dict[str, float]:
    """Every sample, in a text where each family is told before its samples and once."""
    types: dict[str, str] = {}
    samples: dict[str, float] = {}
    family = ""
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            assert family not in types
            types[family] = kind
        elif not line.startswith("# HELP "):
            found = _SAMPLE.fullmatch(line)
            assert found, line
            assert re.fullmatch(rf"{family}(_bucket|_sum|_count)?", found[1]), line
            name = f"{found[1]}{{{found[2]}}}" if found[2] else found[1]
            assert name not in samples
            samples[name] = float(found[3])
    assert text.endswith("\n")
    return samples


def test_requests_are_counted_by_method_status_and_kind() -> None:
    metrics = Metrics()
    for method, status, kind, sent in (
        ("GET", 200, "page", 100),
        ("GET", 204, "page", 20),
        ("GET", 404, "none", 10),
        ("PROPFIND", 405, "none", 19),
    ):
        metrics.begun()
        metrics.ended(method, status, kind, sent, 0.01)
    samples = read(exposition(metrics, GAUGES))
    name = "mirror_pipeline_http_requests_total"
    assert samples[f'{name}{{method="GET",status="2xx",kind="page"}}'] == 2
    assert samples[f'{name}{{method="GET",status="4xx",kind="none"}}'] == 1
    assert samples[f'{name}{{method="other",status="4xx",kind="none"}}'] == 1
    assert samples['mirror_pipeline_http_response_body_bytes_total{kind="page"}'] == 120
    assert samples["mirror_pipeline_http_requests_in_flight"] == 0


def test_durations_fill_buckets_that_add_up() -> None:
    metrics = Metrics()
    for seconds in (0.0, BUCKETS[0], 0.2, 1e9):
        metrics.begun()
        metrics.ended("GET", 200, "page", 0, seconds)
    samples = read(exposition(metrics, GAUGES))
    name = "mirror_pipeline_http_request_duration_seconds"
    counts = [samples[f'{name}_bucket{{le="{limit!r}"}}'] for limit in BUCKETS]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1], samples[f'{name}_bucket{{le="+Inf"}}']) == (2, 3, 4)
    assert samples[f"{name}_count"] == 4
    assert samples[f"{name}_sum"] == pytest.approx(1e9 + 0.201)


def test_what_is_live_and_what_serves_is_told() -> None:
    samples = read(exposition(Metrics(refused_logins=3), GAUGES))
    assert samples["mirror_pipeline_live_generation"] == 7
    assert samples["mirror_pipeline_live_generation_age_seconds"] == 60
    assert samples["mirror_pipeline_login_failures_total"] == 3
    assert samples['mirror_pipeline_build_info{version="1.0\\"x\\\\",python="3.11"}'] == 1


def test_what_is_not_known_is_not_told() -> None:
    text = exposition(Metrics(), Gauges("1", "3", None, None, 0.0))
    assert "live_generation" not in text
    assert read(text)["mirror_pipeline_http_requests_in_flight"] == 0
