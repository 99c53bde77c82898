"""Refusals about what should exist."""

from django.utils.translation import gettext_lazy as _

from omlsaas.lib.refusals import Refusal


class NotAllowed(Refusal):
    """The actor's roles do not cover this kind of action here."""

    message = _(
        "%(actor)s may not do this on %(target)s: it needs the permission “%(kind)s”. "
        "Ask an admin for a role that has it."
    )


class NameRefused(Refusal):
    """A name breaks the blueprint's rule, or is reserved."""

    message = _("“%(name)s” cannot be used as a name: %(rule)s")


class NameTaken(Refusal):
    """Another living thing has this name."""

    message = _(
        "“%(name)s” is taken by another %(kind)s. Choose another name, or archive that one."
    )


class UnknownBlueprint(Refusal):
    """No such folder in the blueprint root, or it does not have this kind."""

    message = _("There is no blueprint “%(blueprint)s” for a %(kind)s. Known ones: %(known)s.")


class WrongPlace(Refusal):
    """Tenant, region and shared environment do not fit together."""

    message = _("%(name)s cannot stand there: %(why)s")


class PlaceRefused(Refusal):
    """A cloud account or region has a value that cannot work."""

    message = _("%(name)s cannot be kept so: %(why)s")


class InputsRefused(Refusal):
    """Values break the blueprint's rules; `problems` maps variable to sentence."""

    message = _("%(count)s value(s) are not accepted: %(summary)s")

    def __init__(self, problems: dict[str, str]) -> None:
        self.problems = problems
        summary = "; ".join(f"{name}: {text}" for name, text in problems.items())
        super().__init__(count=len(problems), summary=summary)


class StillInUse(Refusal):
    """Something that would be archived still has resources or work."""

    message = _("%(name)s cannot be archived: %(why)s")


class ArchivedAlready(Refusal):
    """The thing is history."""

    message = _("%(name)s was archived on %(when)s and can only be read.")


class KeyUnknown(Refusal):
    """A stored value names an encryption key that this installation does not have."""

    message = _(
        "A stored value is encrypted with key “%(key)s”, which is not among ENCRYPTION_KEYS. "
        "Add that key again; `manage.py doctor` says which are needed."
    )


class SecretTooShort(Refusal):
    """Secrets under 8 characters cannot be kept out of logs."""

    message = _("%(name)s is a secret and needs at least %(length)s characters.")


class LastAdmin(Refusal):
    """Nobody would be left who may administer the portal."""

    message = _(
        "%(name)s is the last active admin of everything. Give that role to somebody else first."
    )


class OnlySuperuser(Refusal):
    """Superusers are made and changed by superusers only."""

    message = _("%(name)s: only a superuser may change a superuser or make one.")


class OwnFactors(Refusal):
    """Nobody takes their own second factors away unproved, or by a program that acts for them."""

    message = _(
        "These are your own second factors: remove them on your profile, where you prove first "
        "that it is you. When you have lost them, another admin resets them."
    )


class TokenGivesLess(Refusal):
    """A token gives nobody more than it may do itself."""

    message = _(
        "This token may not %(kinds)s, so it gives nobody a role or group that may. Do it in the "
        "portal, or with a token of more kinds of action."
    )


class RoleHeldAlready(Refusal):
    """The same role over the same scope exists."""

    message = _("%(holder)s has the role %(role)s over %(scope)s already.")


class TokenNotMade(Refusal):
    """An API token has a value that cannot be."""

    message = _("The token “%(name)s” is not made: %(why)s")


class TokenRefused(Refusal):
    """An API token that was shown opens nothing."""

    message = _("This token opens nothing: %(why)s")


class AdoptionUnreadable(Refusal):
    """A file of the old deployer cannot be read."""

    message = _("%(file)s cannot be read: %(why)s")


class AdoptionRefused(Refusal):
    """The files are not surely those of this tenant in this place; nothing was kept."""

    message = _("%(name)s is not taken over: %(why)s")


class HostRefused(Refusal):
    """A host of a stack has a value that cannot work."""

    message = _("Host “%(name)s” cannot be kept so: %(why)s")


class HostKeyNotOffered(Refusal):
    """The key that a person confirmed is not the one that the host showed last."""

    message = _(
        "%(host)s does not show the key %(fingerprint)s now. Run the first contact again, compare "
        "what it shows with the host's own console, and confirm that."
    )


class HostMadeWithStack(Refusal):
    """What the infrastructure makes is not changed by hand."""

    message = _(
        "The hosts of %(stack)s are made with its infrastructure: change its inputs and apply "
        "them. Only their keys are confirmed here."
    )


class HostsUntold(Refusal):
    """The output that tells a stack's hosts is not as it must be."""

    message = _(
        "The output “%(output)s” of %(stack)s does not tell its hosts: %(why)s Repair the "
        "blueprint, then run this again. The infrastructure stands as applied."
    )


class InputsMoved(Refusal):
    """Only the rest of a run shall be done, but the inputs are others since."""

    message = _(
        "The inputs of %(stack)s were changed since they were applied. Run “%(action)s” as a "
        "whole, or take the change back."
    )


class HostsNotMade(Refusal):
    """The infrastructure has not made the hosts that a playbook needs."""

    message = _(
        "%(stack)s has no host for %(groups)s yet: its infrastructure makes them. Apply it first."
    )


class InventoryUnreadable(Refusal):
    """An inventory file of another tool cannot be taken over."""

    message = _("The inventory cannot be read: %(why)s")


class InvitedAlready(Refusal):
    """The address has an account, or an invitation that waits."""

    message = _("%(email)s cannot be invited: %(why)s")


class InvitationOver(Refusal):
    """An invitation was accepted or revoked before."""

    message = _(
        "The invitation of %(email)s is over: it was %(standing)s. Load the list again, or invite "
        "the address anew."
    )


class InvitationUnusable(Refusal):
    """The link of an invitation does not work (any more); says what to do."""

    message = _("%(why)s")
