"""The next step for an engine's errors: patterns over their words, a sentence for each.

The words are those of Terraform and of its AWS provider; what is in no pattern is shown as it is.
"""

import re
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Diagnosis:
    """What an error is about, by a stable name, and the sentence with the way out."""

    name: str
    pattern: re.Pattern[str]
    sentence: Any


def _about(name: str, pattern: str, sentence: Any) -> Diagnosis:
    return Diagnosis(name, re.compile(pattern, re.IGNORECASE | re.DOTALL), sentence)


# The first that is found wins: the more exact ones stand above.
DIAGNOSES = (
    _about(
        "credentials",
        r"InvalidClientTokenId|SignatureDoesNotMatch|InvalidAccessKeyId|AuthFailure|"
        r"UnrecognizedClientException|ExpiredToken|security token included in the request is|"
        r"no valid credential sources|failed to refresh cached credentials",
        _("The provider does not accept the credentials. Give the cloud account an access key "
          "that is active (administration, Cloud accounts), then retry."),
    ),
    _about(
        "role",
        r"iam role \((?P<role>\S+)\) cannot be assumed|cannot assume iam role(?!.*iam role \()",
        _("The account's key may not assume the role %(role)s. Look at the role's trust policy, "
          "the external id, and the right sts:AssumeRole of the key."),
    ),
    _about(
        "right",
        r"(?:user|principal): (?P<principal>\S+) is not authorized to perform:? "
        r"(?P<right>[\w-]+:\w+)",
        _("%(principal)s lacks the right %(right)s. Add it to the policy of that user or role "
          "(docs/aws.md has the whole policy), then retry."),
    ),
    _about(
        "right_unnamed",
        r"operation error (?P<service>[\w -]+?): (?P<operation>\w+),.*?"
        r"(?:UnauthorizedOperation|AccessDenied|AuthorizationError|Forbidden|StatusCode: 403)",
        _("The account may not do %(service)s %(operation)s. Add that right to the policy of its "
          "user or role (docs/aws.md has the whole policy), then retry."),
    ),
    _about(
        "wrong_account",
        r"AWS account ID not allowed: (?P<account>\d+)",
        _("The access key belongs to account %(account)s, not to the one that the cloud account "
          "names. Correct the key or the account number."),
    ),
    _about(
        "bucket_taken",
        r"S3 Bucket \((?P<bucket>[a-z0-9.-]+)\).{0,400}?BucketAlreadyExists|BucketAlreadyExists",
        _("The bucket name %(bucket)s is taken: such names are one space for the whole world. "
          "Choose another name by the owner prefix or the input, then retry."),
    ),
    _about(
        "bucket_not_empty",
        r"BucketNotEmpty",
        _("The bucket still holds objects or old versions of them. Empty it first, then retry."),
    ),
    _about(
        "capacity",
        r"Insufficient\w*Capacity|do(?:es)? not have sufficient .{0,80}?capacity|"
        r"not supported in your requested Availability Zone",
        _("The provider has no capacity for this machine type in this zone now. Choose another "
          "size or zone, or retry later."),
    ),
    _about(
        "quota",
        r"(?P<quota>\w*(?:LimitExceeded|QuotaExceeded|LimitReached|TooManyBuckets|"
        r"TooManyLoadBalancers|TooManyTargetGroups)\w*)(?<!RequestLimitExceeded)",
        _("A quota of the account is reached (%(quota)s). Raise it under Service Quotas in this "
          "region, or free what is not needed; then retry."),
    ),
    _about(
        "throttled",
        r"RequestLimitExceeded|Throttling|TooManyRequests|rate exceeded|SlowDown",
        _("The provider is being asked too often. Retry in a few minutes; fewer runs at once in "
          "this region help."),
    ),
    _about(
        "zone_missing",
        r"no matching Route ?53 ?(?:Hosted )?Zone|NoSuchHostedZone|"
        r"Route ?53 Hosted Zone.{0,120}?(?:not found|couldn't find|empty result)",
        _("The hosted zone is not in this account. Make a public zone for the region's domain, or "
          "correct the region's domain name and hosted zone; then retry."),
    ),
    _about(
        "certificate",
        r"ACM Certificate.{0,300}?(?:timeout while|PENDING_VALIDATION|VALIDATION_TIMED_OUT)",
        _("The certificate was not validated in time. Look whether the domain's name servers at "
          "its registrar are those of the hosted zone; then retry, it goes on from there."),
    ),
    _about(
        "lock_file",
        r"checksums previously recorded in the dependency lock file|inconsistent dependency lock",
        _("The providers that were found are not those of the blueprint's lock file. Put the "
          "right ones into the provider mirror, or commit a lock file with their hashes."),
    ),
    _about(
        "provider_blocked",
        r"failed to (?:query available provider packages|install provider)|"
        r"could not (?:connect to|retrieve the list)|provider registry",
        _("A provider could not be fetched. Let the worker's host reach the registry (proxy "
          "settings), or set PROVIDER_MIRROR to a folder that holds it (docs/aws.md)."),
    ),
    _about(
        "state_not_saved",
        r"failed to (?:save|persist) state|error saving state|errored\.tfstate",
        _("What was built could not be written to the state's place. The portal kept a copy: "
          "roll back to the newest state version, then run plan only."),
    ),
    _about(
        "state_unreadable",
        r"(?:state data in S3 does not have the expected content|error (?:loading|refreshing) "
        r"state|failed to (?:load|read) state|unsupported state file format)",
        _("The state cannot be read from its place. Look whether the bucket or database and the "
          "state in it are still there; a kept version can be given back on the stack's page."),
    ),
    _about(
        "stale_plan",
        r"saved plan is stale",
        _("The state was changed by somebody else after this plan was made. Queue a new run."),
    ),
    _about(
        "dependency",
        r"DependencyViolation|ResourceInUse|DeleteConflict",
        _("Something that this stack did not make still uses it. Remove that first, then retry."),
    ),
    _about(
        "unreachable",
        r"no such host|connection refused|i/o timeout|TLS handshake timeout|"
        r"network is unreachable|x509:",
        _("The provider cannot be reached from the worker's host. Look at its network, proxy and "
          "CA settings, and at the region's API address; then retry."),
    ),
)  # fmt: skip
UNNAMED = {"role": _("of this account"), "bucket": ""}
LOCKED = re.compile(r"error acquiring the state lock|already locked|ConditionalCheckFailed", re.I)
# The block that Terraform prints of who holds the lock.
LOCK_LINE = re.compile(r"^\s*(ID|Path|Operation|Who|Version|Created|Info):[ \t]*(.*?)\s*$", re.M)


def diagnose(text: str) -> tuple[str, str] | None:
    """Return (name, sentence) for an engine's error text; None when nothing is known of it."""
    for known in DIAGNOSES:
        if found := known.pattern.search(text):
            params = {k: v or str(UNNAMED.get(k, "?")) for k, v in found.groupdict().items()}
            sentence = " ".join((str(known.sentence) % params).split())
            return known.name, sentence
    return None


def lock_in(text: str) -> dict[str, str] | None:
    """Return who holds the state's lock, as an engine that was refused tells; None if it was not.

    Keys: id, path, operation, who, version, created; those that were not told are missing.
    """
    if not LOCKED.search(text):
        return None
    found = {key.lower(): value for key, value in LOCK_LINE.findall(text) if value}
    return found if found.get("id") else None
