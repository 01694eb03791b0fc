"""Every way a run can end early, as one family of exceptions whose attributes are the facts.

What belongs here: failures a person must be told about. What does not: gaps and findings, which
are results (``domain.plan.Gap``, ``domain.verification.Finding``), and bugs, which are tracebacks.
"""

from __future__ import annotations

from typing import ClassVar

INPUT_IS_WRONG = 2
SOMETHING_FAILED = 3


class MirrorError(Exception):
    """Base of the family. ``str(error)`` is one line for a person; ``facts`` are for machines."""

    kind: ClassVar[str] = "error"
    exit_code: ClassVar[int] = SOMETHING_FAILED
    permanent: ClassVar[bool] = True
    """Whether trying the same again is pointless."""

    def __init__(self, message: str, *, hint: str = "", **facts: object) -> None:
        self.message = " ".join(message.split())
        self.hint = " ".join(hint.split())
        self.facts = {key: value for key, value in facts.items() if value is not None}
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class SettingsError(MirrorError):
    """The configuration is wrong: facts ``key``, ``value``, ``allowed``, ``file``."""

    kind = "settings"
    exit_code = INPUT_IS_WRONG


class LockError(MirrorError):
    """A lock file is missing, broken or inconsistent: facts ``lock``, ``line``, ``package``, ``file``."""

    kind = "lock"
    exit_code = INPUT_IS_WRONG


class ConflictError(MirrorError):
    """One file name with different bytes is wanted twice: facts ``file``, ``digests``, ``wanted_by``."""

    kind = "conflict"
    exit_code = INPUT_IS_WRONG


class UsageError(MirrorError):
    """The command line cannot be understood."""

    kind = "usage"
    exit_code = INPUT_IS_WRONG


class UpstreamError(MirrorError):
    """An upstream index did not answer as needed: facts ``url``, ``status``, ``attempts``, ``project``."""

    kind = "upstream"
    permanent = False


class DigestMismatchError(MirrorError):
    """A file arrived whole but wrong: facts ``file``, ``url``, ``expected``, ``actual`` (SHA-256)."""

    kind = "digest-mismatch"


class FetchFailedError(MirrorError):
    """Files that should exist did not arrive: facts ``platform``, ``failures`` (file → reason).

    Or no upstream lists them at all: facts ``platform``, ``reason``, ``packages``.
    """

    kind = "fetch-failed"

    def __init__(self, message: str, *, retryable: bool = False, hint: str = "", **facts: object) -> None:
        super().__init__(message, hint=hint, **facts)
        self.retryable = retryable


class StorageError(MirrorError):
    """The disk refused: facts ``path``, ``reason``."""

    kind = "storage"


class DocumentError(MirrorError):
    """A document of an earlier phase is missing or unreadable: facts ``document``."""

    kind = "document"


class PortInUseError(MirrorError):
    """``serve`` or ``ui`` cannot listen: facts ``host``, ``port``."""

    kind = "port-in-use"


class ExporterError(MirrorError):
    """An external exporter is missing or refused: facts ``command``, ``reason``."""

    kind = "exporter"


class InstallerError(MirrorError):
    """The installer that judges the mirror could not be run at all: facts ``command``, ``reason``."""

    kind = "installer"


class CloudError(MirrorError):
    """A cloud service refused: facts ``service``, ``operation``, ``code``, ``resource``."""

    kind = "cloud"


class CloudUnreachableError(CloudError):
    """No answer, or one that says 'later' (throttled, 5xx) after every retry: the same facts."""

    kind = "cloud-unreachable"
    permanent = False


class CredentialsError(CloudError):
    """Credentials are missing, wrong, expired or too weak: facts as ``CloudError``, and ``profile``."""

    kind = "credentials"


class PreconditionError(CloudError):
    """A conditional write found another state than it was decided on: facts ``key``, ``expected``."""

    kind = "precondition"


class EdgeTooBigError(MirrorError):
    """More tokens than the code of a CloudFront function has room for: facts ``size``, ``most`` (tokens)."""

    kind = "edge-too-big"
    exit_code = INPUT_IS_WRONG


class PublisherConflictError(MirrorError):
    """Somebody else publishes, or did meanwhile: facts ``by``, ``since``, ``generation``, ``bucket``."""

    kind = "publisher-conflict"
    permanent = False


class BusyError(MirrorError):
    """Somebody else works on the mirror's home: facts ``home``, ``by``."""

    kind = "busy"
    permanent = False


class RunFailedError(MirrorError):
    """A pipeline run failed for a reason that is not one of ours: facts ``asset``, ``partition``."""

    kind = "run-failed"


class InterruptedByUserError(MirrorError):
    """Ctrl-C, or a signal to end."""

    kind = "interrupted"
    permanent = False
