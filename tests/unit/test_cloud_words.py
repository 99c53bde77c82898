"""What a provider's API answers becomes a sentence with the way out."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from botocore.parsers import ResponseParserError

from deployments.cloud import errors
from deployments.cloud.words import refusal_for

DENIED = (
    "User: arn:aws:iam::123456789012:user/portal is not authorized to perform: s3:CreateBucket "
    "because no identity-based policy allows the s3:CreateBucket action"
)
EC2_DENIED = (
    "You are not authorized to perform this operation. User: "
    "arn:aws:sts::123456789012:assumed-role/portal/omlsaas is not authorized to perform: "
    "ec2:RunInstances on resource: arn:aws:ec2:us-east-2:123456789012:instance/*"
)


def answered(code: str, text: str = "", operation: str = "CreateBucket", **more) -> ClientError:
    """Return a call's error as botocore raises it."""
    return ClientError({"Error": {"Code": code, "Message": text, **more}}, operation)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("InvalidClientTokenId", errors.CredentialsWrong),
        ("SignatureDoesNotMatch", errors.CredentialsWrong),
        ("ExpiredToken", errors.CredentialsWrong),
        ("RequestLimitExceeded", errors.Throttled),
        ("ThrottlingException", errors.Throttled),
        ("VcpuLimitExceeded", errors.QuotaReached),
        ("AddressLimitExceeded", errors.QuotaReached),
        ("TooManyBuckets", errors.QuotaReached),
        ("InsufficientInstanceCapacity", errors.NoCapacity),
        ("NoSuchHostedZone", errors.ZoneMissing),
        ("NoSuchBucket", errors.NotFound),
        ("InternalError", errors.CloudRefusal),
    ],
)
def test_each_code_has_its_refusal(code, kind):
    refusal = refusal_for(answered(code, "as it says"), "Making it")
    assert type(refusal) is kind
    assert str(refusal).startswith("Making it failed: ")


def test_an_answer_that_is_not_the_apis_is_no_failure_of_the_portal():
    refusal = refusal_for(ResponseParserError("<html>Bad gateway</html>"), "Replacing it")
    assert type(refusal) is errors.CloudRefusal
    assert "Bad gateway" in str(refusal)


@pytest.mark.parametrize(
    ("error", "right", "who"),
    [
        (answered("AccessDenied", DENIED), "s3:CreateBucket", "user/portal"),
        (answered("UnauthorizedOperation", EC2_DENIED), "ec2:RunInstances", "assumed-role/portal"),
        (answered("403", "Forbidden", "HeadBucket"), "s3:ListBucket", "the account's key"),
    ],
)
def test_a_missing_right_is_named_with_who_lacks_it(error, right, who):
    refusal = refusal_for(error, "Making it")
    assert isinstance(refusal, errors.PermissionMissing)
    assert (refusal.params["right"], who in refusal.params["principal"]) == (right, True)


def test_a_bucket_name_of_somebody_else_is_named():
    refusal = refusal_for(answered("BucketAlreadyExists", "taken", BucketName="acme-data"), "It")
    assert isinstance(refusal, errors.BucketNameTaken)
    assert "acme-data belongs to another account" in str(refusal)


def test_silence_of_the_provider_names_the_address():
    url = "http://127.0.0.1:1"
    for error in (EndpointConnectionError(endpoint_url=url), ReadTimeoutError(endpoint_url=url)):
        refusal = refusal_for(error, "It")
        assert isinstance(refusal, errors.ProviderUnreachable)
        assert url in str(refusal)


def test_a_fault_of_ours_stays_a_fault():
    with pytest.raises(ZeroDivisionError):
        refusal_for(ZeroDivisionError(), "It")
