"""Who asks whom: credentials of index URLs, of the keyring, and the rule that none leaves its own host.

Before a request: what the URL itself says, else what an index URL of the same origin says. netrc is libcurl's
affair and serves where neither says anything. After a 401, and where a user is known but no password, the
keyring is asked, as pip asks it: the module ``keyring``, or the program of that name. It is asked once for
an index or host, in words that never get into a message.
"""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from mirror_pipeline.adapters.urls import Login, Origin, origin, shared_path, split, split_login

_PATIENCE = 60.0
"""Seconds for a keyring to answer: some wait for a person to unlock them."""


class Keyring:
    """The machine's keyring. ``provider`` is pip's setting: auto, disabled, import or subprocess."""

    def __init__(self, provider: str = "auto") -> None:
        self._provider = provider

    def login(self, service: str, user: str | None) -> Login | None:
        """What the keyring has for a service: an index URL, or a host. A broken one has nothing."""
        module = self._module() if self._provider in ("auto", "import") else None
        if module is not None:
            return _from_module(module, service, user)
        program = shutil.which("keyring") if self._provider in ("auto", "subprocess") else None
        return _from_program(program, service, user) if program else None

    @staticmethod
    def _module() -> Any:
        try:
            return importlib.import_module("keyring")
        except Exception:  # its backends are other people's plug-ins, and pip goes on without it too
            return None


def _from_module(module: Any, service: str, user: str | None) -> Login | None:
    try:
        if hasattr(module, "get_credential"):
            found = module.get_credential(service, user)
            return Login(found.username, found.password) if found else None
        password = module.get_password(service, user) if user else None
    except Exception:  # the same; what it says may quote a secret
        return None
    return Login(user, password) if user and password else None


def _from_program(program: str, service: str, user: str | None) -> Login | None:
    if user:
        answer = _run(program, "get", service, user)
        return Login(user, answer.rstrip("\r\n")) if answer else None
    answer = _run(program, "--mode", "creds", "--output", "json", "get", service)  # keyring 25.2 and later
    try:
        found = json.loads(answer or "null")
        return Login(str(found["username"]), str(found["password"])) if found else None
    except (ValueError, TypeError, KeyError):
        return None


def _run(*command: str) -> str | None:
    """What the program prints, None where it fails. It gets no terminal to ask anything on."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


class Credentials:
    """The logins that are known, each for its own origin, for the length of one process."""

    def __init__(self, indexes: Iterable[str] = (), keyring: Keyring | None = None) -> None:
        self._indexes: dict[Origin, list[tuple[str, Login | None]]] = {}
        self._keyring = keyring or Keyring()
        self._told: dict[tuple[str, str | None], Login | None] = {}
        self._guard = threading.Lock()
        for url in indexes:
            self.learn(url)

    def learn(self, index: str) -> None:
        """Know an index URL: what lies on its host is asked for as it is, and the keyring may know it."""
        known = self._indexes.setdefault(origin(index), [])
        entry = split_login(index)
        if entry not in known:
            known.append(entry)

    def first(self, url: str) -> Login | None:
        """Who should ask first; None for nobody in particular."""
        login = self._stated(url)
        if login and login.password is None:
            return self._asked(url, login) or login
        return self._told.get(self._key(url, login)) or login

    def next(self, url: str, tried: Iterable[Login | None]) -> Login | None:
        """Who may ask after the others were refused."""
        refused = set(tried)
        return next((login for login in self._others(url) if login and login not in refused), None)

    def _others(self, url: str) -> Iterator[Login | None]:
        yield from (login for _, login in self._nearest(url) if login and login.password is not None)
        yield self._asked(url, self._stated(url))

    def _stated(self, url: str) -> Login | None:
        """What the URL says itself, or the index URL on its host whose path is the most like it."""
        own = split_login(url)[1]
        return own or next((login for _, login in self._nearest(url) if login), None)

    def _nearest(self, url: str) -> list[tuple[str, Login | None]]:
        return sorted(self._indexes.get(origin(url), ()), key=lambda entry: -shared_path(entry[0], url))

    def _services(self, url: str) -> tuple[str, ...]:
        """The names under which the keyring may have it, as pip asks: the index URL, then the host."""
        plain = split(split_login(url)[0])
        return (*(index for index, _ in self._nearest(url)[:1]), plain.netloc)

    def _key(self, url: str, login: Login | None) -> tuple[str, str | None]:
        return self._services(url)[0], (login.user or None) if login else None

    def _asked(self, url: str, login: Login | None) -> Login | None:
        """What the keyring says; one thread asks, the others wait for the answer."""
        key = self._key(url, login)
        with self._guard:
            if key not in self._told:
                answers = (self._keyring.login(service, key[1]) for service in self._services(url))
                self._told[key] = next(filter(None, answers), None)
            return self._told[key]
