"""Nights of a real daemon, a minute apart: what failed is made good, and somebody is told what was found."""

from __future__ import annotations

import time
from pathlib import Path

from mirror_pipeline_tests.daemons import refreshed, running_ui, serves, with_real_history
from mirror_pipeline_tests.hooks import webhook


def test_a_night_retries_what_failed_verifies_and_asks_upstream(tmp_path: Path) -> None:
    values = {"MIRROR_PLATFORMS": "windows-amd64", "MIRROR_SCHEDULE": "* * * * *"}
    with webhook() as hook, with_real_history(tmp_path, MIRROR_WEBHOOK_URL=hook.url, **values) as bench:
        missing = bench.bump_windows()
        bench.upstream.remove(missing)
        assert refreshed(bench)["exit"] == 3
        assert [told["event"] for told in hook.told] == ["failure"]
        bench.upstream.add(missing)
        alpha = bench.upstream.add(bench.dist("alpha"), yanked="leaks keys")
        began = time.time()
        with running_ui(bench) as daemon:
            daemon.wait_until("alert", lambda: "drift" in [told["event"] for told in hook.told])
            daemon.wait_until("publication", lambda: serves(bench, missing))
            fetched = daemon.wait_for_run("wheels", "windows-amd64", since=began)
            daemon.wait_until("report", lambda: daemon.made("verification_report", since=fetched.ended) > 0)
            runs = daemon.runs(began)
        first = [run for run in runs if run.created < fetched.ended]
        assert fetched.status == "SUCCESS"
        assert "the last run failed" in fetched.why
        assert "every night" in {run.why for run in first if run.asset == "verification_report"}
        assert ("wheels", "noarch") not in {(run.asset, run.partition) for run in runs}
        assert not {run.asset for run in runs} & {"lock", "requirements", "lock+requirements", "wheel_plan"}
        told = next(told for told in hook.told if told["event"] == "drift")
        (found,) = told["findings"]
        assert (found["file"], found["kind"], found["reason"]) == (alpha.file, "yanked", "leaks keys")
        assert serves(bench, alpha), "a finding removes nothing"
