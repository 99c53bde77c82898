"""Looking whether a region can be built in: who we are, its zone, its limits, its states."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from deployments.cloud import buckets, sessions, words
from deployments.cloud.errors import CloudRefusal
from tenants.models import CloudAccount, Region
from tenants.models.accounts import Provider, StateBackend

GOOD, DOUBTFUL, BAD = "ok", "warning", "failed"
# A shared environment takes three fixed addresses with one NAT gateway, five with one per zone.
ADDRESSES_WANTED = 5
ZONES_WANTED = 2


@dataclass(frozen=True)
class Answer:
    """One thing that was looked at: how it is, and a sentence."""

    status: str
    code: str
    text: str


def check_region(region: Region) -> Iterator[Answer]:
    """Yield what was found; nothing is changed. After a refused key nothing else is asked."""
    if region.account.provider != Provider.AWS:
        yield Answer(GOOD, "no_provider", _("Nothing to ask: no cloud provider stands behind it."))
        return
    first = list(_asked("identity", _("Asking who we are"), lambda: _identity(region)))
    yield from first
    if any(answer.status == BAD for answer in first):
        return
    yield from _asked("zones", _("Asking for the zones of availability"), lambda: _zones(region))
    if region.domain_name:
        what = _("Looking for the hosted zone")
        yield from _asked("hosted_zone", what, lambda: _hosted_zone(region))
    yield from _asked("addresses", _("Asking for the quota of addresses"),
                      lambda: _addresses(region))  # fmt: skip
    if region.state_backend == StateBackend.S3:
        yield from _asked("states", _("Looking for the bucket of states"), lambda: _states(region))


def check_account(account: CloudAccount) -> Iterator[Answer]:
    """Yield whom the provider knows us as by an account's key; nothing is changed.

    It is asked in the account's first living region, where that has an address of its own.
    """
    region = account.regions.living().order_by("pk").first() or Region(account=account)
    if account.provider != Provider.AWS:
        yield Answer(GOOD, "no_provider", _("Nothing to ask: no cloud provider stands behind it."))
        return
    yield from _asked("identity", _("Asking who we are"), lambda: _identity(region))


def _asked(code: str, what: str, ask: Callable[[], Answer]) -> Iterator[Answer]:
    try:
        yield ask()
    except CloudRefusal as refusal:
        yield Answer(BAD, code, str(refusal))
    except words.API_ERRORS as error:
        yield Answer(BAD, code, str(words.refusal_for(error, what)))


def _identity(region: Region) -> Answer:
    found = sessions.client(region, "sts").get_caller_identity()
    number, expected = found["Account"], region.account.account_number
    if expected and number != expected:
        text = _("The access key belongs to account %(found)s, not to %(expected)s. Correct the "
                 "key or the account number.")  # fmt: skip
        return Answer(BAD, "identity", text % {"found": number, "expected": expected})
    text = _("The provider knows us as %(who)s.") % {"who": found["Arn"]}
    return Answer(GOOD, "identity", text)


def _zones(region: Region) -> Answer:
    wanted = [{"Name": "state", "Values": ["available"]}]
    found = sessions.client(region, "ec2").describe_availability_zones(Filters=wanted)
    names = [zone["ZoneName"] for zone in found["AvailabilityZones"]]
    words_ = {"count": len(names), "names": ", ".join(names), "code": region.code}
    if len(names) < ZONES_WANTED:
        text = _("%(code)s has %(count)s zone(s) of availability for this account; two are needed.")
        return Answer(BAD, "zones", text % words_)
    text = _("%(code)s has %(count)s zones of availability: %(names)s.")
    return Answer(GOOD, "zones", text % words_)


def public_zones(route53: Any, name: str) -> list[dict[str, Any]]:
    """Return the public hosted zones of exactly this name (with its dot) in the account."""
    listed = route53.list_hosted_zones_by_name(DNSName=name, MaxItems="10")["HostedZones"]
    return [z for z in listed if z["Name"] == name and not z["Config"].get("PrivateZone")]


def _hosted_zone(region: Region) -> Answer:
    route53 = sessions.client(region, "route53")
    name = f"{region.domain_name.rstrip('.')}."
    if region.hosted_zone:
        found = route53.get_hosted_zone(Id=region.hosted_zone)["HostedZone"]
        fits = name == found["Name"] or name.endswith(f".{found['Name']}")
        if not fits:
            text = _("The hosted zone %(zone)s is of %(other)s, not of %(name)s. Correct one.")
            params = {"zone": region.hosted_zone, "other": found["Name"], "name": name}
            return Answer(BAD, "hosted_zone", text % params)
        zones = [found]
    else:
        zones = public_zones(route53, name)
    if len(zones) != 1:
        text = _("There are %(count)s public hosted zones of %(name)s in this account. Make one, "
                 "or name the right one by its id.")  # fmt: skip
        return Answer(BAD, "hosted_zone", text % {"count": len(zones), "name": name})
    text = _("The hosted zone of %(name)s is %(zone)s.")
    params = {"name": name, "zone": zones[0]["Id"].removeprefix("/hostedzone/")}
    return Answer(GOOD, "hosted_zone", text % params)


def _addresses(region: Region) -> Answer:
    ec2 = sessions.client(region, "ec2")
    used = len(ec2.describe_addresses()["Addresses"])
    asked = ec2.describe_account_attributes(AttributeNames=["vpc-max-elastic-ips"])
    values = _values(asked["AccountAttributes"], "vpc-max-elastic-ips")
    if not values:
        text = _("%(used)s fixed addresses are in use; the quota was not told.") % {"used": used}
        return Answer(GOOD, "addresses", text)
    params = {"used": used, "limit": values[0], "wanted": ADDRESSES_WANTED}
    if values[0] - used < ADDRESSES_WANTED:
        text = _("%(used)s of %(limit)s fixed addresses are in use; a shared environment takes up "
                 "to %(wanted)s. Raise the quota of elastic IPs first.")  # fmt: skip
        return Answer(DOUBTFUL, "addresses", text % params)
    text = _("%(used)s of %(limit)s fixed addresses are in use.")
    return Answer(GOOD, "addresses", text % params)


def _values(attributes: list[dict[str, Any]], name: str) -> list[int]:
    return [
        int(value["AttributeValue"])
        for attribute in attributes
        if attribute["AttributeName"] == name
        for value in attribute["AttributeValues"]
    ]


def _states(region: Region) -> Answer:
    bucket = buckets.state_bucket(region)
    if buckets.is_there(region, bucket):
        text = _("The bucket of states, %(bucket)s, is there.")
    else:
        text = _("The bucket of states, %(bucket)s, is made by the first run.")
    return Answer(GOOD, "states", text % {"bucket": bucket})
