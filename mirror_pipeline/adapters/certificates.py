"""A certificate and its key, tried before anything listens with them."""

from __future__ import annotations

import ssl
from pathlib import Path

from mirror_pipeline.errors import UsageError

_FLIGHTS = 10


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 or newer with these files; what is wrong with them is a ``UsageError``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    for path in (certificate, key):
        _refuse_unreadable(path)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise _unusable(certificate, key, _reason(error)) from error
    try:
        _shake_hands(context, _believing(certificate))
    except ssl.SSLCertVerificationError as error:
        raise _unusable(certificate, key, error.verify_message) from error
    except ssl.SSLError as error:
        raise _unusable(certificate, key, _reason(error)) from error
    return context


def _refuse_unreadable(path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}", path=str(path)) from error


def _no_password() -> str:
    """Nobody is there to be asked for one."""
    raise ValueError("the key wants a password")


def _believing(certificate: Path) -> ssl.SSLContext:
    """A client that believes this certificate whoever signed it: what is left to refuse is its time."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(certificate)
    return client


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """A handshake in memory: the one judge of a certificate that clients will have, too."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for _ in range(_FLIGHTS):
        done = 0
        for end in ends:
            try:
                end.do_handshake()
                done += 1
            except ssl.SSLWantReadError:
                continue
        if done == len(ends):
            return


def _reason(error: Exception) -> str:
    text = getattr(error, "reason", None) or str(error)
    return str(text).replace("_", " ").lower()


def _unusable(certificate: Path, key: Path, reason: str) -> UsageError:
    return UsageError(
        f"{certificate} with {key}: no TLS with these: {reason}",
        hint="a certificate with its chain and its key, both in PEM",
        certificate=str(certificate),
        key=str(key),
    )
