"""Alerts as they arrive at a webhook: of commands, of runs of Dagster, and with nothing secret in them."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import dagster as dg
import pytest

from mirror_pipeline import cli
from mirror_pipeline.assets import drift, graph
from mirror_pipeline.definitions import build_definitions
from mirror_pipeline.settings import parse_settings
from mirror_pipeline_tests.hooks import TOKEN, Hook, webhook
from mirror_pipeline_tests.mirrors import Kept, Workbench, keep
from mirror_pipeline_tests.test_cli import Outcome, Run

README = Path(__file__).parent.parent / "README.md"
PASSWORD, LOGIN = "s3cret-of-the-index", "t0ken-of-the-mirror"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return keep(tmp_path_factory.mktemp("alerts"))


@pytest.fixture
def hook() -> Iterator[Hook]:
    with webhook() as hook:
        yield hook


@pytest.fixture
def bench(kept: Kept, hook: Hook) -> Iterator[Workbench]:
    with kept.restored() as bench:
        bench.configure(MIRROR_WEBHOOK_URL=hook.url)
        yield bench


@pytest.fixture
def run(bench: Workbench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = cli.run([*arguments, "--config", str(bench.config)])
        return Outcome(code, *capsys.readouterr())

    return call


def damage(bench: Workbench) -> str:
    """Flip a byte of a published file."""
    dist = bench.dist("alpha")
    path = bench.home / "packages" / dist.file
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    return dist.file


class TestCommands:
    def test_what_ends_well_tells_nobody(self, run: Run, hook: Hook) -> None:
        for command in ("refresh", "verify", "drift", "setup", "status", "plan"):
            assert run(command).code == 0
        assert hook.told == []

    def test_a_finding_of_the_verification(self, bench: Workbench, run: Run, hook: Hook) -> None:
        file = damage(bench)
        assert run("verify").code == 1
        (told,) = hook.told
        assert (told["event"], told["command"], told["mirror"]) == ("findings", "verify", str(bench.site))
        assert told["findings"][0]["subject"] == file
        assert told["counts"]["findings"] == len(told["findings"])
        assert "verification: " in told["text"]

    def test_drift(self, bench: Workbench, run: Run, hook: Hook) -> None:
        bench.upstream.add(bench.dist("alpha"), yanked="leaks keys")
        assert run("drift").code == 1
        assert run("drift", "--accept", "alpha").code == 0
        assert run("drift").code == 0
        assert [told["event"] for told in hook.told] == ["drift"]

    def test_a_file_that_does_not_arrive(self, bench: Workbench, run: Run, hook: Hook) -> None:
        bench.upstream.remove(bench.bump_windows())
        done = run("refresh", "--json")
        assert done.code == 3
        (told,) = hook.told
        assert (told["event"], told["command"]) == ("failure", "refresh")
        assert told["message"] == done.error["message"]
        assert told["facts"]["platform"] == "windows-amd64"
        assert told["facts"]["kind"] == "fetch-failed"
        assert told["counts"] == {"findings": 0, "failures": 1, "skipped": 3}

    @pytest.mark.parametrize("command", ["refresh", "setup"])
    def test_a_broken_lock(self, bench: Workbench, run: Run, hook: Hook, command: str) -> None:
        bench.lock.write_text("<<<<<<< ours\n", encoding="utf-8")
        assert run(command).code == 2
        (told,) = hook.told
        assert (told["event"], told["facts"]["kind"]) == ("failure", "lock")

    def test_an_upstream_that_nobody_reaches(self, bench: Workbench, run: Run, hook: Hook) -> None:
        bench.upstream.close()
        assert run("drift").code == 3
        (told,) = hook.told
        assert (told["event"], told["command"]) == ("failure", "drift")
        assert told["message"].startswith("nothing could be asked of upstream: no connection")

    def test_gaps_alone_tell_nobody(self, bench: Workbench, run: Run, hook: Hook) -> None:
        bench.add_gap()
        assert run("refresh").code == 1
        assert hook.told == []

    def test_what_is_wrong_with_the_command_line_tells_nobody(
        self, bench: Workbench, run: Run, hook: Hook
    ) -> None:
        assert run("drift", "--accept", "nothing-of-that-name").code == 2
        assert run("refresh", "--no-such-option").code == 2
        bench.configure(MIRROR_CONCURRENCY="none")
        assert run("refresh").code == 2
        assert hook.told == []

    @pytest.mark.parametrize("status", [404, 503])
    def test_a_webhook_in_trouble_is_a_warning_and_no_more(
        self, bench: Workbench, run: Run, hook: Hook, status: int
    ) -> None:
        damage(bench)
        quiet = run("verify", "--json")
        hook.answers = [(status, {"Retry-After": "0"})] * 9
        done = run("verify", "--json")
        assert (done.code, done.out) == (quiet.code, quiet.out)
        assert f"warning: the alert could not be sent to MIRROR_WEBHOOK_URL: HTTP {status}" in done.err
        assert TOKEN not in done.err

    def test_without_a_webhook_nothing_is_sent(self, bench: Workbench, run: Run, hook: Hook) -> None:
        bench.configure(MIRROR_WEBHOOK_URL="")
        damage(bench)
        assert run("verify").code == 1
        assert hook.told == []

    def test_the_readme_shows_what_is_sent(self, bench: Workbench, run: Run, hook: Hook) -> None:
        section = README.read_text("utf-8").partition("\n## Alerts")[2].partition("\n## ")[0]
        block = re.search(r"```json\n(.*?)```", section, re.DOTALL)
        assert block is not None
        shown = json.loads(block[1])
        bench.upstream.add(bench.dist("alpha"), yanked="leaks keys")
        assert run("drift").code == 1
        (told,) = hook.told
        found = dict(told) | {"mirror": shown["mirror"], "at": shown["at"]}
        found["findings"] = [{**one, "since": shown["findings"][0]["since"]} for one in told["findings"]]
        found["text"] = told["text"].replace(told["mirror"], shown["mirror"])
        assert found == shown
        assert list(told) == list(shown)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", told["at"])


class Sensor:
    """One of the sensors, evaluated as the daemon does it, from its cursor on."""

    def __init__(self, bench: Workbench, instance: dg.DagsterInstance, name: str) -> None:
        self._bench, self._instance, self._name = bench, instance, name
        self._cursor: str | None = None
        self.tick()

    def tick(self) -> None:
        """Look at what ended since the last time."""
        repository = build_definitions(self._bench.mirror(), retries=None).get_repository_def()
        sensor = repository.get_sensor_def(self._name)
        with dg.build_sensor_context(instance=self._instance, cursor=self._cursor) as context:
            self._cursor = sensor.evaluate_tick(context).cursor


@pytest.fixture
def instance(bench: Workbench) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def ran(
    bench: Workbench, instance: dg.DagsterInstance, asset: str, partition: str | None = None, **tags: str
) -> dg.ExecuteInProcessResult:
    """A run as the daemon would launch it, but in this process."""
    job = build_definitions(bench.mirror(), retries=None).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(asset)],
        partition_key=partition,
        tags=tags,
        raise_on_error=False,
    )


class TestRuns:
    def test_a_failed_run_is_told_once(
        self, bench: Workbench, instance: dg.DagsterInstance, hook: Hook
    ) -> None:
        bench.configure(MIRROR_UI_URL="https://ui.example/")
        sensor = Sensor(bench, instance, "alert_failures")
        dist = bench.dist("native", "win")
        (bench.home / "packages" / dist.file).unlink()
        bench.upstream.remove(dist)
        done = ran(bench, instance, "wheels", "windows-amd64")
        assert not done.success
        sensor.tick()
        sensor.tick()
        (told,) = hook.told
        assert (told["event"], told["asset"], told["partition"]) == ("failure", "wheels", "windows-amd64")
        assert (told["run_id"], told["command"]) == (done.run_id, None)
        assert told["run_url"] == f"https://ui.example/runs/{done.run_id}"
        assert dist.file in told["message"]
        assert told["facts"]["platform"] == "windows-amd64"

    @pytest.mark.parametrize(
        "tags", [{graph.BY: graph.COMMAND_LINE}, {"dagster/will_retry": "true"}], ids=["command", "again"]
    )
    def test_what_somebody_else_tells_or_is_not_over_is_not_told(
        self, bench: Workbench, instance: dg.DagsterInstance, hook: Hook, tags: Mapping[str, str]
    ) -> None:
        failures = Sensor(bench, instance, "alert_failures")
        findings = Sensor(bench, instance, "alert_findings")
        damage(bench)
        assert ran(bench, instance, "verification_report", **tags).success
        bench.lock.unlink()
        assert not ran(bench, instance, "lock", **tags).success
        failures.tick()
        findings.tick()
        assert hook.told == []

    def test_a_success_without_findings_is_not_told(
        self, bench: Workbench, instance: dg.DagsterInstance, hook: Hook
    ) -> None:
        sensor = Sensor(bench, instance, "alert_findings")
        assert ran(bench, instance, "verification_report").success
        assert ran(bench, instance, "lock").success
        sensor.tick()
        assert hook.told == []

    def test_findings_of_a_verification(
        self, bench: Workbench, instance: dg.DagsterInstance, hook: Hook
    ) -> None:
        sensor = Sensor(bench, instance, "alert_findings")
        file = damage(bench)
        done = ran(bench, instance, "verification_report")
        assert done.success
        sensor.tick()
        (told,) = hook.told
        assert (told["event"], told["asset"], told["run_id"]) == (
            "findings", "verification_report", done.run_id,
        )  # fmt: skip
        assert file in {finding["subject"] for finding in told["findings"]}

    def test_findings_of_the_check_alone(
        self, bench: Workbench, instance: dg.DagsterInstance, hook: Hook
    ) -> None:
        sensor = Sensor(bench, instance, "alert_findings")
        bench.upstream.mark("alpha", "quarantined", "malware")
        assert checked(bench, instance).success
        sensor.tick()
        (told,) = hook.told
        assert (told["event"], told["asset"]) == ("drift", "verification_report")
        assert [(one["kind"], one["reason"]) for one in told["findings"]] == [("quarantined", "malware")]

    def test_an_upstream_that_nobody_reaches_is_a_failure(
        self, bench: Workbench, instance: dg.DagsterInstance, hook: Hook
    ) -> None:
        sensor = Sensor(bench, instance, "alert_findings")
        bench.upstream.close()
        assert checked(bench, instance).success
        sensor.tick()
        (told,) = hook.told
        assert told["event"] == "failure"
        assert told["message"].startswith("nothing could be asked of upstream")

    def test_a_project_that_cannot_be_asked_about_is_not_told(
        self, bench: Workbench, instance: dg.DagsterInstance, hook: Hook
    ) -> None:
        sensor = Sensor(bench, instance, "alert_findings")
        bench.upstream.fail(bench.upstream.page_of("alpha"), 403)
        (check,) = checked(bench, instance).get_asset_check_evaluations()
        assert not check.passed
        sensor.tick()
        assert hook.told == []

    def test_a_webhook_in_trouble_leaves_the_sensor_running(
        self, bench: Workbench, instance: dg.DagsterInstance, hook: Hook, caplog: pytest.LogCaptureFixture
    ) -> None:
        sensor = Sensor(bench, instance, "alert_failures")
        bench.lock.unlink()
        ran(bench, instance, "lock")
        hook.answers = [(404, {})]
        sensor.tick()
        ran(bench, instance, "lock")
        sensor.tick()
        assert len(hook.told) == 2

    def test_without_a_webhook_there_is_no_sensor(self, bench: Workbench) -> None:
        def names() -> set[str]:
            repository = build_definitions(bench.mirror()).get_repository_def()
            return {sensor.name for sensor in repository.sensor_defs}

        assert {"alert_failures", "alert_findings"} <= names()
        bench.configure(MIRROR_WEBHOOK_URL="")
        assert names() == {"automation", "lock_sensor", "recovery"}


def checked(bench: Workbench, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """The check ``upstream`` by itself."""
    job = build_definitions(bench.mirror(), retries=None).resolve_implicit_global_asset_job_def()
    return job.get_subset(asset_check_selection={drift.KEY}).execute_in_process(instance=instance)


class TestSecrets:
    """An index with a password, a webhook with a token, a login of the mirror: none of them is told."""

    def test_nowhere(self, bench: Workbench, run: Run, hook: Hook, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        bench.upstream.require("ann", PASSWORD)
        index = bench.upstream.url_with("ann", PASSWORD)
        bench.configure(MIRROR_INDEX_URL=index, MIRROR_LOGIN=f"ci:{LOGIN}")
        bench.upstream.add(bench.dist("alpha"), yanked=f"see {index}")
        bench.upstream.fail(bench.upstream.page_of("native"), 500)
        shown = [run("drift", "--json"), run("drift")]
        damage(bench)
        shown += [run("verify"), run("verify", "--json")]
        bench.upstream.remove(bench.bump_windows())
        shown += [run("refresh"), run("refresh", "--json")]
        with bench.instance() as instance:
            failures = Sensor(bench, instance, "alert_failures")
            findings = Sensor(bench, instance, "alert_findings")
            ran(bench, instance, "wheels", "windows-amd64")
            ran(bench, instance, "verification_report")
            checked(bench, instance)
            failures.tick()
            findings.tick()
            recorded = [str(event) for run in instance.get_runs() for event in instance.all_logs(run.run_id)]
        assert {told["event"] for told in hook.told} == {"failure", "findings", "drift"}
        said = [text for outcome in shown for text in (outcome.out, outcome.err)]
        kept = [path.read_text("utf-8") for path in (bench.home / "reports").iterdir()]
        assert all([said, recorded, kept, caplog.text])
        alerts = [sent.body.decode() for sent in hook.sent]
        for text in (*alerts, *said, *recorded, *kept, caplog.text):
            for secret in (PASSWORD, TOKEN, LOGIN):
                assert secret not in text

    def test_not_though_upstream_knows_them(self, bench: Workbench, run: Run, hook: Hook) -> None:
        index = bench.upstream.url_with("ann", PASSWORD)
        bench.configure(MIRROR_INDEX_URL=index, MIRROR_LOGIN=f"ci:{LOGIN}")
        bench.upstream.add(bench.dist("alpha"), yanked=f"{hook.url}, {TOKEN}, {PASSWORD}, {LOGIN}")
        assert run("drift").code == 1
        (sent,) = hook.sent
        assert not [secret for secret in (PASSWORD, TOKEN, LOGIN) if secret in sent.body.decode()]

    def test_not_in_what_is_said_of_settings(self, bench: Workbench, hook: Hook) -> None:
        settings = bench.mirror().settings
        assert settings.webhook == hook.url
        assert TOKEN not in repr(settings)

    def test_not_in_a_refusal(self) -> None:
        for text in (
            f"MIRROR_WEBHOOK_URL=ftp://hooks.example/{TOKEN}",
            f"MIRROR_WEBHOOK_URL=hooks.example/{TOKEN}",
            f"MIRROR_WEBHOOK_URL=https://hooks.example/{TOKEN} https://other.example",
            f"MIRROR_WEBHOOK_URL https://hooks.example/{TOKEN}",
            f"MIRROR_WEBHOOK_URL: https://hooks.example/{TOKEN}",
            f"MIRROR_WEBHOOK_URL='https://hooks.example/{TOKEN}",
            f"https://hooks.example/{TOKEN}",
            f"{TOKEN}",
            f"MIRROR_LOGIN ci:{TOKEN}",
            f"MIRROR_WEBHOK_URL=https://hooks.example/{TOKEN}",
        ):
            with pytest.raises(Exception, match=r".") as caught:
                parse_settings(f"{text}\n", {}, Path("/srv"))
            error = caught.value
            assert TOKEN not in str(error)
            assert TOKEN not in repr(getattr(error, "facts", {}))
