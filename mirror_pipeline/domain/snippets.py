"""What each installer is given so that it uses the mirror, to be copied as it stands.

Pure text, and no secret: where a mirror is private, ``NAME`` and ``TOKEN`` stand for the login, in a place
that the tool reads by itself (netrc, an environment variable, a secret of the build) and that no log shows.
Some tools distrust plain http unless they are told of the host; this is said where it is needed and nowhere
else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from ipaddress import ip_address
from shlex import quote as for_shell
from textwrap import dedent
from urllib.parse import quote, urlsplit

_AS_IT_IS = "%/:@[]~+,=-._"
"""What may stand in a URL and means nothing to TOML, YAML or a shell; brackets are quoted for a shell."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """One piece of configuration, or commands to run."""

    client: str
    title: str
    language: str
    """bash, dockerfile, ini, netrc, toml or yaml."""
    file: str
    """Where it goes; '' for what is typed into a shell."""
    text: str
    """Ends with a line break."""


@dataclass(frozen=True, slots=True)
class _Mirror:
    """A mirror's addresses, and what tools want to know about them."""

    base: str
    private: bool
    requirements: str
    lock: str

    @property
    def index(self) -> str:
        return f"{self.base}/simple/"

    @property
    def wanted(self) -> str:
        """The requirements file's URL."""
        return f"{self.base}/{self.requirements}"

    @property
    def host(self) -> str:
        return urlsplit(self.base).hostname or ""

    @property
    def secure(self) -> bool:
        return urlsplit(self.base).scheme == "https"

    @property
    def on_this_machine(self) -> bool:
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def distrusted(self) -> str:
        """Host and port that pip does not fetch from unless it is told to; '' where it does."""
        return "" if self.secure or self.on_this_machine else urlsplit(self.base).netloc

    def with_login(self, login: str) -> str:
        """The index's URL with a login before the host, for tools that replace variables there."""
        return self.index.replace("://", f"://{login}@", 1) if self.private else self.index


_Part = tuple[str, str, str, str]
"""Title, language, file, text."""


def snippets(
    client: str,
    base: str,
    *,
    private: bool = False,
    requirements: str = "requirements-prod.txt",
    lock: str = "pylock/pylock.linux-x86_64.toml",
) -> tuple[Snippet, ...]:
    """What ``client`` (one of ``CLIENTS``) needs for the mirror at ``base``, the most useful first.

    ``base`` has no slash at its end. ``requirements`` and ``lock`` are keys of what the mirror publishes.
    """
    mirror = _Mirror(quote(base, safe=_AS_IT_IS), private, requirements, lock)
    return tuple(
        Snippet(client, title, language, file, text)
        for title, language, file, text in _WRITERS[client](mirror)
    )


def _filled(text: str, **values: str) -> str:
    """A text without its indentation, with the values in it. A line that is nothing but an empty one goes."""
    lines = []
    for line in dedent(text).strip("\n").splitlines():
        if values.get(line.strip()[1:-1]) != "":
            lines.append(reduce(_with_value, values.items(), line))
    return "\n".join(lines) + "\n"


def _with_value(line: str, item: tuple[str, str]) -> str:
    return line.replace(f"{{{item[0]}}}", item[1])


def _netrc(mirror: _Mirror) -> Iterator[_Part]:
    """The login for every tool that reads netrc; such a file is read by its owner alone."""
    if mirror.private:
        text = f"machine {mirror.host} login NAME password TOKEN\n"
        yield "The login (chmod 600 ~/.netrc)", "netrc", "~/.netrc", text


def _exported(mirror: _Mirror, title: str, prefix: str) -> Iterator[_Part]:
    if mirror.private:
        text = f"export {prefix}_USERNAME=NAME\nexport {prefix}_PASSWORD=TOKEN\n"
        yield title, "bash", "", text


def _trusted_option(mirror: _Mirror) -> str:
    return f"--trusted-host {for_shell(mirror.distrusted)} \\" if mirror.distrusted else ""


def _pip(mirror: _Mirror) -> Iterator[_Part]:
    text = """
        python -m pip install \\
            --index-url {index} \\
            {trusted}
            --require-hashes -r {wanted}
    """
    index, wanted = for_shell(mirror.index), for_shell(mirror.wanted)
    command = _filled(text, index=index, trusted=_trusted_option(mirror), wanted=wanted)
    yield "What the lock pins, with its hashes", "bash", "", command
    trusted = f"trusted-host = {mirror.distrusted}" if mirror.distrusted else ""
    settings = _filled("[global]\nindex-url = {index}\n{trusted}", index=mirror.index, trusted=trusted)
    yield "For always", "ini", "~/.config/pip/pip.conf", settings
    yield from _netrc(mirror)


def _uv(mirror: _Mirror) -> Iterator[_Part]:
    project = """
        [[tool.uv.index]]
        name = "mirror"
        url = "{index}"
        default = true
    """
    title = "A project: then 'uv lock' once, since uv.lock names where files come from"
    yield title, "toml", "pyproject.toml", _filled(project, index=mirror.index)
    text = """
        uv pip sync \\
            --default-index {index} \\
            --require-hashes {wanted}
    """
    command = _filled(text, index=for_shell(mirror.index), wanted=for_shell(mirror.wanted))
    yield "What the lock pins, with its hashes", "bash", "", command
    yield from _exported(mirror, "The login for the index 'mirror' of a project", "UV_INDEX_MIRROR")
    yield from _netrc(mirror)


def _poetry(mirror: _Mirror) -> Iterator[_Part]:
    text = _filled(
        """
        [[tool.poetry.source]]
        name = "mirror"
        url = "{index}"
        priority = "primary"
        """,
        index=mirror.index,
    )
    yield "A project: then 'poetry lock' once", "toml", "pyproject.toml", text
    yield from _exported(mirror, "The login for the source 'mirror'", "POETRY_HTTP_BASIC_MIRROR")


def _pdm(mirror: _Mirror) -> Iterator[_Part]:
    text = _filled(
        """
        [[tool.pdm.source]]
        name = "pypi"
        url = "{index}"
        {trusted}
        """,
        index=mirror.index,
        trusted="verify_ssl = false" if mirror.distrusted else "",
    )
    yield "A project: then 'pdm lock --update-reuse' once", "toml", "pyproject.toml", text
    yield from _exported(mirror, "The login for the source 'pypi'", "PDM_PYPI")


def _pipenv(mirror: _Mirror) -> Iterator[_Part]:
    text = _filled(
        """
        [[source]]
        name = "mirror"
        url = "{index}"
        verify_ssl = {verified}
        """,
        index=mirror.with_login("${MIRROR_USERNAME}:${MIRROR_PASSWORD}"),
        verified="true" if mirror.secure else "false",
    )
    yield "A project, in place of its other sources: then 'pipenv lock' once", "toml", "Pipfile", text
    yield from _exported(mirror, "The login that the Pipfile names", "MIRROR")


def _pip_tools(mirror: _Mirror) -> Iterator[_Part]:
    text = _filled(
        """
        [tool.pip-tools]
        index-url = "{index}"
        {trusted}

        [tool.pip-tools.compile]
        generate-hashes = true
        emit-index-url = false
        {silent}
        """,
        index=mirror.index,
        trusted=f'trusted-host = ["{mirror.distrusted}"]' if mirror.distrusted else "",
        silent="emit-trusted-host = false" if mirror.distrusted else "",
    )
    yield "A project, for pip-compile and pip-sync", "toml", "pyproject.toml", text
    yield from _netrc(mirror)


def _hatch(mirror: _Mirror) -> Iterator[_Part]:
    text = _filled(
        """
        [tool.hatch.envs.default.env-vars]
        PIP_INDEX_URL = "{index}"
        {trusted}
        UV_DEFAULT_INDEX = "{index}"
        """,
        index=mirror.index,
        trusted=f'PIP_TRUSTED_HOST = "{mirror.distrusted}"' if mirror.distrusted else "",
    )
    yield "An environment, whether hatch fills it by pip or by uv", "toml", "pyproject.toml", text
    yield from _netrc(mirror)


def _docker(mirror: _Mirror) -> Iterator[_Part]:
    text = """
        # syntax=docker/dockerfile:1
        FROM python:3.13-slim
        RUN {secret}pip install --no-cache-dir \\
                --index-url {index} \\
                {trusted}
                --require-hashes -r {wanted}
    """
    secret = "--mount=type=secret,id=netrc,target=/root/.netrc " if mirror.private else ""
    index, wanted = for_shell(mirror.index), for_shell(mirror.wanted)
    written = _filled(text, secret=secret, index=index, trusted=_trusted_option(mirror), wanted=wanted)
    yield "An image", "dockerfile", "Dockerfile", written
    options = [
        *(["--network=host"] if mirror.on_this_machine else []),
        *(['--secret id=netrc,src="$HOME/.netrc"'] if mirror.private else []),
    ]
    yield "Build it", "bash", "", f"docker build {' '.join([*options, '-t shop'])} .\n"
    yield from _netrc(mirror)


_JOB = """
name: install
on: [push]
jobs:
  install:
    runs-on: ubuntu-latest
    env:
      PIP_INDEX_URL: {index}
      {trusted}
      UV_DEFAULT_INDEX: {index}
    steps:
      - uses: actions/checkout@v5
      - uses: actions/setup-python@v6
        with:
          python-version: "3.13"
{login}
      - run: python -m pip install --require-hashes -r {wanted}
"""
_LOG_IN = """\
      - name: Log in to the mirror
        env:
          MIRROR_NAME: ${{ secrets.MIRROR_NAME }}
          MIRROR_TOKEN: ${{ secrets.MIRROR_TOKEN }}
        run: |
          umask 077
          printf 'machine %s login %s password %s\\n' {host} "$MIRROR_NAME" "$MIRROR_TOKEN" >> ~/.netrc"""


def _github_actions(mirror: _Mirror) -> Iterator[_Part]:
    written = _filled(
        _JOB,
        login=_LOG_IN if mirror.private else "",
        index=mirror.index,
        trusted=f"PIP_TRUSTED_HOST: {mirror.distrusted}" if mirror.distrusted else "",
        host=for_shell(mirror.host),
        wanted=for_shell(mirror.wanted),
    )
    title = "A workflow (secrets: MIRROR_NAME, MIRROR_TOKEN)" if mirror.private else "A workflow"
    yield title, "yaml", ".github/workflows/install.yml", written


_WRITERS: Mapping[str, Callable[[_Mirror], Iterator[_Part]]] = {
    "pip": _pip,
    "uv": _uv,
    "poetry": _poetry,
    "pdm": _pdm,
    "pipenv": _pipenv,
    "pip-tools": _pip_tools,
    "hatch": _hatch,
    "docker": _docker,
    "github-actions": _github_actions,
}

CLIENTS: tuple[str, ...] = tuple(_WRITERS)
"""Whom there are snippets for."""
