"""``drift`` on the command line, and the check ``upstream`` in Dagster."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.definitions import automation_tick_evaluation_context

from mirror_pipeline import cli
from mirror_pipeline.assets import drift
from mirror_pipeline.definitions import build_definitions
from mirror_pipeline_tests.mirrors import Kept, Workbench, keep, materialize, tree
from mirror_pipeline_tests.test_cli import Outcome, Run


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return keep(tmp_path_factory.mktemp("drift"))


@pytest.fixture
def bench(kept: Kept) -> Iterator[Workbench]:
    with kept.restored() as bench:
        yield bench


@pytest.fixture
def run(bench: Workbench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = cli.run(["drift", *arguments, "--config", str(bench.config)])
        return Outcome(code, *capsys.readouterr())

    return call


class TestCommand:
    def test_nothing_changed(self, bench: Workbench, run: Run) -> None:
        before = tree(bench.root, without=["home/dagster", "home/reports"])
        done = run("--json")
        assert done.code == 0
        assert done.answer == {
            "status": "ok", "projects": 4, "files": 5, "findings": [], "noted": [], "not_asked": [],
            "resolved": [], "direct": 0, "report": str(bench.home / "reports" / "drift-latest.json"),
        }  # fmt: skip
        after = dict(tree(bench.root, without=["home/dagster", "home/reports"]))
        assert after.pop("home/documents/drift.json")
        assert after == before

    def test_findings_are_listed(self, bench: Workbench, run: Run) -> None:
        bench.upstream.add(bench.dist("alpha"), yanked="leaks keys [sic]")
        bench.upstream.remove(bench.dist("winonly"))
        done = run("--json")
        assert (done.code, done.answer["status"]) == (1, "findings")
        assert [(one["kind"], one["severity"], one["project"]) for one in done.answer["findings"]] == [
            ("vanished", "error", "winonly"), ("yanked", "warning", "alpha"),
        ]  # fmt: skip
        shown = run()
        assert shown.code == 1
        for text in (
            "leaks keys [sic]",
            "2 findings, 4 projects and 5 files compared",
            "Nothing was removed",
        ):
            assert text in shown.out

    def test_accepted(self, bench: Workbench, run: Run) -> None:
        bench.upstream.add(bench.dist("alpha"), yanked="leaks keys")
        assert run().code == 1
        done = run("--accept", "alpha", "--json")
        assert (done.code, done.answer["status"]) == (0, "ok")
        assert [one["severity"] for one in done.answer["noted"]] == ["info"]
        assert run().code == 0

    def test_accepting_what_is_not_found(self, run: Run) -> None:
        done = run("--accept", "alpha", "--json")
        assert (done.code, done.error["kind"]) == (2, "usage")

    def test_a_project_that_cannot_be_asked_about(self, bench: Workbench, run: Run) -> None:
        bench.upstream.fail(bench.upstream.page_of("alpha"), 403)
        done = run("--json")
        assert (done.code, done.answer["status"], done.answer["findings"]) == (1, "incomplete", [])
        assert [one["project"] for one in done.answer["not_asked"]] == ["alpha"]
        assert "not asked about alpha: " in run().err

    def test_nobody_can_be_asked(self, bench: Workbench, run: Run) -> None:
        bench.upstream.close()
        done = run("--json")
        assert (done.code, done.error["kind"]) == (3, "upstream")

    def test_before_the_first_refresh(self, bench: Workbench, run: Run) -> None:
        bench.configure(MIRROR_HOME="another")
        done = run("--json")
        assert (done.code, done.error["kind"]) == (3, "document")


def checked(bench: Workbench) -> dg.AssetCheckEvaluation:
    """The check run by itself."""
    job = build_definitions(bench.mirror(), retries=None).resolve_implicit_global_asset_job_def()
    with bench.instance() as instance:
        result = job.get_subset(asset_check_selection={drift.KEY}).execute_in_process(instance=instance)
    assert result.success
    assert not result.get_asset_materialization_events()
    (check,) = result.get_asset_check_evaluations()
    return check


class TestCheck:
    def test_passed(self, bench: Workbench) -> None:
        check = checked(bench)
        assert (check.passed, check.check_name) == (True, "upstream")
        assert (check.metadata["projects"].value, check.metadata["files"].value) == (4, 5)
        assert check.metadata["findings"].value == "none"

    @pytest.mark.parametrize(
        ("status", "severity", "passed"),
        [
            ("quarantined", dg.AssetCheckSeverity.ERROR, False),
            ("deprecated", dg.AssetCheckSeverity.WARN, False),
            ("archived", dg.AssetCheckSeverity.WARN, True),
        ],
    )
    def test_the_worst_finding_decides(
        self, bench: Workbench, status: str, severity: dg.AssetCheckSeverity, passed: bool
    ) -> None:
        bench.upstream.mark("alpha", status, "see the notes")
        check = checked(bench)
        assert (check.passed, check.severity) == (passed, severity)
        place = "told besides" if passed else "findings"
        assert "`see the notes`" in str(check.metadata[place].value)
        assert not check.blocking

    def test_upstream_in_trouble_fails_the_check_and_no_run(self, bench: Workbench) -> None:
        bench.upstream.fail(bench.upstream.page_of("alpha"), 403)
        check = checked(bench)
        assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
        assert "HTTP 403" in str(check.metadata["not asked"].value)
        bench.upstream.close()
        check = checked(bench)
        assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
        assert check.metadata["projects"].value == 0
        assert "no connection" in str(check.metadata["not asked"].value)

    def test_a_refresh_does_not_ask(self, bench: Workbench) -> None:
        done = bench.refresh(force=True)
        assert ("verification_report", None) in done.recomputed
        assert bench.upstream.count() == 0

    def test_a_click_on_the_verification_asks_too(self, bench: Workbench) -> None:
        with bench.instance() as instance:
            result = materialize(build_definitions(bench.mirror()), instance, "verification_report")
        assert {check.check_name for check in result.get_asset_check_evaluations()} >= {"upstream", "index"}
        assert bench.upstream.count(bench.upstream.page_of("alpha")) == 1

    def test_what_the_condition_orders_leaves_it_out(self, bench: Workbench) -> None:
        """Dagster's own word for it, which is private: a check with a condition does not ride along."""
        graph = build_definitions(bench.mirror()).resolve_asset_graph()
        report = {dg.AssetKey("verification_report")}
        assert drift.KEY in graph.get_check_keys_for_assets(report)
        riding = automation_tick_evaluation_context._ride_along_check_keys_for_assets(graph, report)  # noqa: SLF001
        assert {key.name for key in riding} == {"coverage", "integrity", "index", "installability"}

    def test_and_never_asks_for_it(self, bench: Workbench) -> None:
        with dg.DagsterInstance.ephemeral() as instance:
            cursor = None
            for asset in ("lock", "verification_report"):
                definitions = build_definitions(bench.mirror())
                assert materialize(definitions, instance, asset).success
                result = dg.evaluate_automation_conditions(
                    definitions, instance, asset_selection=dg.AssetSelection.checks(drift.KEY), cursor=cursor
                )
                cursor = result.cursor
                (judged,) = [one for one in result.results if one.key == drift.KEY]
                assert judged.true_subset.is_empty
