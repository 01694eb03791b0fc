"""What obstore raises, as errors of ours: its messages carry the server's whole answer, ours one line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mirror_pipeline.errors import (
    CloudError,
    CloudUnreachableError,
    CredentialsError,
    MirrorError,
    PreconditionError,
)

_CODE = re.compile(r"<Code>([A-Za-z0-9.]+)</Code>")
_SAID = re.compile(r"<Message>([^<]*)</Message>")
_STATUS = re.compile(r"status code: (\d{3})")
_REFUSED = frozenset({"401", "403"})
_NEEDED = "'mirror-pipeline infra policy publisher' (or worker) prints what is needed"
_LOGIN = "check AWS_PROFILE, the environment or the role, and its policy"


@contextmanager
def object_errors(bucket: str, operation: str, key: str, expected: str | None = None) -> Iterator[None]:
    """Turn an error of obstore into one of ours; ``expected`` is the ETag that was the condition."""
    from obstore import exceptions

    try:
        yield
    except (exceptions.AlreadyExistsError, exceptions.PreconditionError) as error:
        raise PreconditionError(
            f"s3: {operation} {key}: changed by somebody else meanwhile",
            service="s3", operation=operation, code="PreconditionFailed", resource=bucket, key=key,
            expected=expected,
        ) from error  # fmt: skip
    except MirrorError:
        raise
    except (exceptions.BaseError, OSError, ValueError) as error:
        raise _translated(error, bucket, operation, key) from error


def not_removed(error: Mapping[str, Any], count: int) -> CloudError:
    """The first of several objects that a removal left, with its reason."""
    line = f"s3: {error.get('Key')} could not be removed: {error.get('Code')} ({count} such)"
    return CloudError(line, service="s3", operation="DeleteObjects", code=error.get("Code"))


def _translated(error: Exception, bucket: str, operation: str, key: str) -> CloudError:
    text = str(error)
    code, said, status = (_first(pattern, text) for pattern in (_CODE, _SAID, _STATUS))
    where = f"s3: {operation} s3://{bucket}/{key}"
    facts: Any = {"service": "s3", "operation": operation, "code": code or status or None, "resource": key}
    name = type(error).__name__
    if status in _REFUSED or name in ("PermissionDeniedError", "UnauthenticatedError"):
        return CredentialsError(
            f"{where} was refused: {code or status or _shortened(text)}{f': {said}' if said else ''}",
            hint=_NEEDED if code == "AccessDenied" else _LOGIN,
            **facts,
        )
    if code or (status and not status.startswith("5")):
        return CloudError(f"{where}: {code or status}{f': {said}' if said else ''}", **facts)
    return CloudUnreachableError(
        f"{where} got no answer: {_shortened(text)}", hint="check the network and S3_ENDPOINT_URL", **facts
    )


def _first(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match[1] if match else ""


def _shortened(text: str) -> str:
    """The first words: what follows are the library's own fields, line by line."""
    line = " ".join(text.split("Debug source")[0].split())
    return line if len(line) <= 200 else f"{line[:200]}…"
