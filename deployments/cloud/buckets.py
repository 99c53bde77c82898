"""The place where a region keeps its states in S3: made at the first use, private at once."""

import json
import threading
from typing import Any

from botocore.exceptions import ClientError
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from deployments.cloud import sessions, words
from deployments.cloud.errors import StateBucketClosed
from tenants import actors, audit
from tenants.models import Region

MAKING = _("Making the bucket for states")
# Where buckets are made without naming a place: the oldest region of the provider.
WITHOUT_PLACE = "us-east-1"
_known: set[tuple[int, str, str]] = set()
_lock = threading.Lock()


def state_bucket(region: Region) -> str:
    """Return the region's bucket for states: as its settings say, else one of our own naming."""
    configured = region.backend_config.get("bucket")
    if configured:
        return configured
    account = region.account.account_number or region.account.public_id[-10:].lower()
    parts = (region.owner_prefix.lower(), "omlsaas-state", account, sessions.code_of(region))
    return "-".join(part for part in parts if part)[:63].strip("-.")


def require_state_bucket(region: Region) -> str:
    """Return the bucket for states, made if it is not there; asks once for each worker process.

    Its name is kept in the region's settings, so that no later change of a name moves the states.
    Raises CloudRefusal.
    """
    bucket = state_bucket(region)
    mark = (region.pk, bucket, region.endpoint_url)
    with _lock:
        if mark in _known:
            return bucket
        try:
            _require(region, bucket)
        except words.API_ERRORS as error:
            raise words.refusal_for(error, MAKING) from error
        _keep_name(region, bucket)
        _known.add(mark)
    return bucket


def forget() -> None:
    """Look again at the next use."""
    _known.clear()


def _require(region: Region, bucket: str) -> None:
    s3 = sessions.client(region, "s3")
    if not is_there(region, bucket):
        code = sessions.code_of(region)
        place = {} if code == WITHOUT_PLACE else {"LocationConstraint": code}
        s3.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": place} if place else {}))
        s3.get_waiter("bucket_exists").wait(Bucket=bucket, WaiterConfig={"Delay": 1})
        _protect(s3, region, bucket)
    if table := region.backend_config.get("dynamodb_table"):
        _require_table(sessions.client(region, "dynamodb"), table)


def is_there(region: Region, bucket: str) -> bool:
    """Tell whether the bucket exists and is ours. Raises StateBucketClosed."""
    s3 = sessions.client(region, "s3")
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        code = words.code_of(error)
        if code in ("404", "NoSuchBucket"):
            return False
        if code == "403":
            # So answers a bucket to strangers, to who lacks the right, and to wrong keys: ask.
            sessions.client(region, "sts").get_caller_identity()
            raise StateBucketClosed(bucket=bucket) from error
        raise
    return True


def _protect(s3: Any, region: Region, bucket: str) -> None:
    """Versions, encryption, nothing public, nothing without TLS."""
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    if not region.endpoint_url.startswith("http:"):
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(only_over_tls(bucket)))


def only_over_tls(bucket: str) -> dict[str, Any]:
    """Return the policy that refuses every call without TLS; a simulation may have none."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "OnlyOverTLS",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }


def _require_table(dynamodb: Any, table: str) -> None:
    """Make the table of locks that older ways of locking want; its key is Terraform's."""
    try:
        dynamodb.describe_table(TableName=table)
        return
    except ClientError as error:
        if words.code_of(error) != "ResourceNotFoundException":
            raise
    dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1})


def _keep_name(region: Region, bucket: str) -> None:
    with transaction.atomic():
        row = Region.objects.select_for_update(of=("self",), no_key=True).get(pk=region.pk)
        if not row.backend_config.get("bucket"):
            before = dict(row.backend_config)
            row.backend_config = {**before, "bucket": bucket}
            row.save(update_fields=["backend_config"])
            actor = actors.system("worker")
            after = {"backend_config": row.backend_config}
            audit.record(
                actor, "region.change", row, before={"backend_config": before}, after=after
            )
    region.backend_config = row.backend_config
