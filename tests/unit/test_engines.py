"""What an engine is told of a region: by environment the credentials, by files all the rest."""

import json

import pytest

from deployments.cloud import engines
from deployments.cloud.errors import NoCredentials
from tenants import secrets
from tenants.models import CloudAccount, Region, Stack

KEY = "s3cret-key-of-the-account"
ROLE = "arn:aws:iam::123456789012:role/portal"
RUN = "run_01HZZZZZZZZZZZZZZZZZZZZZZZ"


def region(provider: str = "aws", key: str = KEY, **fields) -> Region:
    """Return a region that is not saved, with its account's key."""
    names = ("role_arn", "external_id", "account_number")
    account = CloudAccount(name="main", provider=provider, access_key_id="AKIAX" if key else "")
    for name in names:
        setattr(account, name, fields.pop(name, ""))
    if key:
        secrets.keep_own(account, key)
    return Region(account=account, slug="ohio", code="us-east-2", **fields)


def test_credentials_go_by_environment():
    assert engines.environment(region(endpoint_url="http://127.0.0.1:5000")) == {
        "AWS_ACCESS_KEY_ID": "AKIAX",
        "AWS_SECRET_ACCESS_KEY": KEY,
        "AWS_REGION": "us-east-2",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:5000",
    }
    assert engines.environment(region("lab", key="")) == {}
    with pytest.raises(NoCredentials):
        engines.environment(region(key=""))


def test_the_redactor_is_told_of_the_key_and_of_the_databases_password():
    found = region(state_backend="pg")
    secrets.keep_own(found, "postgres://tf:p4ssw0rd-of-tf@db/states")
    assert engines.secret_values(found) == {
        KEY, "postgres://tf:p4ssw0rd-of-tf@db/states", "p4ssw0rd-of-tf",
    }  # fmt: skip
    assert engines.environment(found)["PG_CONN_STR"] == "postgres://tf:p4ssw0rd-of-tf@db/states"


def test_the_provider_is_bound_to_region_account_and_role():
    plain = engines.provider(region(account_number="123456789012"), RUN)
    assert plain == {
        "region": "us-east-2", "max_retries": 10, "allowed_account_ids": ["123456789012"],
    }  # fmt: skip
    role = engines.provider(region(role_arn=ROLE, external_id="x-1"), RUN)["assume_role"]
    assert role == [{"role_arn": ROLE, "session_name": f"omlsaas-{RUN}", "external_id": "x-1"}]
    simulated = engines.provider(region(endpoint_url="http://x", account_number="1"), RUN)
    assert simulated["skip_credentials_validation"] and simulated["s3_use_path_style"]
    assert "skip_requesting_account_id" not in simulated, "rules would name groups of others"
    assert "allowed_account_ids" not in simulated


def test_no_backend_and_no_provider_holds_a_credential():
    here = region(role_arn=ROLE, endpoint_url="http://x", backend_config={"dynamodb_table": "t"})
    stack = Stack(region=here, backend="s3")
    found = engines.backend(stack, "bucket", RUN)["s3"]
    assert (found["key"], found["use_lockfile"], found["dynamodb_table"], found["encrypt"]) == (
        f"{stack.public_id}/terraform.tfstate", True, "t", True,
    )  # fmt: skip
    assert KEY not in json.dumps([found, engines.provider(here, RUN)])
    secrets.keep_own(here, "postgres://tf:p4ssw0rd@db/states")
    stack = Stack(region=here, backend="pg")
    assert engines.backend(stack, "", RUN) == {"pg": {"schema_name": stack.public_id.lower()}}
