"""Refusals about second persons: each is a sentence with the way out."""

from django.utils.translation import gettext_lazy as _

from deployments.errors import DeploymentError


class NeedsSecondPerson(DeploymentError):
    """Nobody else has agreed yet."""

    message = _(
        "This needs a second person (%(what)s). %(by)s asked on %(asked)s UTC. Somebody with the "
        "role approver or admin, who is not %(by)s, approves it on the run’s page."
    )


class OwnApproval(DeploymentError):
    """The author is not the approver."""

    message = _(
        "You asked for %(run)s yourself: somebody else with the role approver has to look at it. "
        "Send them the address of this page."
    )


class SamePerson(DeploymentError):
    """Who made a service account or its token acts as two."""

    message = _(
        "%(run)s was asked for by %(by)s, with a token or an account that you made: that counts as "
        "you. Somebody else with the role approver has to look at it."
    )


class EndSetByYou(DeploymentError):
    """Who says how long a stack stands does not grant over it as well."""

    message = _(
        "You set the end of %(stack)s, or last changed it: somebody else with the role approver "
        "grants over it."
    )


class GrantedByYou(DeploymentError):
    """Who granted over a stack does not say how long it stands as well."""

    message = _(
        "You granted service accounts to act alone over %(stack)s: somebody else changes its end, "
        "or you revoke that grant first."
    )


class NotAPerson(DeploymentError):
    """Programs do not approve."""

    message = _(
        "%(actor)s is a program: only a person approves. For an ephemeral stack an approver may "
        "grant it beforehand."
    )


class NothingToApprove(DeploymentError):
    """Nobody waits for a second person here, or not any more."""

    message = _("%(run)s waits for no second person (it is “%(status)s”). Look at it again.")


class ApprovalDiffers(DeploymentError):
    """What was shown is not what waits now."""

    message = _(
        "What is to be approved is not what you were shown: the plan or the request has changed. "
        "Load the page again and read it."
    )


class ApproverConfirms(DeploymentError):
    """The person who approved may not be the one who confirms, too."""

    message = _(
        "You approved this plan, so somebody else has to confirm it: %(by)s, or anybody else who "
        "may start the action."
    )


class ApprovalLapsed(DeploymentError):
    """What was approved no longer holds when a worker takes the run up."""

    message = _(
        "The approval of this run no longer holds: %(why)s. Nothing was changed. Queue the action "
        "again and have it approved."
    )


class RejectedBy(DeploymentError):
    """The second person said no."""

    message = _(
        "%(by)s rejected it: %(reason)s. Settle that with them, then queue the action again."
    )


class DeadlineMissing(DeploymentError):
    """A time that must lie ahead does not."""

    message = _("Choose an end between now and %(longest)s days from now.")


class HoldsData(DeploymentError):
    """A stack that holds data is never ephemeral."""

    message = _(
        "%(stack)s cannot be ephemeral: its blueprint says that it holds data (%(what)s). Use a "
        "blueprint without such resources for stacks that come and go."
    )


class KeeperElsewhere(DeploymentError):
    """Who keeps a stack is a person who may see it."""

    message = _(
        "%(who)s does not see %(stack)s, or is no person. Choose somebody with a role that covers "
        "it, or give them one first."
    )


class NotEphemeral(DeploymentError):
    """A grant is for ephemeral stacks only."""

    message = _("%(stack)s is not ephemeral. Give it a purpose and an end on its page first.")


class NotServiceAccounts(DeploymentError):
    """A grant names service accounts."""

    message = _("Choose at least one active service account; people never act alone by a grant.")


class GrantOver(DeploymentError):
    """A grant that has ended cannot be revoked."""

    message = _("This grant is over already. Nothing was changed.")
