"""Upstream indexes as pip knows them: index URLs, proxy, CA bundle, client certificate, trusted hosts.

``pip config list`` merges its files and the environment in its own order of precedence; what it prints
is read here, so that a machine that can ``pip install`` can mirror without more configuration.
"""

from __future__ import annotations

import ast
import os
import ssl
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import certifi

from mirror_pipeline.errors import UpstreamError

_SECTIONS = (":env:", "download", "install", "global")
"""Where a value may stand, the first that has it wins; pip lets a command's section win over global."""
_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class PipConfig:
    """What pip's configuration says of upstreams. ``extra_index_urls`` come after ``index_url``."""

    index_url: str
    extra_index_urls: tuple[str, ...] = ()
    proxy: str | None = None
    ca_bundle: str | None = None
    client_certificate: str | None = None
    trusted_hosts: tuple[str, ...] = ()
    timeout: float = 15.0
    """Seconds without a byte after which a connection counts as broken."""
    netrc: str | None = None
    """Where the environment says that it is; else where it usually is."""
    keyring_provider: str = "auto"
    """How the keyring is asked: auto, disabled, import or subprocess."""


def read_pip_config(environ: Mapping[str, str] | None = None) -> PipConfig:
    """Ask pip for its configuration; its own default index where it has none configured."""
    command = [sys.executable, "-m", "pip", "config", "list", "--disable-pip-version-check"]
    env = dict(os.environ if environ is None else environ)
    result = subprocess.run(command, capture_output=True, text=True, env=env, timeout=_TIMEOUT, check=False)
    if result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or ["no message"])[-1]
        raise UpstreamError(f"pip's configuration cannot be read: {reason}", hint="run 'pip config debug'")
    return _parse(result.stdout, env)


def _parse(listing: str, env: Mapping[str, str]) -> PipConfig:
    values = _merged(dict(_pair(line) for line in listing.splitlines() if "=" in line))
    return PipConfig(
        index_url=values.get("index-url") or default_index(),
        extra_index_urls=tuple(values.get("extra-index-url", "").split()),
        proxy=values.get("proxy") or None,
        ca_bundle=values.get("cert") or _ca_from(env),
        client_certificate=values.get("client-cert") or None,
        trusted_hosts=tuple(values.get("trusted-host", "").split()),
        timeout=_seconds(values.get("timeout") or values.get("default-timeout") or "15"),
        netrc=env.get("NETRC") or None,
        keyring_provider=values.get("keyring-provider") or "auto",
    )


def _seconds(text: str) -> float:
    try:
        return max(float(text), 1.0)  # libcurl counts whole seconds, and zero would wait for ever
    except ValueError:
        raise UpstreamError(
            f"pip's timeout {text!r} is not a number", hint="run 'pip config debug'"
        ) from None


def _pair(line: str) -> tuple[str, str]:
    key, _, value = line.partition("=")
    try:
        return key.strip(), str(ast.literal_eval(value.strip()))
    except (ValueError, SyntaxError):
        return key.strip(), value.strip()


def _merged(listed: Mapping[str, str]) -> Mapping[str, str]:
    merged: dict[str, str] = {}
    for section in reversed(_SECTIONS):
        prefix = f"{section}."
        merged.update({k.removeprefix(prefix): v for k, v in listed.items() if k.startswith(prefix)})
    return merged


def _ca_from(env: Mapping[str, str]) -> str | None:
    """The variables that pip's HTTP libraries honour, then the system's bundle, then certifi's."""
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        if env.get(variable):
            return env[variable]
    return ssl.get_default_verify_paths().cafile or certifi.where()


def default_index() -> str:
    """The index that pip asks where none is configured: the public one, by the name that locks give it."""
    from pip._internal.models.index import PyPI  # imported late: it takes a while

    return PyPI.simple_url
