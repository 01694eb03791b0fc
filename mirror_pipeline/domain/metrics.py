"""What a server counts, and how Prometheus reads it (text format 0.0.4).

What belongs here: counters without locks, and their written form. What does not: when something is counted
(``adapters.service``); one thread counts and reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0)
"""Seconds: a page from memory takes less than the first, a big wheel over a slow line more than the last."""
_PREFIX = "mirror_pipeline_"

Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Metrics:
    """Counters since the start of the server."""

    requests: Counter[Labels] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    seconds: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    all_seconds: float = 0.0
    in_flight: int = 0
    connections: int = 0
    refused_logins: int = 0
    turned_away: int = 0
    """Connections that ended for what they sent or did not send."""

    def begun(self) -> None:
        """A request is being answered."""
        self.in_flight += 1

    def ended(self, method: str, status: int, kind: str, sent: int, seconds: float) -> None:
        """A request was answered, or its client went away."""
        self.in_flight -= 1
        known = method if method in ("GET", "HEAD") else "other"
        self.requests[("method", known), ("status", f"{status // 100}xx"), ("kind", kind)] += 1
        self.sent[kind] += sent
        self.all_seconds += seconds
        self.seconds[next((n for n, limit in enumerate(BUCKETS) if seconds <= limit), len(BUCKETS))] += 1


@dataclass(frozen=True, slots=True)
class Gauges:
    """What is so at the moment of asking. None is what is not known."""

    version: str
    python: str
    generation: int | None
    published: float | None
    """Seconds since 1970."""
    now: float


def exposition(metrics: Metrics, gauges: Gauges) -> str:
    """All of it as text."""
    return "".join(f"{line}\n" for line in (*_counters(metrics), *_gauges(metrics, gauges)))


def _counters(metrics: Metrics) -> Iterator[str]:
    yield from _counter(
        "http_requests_total", "Requests answered, by what was asked for.", sorted(metrics.requests.items())
    )
    sent = [((("kind", kind),), count) for kind, count in sorted(metrics.sent.items())]
    yield from _counter("http_response_body_bytes_total", "Bytes of bodies sent.", sent)
    yield from _histogram(metrics)
    refused = "Requests whose login let nobody in."
    yield from _counter("login_failures_total", refused, [((), metrics.refused_logins)])
    away = "Connections ended for a malformed, oversized or late request."
    yield from _counter("connections_turned_away_total", away, [((), metrics.turned_away)])


def _counter(name: str, text: str, counts: Iterable[tuple[Labels, int]]) -> Iterator[str]:
    yield from _family(name, "counter", text, ((_named(name, labels), count) for labels, count in counts))


def _histogram(metrics: Metrics) -> Iterator[str]:
    name, total = "http_request_duration_seconds", 0
    samples: list[tuple[str, float]] = []
    for limit, count in zip((*map(repr, BUCKETS), "+Inf"), metrics.seconds, strict=True):
        total += count
        samples.append((_named(f"{name}_bucket", (("le", limit),)), total))
    samples += [(f"{name}_sum", metrics.all_seconds), (f"{name}_count", total)]
    yield from _family(name, "histogram", "Seconds from a request to the end of its answer.", samples)


def _gauges(metrics: Metrics, gauges: Gauges) -> Iterator[str]:
    facts: Mapping[str, tuple[str, float | None]] = {
        "http_requests_in_flight": ("Requests being answered.", metrics.in_flight),
        "http_connections": ("Open connections.", metrics.connections),
        "live_generation": ("Number of the live generation.", gauges.generation),
        "live_generation_published_timestamp_seconds": ("When it was published.", gauges.published),
        "live_generation_age_seconds": (
            "Seconds since it was published.",
            None if gauges.published is None else max(gauges.now - gauges.published, 0.0),
        ),
    }
    for name, (text, value) in facts.items():
        if value is not None:
            yield from _family(name, "gauge", text, [(name, value)])
    built = (("version", gauges.version), ("python", gauges.python))
    yield from _family("build_info", "gauge", "What serves.", [(_named("build_info", built), 1)])


def _family(name: str, kind: str, text: str, samples: Iterable[tuple[str, float]]) -> Iterator[str]:
    yield f"# HELP {_PREFIX}{name} {text}"
    yield f"# TYPE {_PREFIX}{name} {kind}"
    yield from (f"{_PREFIX}{sample} {value!r}" for sample, value in samples)


def _named(name: str, labels: Labels) -> str:
    inner = ",".join(f'{label}="{_escaped(value)}"' for label, value in labels)
    return f"{name}{{{inner}}}" if inner else name


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
