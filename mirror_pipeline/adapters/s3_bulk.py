"""Opening a bucket for obstore: the endpoint and the credentials that boto3 found, handed over.

What belongs here: how the bucket is reached. What does not: what is asked of it (``s3_objects``).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from mirror_pipeline.adapters.aws import Aws, Client, aws_errors
from mirror_pipeline.errors import CredentialsError

if TYPE_CHECKING:
    from obstore.store import S3Store

_CREDENTIALS_KEPT = timedelta(minutes=10)


def bulk_store(aws: Aws, client: Callable[[], Client], retries: int) -> S3Store:
    """The configured bucket as obstore has it, at the place that boto3 would ask.

    ``client`` is made only where it alone knows that place: it takes longer than many a command.
    """
    from obstore.store import S3Store

    bucket = aws.cloud.bucket
    endpoint = aws.cloud.endpoint or client().meta.endpoint_url
    plain = {f"https://s3.{place}amazonaws.com" for place in ("", f"{aws.cloud.region}.")}
    on_aws = endpoint.rstrip("/") in plain and "." not in bucket
    place: dict[str, Any] = {} if on_aws else {"endpoint": endpoint}
    return S3Store(
        bucket,
        region=aws.cloud.region,
        virtual_hosted_style_request=on_aws,
        checksum_algorithm="SHA256",
        credential_provider=_provider(aws),
        client_options={"allow_http": endpoint.startswith("http://"), "timeout": timedelta(seconds=120)},
        retry_config={"max_retries": retries, "retry_timeout": timedelta(seconds=90)},
        **place,
    )


def _provider(aws: Aws) -> Callable[[], Any]:
    """Hands boto3's credentials over, again and again, since they may expire."""
    with aws_errors("s3", "credentials", profile=aws.cloud.profile):
        credentials = aws.session.get_credentials()
    if credentials is None:
        raise CredentialsError(
            "s3: no AWS credentials were found",
            hint="set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use a role",
            service="s3",
        )

    def provide() -> Any:
        with aws_errors("s3", "credentials", profile=aws.cloud.profile):
            frozen = credentials.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(timezone.utc) + _CREDENTIALS_KEPT,
        }

    provide()  # what is wrong with them is said here in boto3's words; obstore would swallow those
    return provide
