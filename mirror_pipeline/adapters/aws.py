"""Clients of AWS and of S3 servers by others, and their errors as ours: one clear line with the facts.

What belongs here: sessions, endpoints, timeouts, the translation of errors. What does not: what is asked of
a service (``provisioning``, ``edge_function``, ``s3_objects``).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mirror_pipeline.domain.cloud import Cloud
from mirror_pipeline.errors import CloudError, CloudUnreachableError, CredentialsError, PreconditionError

if TYPE_CHECKING:
    from boto3.session import Session

Client = Any
"""A client of boto3, which makes its methods at run time."""

_ATTEMPTS = 5
_CONNECTIONS = 128
"""As many as ``MIRROR_CONCURRENCY`` may be: one that is not kept is logged as a warning."""
_MISSING_CREDENTIALS = (
    "NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "CredentialRetrievalError",
    "TokenRetrievalError", "NoAuthTokenError", "SSOError", "LoginError",
)  # fmt: skip
_WRONG_CREDENTIALS = frozenset(
    {
        "ExpiredToken", "ExpiredTokenException", "Forbidden", "InvalidAccessKeyId", "InvalidClientTokenId",
        "RequestExpired", "SignatureDoesNotMatch", "UnrecognizedClientException", "403",
    }
)  # fmt: skip
_NOT_ALLOWED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
"""Whoever asked is known, and may not: another login is no help, another policy is."""
NEEDED = "'mirror-pipeline infra policy provisioner' (or publisher, or worker) prints what is needed"
_FAILED_PRECONDITION = frozenset(
    {"PreconditionFailed", "InvalidIfMatchVersion", "ConditionalRequestConflict"}
)
_LATER = frozenset(
    {"InternalError", "InternalFailure", "RequestTimeout", "ServiceUnavailable", "SlowDown", "Throttling",
     "ThrottlingException", "TooManyRequestsException"}
)  # fmt: skip


@dataclass(frozen=True)
class Aws:
    """Makes clients of one profile and region. Importing boto3 takes time: it is done when one is wanted."""

    cloud: Cloud

    @functools.cached_property
    def session(self) -> Session:
        """The session, with credentials by profile, environment, SSO or role: whatever boto3 takes."""
        import boto3

        with aws_errors("sts", "session", profile=self.cloud.profile):
            return boto3.Session(profile_name=self.cloud.profile or None, region_name=self.cloud.region)

    def client(self, service: str, region: str | None = None) -> Client:
        """A client; S3 goes to ``S3_ENDPOINT_URL`` where that is set."""
        from botocore.config import Config

        endpoint = (self.cloud.endpoint or None) if service == "s3" else None
        config = Config(
            retries={"mode": "standard", "max_attempts": _ATTEMPTS},
            connect_timeout=10,
            read_timeout=60,
            max_pool_connections=_CONNECTIONS,
            s3={"addressing_style": "path"} if endpoint else {},
            # Servers by others answer checksums that they did not compute.
            response_checksum_validation="when_required" if endpoint else "when_supported",
            request_checksum_calculation="when_required" if endpoint else "when_supported",
        )
        with aws_errors(service, "client", profile=self.cloud.profile):
            return self.session.client(service, region_name=region, endpoint_url=endpoint, config=config)


@contextmanager
def aws_errors(service: str, operation: str, resource: str = "", profile: str = "") -> Iterator[None]:
    """Turn what boto3 raises into one of our errors."""
    from botocore import exceptions

    try:
        yield
    except exceptions.ClientError as error:
        raise _translated(error.response, service, operation, resource, profile) from error
    except exceptions.BotoCoreError as error:
        facts: Any = {"service": service, "operation": operation, "resource": resource or None}
        if any(kind.__name__ in _MISSING_CREDENTIALS for kind in type(error).__mro__):
            raise CredentialsError(
                f"{service}: no usable AWS credentials: {error}", hint=_login_hint(profile), **facts
            ) from error
        if isinstance(error, exceptions.ConnectionError | exceptions.HTTPClientError):
            raise CloudUnreachableError(f"{service}: {operation} got no answer: {error}", **facts) from error
        raise CloudError(f"{service}: {operation}: {error}", **facts) from error


def code_of(error: BaseException) -> str:
    """The service's error code behind one of our errors, '' where there is none."""
    return str(error.facts.get("code", "")) if isinstance(error, CloudError) else ""


def _translated(response: Any, service: str, operation: str, resource: str, profile: str) -> CloudError:
    code = str(response.get("Error", {}).get("Code", ""))
    said = " ".join(str(response.get("Error", {}).get("Message", "")).split())
    facts: Any = {
        "service": service, "operation": operation, "code": code, "resource": resource or None
    }  # fmt: skip
    where = f"{service}: {operation}{f' {resource}' if resource else ''}"
    if code in _WRONG_CREDENTIALS or code in _NOT_ALLOWED:
        line = f"{where} was refused: {code}: {said}"
        hint = NEEDED if code in _NOT_ALLOWED else _login_hint(profile)
        return CredentialsError(line, hint=hint, profile=profile or None, **facts)
    if code in _FAILED_PRECONDITION:
        return PreconditionError(f"{where}: changed by somebody else meanwhile ({code})", **facts)
    if code in _LATER:
        return CloudUnreachableError(f"{where}: {code}: {said}", **facts)
    return CloudError(f"{where}: {code}: {said}", **facts)


def _login_hint(profile: str) -> str:
    named = f" for profile {profile!r}" if profile else ""
    return f"check AWS_PROFILE, the environment or the role{named}; with SSO run 'aws sso login'"


def waiting(
    look: Callable[[], bool], pause: Callable[[float], None], *, seconds: float, every: float
) -> bool:
    """Look again and again until it is so, or until the time is over; whether it became so."""
    waited = 0.0
    while not look():
        if waited >= seconds:
            return False
        pause(every)
        waited += every
    return True
