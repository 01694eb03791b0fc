"""Keyrings that have an answer, none, or a fit; and credentials that stay with their host."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mirror_pipeline.adapters.credentials import Credentials, Keyring
from mirror_pipeline.adapters.store import WheelStore
from mirror_pipeline.adapters.urls import Login
from mirror_pipeline_tests.fetchers import Waits, connect, fetch
from mirror_pipeline_tests.upstreams import FakeUpstream
from mirror_pipeline_tests.wheels import wheel

INDEX = "https://index.example/team/simple/"
PAGE = f"{INDEX}alpha/"
FILE = "https://index.example/files/alpha.whl"
ANN = Login("ann", "s3cret")

_PROGRAM = """\
#!{python}
import json, pathlib, sys

here, words = pathlib.Path(__file__).parent, sys.argv[1:]
with (here / "asked").open("a") as log:
    log.write(json.dumps(words) + chr(10))
secrets = json.loads((here / "secrets.json").read_text())
if words[:1] == ["get"] and len(words) == 3:
    user, password = secrets.get(words[1], (None, None))
    if user != words[2]:
        sys.exit(1)
    print(password)
elif {new} and words[:-1] == ["--mode", "creds", "--output", "json", "get"]:
    if words[-1] not in secrets:
        sys.exit(1)
    print(json.dumps(dict(zip(("username", "password"), secrets[words[-1]]))))
else:
    sys.exit(2)
"""


@dataclass(frozen=True)
class Program:
    """A ``keyring`` program, the first on the search path."""

    folder: Path

    def write(self, *, new: bool = True, text: str = _PROGRAM) -> None:
        """Put it there. ``new``: it knows how to find a user, as keyring 25.2 does."""
        path = self.folder / "keyring"
        path.write_text(text.format(python=sys.executable, new=new))
        path.chmod(0o755)

    def keep(self, secrets: Mapping[str, tuple[str, str]]) -> None:
        """What it knows: service → user, password."""
        (self.folder / "secrets.json").write_text(json.dumps(secrets))

    @property
    def asked(self) -> list[list[str]]:
        """The words it was called with, each time."""
        log = self.folder / "asked"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    program = Program(folder)
    program.write()
    program.keep({})
    return program


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the module ``keyring`` is to be written: first on the path that modules are looked for."""
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    before = sys.modules.pop("keyring", None)
    yield folder / "keyring.py"
    sys.modules.pop("keyring", None)
    if before is not None:
        sys.modules["keyring"] = before


# The keyring.


def test_the_program_is_asked_for_a_password(program: Program) -> None:
    program.keep({INDEX: ("ann", "s3cret ")})

    assert Keyring("subprocess").login(INDEX, "ann") == Login("ann", "s3cret ")
    assert Keyring("subprocess").login(INDEX, "bob") is None


def test_the_program_is_asked_for_a_user_too(program: Program) -> None:
    program.keep({INDEX: ("ann", "s3cret")})

    assert Keyring("subprocess").login(INDEX, None) == ANN
    assert Keyring("subprocess").login("elsewhere.example", None) is None


def test_an_old_program_needs_a_user(program: Program) -> None:
    program.write(new=False)
    program.keep({INDEX: ("ann", "s3cret")})

    assert Keyring("subprocess").login(INDEX, None) is None
    assert Keyring("subprocess").login(INDEX, "ann") == ANN


@pytest.mark.parametrize("text", ["#!/bin/sh\necho nonsense\n", "#!/bin/sh\necho '[]'\n", "no program"])
def test_a_broken_program_has_nothing(program: Program, text: str) -> None:
    program.write(text=text)

    assert Keyring("subprocess").login(INDEX, None) is None


def test_no_program_has_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert Keyring("subprocess").login(INDEX, "ann") is None


MODULE = """\
from types import SimpleNamespace

def get_credential(service, user):
    if service == "{index}" and user in (None, "ann"):
        return SimpleNamespace(username="ann", password="s3cret")
"""


@pytest.mark.parametrize("provider", ["auto", "import"])
def test_the_module_is_asked_before_the_program(program: Program, module: Path, provider: str) -> None:
    module.write_text(MODULE.format(index=INDEX))
    keyring = Keyring(provider)

    assert keyring.login(INDEX, None) == keyring.login(INDEX, "ann") == ANN
    assert keyring.login("elsewhere.example", None) is None
    assert program.asked == []


def test_an_old_module_needs_a_user(module: Path) -> None:
    module.write_text("def get_password(service, user):\n    return 's3cret' if user == 'ann' else None\n")

    assert Keyring("import").login(INDEX, "ann") == ANN
    assert Keyring("import").login(INDEX, "bob") is None
    assert Keyring("import").login(INDEX, None) is None


def test_a_module_in_trouble_has_nothing(module: Path) -> None:
    module.write_text("def get_credential(service, user):\n    raise RuntimeError('locked')\n")

    assert Keyring("auto").login(INDEX, "ann") is None


@pytest.mark.parametrize(("provider", "found"), [("auto", ANN), ("import", None), ("disabled", None)])
def test_without_the_module_the_program_serves(
    program: Program, module: Path, provider: str, found: Login | None
) -> None:
    module.write_text("raise ImportError('not this one')\n")
    program.keep({INDEX: ("ann", "s3cret")})

    assert Keyring(provider).login(INDEX, "ann") == found
    assert bool(program.asked) is bool(found)


# Who asks whom.


def test_what_the_url_says_comes_first() -> None:
    known = Credentials(["https://bob:other@index.example/team/simple/"])

    assert known.first("https://ann:s3cret@index.example/team/simple/alpha/") == ANN
    assert known.first(PAGE) == known.first(FILE) == Login("bob", "other")


@pytest.mark.parametrize(
    "url",
    [
        "http://index.example/team/simple/alpha/",
        "https://index.example:8443/team/simple/alpha/",
        "https://files.index.example/alpha.whl",
        "https://example/alpha.whl",
        "https://index.example@evil.example/alpha.whl",
    ],
)
def test_credentials_are_for_their_own_origin(url: str) -> None:
    known = Credentials(["https://ann:s3cret@index.example/team/simple/"], Keyring("disabled"))

    assert known.first(url) in (None, Login("index.example"))
    assert known.next(url, [None]) is None


def test_of_two_indexes_on_a_host_the_nearest_path_counts() -> None:
    known = Credentials([f"https://{name}:x@index.example/{name}/simple/" for name in ("ann", "bob")])

    assert known.first("https://index.example/bob/simple/alpha/") == Login("bob", "x")
    assert known.first(FILE) == Login("ann", "x")
    assert known.next(FILE, [Login("ann", "x")]) == Login("bob", "x")
    assert known.next(FILE, [Login("ann", "x"), Login("bob", "x")]) is None


def test_the_keyring_is_asked_for_the_index_and_then_the_host(program: Program) -> None:
    program.keep({"index.example": ("ann", "s3cret")})
    known = Credentials([INDEX], Keyring("subprocess"))

    assert known.first(PAGE) is None
    assert program.asked == []
    assert known.next(PAGE, [None]) == ANN
    assert [words[-1] for words in program.asked] == [INDEX, "index.example"]


def test_the_keyring_is_asked_once_and_remembered(program: Program) -> None:
    program.keep({INDEX: ("ann", "s3cret")})
    known = Credentials([INDEX], Keyring("subprocess"))

    assert [known.next(url, [None]) for url in (PAGE, FILE, PAGE)] == [ANN] * 3
    assert known.first(PAGE) == known.first(FILE) == ANN
    assert known.next(PAGE, [None, ANN]) is None
    assert len(program.asked) == 1


def test_a_keyring_that_knows_nothing_is_asked_once(program: Program) -> None:
    known = Credentials([INDEX], Keyring("subprocess"))

    assert [known.next(PAGE, [None]) for _ in range(3)] == [None] * 3
    assert len(program.asked) == 2  # the index, the host


def test_a_user_without_password_is_the_keyring_s_from_the_start(program: Program) -> None:
    program.keep({INDEX: ("ann", "s3cret")})
    known = Credentials(["https://ann@index.example/team/simple/"], Keyring("subprocess"))

    assert known.first(PAGE) == ANN
    assert program.asked == [["get", INDEX, "ann"]]


def test_a_token_that_the_keyring_does_not_know_is_sent_alone(program: Program) -> None:
    known = Credentials(["https://token@index.example/team/simple/"], Keyring("subprocess"))

    assert known.first(PAGE) == Login("token")


# Against a server.


def test_an_index_that_the_keyring_opens(upstream: FakeUpstream, program: Program, store: WheelStore) -> None:
    dists = [upstream.add(wheel(name)) for name in ("alpha", "beta", "gamma")]
    upstream.require("ann", "s3cret")
    program.keep({upstream.url: ("ann", "s3cret")})

    fetched = fetch(connect(Waits(), upstream.url, keyring="subprocess"), store, *dists)

    assert set(fetched.sizes) == {dist.file for dist in dists}
    assert len(program.asked) == 1
    assert [request.status for request in upstream.asked(upstream.path_of(dists[0]))] == [200]


def test_a_password_that_only_the_keyring_knows(
    upstream: FakeUpstream, program: Program, store: WheelStore
) -> None:
    alpha = upstream.add(wheel("alpha"))
    upstream.require("ann", "pässword:")
    program.keep({upstream.host: ("ann", "pässword:")})
    url = upstream.url.replace("://", "://ann@")

    fetched = fetch(connect(Waits(), url, keyring="subprocess"), store, alpha)

    assert set(fetched.sizes) == {alpha.file}
    assert {request.status for request in upstream.requests} == {200}


def test_files_on_another_host_are_opened_by_their_own_credentials(
    upstream: FakeUpstream, other: FakeUpstream, program: Program, store: WheelStore
) -> None:
    alpha = other.add(wheel("alpha"))
    upstream.require("ann", "s3cret")
    other.require("bob", "0ther")
    upstream.redirect(upstream.page_of("alpha"), f"{other.root}{other.page_of('alpha')}")
    program.keep({other.host: ("bob", "0ther")})
    fetcher = connect(Waits(), upstream.url_with("ann", "s3cret"), keyring="subprocess")

    fetched = fetch(fetcher, store, alpha)

    assert set(fetched.sizes) == {alpha.file}
    seen = {
        server: {request.headers.get("authorization") for request in server.requests}
        for server in (upstream, other)
    }
    assert not seen[upstream] & (seen[other] - {None})
    assert len(program.asked) == 1


def test_two_configured_indexes_on_one_host_have_their_own_credentials(
    upstream: FakeUpstream, store: WheelStore
) -> None:
    alpha, beta = upstream.add(wheel("alpha")), wheel("beta")
    upstream.add(beta, path=f"/two/files/{beta.file}", listed=False)
    link = f'<a href="/two/files/{beta.file}">{beta.file}</a>'
    upstream.replace("/two/simple/beta/", link.encode(), "text/html")
    upstream.require("ann", "s3cret", under="/simple/")
    upstream.require("bob", "0ther", under="/two/")
    second = upstream.url_with("bob", "0ther").replace("/simple/", "/two/simple/")

    fetched = fetch(connect(Waits(), upstream.url_with("ann", "s3cret"), second), store, alpha, beta)

    assert set(fetched.sizes) == {alpha.file, beta.file}
    assert upstream.asked(f"/two/files/{beta.file}")[-1].status == 200


def test_a_pin_at_a_url_on_the_host_of_an_index_is_opened_as_that_is(
    upstream: FakeUpstream, store: WheelStore
) -> None:
    alpha = upstream.add(wheel("alpha"))
    upstream.require("ann", "s3cret")
    wanted = replace(alpha.artifact(url=f"{upstream.root}{upstream.path_of(alpha)}"), direct=True)

    fetched = fetch(connect(Waits(), upstream.url_with("ann", "s3cret")), store, wanted)

    assert set(fetched.sizes) == {alpha.file}
    assert upstream.count() == 1


def test_the_keyring_knows_an_index_that_only_a_lock_names(
    upstream: FakeUpstream, other: FakeUpstream, program: Program, store: WheelStore
) -> None:
    alpha = other.add(wheel("alpha"))
    other.require("ann", "s3cret")
    program.keep({other.url: ("ann", "s3cret")})

    fetched = fetch(
        connect(Waits(), upstream.url, keyring="subprocess"), store, alpha.artifact(index=other.url)
    )

    assert set(fetched.sizes) == {alpha.file}
    assert not upstream.requests


def test_a_keyring_that_is_wrong_leaves_the_refusal_and_tells_no_secret(
    upstream: FakeUpstream, program: Program, store: WheelStore
) -> None:
    alpha = upstream.add(wheel("alpha"))
    upstream.require("ann", "changed")
    program.keep({upstream.url: ("ann", "s3cret")})

    (failure,) = fetch(connect(Waits(), upstream.url, keyring="subprocess"), store, alpha).failures

    assert failure.permanent
    assert "HTTP 401" in failure.reason
    assert "s3cret" not in repr(failure)
    assert upstream.count() == 2
