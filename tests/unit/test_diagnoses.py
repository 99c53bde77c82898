"""The words of Terraform and its AWS provider, and the next step that people are told."""

import pytest

from deployments.cloud.diagnoses import diagnose, lock_in

LOCK = """Error acquiring the state lock
Error message: operation error S3: PutObject, https response error StatusCode: 412, RequestID: x,
HostID: y, api error PreconditionFailed: At least one of the pre-conditions you specified did not
hold
Lock Info:
  ID:        1d2f2a5e-4c0b-8a1c-7f3e-9b6a53f0c111
  Path:      acme-omlsaas-state/stk_01/terraform.tfstate
  Operation: OperationTypeApply
  Who:       eve@laptop
  Version:   1.11.4
  Created:   2026-03-05 14:02:11.123456789 +0000 UTC
  Info:

Terraform acquires a state lock to protect the state from being written by multiple users.
"""
TEXTS = [
    (
        "role",
        "Cannot assume IAM Role, IAM Role (arn:aws:iam::123456789012:role/portal) cannot be "
        "assumed. There are a number of possible causes of this.",
        "arn:aws:iam::123456789012:role/portal",
    ),
    (
        "right",
        "creating EC2 Instance: operation error EC2: RunInstances, https response error StatusCode:"
        " 403, api error UnauthorizedOperation: You are not authorized to perform this operation. "
        "User: arn:aws:iam::123456789012:user/portal is not authorized to perform: "
        "ec2:RunInstances on resource: arn:aws:ec2:us-east-2:123456789012:instance/*",
        "lacks the right ec2:RunInstances",
    ),
    (
        "right_unnamed",
        "reading S3 Bucket (acme-data): operation error S3: GetBucketPolicy, https response error "
        "StatusCode: 403, api error AccessDenied: Access Denied",
        "S3 GetBucketPolicy",
    ),
    (
        "credentials",
        "Retrieving AWS account details: validating provider credentials: retrieving caller "
        "identity from STS: operation error STS: GetCallerIdentity, https response error "
        "StatusCode: 403, RequestID: x, api error InvalidClientTokenId: The security token "
        "included in the request is invalid.",
        "access key that is active",
    ),
    ("credentials", "No valid credential sources found", "access key that is active"),
    (
        "credentials",
        "Cannot assume IAM Role, IAM Role (arn:aws:iam::123456789012:role/portal) cannot be "
        "assumed. Error: operation error STS: AssumeRole, https response error StatusCode: 403, "
        "api error InvalidClientTokenId: The security token included in the request is invalid",
        "access key that is active",
    ),
    ("wrong_account", "AWS account ID not allowed: 210987654321", "account 210987654321"),
    (
        "bucket_taken",
        "creating S3 Bucket (acme-data): operation error S3: CreateBucket, https response error "
        "StatusCode: 409, api error BucketAlreadyExists: The requested bucket name is not "
        "available.",
        "acme-data is taken",
    ),
    (
        "bucket_not_empty",
        "deleting S3 Bucket (acme-data): api error BucketNotEmpty: The bucket you tried to delete "
        "is not empty. You must delete all versions in the bucket.",
        "Empty it first",
    ),
    (
        "capacity",
        "creating EC2 Instance: api error InsufficientInstanceCapacity: We currently do not have "
        "sufficient m5.large capacity in the Availability Zone you requested (us-east-2a).",
        "another size or zone",
    ),
    (
        "capacity",
        "api error Unsupported: Your requested instance type (t4g.nano) is not supported in your "
        "requested Availability Zone (us-east-1e).",
        "another size or zone",
    ),
    (
        "quota",
        "creating EC2 Instance: operation error EC2: RunInstances, https response error StatusCode:"
        " 400, api error VcpuLimitExceeded: You have requested more vCPU capacity than your "
        "current vCPU limit of 32 allows",
        "(VcpuLimitExceeded)",
    ),
    (
        "quota",
        "creating EC2 EIP: api error AddressLimitExceeded: The maximum number of addresses has "
        "been reached.",
        "(AddressLimitExceeded)",
    ),
    ("throttled", "api error RequestLimitExceeded: Request limit exceeded.", "few minutes"),
    ("throttled", "api error Throttling: Rate exceeded", "few minutes"),
    ("zone_missing", "no matching Route 53 Hosted Zone found", "not in this account"),
    ("zone_missing", "no matching Route53Zone found", "not in this account"),
    (
        "zone_missing",
        "api error NoSuchHostedZone: No hosted zone found with ID: Z0123",
        "not in this account",
    ),
    (
        "certificate",
        "waiting for ACM Certificate (arn:aws:acm:us-east-2:123456789012:certificate/x) to be "
        "issued: timeout while waiting for state to become 'ISSUED' (last state: "
        "'PENDING_VALIDATION', timeout: 1h15m0s)",
        "name servers",
    ),
    (
        "lock_file",
        "Failed to install provider Error while installing hashicorp/aws v5.100.0: the local "
        "package for registry.terraform.io/hashicorp/aws 5.100.0 doesn't match any of the "
        "checksums previously recorded in the dependency lock file",
        "lock file",
    ),
    (
        "provider_blocked",
        "Failed to query available provider packages Could not retrieve the list of available "
        "versions for provider hashicorp/aws: could not connect to registry.terraform.io",
        "PROVIDER_MIRROR",
    ),
    (
        "state_not_saved",
        "Failed to save state Error saving state: failed to upload state: operation error S3",
        "roll back to the newest state version",
    ),
    (
        "state_unreadable",
        "Error refreshing state: state data in S3 does not have the expected content.",
        "kept version",
    ),
    ("stale_plan", "Saved plan is stale", "Queue a new run"),
    (
        "dependency",
        "deleting EC2 Subnet: api error DependencyViolation: The subnet has dependencies",
        "Remove that first",
    ),
    ("unreachable", "dial tcp: lookup sts.us-east-2.amazonaws.com: no such host", "proxy"),
]


@pytest.mark.parametrize(("name", "text", "words"), TEXTS)
def test_each_error_has_its_next_step(name, text, words):
    found = diagnose(text)
    assert found is not None
    assert (found[0], words in found[1]) == (name, True), found
    assert "%(" not in found[1]


def test_an_error_that_is_not_known_gets_no_advice():
    assert diagnose("Invalid value for variable: sizes must be one of small, large") is None


def test_the_holder_of_a_lock_is_read_from_the_error():
    assert lock_in(LOCK) == {
        "id": "1d2f2a5e-4c0b-8a1c-7f3e-9b6a53f0c111",
        "path": "acme-omlsaas-state/stk_01/terraform.tfstate",
        "operation": "OperationTypeApply",
        "who": "eve@laptop",
        "version": "1.11.4",
        "created": "2026-03-05 14:02:11.123456789 +0000 UTC",
    }


def test_an_error_that_is_no_lock_names_no_holder():
    assert lock_in("Error: ID: 5") is None
    assert lock_in("Error acquiring the state lock: no such bucket") is None
