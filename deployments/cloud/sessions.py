"""Ways to a provider's API: clients with the account's credentials and bounded patience."""

import os
from dataclasses import dataclass
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    Credentials,
    DeferredRefreshableCredentials,
)
from django.conf import settings

from deployments.cloud.errors import NoCredentials
from tenants import secrets
from tenants.models import CloudAccount, Region

CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 5, 30
SESSION_NAME = "omlsaas"
# Services that live in one place for the whole account still want some region to sign for.
DEFAULT_REGION = "us-east-1"


# Variable → (name in a file, names in the environment, default, conversion): a profile or a file
# that the worker's environment names is not the account's.
NOTHING_AMBIENT = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


class _Only:
    """A source of credentials with one answer: what botocore calls a credential resolver."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def load_credentials(self) -> Credentials:
        """Return them."""
        return self._credentials


@dataclass(frozen=True, repr=False)
class Key:
    """An account's own access key, before any role is assumed. Never printed."""

    access_key_id: str
    secret_key: str


def key_of(account: CloudAccount) -> Key:
    """Return the account's access key in clear. Raises NoCredentials."""
    if not account.access_key_id or not account.has_secret:
        raise NoCredentials(account=account)
    return Key(account.access_key_id, secrets.own(account))


def client(region: Region, service: str) -> Any:
    """Return a boto3 client of a service in this region, as the account or as its role.

    It never looks at the worker's own environment or files for credentials. Calls are bounded in
    time and retries; a role is assumed at the first call and again when it has expired. Raises
    NoCredentials; calls raise botocore's errors, for which cloud.words has sentences.
    """
    account = region.account
    key = key_of(account)
    core = botocore.session.Session(session_vars=NOTHING_AMBIENT)
    core.set_credentials(key.access_key_id, key.secret_key)
    if account.role_arn:
        as_role = _assumed(core, region)
        core = botocore.session.Session(session_vars=NOTHING_AMBIENT)
        core.register_component("credential_provider", _Only(as_role))
    session = boto3.session.Session(botocore_session=core, region_name=code_of(region))
    return session.client(service, endpoint_url=region.endpoint_url or None, config=_config(region))


def code_of(region: Region) -> str:
    """Return the provider's name of the region."""
    return region.code or DEFAULT_REGION


def _config(region: Region) -> Config:
    return Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"total_max_attempts": settings.CLOUD_ATTEMPTS, "mode": "standard"},
        ignore_configured_endpoint_urls=True,
        s3={"addressing_style": "path"} if region.endpoint_url else None,
    )


def _assumed(core: botocore.session.Session, region: Region) -> DeferredRefreshableCredentials:
    """Return credentials of the account's role that renew themselves."""
    account = region.account

    def make_client(service: str, **more: Any) -> Any:
        return core.create_client(
            service,
            region_name=code_of(region),
            endpoint_url=region.endpoint_url or None,
            config=_config(region),
            **more,
        )

    more = {"ExternalId": account.external_id} if account.external_id else {}
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=make_client,
        source_credentials=core.get_credentials(),
        role_arn=account.role_arn,
        extra_args={"RoleSessionName": SESSION_NAME, **more},
    )
    return DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
