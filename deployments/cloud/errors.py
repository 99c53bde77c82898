"""Refusals about a provider: what it said, and what a person can do about it."""

from django.utils.translation import gettext_lazy as _

from deployments.errors import DeploymentError


class CloudRefusal(DeploymentError):
    """The provider or the way to it said no."""

    message = _("%(what)s failed: the provider answered %(code)s: %(text)s")


class NoCredentials(CloudRefusal):
    """The account has no access key."""

    message = _(
        "Cloud account %(account)s has no access key. Give it one in the administration "
        "(Cloud accounts)."
    )


class CredentialsWrong(CloudRefusal):
    """The key is unknown, switched off, expired, or its secret does not fit."""

    message = _(
        "%(what)s failed: the provider does not accept the credentials (%(code)s). Look at the "
        "access key of the cloud account and give a key that is active."
    )


class PermissionMissing(CloudRefusal):
    """One right is missing; `right` names it."""

    message = _(
        "%(what)s failed: %(principal)s lacks the right %(right)s. Add it to the policy of that "
        "user or role (docs/aws.md has the whole policy)."
    )


class Throttled(CloudRefusal):
    """Too many calls at once."""

    message = _(
        "%(what)s failed: the provider is being asked too often (%(code)s). Try again in a few "
        "minutes; fewer runs at once in this region help."
    )


class QuotaReached(CloudRefusal):
    """A limit of the account is reached."""

    message = _(
        "%(what)s failed: a quota of the account is reached (%(code)s: %(text)s). Raise it under "
        "Service Quotas in this region, or free what is not needed; then retry."
    )


class ProviderUnreachable(CloudRefusal):
    """No answer at all."""

    message = _(
        "%(what)s failed: the provider cannot be reached at %(where)s. Look at the network, the "
        "proxy settings and the region's API address; then retry."
    )


class BucketNameTaken(CloudRefusal):
    """Bucket names are one space for the whole world."""

    message = _(
        "%(what)s failed: the bucket name %(bucket)s belongs to another account. Choose another "
        "name: for states in the region's backend settings, else by the owner prefix or the input."
    )


class ZoneMissing(CloudRefusal):
    """The hosted zone is not in this account."""

    message = _(
        "%(what)s failed: there is no public hosted zone %(zone)s in this account. Make it, or "
        "correct the region's domain name and hosted zone."
    )


class NoCapacity(CloudRefusal):
    """The provider has no machine of this type left in this zone."""

    message = _(
        "%(what)s failed: the provider has no capacity for this machine type in this zone now. "
        "Choose another size or another zone, or retry later."
    )


class CertificateStuck(CloudRefusal):
    """A certificate is not validated in time."""

    message = _(
        "%(what)s failed: the certificate was not validated in time. Look whether the domain's "
        "name servers are those of the hosted zone; then retry, it goes on from there."
    )


class NotFound(CloudRefusal):
    """What was asked for is not there."""

    message = _("%(what)s failed: it is not there (%(code)s: %(text)s).")


class DatabaseAddressMissing(CloudRefusal):
    """A region with the pg backend lost its address."""

    message = _("Region %(region)s has no address of the database of states. Give it one.")


class StateBucketClosed(CloudRefusal):
    """HEAD of a bucket is forbidden: two causes look the same."""

    message = _(
        "The bucket for states %(bucket)s is closed to this account: its name belongs to somebody "
        "else, or the right s3:ListBucket on it is missing. Choose another name in the region's "
        "backend settings, or add the right."
    )


class StateLocked(CloudRefusal):
    """Somebody else holds the lock of the state."""

    message = _(
        "The state of %(stack)s is locked by %(who)s since %(created)s (%(operation)s, lock "
        "%(lock_id)s). Wait until that has ended; if its holder is dead, force the lock open on "
        "the stack's page."
    )


class NotLocked(CloudRefusal):
    """There is no lock that is known of."""

    message = _("No lock of the state of %(stack)s is known. There is nothing to force open.")


class LockNotTyped(CloudRefusal):
    """Force-unlock asks for the lock's id or the stack's name."""

    message = _("Type the lock's id or “%(name)s” in full to force it open. Nothing was changed.")


class StateLost(CloudRefusal):
    """The backend has no state, or another one, for a stack that has resources."""

    message = _(
        "The state of %(stack)s is lost: serial %(then)s with %(count)s resources was known, and "
        "its place holds %(now)s. Nothing was planned, because everything would be built a second "
        "time. Roll back to the newest state version on the stack's page."
    )


class StateNotSaved(CloudRefusal):
    """Terraform could not write the state; the portal kept what it left."""

    message = _(
        "The state after run %(run)s could not be written to its place. The portal kept it as a "
        "state version: roll back to the newest one."
    )


class InstancesNotPushed(CloudRefusal):
    """The instances repository did not take a commit."""

    message = _(
        "The instances repository %(remote)s took nothing: %(why)s. The run is not touched by "
        "that; it is tried again by itself."
    )
