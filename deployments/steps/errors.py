"""Refusals of steps beside Terraform, and what they find; each is a sentence with the way out."""

from django.utils.translation import gettext_lazy as _

from deployments.errors import DeploymentError


class NoInstance(DeploymentError):
    """No running machine of the stack has this role."""

    message = _(
        "%(stack)s has no running machine for %(component)s. Look at it in the provider's console, "
        "or run Change so that it is made again."
    )


class InstanceNotOurs(DeploymentError):
    """A machine's tags or account say that it belongs to somebody else."""

    message = _(
        "Machine %(instance)s does not belong to %(stack)s (%(why)s). Nothing was sent to it."
    )


class CommandFailed(DeploymentError):
    """A command on a machine ended badly."""

    message = _(
        "The command on %(instance)s (%(component)s) ended as %(status)s, exit code %(code)s: "
        "%(last)s. Its whole output is in the log."
    )


class CommandSilent(DeploymentError):
    """A command on a machine did not end in time."""

    message = _(
        "The command on %(instance)s (%(component)s) did not end within %(limit)s s; it was asked "
        "to stop. Look whether the machine's agent is connected, then run the action again."
    )


class NoBackupSeen(DeploymentError):
    """A backup was asked for, and no object came."""

    message = _(
        "No new backup came to %(bucket)s/%(prefix)s within %(limit)s s, whatever the command "
        "said. Read its output in the log; there is no backup of this run."
    )


class BackupTooOld(DeploymentError):
    """What a step needs is a fresh backup."""

    message = _(
        "%(stack)s has no backup of %(component)s of the last %(hours)s hours (the newest: "
        "%(newest)s). Make a backup first."
    )


class BucketNotOurs(DeploymentError):
    """A step names a bucket that is no output of the stack."""

    message = _("Bucket %(bucket)s is no output of %(stack)s. Nothing in it was touched.")


class BucketNotEmpty(DeploymentError):
    """A bucket that would be destroyed still holds something."""

    message = _(
        "%(bucket)s still holds %(versions)s versions of objects (%(size)s). Empty it first with "
        "the action for that; nothing was destroyed."
    )


class BucketLocked(DeploymentError):
    """Something must be kept by law or rule."""

    message = _("%(bucket)s is not emptied: %(why)s")


class NotDeleted(DeploymentError):
    """The provider refused to delete some objects."""

    message = _("%(count)s objects of %(bucket)s could not be deleted, the first: %(key)s: %(why)s")


class NotReplaced(DeploymentError):
    """A group did not become healthy again."""

    message = _(
        "%(group)s did not become healthy within %(limit)s s after %(instance)s was taken out: "
        "%(seen)s. The machines that are left were not touched; run the action again when it is."
    )


class GroupMissing(DeploymentError):
    """There is no such auto-scaling group."""

    message = _("There is no auto-scaling group %(group)s. Run Change so that it is made again.")


class NotReady(DeploymentError):
    """What was applied does not answer as it should in time."""

    message = _(
        "Applied, not ready: %(url)s did not get past “%(stage)s” within %(limit)s min; the last "
        "answer was: %(answer)s. What was made stands. Look at the machine's log, then run the "
        "readiness check again."
    )


class WillEmpty(DeploymentError):
    """What emptying a bucket would delete: shown before it is confirmed."""

    message = _(
        "%(objects)s objects in %(versions)s versions and %(markers)s delete markers, %(size)s in "
        "all, are deleted from %(bucket)s for good."
    )


class ParameterNotOurs(DeploymentError):
    """A step names a parameter that is not the stack's own."""

    message = _(
        "Parameter %(parameter)s is not written: its path must begin with / and hold %(stack)s."
    )


class InputInTheWay(DeploymentError):
    """An input as it was applied would stop the run half-way."""

    message = _(
        "“%(label)s” (%(name)s) of %(stack)s is %(found)s and has to be %(wanted)s first, or the "
        "provider would stop half-way. Set it with Change, then run this again; nothing was done."
    )


class VersionRefused(DeploymentError):
    """A version that runs is known to go wrong with this."""

    message = _("“%(action)s” is refused for %(stack)s with %(found)s. %(why)s Nothing was done.")
