"""Sentences for what a provider's API answers: every failed call becomes a refusal."""

import re
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.parsers import ResponseParserError

from deployments.cloud.errors import (
    BucketNameTaken,
    CloudRefusal,
    CredentialsWrong,
    NoCapacity,
    NotFound,
    PermissionMissing,
    ProviderUnreachable,
    QuotaReached,
    Throttled,
    ZoneMissing,
)
from deployments.errors import DeploymentError

# An answer that is not the API's at all (a gateway's page) has a class outside of both.
API_ERRORS = (BotoCoreError, ClientError, ResponseParserError)
WRONG_KEY = {
    "InvalidClientTokenId", "SignatureDoesNotMatch", "AuthFailure", "InvalidAccessKeyId",
    "UnrecognizedClientException", "ExpiredToken", "ExpiredTokenException", "IncompleteSignature",
    "InvalidSignatureException", "RequestExpired", "TokenRefreshRequired", "InvalidToken",
}  # fmt: skip
DENIED = {
    "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "UnauthorizedAccess",
    "AuthorizationError", "NotAuthorized", "Forbidden", "403", "OptInRequired",
}  # fmt: skip
THROTTLED = {
    "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException",
    "ThrottledException", "SlowDown", "PriorRequestNotComplete", "BandwidthLimitExceeded",
    "RequestThrottled", "EC2ThrottledException",
}  # fmt: skip
QUOTA = re.compile(
    r"\w*(LimitExceeded|QuotaExceeded|TooMany|LimitReached)\w*|MaxSpotInstanceCount\w*"
)
NO_CAPACITY = {"InsufficientInstanceCapacity", "InsufficientHostCapacity",
               "InsufficientDBInstanceCapacity", "InsufficientCapacity"}  # fmt: skip
NOT_THERE = re.compile(r"\w*(NotFound|NoSuch|DoesNotExist)\w*|404")
NO_ANSWER = (ConnectionError, HTTPClientError, ConnectionClosedError)
# "User: arn:aws:iam::1234:user/x is not authorized to perform: s3:PutObject on resource: …"
NOT_AUTHORIZED = re.compile(
    r"(?:User|Principal): (?P<principal>\S+) is not authorized to perform:? (?P<right>[\w-]+:\w+)"
)
TEXT_CHARS = 300


def refusal_for(error: Exception, what: Any) -> DeploymentError:
    """Return the refusal for a failed call; `what` names in words what was tried.

    Anything that is no error of the provider's library is a bug and rises again.
    """
    what = str(what)
    if isinstance(error, DeploymentError):
        return error
    if isinstance(error, ClientError):
        return _answered(error, what)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return CredentialsWrong(what=what, code=type(error).__name__)
    if isinstance(error, NO_ANSWER):
        where = getattr(error, "kwargs", {}).get("endpoint_url") or "?"
        return ProviderUnreachable(what=what, where=where)
    if isinstance(error, BotoCoreError | ResponseParserError):
        return CloudRefusal(what=what, code=type(error).__name__, text=str(error)[:TEXT_CHARS])
    raise error


def code_of(error: Exception) -> str:
    """Return the provider's code of an error; empty when it gave none."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def _answered(error: ClientError, what: str) -> DeploymentError:
    code = code_of(error)
    text = " ".join(str(error.response.get("Error", {}).get("Message", "")).split())[:TEXT_CHARS]
    if code in WRONG_KEY:
        return CredentialsWrong(what=what, code=code)
    if code in DENIED:
        return _denied(error, what, text)
    if code in THROTTLED:
        return Throttled(what=what, code=code)
    if code in NO_CAPACITY:
        return NoCapacity(what=what)
    if code == "BucketAlreadyExists":
        bucket = error.response["Error"].get("BucketName", "?")
        return BucketNameTaken(what=what, bucket=bucket)
    if code == "NoSuchHostedZone":
        return ZoneMissing(what=what, zone=text)
    if QUOTA.fullmatch(code):
        return QuotaReached(what=what, code=code, text=text)
    if NOT_THERE.fullmatch(code):
        return NotFound(what=what, code=code, text=text)
    return CloudRefusal(what=what, code=code or "?", text=text)


def _denied(error: ClientError, what: str, text: str) -> PermissionMissing:
    """Name the right and who lacks it: as the message says, else as the call tells."""
    found = NOT_AUTHORIZED.search(text)
    if found:
        return PermissionMissing(what=what, principal=found["principal"], right=found["right"])
    return PermissionMissing(what=what, principal="the account's key", right=_right_of(error))


def _right_of(error: ClientError) -> str:
    """Return the right that an operation asks for; HEAD requests answer without a text."""
    rights = {"HeadBucket": "s3:ListBucket", "HeadObject": "s3:GetObject",
              "ListObjectsV2": "s3:ListBucket"}  # fmt: skip
    return rights.get(error.operation_name, error.operation_name)
