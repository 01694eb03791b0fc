"""What each installer is given so that it uses the mirror, to be copied as it stands.

Pure text, and no secret: where a mirror is private, ``NAME`` and ``TOKEN`` stand for the login, in a place
that the tool reads by itself (netrc, an environment variable, a secret of the build) and that no log shows.
Some tools distrust plain http unless they are told of the host; this is said where it is needed and nowhere
else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from shlex import quote as for_shell

from mirror_pipeline.domain.snippet_parts import Address, Part, exported, filled, netrc, trusted_option


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


def snippets(
    client: str,
    base: str,
    *,
    private: bool = False,
    requirements: str = "requirements-prod.txt",
    lock: str = "",
    uv_lock: str = "",
    project: str = "",
) -> tuple[Snippet, ...]:
    """What ``client`` (one of ``CLIENTS``) needs for the mirror at ``base``, the most useful first.

    ``base`` has no slash at its end. ``requirements``, ``lock`` (PEP 751, for one platform) and ``uv_lock``
    are keys of what the mirror publishes; without the last two there are no snippets for them. Both name
    files by URL, which takes a mirror that knows its own (``MIRROR_PUBLIC_URL``). ``project`` is whose they
    are, where a mirror has several.
    """
    mirror = Address.of(base, private, requirements, lock, uv_lock, project)
    return tuple(
        Snippet(client, title, language, file, text)
        for title, language, file, text in _WRITERS[client](mirror)
    )


def _pip(mirror: Address) -> Iterator[Part]:
    text = """
        python -m pip install \\
            --index-url {index} \\
            {trusted}
            --require-hashes -r {wanted}
    """
    index, wanted = for_shell(mirror.index), for_shell(mirror.wanted)
    command = filled(text, index=index, trusted=trusted_option(mirror), wanted=wanted)
    yield mirror.pinned, "bash", "", command
    trusted = f"trusted-host = {mirror.distrusted}" if mirror.distrusted else ""
    settings = filled("[global]\nindex-url = {index}\n{trusted}", index=mirror.index, trusted=trusted)
    yield "For always", "ini", "~/.config/pip/pip.conf", settings
    yield from netrc(mirror)


def _uv(mirror: Address) -> Iterator[Part]:
    project = """
        [[tool.uv.index]]
        name = "mirror"
        url = "{index}"
        default = true
    """
    if mirror.uv_lock:
        yield (
            f"{mirror.whose}: the same lock, with the mirror's URLs",
            "bash",
            "",
            _uv_lock(mirror),
        )
    title = "A project: then 'uv lock' once, since uv.lock names where files come from"
    yield title, "toml", "pyproject.toml", filled(project, index=mirror.index)
    text = """
        uv pip sync \\
            --default-index {index} \\
            --require-hashes {wanted}
    """
    command = filled(text, index=for_shell(mirror.index), wanted=for_shell(mirror.wanted))
    yield mirror.pinned, "bash", "", command
    if mirror.lock:
        text = f"uv pip sync {for_shell(f'{mirror.base}/{mirror.lock}')}\n"
        yield "All that is mirrored for a platform (PEP 751)", "bash", "", text
    yield from exported(mirror, "The login for the index 'mirror' of a project", "UV_INDEX_MIRROR")
    yield from netrc(mirror)


def _uv_lock(mirror: Address) -> str:
    login, url = " --netrc" if mirror.private else "", for_shell(f"{mirror.base}/{mirror.uv_lock}")
    return f"curl -fsS{login} -o uv.lock {url}\nuv sync --frozen --default-index {for_shell(mirror.index)}\n"


def _poetry(mirror: Address) -> Iterator[Part]:
    text = filled(
        """
        [[tool.poetry.source]]
        name = "mirror"
        url = "{index}"
        priority = "primary"
        """,
        index=mirror.index,
    )
    yield "A project: then 'poetry lock' once", "toml", "pyproject.toml", text
    yield from exported(mirror, "The login for the source 'mirror'", "POETRY_HTTP_BASIC_MIRROR")


def _pdm(mirror: Address) -> Iterator[Part]:
    text = filled(
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
    yield from exported(mirror, "The login for the source 'pypi'", "PDM_PYPI")


def _pipenv(mirror: Address) -> Iterator[Part]:
    text = filled(
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
    yield from exported(mirror, "The login that the Pipfile names", "MIRROR")


def _pip_tools(mirror: Address) -> Iterator[Part]:
    text = filled(
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
    yield from netrc(mirror)


def _hatch(mirror: Address) -> Iterator[Part]:
    text = filled(
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
    yield from netrc(mirror)


def _docker(mirror: Address) -> Iterator[Part]:
    text = """
        # syntax=docker/dockerfile:1
        FROM python:3.13-slim
        RUN {secret}pip install --no-cache-dir \\
                --index-url {index} \\
                {trusted}
                --require-hashes -r {wanted}
    """
    secret = "--mount=type=secret,id=netrc NETRC=/run/secrets/netrc " if mirror.private else ""
    index, wanted = for_shell(mirror.index), for_shell(mirror.wanted)
    written = filled(text, secret=secret, index=index, trusted=trusted_option(mirror), wanted=wanted)
    yield "An image", "dockerfile", "Dockerfile", written
    options = [
        *(["--network=host"] if mirror.on_this_machine else []),
        *(['--secret id=netrc,src="$HOME/.netrc"'] if mirror.private else []),
    ]
    yield "Build it", "bash", "", f"docker build {' '.join([*options, '-t shop'])} .\n"
    yield from netrc(mirror)


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


def _github_actions(mirror: Address) -> Iterator[Part]:
    written = filled(
        _JOB,
        login=_LOG_IN if mirror.private else "",
        index=mirror.index,
        trusted=f"PIP_TRUSTED_HOST: {mirror.distrusted}" if mirror.distrusted else "",
        host=for_shell(mirror.host),
        wanted=for_shell(mirror.wanted),
    )
    title = "A workflow (secrets: MIRROR_NAME, MIRROR_TOKEN)" if mirror.private else "A workflow"
    yield title, "yaml", ".github/workflows/install.yml", written


_WRITERS: Mapping[str, Callable[[Address], Iterator[Part]]] = {
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
