"""Certificates and keys that are to be served with: good ones are taken, others refused with a reason."""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme

from mirror_pipeline.adapters.certificates import server_context
from mirror_pipeline.errors import UsageError

DAY = timedelta(days=1)


class Certificate(NamedTuple):
    certificate: Path
    key: Path
    authority: Path

    @property
    def options(self) -> tuple[str, str, str, str]:
        return "--tls-cert", str(self.certificate), "--tls-key", str(self.key)


def certificate(folder: Path, *, until: datetime | None = None, since: datetime | None = None) -> Certificate:
    folder.mkdir()
    authority = trustme.CA()
    one = authority.issue_cert("127.0.0.1", "localhost", not_after=until, not_before=since)
    files = Certificate(folder / "cert.pem", folder / "key.pem", folder / "ca.pem")
    files.certificate.write_bytes(b"".join(blob.bytes() for blob in one.cert_chain_pems))
    files.key.write_bytes(one.private_key_pem.bytes())
    authority.cert_pem.write_to_path(str(files.authority))
    return files


def now() -> datetime:
    return datetime.now(timezone.utc)


def test_a_good_pair_is_taken(tmp_path: Path) -> None:
    good = certificate(tmp_path / "good", until=now() + DAY)
    context = server_context(good.certificate, good.key)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_what_no_client_would_accept_is_refused_with_its_reason(tmp_path: Path) -> None:
    good, other = certificate(tmp_path / "good"), certificate(tmp_path / "other")
    old = certificate(tmp_path / "old", since=now() - 2 * DAY, until=now() - DAY)
    early = certificate(tmp_path / "early", since=now() + DAY)
    nonsense, missing = tmp_path / "nonsense.pem", tmp_path / "missing.pem"
    nonsense.write_text("nonsense")
    cases = [
        (missing, good.key, f"{missing}: cannot be read: No such file or directory"),
        (good.certificate, missing, f"{missing}: cannot be read: No such file or directory"),
        (tmp_path, good.key, f"{tmp_path}: cannot be read: Is a directory"),
        (good.certificate, other.key, "mismatch"),
        (nonsense, good.key, "no TLS with these"),
        (good.certificate, nonsense, "no TLS with these"),
        (good.key, good.key, "no TLS with these"),
        (old.certificate, old.key, "certificate has expired"),
        (early.certificate, early.key, "certificate is not yet valid"),
    ]
    for cert, key, reason in cases:
        with pytest.raises(UsageError) as caught:
            server_context(cert, key)
        assert reason in str(caught.value), (cert, key)
        assert caught.value.exit_code == 2


def test_a_key_with_a_password_is_refused_and_nobody_asked(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as written

    good = certificate(tmp_path / "good")
    key = written.load_pem_private_key(good.key.read_bytes(), None)
    locked = written.BestAvailableEncryption(b"secret")
    good.key.write_bytes(key.private_bytes(written.Encoding.PEM, written.PrivateFormat.PKCS8, locked))
    with pytest.raises(UsageError, match="the key wants a password"):
        server_context(good.certificate, good.key)
