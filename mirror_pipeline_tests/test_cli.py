"""The command line as programs and people use it: options, one JSON object, exit codes, bad ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import dagster as dg
import pytest

from mirror_pipeline import cli
from mirror_pipeline_tests.mirrors import WINDOWS, Kept, Locked, Workbench, keep, tree, workbench
from mirror_pipeline_tests.wheels import wheel

PATIENCE = 60.0
PLATFORMS = ["linux-x86_64", "windows-amd64", "noarch"]


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> Mapping[str, Any]:
        """The one JSON object; anything else on stdout is an error here."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found

    @property
    def error(self) -> Mapping[str, Any]:
        """The error object of an answer, checked for what every one has."""
        assert self.answer["status"] == "error"
        assert self.answer["exit"] == self.code
        found = self.answer["error"]
        assert isinstance(found, dict)
        assert found["kind"]
        assert found["message"]
        return found


Run = Callable[..., Outcome]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return keep(tmp_path_factory.mktemp("cli"))


@pytest.fixture
def bench(kept: Kept) -> Iterator[Workbench]:
    with kept.restored() as bench:
        yield bench


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Workbench]:
    with workbench(tmp_path / "bench") as bench:
        yield bench


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str | Path) -> Outcome:
        capsys.readouterr()
        code = cli.run([str(argument) for argument in arguments])
        return Outcome(code, *capsys.readouterr())

    return call


@contextmanager
def started(bench: Workbench, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command as a process of its own, ended whatever happens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mirror_pipeline", *arguments, "--config", str(bench.config)],
        cwd=bench.root,
        env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parent.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> Outcome:
    """Wait for the end."""
    out, err = process.communicate(timeout=PATIENCE)
    return Outcome(process.returncode, out, err)


@contextmanager
def busy_port() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def one_line(text: str) -> str:
    """The only line there is; never a traceback."""
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    assert "Traceback" not in text
    return lines[0]


class TestPlan:
    def test_the_matrix(self, empty: Workbench, run: Run) -> None:
        empty.add_gap()
        done = run("plan", "--config", empty.config, "--json")
        assert done.code == 1
        answer = done.answer
        assert answer["status"] == "gaps"
        assert answer["targets"] == {
            "linux-x86_64/3.11": ["alpha==1.0", "checker==1.0", "linuxish==1.0", "native==1.0"],
            "windows-amd64/3.11": [
                "alpha==1.0", "checker==1.0", "linuxish==1.0", "native==1.0", "winonly==1.0",
            ],
        }  # fmt: skip
        assert list(answer["platforms"]) == PLATFORMS
        windows = answer["platforms"]["windows-amd64"]
        native = empty.dist("native", "win")
        assert {
            "file": native.file,
            "sha256": native.sha256,
            "project": "native",
            "version": "1.0",
            "size": native.size,
        } in windows["artifacts"]
        assert windows["gaps"] == [
            {
                "project": "linuxish",
                "version": "1.0",
                "pythons": ["3.11"],
                "reason": "no wheel for windows-amd64 among 1",
                "wanted_by": ["shop"],
                "failure": False,
            }
        ]
        assert answer["outside"] == answer["unnamed"] == answer["unknown_hashes"] == []
        assert [part["floors"] for part in answer["platforms"].values()] == [[], [], []]

    @pytest.mark.parametrize("policy", ["compatible", "best-per-floor"])
    def test_floors_are_said_and_change_no_exit_code(self, empty: Workbench, run: Run, policy: str) -> None:
        empty.put(
            Locked((wheel("newest", tag="cp311-cp311-manylinux_2_39_x86_64"), wheel("newest", tag=WINDOWS)))
        )
        empty.configure(MIRROR_WHEELS=policy, MIRROR_GLIBC="2.17")
        done = run("plan", "--offline", "--config", empty.config, "--json")
        assert (done.code, done.answer["status"]) == (0, "ok")
        assert done.answer["platforms"]["linux-x86_64"]["floors"] == [
            {
                "project": "newest",
                "version": "1.0",
                "pythons": ["3.11"],
                "needs": "glibc 2.39",
                "floor": "glibc 2.17",
            }
        ]
        assert done.answer["platforms"]["windows-amd64"]["floors"] == []
        assert "glibc 2.39" in run("plan", "--offline", "--config", empty.config).out

    def test_one_wheel_per_target_under_best_per_floor(self, empty: Workbench, run: Run) -> None:
        old, new = (wheel("native", tag=f"cp311-cp311-manylinux_2_{minor}_x86_64") for minor in (17, 28))
        empty.put(replace(empty.packages["native"], dists=(old, new, empty.dist("native", "win"))))
        for policy, glibc, kept in (
            ("compatible", "2.17", {old.file, new.file}),
            ("best-per-floor", "2.17", {old.file}),
            ("best-per-floor", "2.28", {new.file}),
        ):
            empty.configure(MIRROR_WHEELS=policy, MIRROR_GLIBC=glibc)
            answer = run("plan", "--offline", "--config", empty.config, "--json").answer
            linux = answer["platforms"]["linux-x86_64"]["artifacts"]
            assert {artifact["file"] for artifact in linux} == kept

    def test_pins_known_by_hash_only_are_named_by_upstream_alone(self, empty: Workbench, run: Run) -> None:
        alpha, unknown = empty.dist("alpha"), "0" * 64
        lines = (
            f"alpha==1.0 --hash=sha256:{alpha.sha256} --hash=sha256:{unknown}",
            f"ghost==2.0 --hash=sha256:{unknown}",
        )
        (empty.root / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        empty.configure(ORBIT_PROJECT="requirements.txt", MIRROR_PLATFORMS="linux-x86_64")

        offline = run("plan", "--offline", "--config", empty.config, "--json")
        assert (offline.code, empty.upstream.count()) == (0, 0)
        assert offline.answer["unnamed"] == ["alpha==1.0", "ghost==2.0"]
        assert offline.answer["targets"] == {"linux-x86_64/3.11": ["alpha==1.0", "ghost==2.0"]}
        assert offline.answer["platforms"]["noarch"]["artifacts"] == []

        asked = run("plan", "--config", empty.config, "--json")
        assert (asked.code, asked.answer["unnamed"]) == (1, [])
        assert [a["file"] for a in asked.answer["platforms"]["noarch"]["artifacts"]] == [alpha.file]
        assert [
            (gap["project"], gap["reason"]) for gap in asked.answer["platforms"]["linux-x86_64"]["gaps"]
        ] == [("ghost", "no upstream lists a file with its locked hash")]
        assert asked.answer["unknown_hashes"] == [
            {"project": name, "version": version, "hashes": [unknown]}
            for name, version in (("alpha", "1.0"), ("ghost", "2.0"))
        ]

    def test_offline_asks_nobody(self, empty: Workbench, run: Run) -> None:
        empty.upstream.close()
        done = run("plan", "--offline", "--config", empty.config, "--json")
        assert done.code == 0
        sizes = [a["size"] for part in done.answer["platforms"].values() for a in part["artifacts"]]
        assert len(sizes) == 5
        assert set(sizes) == {None}
        assert empty.upstream.count() == 0

    def test_changes_nothing(self, empty: Workbench, run: Run) -> None:
        before = tree(empty.root)
        assert run("plan", "--config", empty.config, "--json").code == 0
        assert tree(empty.root) == before

    def test_downloads_nothing(self, empty: Workbench, run: Run) -> None:
        run("plan", "--config", empty.config)
        assert {request.path for request in empty.upstream.requests} == {
            empty.upstream.page_of(name) for name in empty.packages
        }

    def test_for_people(self, empty: Workbench, run: Run) -> None:
        empty.add_gap()
        done = run("plan", "--config", empty.config)
        assert done.code == 1
        assert "windows-amd64" in done.out
        assert "linuxish" in done.out


class TestRefresh:
    def test_first_and_again(self, empty: Workbench, run: Run) -> None:
        done = run("refresh", "--config", empty.config, "--json")
        assert done.code == 0
        answer = done.answer
        assert answer["status"] == "ok"
        assert answer["recomputed"][0] == {"asset": "lock", "partition": None}
        assert {"asset": "wheels", "partition": "windows-amd64"} in answer["recomputed"]
        assert len(answer["recomputed"]) == 11
        assert answer["downloaded_files"] == 5
        assert answer["downloaded_bytes"] == sum(
            path.stat().st_size for path in (empty.home / "packages").glob("*.whl")
        )
        assert answer["uploaded"] > 0
        assert (answer["deleted"], answer["gaps"], answer["findings"]) == (0, [], [])
        assert answer["site"] == str(empty.site)
        assert answer["verified"] is True
        assert "wheels[windows-amd64]" in done.err

        empty.upstream.forget()
        again = run("refresh", "--config", empty.config, "--json").answer
        assert (again["status"], again["recomputed"]) == ("ok", [])
        assert again["downloaded_files"] == again["downloaded_bytes"] == again["uploaded"] == 0
        assert empty.upstream.count() == 0

    def test_a_gap_is_listed_and_stops_nothing(self, bench: Workbench, run: Run) -> None:
        dist = bench.add_gap()
        done = run("refresh", "--config", bench.config, "--json")
        assert (done.code, done.answer["status"]) == (1, "gaps")
        (gap,) = done.answer["gaps"]
        assert (gap["platform"], gap["project"], gap["pythons"]) == ("windows-amd64", "linuxish", ["3.11"])
        assert (bench.site / "packages" / dist.file).is_file()
        assert run("refresh", "--config", bench.config, "--json").code == 1, "the gap is still there"

    def test_a_missing_file_that_is_allowed(self, bench: Workbench, run: Run) -> None:
        bench.configure(MIRROR_ALLOW_FAILURES="true")
        bench.upstream.remove(bench.bump_windows())
        done = run("refresh", "--config", bench.config, "--json")
        assert (done.code, done.answer["status"]) == (1, "findings")
        (failure,) = done.answer["failures"]
        assert (failure["platform"], failure["file"]) == ("windows-amd64", bench.dist("winonly").file)

    def test_force(self, bench: Workbench, run: Run) -> None:
        answer = run("refresh", "--force", "--config", bench.config, "--json").answer
        assert len(answer["recomputed"]) == 11
        assert answer["downloaded_files"] == 0

    def test_for_people(self, bench: Workbench, run: Run) -> None:
        done = run("refresh", "--config", bench.config)
        assert done.code == 0
        line = next(line for line in done.out.splitlines() if line.startswith("pip install"))
        assert line == (
            f"pip install --index-url {bench.site.as_uri()}/simple/ --require-hashes "
            f"-r {bench.root / 'requirements-prod.txt'}"
        )

    def test_the_line_to_try_is_not_made_of_files_of_an_earlier_single_project(
        self, bench: Workbench, run: Run
    ) -> None:
        shutil.copytree(bench.root / "shop", bench.root / "twin")
        bench.configure(ORBIT_PROJECT="shop:twin")
        done = run("refresh", "--config", bench.config)
        assert done.code == 0
        assert (bench.root / "requirements-prod.txt").is_file(), "it is left from the first run"
        assert "pip install" not in done.out

    def test_setup_does_the_same(self, bench: Workbench, run: Run) -> None:
        answer = run("setup", "--config", bench.config, "--json").answer
        assert (answer["status"], answer["recomputed"]) == ("ok", [])


class TestStatus:
    def test_another_way_to_write_the_path_of_the_configuration_changes_nothing(
        self, bench: Workbench, run: Run
    ) -> None:
        roundabout = bench.root / "shop" / ".." / bench.config.name
        assert run("status", "--config", roundabout, "--json").answer["fresh"] is True

    def test_fresh(self, bench: Workbench, run: Run) -> None:
        answer = run("status", "--config", bench.config, "--json").answer
        assert (answer["status"], answer["fresh"]) == ("ok", True)
        assert len(answer["assets"]) == 11
        assert {"asset": "wheels", "partition": "noarch", "state": "fresh", "why": ""} in answer["assets"]

    def test_missing_stale_and_failed(self, empty: Workbench, run: Run) -> None:
        answer = run("status", "--config", empty.config, "--json").answer
        assert {found["state"] for found in answer["assets"]} == {"missing"}

        empty.upstream.remove(empty.dist("winonly"))
        assert run("refresh", "--config", empty.config, "--json").code == 3
        empty.add_comment()
        answer = run("status", "--config", empty.config, "--json").answer
        states = {(found["asset"], found["partition"]): found["state"] for found in answer["assets"]}
        assert states["lock", None] == "stale"
        assert states["wheels", "windows-amd64"] == "failed"
        assert states["wheels", "noarch"] == "fresh"
        assert states["index", None] == "missing"
        assert answer["fresh"] is False

    def test_for_people(self, bench: Workbench, run: Run) -> None:
        bench.add_comment()
        done = run("status", "--config", bench.config)
        assert done.code == 0
        assert "verification_report" in done.out
        assert "stale" in done.out


class TestVerify:
    def test_passes(self, bench: Workbench, run: Run) -> None:
        before = bench.published()
        done = run("verify", "--config", bench.config, "--json")
        answer = done.answer
        assert (done.code, answer["status"], answer["passed"], answer["findings"]) == (0, "ok", True, [])
        assert set(answer["layers"]) == {"coverage", "integrity", "index", "installability"}
        assert answer["checked"] == sum(answer["layers"].values())
        report = json.loads(Path(answer["report"]).read_text("utf-8"))
        assert report["passed"] is True
        assert bench.published() == before
        assert bench.upstream.count() == 0

    def test_finds_and_repairs_nothing(self, bench: Workbench, run: Run) -> None:
        dist = bench.dist("alpha")
        path = bench.home / "packages" / dist.file
        path.write_bytes(dist.content + b"!")
        done = run("verify", "--config", bench.config, "--json")
        assert (done.code, done.answer["status"], done.answer["passed"]) == (1, "findings", False)
        assert (dist.file, "integrity") in {(f["subject"], f["layer"]) for f in done.answer["findings"]}
        assert path.read_bytes() == dist.content + b"!"

    def test_for_people(self, bench: Workbench, run: Run) -> None:
        (bench.site / "simple" / "alpha" / "index.html").unlink()
        done = run("verify", "--config", bench.config)
        assert done.code == 1
        assert "simple/alpha/index.html" in done.out

    def test_before_anything_is_there(self, empty: Workbench, run: Run) -> None:
        done = run("verify", "--config", empty.config, "--json")
        assert done.code == 3
        assert done.error["kind"] == "document"
        assert "refresh" in done.error["hint"]


class TestWrongInput:
    @pytest.mark.parametrize(
        ("settings", "facts"),
        [
            ({"MIRROR_PLATFORM": "linux-x86_64"}, {"key": "MIRROR_PLATFORM"}),
            ({"MIRROR_PLATFORMS": "amiga"}, {"key": "MIRROR_PLATFORMS", "value": "amiga"}),
            ({"MIRROR_PYTHONS": "2.7"}, {"key": "MIRROR_PYTHONS", "value": "2.7"}),
            ({"MIRROR_SELECTION": "some"}, {"key": "MIRROR_SELECTION", "value": "some"}),
            ({"MIRROR_GROUPS": "docs"}, {"key": "MIRROR_GROUPS", "value": "docs"}),
            ({"MIRROR_CONCURRENCY": "0"}, {"key": "MIRROR_CONCURRENCY", "value": "0"}),
        ],
    )
    @pytest.mark.parametrize("command", ["refresh", "plan"])
    def test_settings(
        self, bench: Workbench, run: Run, command: str, settings: dict[str, str], facts: Mapping[str, str]
    ) -> None:
        bench.configure(**settings)
        before = tree(bench.root, without=["home/dagster", "home/turns"])
        done = run(command, "--config", bench.config, "--json")
        assert done.code == 2
        assert done.error["kind"] == "settings"
        assert {key: done.error[key] for key in facts} == facts
        assert done.error["allowed"]
        assert next(iter(facts.values())) in one_line(done.err)
        assert tree(bench.root, without=["home/dagster", "home/turns"]) == before

    @pytest.mark.parametrize(
        "content", [None, "", "<<<<<<< ours\n", '[[package]]\nname = "a"\n', "x = \n", "<!doctype html>"]
    )
    @pytest.mark.parametrize("command", ["refresh", "plan"])
    def test_locks(self, bench: Workbench, run: Run, command: str, content: str | None) -> None:
        bench.lock.unlink()
        if content is not None:
            bench.lock.write_text(content, encoding="utf-8")
        before = tree(bench.root, without=["home/dagster", "home/turns"])
        done = run(command, "--config", bench.config, "--json")
        assert done.code == 2
        assert done.error["kind"] == "lock"
        assert str(bench.lock.parent) in one_line(done.err)
        assert tree(bench.root, without=["home/dagster", "home/turns"]) == before

    def test_a_lock_where_one_would_be_written(self, empty: Workbench, run: Run) -> None:
        lock = empty.root / "requirements-prod.txt"
        lock.write_text(f"alpha==1.0 --hash=sha256:{empty.dist('alpha').sha256}\n", encoding="utf-8")
        empty.configure(ORBIT_PROJECT=lock.name)
        before = tree(empty.root, without=["home/dagster", "home/turns"])
        done = run("refresh", "--config", empty.config, "--json")
        assert done.code == 2
        assert (done.error["kind"], done.error["file"]) == ("settings", str(lock))
        assert str(lock) in one_line(done.err)
        assert tree(empty.root, without=["home/dagster", "home/turns"]) == before

    def test_a_conflict_names_its_line(self, bench: Workbench, run: Run) -> None:
        bench.lock.write_text("# poetry\n" + "<<<<<<< ours\n" + bench.lock.read_text("utf-8"), "utf-8")
        done = run("refresh", "--config", bench.config)
        assert done.code == 2
        assert f"{bench.lock}:2: merge-conflict marker" in one_line(done.err)
        assert done.out == ""

    @pytest.mark.parametrize("command", ["setup", "refresh", "status", "plan", "verify", "serve", "ui"])
    def test_no_configuration(self, tmp_path: Path, run: Run, command: str) -> None:
        done = run(command, "--config", tmp_path / "nothing.env", "--json")
        assert done.code == 2
        assert done.error["file"] == str(tmp_path / "nothing.env")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        "arguments", [["frobnicate"], ["refresh", "--fast"], ["serve", "--port", "many"], ["plan", "extra"]]
    )
    def test_usage(self, run: Run, arguments: Sequence[str]) -> None:
        done = run(*arguments, "--json")
        assert done.code == 2
        assert done.error["kind"] == "usage"
        assert one_line(done.err).startswith("error: ")

    def test_an_unknown_variable_is_a_warning(
        self, bench: Workbench, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MIRROR_COLOUR", "blue")
        done = run("plan", "--offline", "--config", bench.config, "--json")
        assert done.code == 0
        assert "warning: unknown MIRROR_COLOUR in the environment is ignored" in done.err

    def test_the_environment_wins(self, bench: Workbench, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MIRROR_PLATFORMS", "macos-arm64")
        monkeypatch.setenv("MIRROR_CONFIG", str(bench.config))
        assert list(run("plan", "--offline", "--json").answer["platforms"]) == ["macos-arm64", "noarch"]

    def test_the_configuration_here_is_the_default(
        self, bench: Workbench, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(bench.root)
        assert list(run("plan", "--offline", "--json").answer["platforms"]) == PLATFORMS

    @pytest.mark.parametrize("arguments", [["--help"], ["refresh", "-h"], ["--version"]])
    def test_help_is_no_error(self, run: Run, arguments: Sequence[str]) -> None:
        done = run(*arguments)
        assert done.code == 0
        assert "mirror-pipeline" in done.out


class TestTrouble:
    def test_upstream_is_not_reached(self, bench: Workbench, run: Run) -> None:
        before = bench.published()
        bench.bump_windows()
        bench.upstream.close()
        done = run("refresh", "--config", bench.config, "--json")
        assert done.code == 3
        assert "MIRROR_INDEX_URL" in str(done.error)
        assert bench.upstream.host in done.error["message"]
        assert {item["asset"] for item in done.answer["recomputed"]} == {"lock", "requirements", "wheel_plan"}
        assert bench.published() == before
        assert "Traceback" not in done.err

    def test_wrong_bytes(self, bench: Workbench, run: Run) -> None:
        before = bench.published()
        dist = bench.bump_windows()
        bench.upstream.replace(bench.upstream.path_of(dist), b"x" * dist.size)
        done = run("refresh", "--config", bench.config, "--json")
        assert done.code == 3
        (failure,) = done.error["failures"]
        assert failure["file"] == dist.file
        assert failure["expected"] == dist.sha256
        assert re.fullmatch("[0-9a-f]{64}", failure["actual"])
        assert failure["actual"] != dist.sha256
        assert dist.sha256 in done.error["message"]
        assert failure["actual"] in done.error["message"]
        assert bench.published() == before

    @pytest.mark.parametrize("command", ["refresh", "status"])
    def test_a_file_where_the_home_should_be(self, empty: Workbench, run: Run, command: str) -> None:
        (empty.root / "file").write_text("", encoding="utf-8")
        empty.configure(MIRROR_HOME="file/home")
        done = run(command, "--config", empty.config, "--json")
        assert done.code == 3
        assert done.error["kind"] == "storage"
        assert str(empty.root / "file") in one_line(done.err)

    def test_a_file_where_the_reports_should_be(self, bench: Workbench, run: Run) -> None:
        for path in (bench.home / "reports").iterdir():
            path.unlink()
        (bench.home / "reports").rmdir()
        (bench.home / "reports").write_text("", encoding="utf-8")
        done = run("verify", "--config", bench.config, "--json")
        assert (done.code, done.error["kind"]) == (3, "storage")

    def test_what_fails_after_the_publication_does_not_make_it_unpublished(
        self, bench: Workbench, run: Run
    ) -> None:
        shutil.rmtree(bench.home / "reports")
        (bench.home / "reports").write_text("", encoding="utf-8")
        bench.bump_windows()
        done = run("refresh", "--config", bench.config)
        assert done.code == 3
        assert "Generation 2 is published; what failed came after that." in done.err
        assert "unchanged" not in done.err

    @pytest.mark.parametrize("command", ["serve", "ui"])
    def test_a_busy_port(self, bench: Workbench, run: Run, command: str) -> None:
        with busy_port() as port:
            done = run(command, "--port", str(port), "--config", bench.config, "--json")
        assert done.code == 3
        assert (done.error["kind"], done.error["port"]) == ("port-in-use", port)
        assert str(port) in one_line(done.err)

    def test_nothing_to_serve(self, empty: Workbench, run: Run) -> None:
        done = run("serve", "--port", "0", "--config", empty.config, "--json")
        assert done.code == 3
        assert "refresh" in done.error["hint"]

    def test_a_damaged_history(self, bench: Workbench, run: Run) -> None:
        for path in (bench.home / "dagster").rglob("*.db"):
            path.write_bytes(b"this is not a database" * 100)
        done = run("refresh", "--config", bench.config, "--json")
        assert (done.code, done.error["kind"]) == (3, "storage")
        assert "Traceback" not in done.err


class TestProcesses:
    def test_stdout_is_one_object(self, bench: Workbench) -> None:
        bench.add_comment()
        with started(bench, "refresh", "--json") as process:
            done = ended(process)
        assert done.code == 0
        assert done.answer["recomputed"] == [
            {"asset": "lock", "partition": None},
            {"asset": "requirements", "partition": None},
        ]
        assert "lock: " in done.err

    def test_an_error_is_one_line(self, bench: Workbench) -> None:
        bench.lock.unlink()
        with started(bench, "refresh") as process:
            done = ended(process)
        assert (done.code, done.out) == (2, "")
        assert one_line(done.err).startswith("error: ")

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_interrupted_while_it_fetches(self, empty: Workbench, number: signal.Signals) -> None:
        slow = empty.dist("native", "x86_64")
        hold = empty.upstream.hold(empty.upstream.path_of(slow), after=1000)
        with started(empty, "refresh", "--json") as process:
            hold.wait_for_client()
            process.send_signal(number)
            done = ended(process)
        assert done.code == 3, done.err
        assert done.error["kind"] == "interrupted"
        assert "Traceback" not in done.err
        dists = {dist.file: dist.sha256 for item in empty.packages.values() for dist in item.dists}
        stored = {
            name: digest
            for name, digest in tree(empty.home / "packages").items()
            if not name.endswith(".metadata")
        }
        assert stored.items() <= dists.items()
        assert slow.file not in stored
        assert list((empty.home / "tmp").iterdir()) == []
        assert not empty.site.exists()

        hold.release()
        assert empty.refresh().failures == []
        assert empty.site.is_dir()

    def test_two_refreshes_at_once_do_the_work_once(self, empty: Workbench) -> None:
        hold = empty.upstream.hold(empty.upstream.path_of(empty.dist("alpha")))
        with started(empty, "refresh", "--json") as first:
            hold.wait_for_client()
            with started(empty, "refresh", "--no-wait", "--json") as hasty:
                done = ended(hasty)
            assert (done.code, done.error["kind"]) == (3, "busy")
            assert re.search(rf"refresh of .* \(process {first.pid}, since .*\) is at work", done.err)
            with started(empty, "gc", "--yes") as collector, started(empty, "refresh", "--json") as second:
                for waiting in (collector, second):
                    assert waiting.stderr is not None
                    assert "waiting for refresh of " in waiting.stderr.readline()
                hold.release()
                outcomes = [ended(process) for process in (first, collector, second)]
        assert [one.code for one in outcomes] == [0, 0, 0]
        assert len(outcomes[0].answer["recomputed"]) == 11
        assert outcomes[2].answer["recomputed"] == []
        assert empty.upstream.count(empty.upstream.path_of(empty.dist("alpha"))) == 1

    def test_what_a_killed_refresh_left_is_told_and_done(self, empty: Workbench) -> None:
        hold = empty.upstream.hold(empty.upstream.path_of(empty.dist("alpha")))
        with started(empty, "refresh") as process:
            hold.wait_for_client()
            process.kill()
            process.wait()
        hold.release()
        with empty.instance() as instance:
            left = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
            assert len(left) == 1
            assert empty.refresh().failures == []
            run = instance.get_run_by_id(left[0].run_id)
            assert run is not None
            assert run.status == dg.DagsterRunStatus.FAILURE
        assert empty.site.is_dir()

    def test_serve_answers_until_it_is_ended(self, bench: Workbench) -> None:
        with started(bench, "serve", "--port", "0", "--json") as process:
            assert process.stderr is not None
            said = process.stderr.readline()
            found = re.search(r"http://127\.0\.0\.1:\d+", said)
            assert found, said
            page = get(f"{found[0]}/simple/alpha/")
            assert bench.dist("alpha").file in page
            process.send_signal(signal.SIGTERM)
            done = ended(process)
        assert (done.code, done.answer["status"]) == (0, "ok")
        assert "Traceback" not in done.err


def get(url: str) -> str:
    """A page; connections that are refused are tried again for a while."""
    opener, deadline = build_opener(ProxyHandler({})), time.monotonic() + PATIENCE
    while True:
        try:
            with opener.open(url, timeout=10) as response:
                return str(response.read(), "utf-8")
        except URLError:
            if time.monotonic() > deadline:
                raise
