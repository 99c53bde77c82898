"""The bucket of states: what is asked of the provider, and its name."""

import json

from botocore.session import Session
from botocore.stub import ANY, Stubber

from deployments.cloud import buckets
from tenants.models import CloudAccount, Region


def region(**fields) -> Region:
    """Return a region that is not saved."""
    account = CloudAccount(name="main", provider="aws", account_number="123456789012")
    return Region(account=account, slug="ohio", code="us-east-2", **fields)


def test_its_name_tells_owner_account_and_region():
    assert buckets.state_bucket(region(owner_prefix="Acme")) == (
        "acme-omlsaas-state-123456789012-us-east-2"
    )
    assert buckets.state_bucket(region()) == "omlsaas-state-123456789012-us-east-2"
    assert buckets.state_bucket(region(backend_config={"bucket": "mine"})) == "mine"


def test_over_tls_a_policy_refuses_everything_else():
    s3 = Session().create_client(
        "s3", region_name="us-east-2", aws_access_key_id="x", aws_secret_access_key="x"
    )
    with Stubber(s3) as stub:
        stub.add_response(
            "put_public_access_block", {}, {"Bucket": "b", "PublicAccessBlockConfiguration": ANY}
        )
        stub.add_response(
            "put_bucket_versioning",
            {},
            {"Bucket": "b", "VersioningConfiguration": {"Status": "Enabled"}},
        )
        stub.add_response(
            "put_bucket_encryption", {}, {"Bucket": "b", "ServerSideEncryptionConfiguration": ANY}
        )
        wanted = json.dumps(buckets.only_over_tls("b"))
        stub.add_response("put_bucket_policy", {}, {"Bucket": "b", "Policy": wanted})
        buckets._protect(s3, region(), "b")
        stub.assert_no_pending_responses()
    statement = json.loads(wanted)["Statement"][0]
    assert (statement["Effect"], statement["Action"]) == ("Deny", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
