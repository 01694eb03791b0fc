"""What a webhook is told: fixed fields, one line for people, and nothing secret."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror_pipeline.domain.alerts import MOST_LISTED, Alert, payload
from mirror_pipeline.domain.redaction import hidden

NOW = datetime(2026, 3, 2, 3, 0, 5, tzinfo=timezone.utc)
FIELDS = {
    "event", "mirror", "command", "asset", "partition", "run_id", "run_url", "message", "hint", "facts",
    "findings", "counts", "at", "text",
}  # fmt: skip


def told(alert: Alert, ui_url: str = "", secrets: frozenset[str] = frozenset()) -> dict[str, object]:
    return dict(payload(alert, "/srv/mirror/site", ui_url, NOW, secrets))


def test_the_fields_are_always_the_same() -> None:
    assert set(told(Alert("failure", "no"))) == FIELDS
    full = Alert("drift", "m", "h", "drift", "wheels", "noarch", "r", {"a": 1}, [{"b": 2}], {"new": 1})
    assert set(told(full, "https://ui.example")) == FIELDS


def test_a_failed_run_has_a_link_where_the_ui_is_known() -> None:
    alert = Alert("failure", "a.whl is gone", "look there", asset="wheels", partition="noarch", run_id="r1")
    found = told(alert, "https://ui.example")
    assert found["run_url"] == "https://ui.example/runs/r1"
    assert found["text"] == (
        "/srv/mirror/site: failure: wheels[noarch]: a.whl is gone (look there) https://ui.example/runs/r1"
    )
    assert told(alert)["run_url"] is None
    assert found["at"] == "2026-03-02T03:00:05+00:00"


def test_the_text_is_one_short_line_without_markup() -> None:
    text = str(told(Alert("drift", f"<!channel>\n& {'x' * 2000}"))["text"])
    assert "\n" not in text
    assert text.startswith("/srv/mirror/site: drift: &lt;!channel&gt; &amp; xxx")
    assert len(text) < 700


def test_long_lists_are_cut_and_counted() -> None:
    alert = Alert(
        "findings",
        "many",
        facts={"failures": [{"file": str(number)} for number in range(99)]},
        findings=[{"subject": str(number)} for number in range(99)],
    )
    found = told(alert)
    facts, findings, counts = found["facts"], found["findings"], found["counts"]
    assert isinstance(facts, dict)
    assert isinstance(findings, list)
    assert (len(facts["failures"]), len(findings), counts) == (MOST_LISTED, MOST_LISTED, {"findings": 99})


def test_what_is_no_plain_data_becomes_text() -> None:
    found = told(Alert("failure", "m", facts={"when": NOW, "digests": ("a", "b"), "ok": True, "none": None}))
    assert found["facts"] == {"when": str(NOW), "digests": ["a", "b"], "ok": True, "none": None}
    json.dumps(found)


@pytest.mark.parametrize(
    "text",
    [
        "s3cret/word and s3cret%2Fword",
        "https://ann:other@a.example/simple/ said no",
        "git+ssh://git:other@a.example/x",
        "https://a.example/x?sig=other",
    ],
)
def test_secrets_are_left_out_wherever_they_stand(text: str) -> None:
    alert = Alert("failure", text, text, facts={text: [text, {"a": text}]}, findings=[{"problem": text}])
    found = json.dumps(told(alert, secrets=frozenset({"s3cret/word"})))
    assert "s3cret" not in found
    assert "other" not in found


SECRETS = st.sets(st.text("abcde/+%", min_size=4, max_size=8), max_size=4)


@given(secrets=SECRETS, between=st.text("xyz ", max_size=5))
def test_no_secret_survives(secrets: set[str], between: str) -> None:
    shown = str(hidden(between.join([*secrets, *secrets]), secrets))
    assert not [secret for secret in secrets if secret in shown]
