"""What an engine needs to reach the provider: environment, provider and backend settings.

Credentials go by environment only: whatever stands in backend settings is kept by Terraform in
clear in its working folder.
"""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from deployments.cloud import sessions
from deployments.cloud.errors import DatabaseAddressMissing
from tenants import secrets
from tenants.models import Region, Stack
from tenants.models.accounts import Provider, StateBackend

PROVIDER = "aws"
STATE_KEY = "terraform.tfstate"


def environment(region: Region) -> dict[str, str]:
    """Return the engine's variables for a region's account and state; none for the lab.

    Raises NoCredentials.
    """
    found: dict[str, str] = {}
    if region.account.provider == Provider.AWS:
        key = sessions.key_of(region.account)
        found = {
            "AWS_ACCESS_KEY_ID": key.access_key_id,
            "AWS_SECRET_ACCESS_KEY": key.secret_key,
            "AWS_REGION": sessions.code_of(region),
            # Never the worker's own identity, whatever machine it stands on.
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        if region.endpoint_url:
            found["AWS_ENDPOINT_URL"] = region.endpoint_url
    if region.state_backend == StateBackend.PG:
        found["PG_CONN_STR"] = secrets.own(region)
    return found


def secret_values(region: Region) -> set[str]:
    """Return what a log must never show of a region and its account."""
    found = {secrets.own(region.account), secrets.own(region)}
    address = secrets.own(region)
    if address:
        found.add(urlsplit(address).password or "")
    return found - {""}


def provider(region: Region, run_id: str) -> dict[str, Any]:
    """Return the provider's settings for a run in this region."""
    account = region.account
    found: dict[str, Any] = {
        "region": sessions.code_of(region),
        "max_retries": settings.PROVIDER_ATTEMPTS,
    }
    if account.role_arn:
        found["assume_role"] = [_role(region, run_id)]
    if region.endpoint_url:
        # The account's number is asked for: without it the provider takes each security group for
        # one of another account, and every plan changes every rule.
        found |= _skipped("credentials_validation", "metadata_api_check")
        found["s3_use_path_style"] = True
    elif account.account_number:
        # Keys of another account build nothing.
        found["allowed_account_ids"] = [account.account_number]
    return found


def _role(region: Region, run_id: str) -> dict[str, str]:
    account = region.account
    found = {"role_arn": account.role_arn, "session_name": f"{sessions.SESSION_NAME}-{run_id}"}
    if account.external_id:
        found["external_id"] = account.external_id
    return found


def _skipped(*checks: str) -> dict[str, bool]:
    return {f"skip_{name}": True for name in checks}


def backend(stack: Stack, bucket: str, run_id: str) -> dict[str, Any]:
    """Return the settings of a stack's remote backend, by its kind.

    https://developer.hashicorp.com/terraform/language/backend/s3 and …/pg
    """
    region = stack.region
    if stack.backend == StateBackend.PG:
        if not region.has_secret:
            raise DatabaseAddressMissing(region=region)
        return {"pg": {"schema_name": stack.public_id.lower()}}
    found: dict[str, Any] = {
        "bucket": bucket,
        "key": f"{stack.public_id}/{STATE_KEY}",
        "region": sessions.code_of(region),
        "encrypt": True,
        "use_lockfile": True,
    }
    if table := region.backend_config.get("dynamodb_table"):
        found["dynamodb_table"] = table
    if region.account.role_arn:
        found["assume_role"] = _role(region, run_id)
    if url := region.endpoint_url:
        found |= _skipped("credentials_validation", "requesting_account_id", "metadata_api_check")
        found["use_path_style"] = True
        found["endpoints"] = dict.fromkeys(("s3", "dynamodb", "sts", "iam"), url)
    return {"s3": found}
