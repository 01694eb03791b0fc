"""Posting: what arrives, what is tried again, and that none of the URL is in what is said of it."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from mirror_pipeline.adapters.pip_config import PipConfig
from mirror_pipeline.adapters.webhook import Webhook
from mirror_pipeline_tests.fetchers import Waits
from mirror_pipeline_tests.hooks import TOKEN, Hook, webhook

CONFIG = PipConfig("https://pypi.example/simple/", timeout=5.0)


@pytest.fixture
def hook() -> Iterator[Hook]:
    with webhook() as hook:
        yield hook


def post(url: str, waits: Waits | None = None) -> str:
    return Webhook(url, CONFIG, wait=Waits() if waits is None else waits).post({"text": "ü & more"})


def test_one_json_object(hook: Hook) -> None:
    assert post(hook.url) == ""
    (sent,) = hook.sent
    assert sent.path == f"/services/{TOKEN}"
    assert sent.told == {"text": "ü & more"}
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["user-agent"] == "mirror-pipeline"


def test_a_login_in_the_url_is_sent_as_one(hook: Hook) -> None:
    assert post(hook.url.replace("://", "://ann:s3cret@")) == ""
    assert hook.sent[0].headers["authorization"] == "Basic YW5uOnMzY3JldA=="


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_tried_again(hook: Hook, status: int) -> None:
    hook.answers = [(status, {"Retry-After": "600"}), (status, {})]
    waits = Waits()
    assert post(hook.url, waits) == ""
    assert len(hook.sent) == 3
    assert waits[0] == 10.0, "whatever is asked for: a command waits for this"
    assert len(waits) == 2


def test_but_not_for_ever(hook: Hook) -> None:
    hook.answers = [(503, {})] * 9
    assert post(hook.url) == "HTTP 503"
    assert len(hook.sent) == 3


@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_a_refusal_is_final(hook: Hook, status: int) -> None:
    hook.answers = [(status, {})]
    assert post(hook.url) == f"HTTP {status}"
    assert len(hook.sent) == 1


def test_nobody_is_followed_elsewhere(hook: Hook) -> None:
    hook.answers = [(302, {"Location": f"{hook.url}/elsewhere"})]
    assert post(hook.url) == "HTTP 302"
    assert len(hook.sent) == 1


def test_nobody_is_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/services/{TOKEN}"
        waits = Waits()
        why = post(url, waits)
    assert why
    assert TOKEN not in why
    assert "127.0.0.1" not in why
    assert len(waits) == 2


@pytest.mark.parametrize(
    "url", [f"https://[half/{TOKEN}", f"http://hooks.invalid:99999/{TOKEN}", f"://{TOKEN}"]
)
def test_whatever_goes_wrong_is_said_and_not_raised(url: str) -> None:
    why = post(url)
    assert why
    assert TOKEN not in why
