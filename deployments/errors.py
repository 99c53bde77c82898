"""Refusals about runs: each is a sentence with the way out."""

from django.utils.translation import gettext_lazy as _

from omlsaas.lib.refusals import Refusal


class DeploymentError(Refusal):
    """A refusal that is shown to the person who asked, or stored as a run's reason."""


class IllegalTransition(DeploymentError):
    """Somebody else was faster, or the run is not where the caller believed."""

    message = _("%(run)s is “%(status)s” now, so it cannot become “%(wanted)s”. Look at it again.")


class StackBusy(DeploymentError):
    """Another run holds the stack."""

    message = _("%(stack)s is held by run %(run)s (%(status)s, %(by)s). %(way_out)s")


class SharedBusy(DeploymentError):
    """The shared environment is being changed, or one of its tenants is."""

    message = _("%(holder)s is being changed by run %(run)s. This run starts when that has ended.")


class RegionFull(DeploymentError):
    """The region's cap of runs at once is reached."""

    message = _("%(region)s runs %(count)s of %(limit)s runs at once. It starts when one ends.")


class InMaintenance(DeploymentError):
    """Maintenance mode is on."""

    message = _("Maintenance since %(since)s by %(by)s: %(reason)s. Nothing new starts until then.")


class NoWorker(DeploymentError):
    """No live worker can take the run."""

    message = _("No worker is alive for %(queue)s since %(since)s. Start one, or read `doctor`.")


class WorkerFull(DeploymentError):
    """The worker works on as many runs as it may."""

    message = _("All %(capacity)s slots of the workers are taken. It starts when one is free.")


class StackSuspect(DeploymentError):
    """The state may not fit reality: changing actions are refused."""

    message = _(
        "%(stack)s is suspect: %(why)s Run a plan-only run, look at it, and mark the stack as "
        "reviewed. Then changes are possible again."
    )


class ReviewNotPossible(DeploymentError):
    """The suspect mark is lifted by a plan-only run plus a person."""

    message = _(
        "%(stack)s has had no successful plan-only run since it became suspect. Run one first."
    )


class UnknownAction(DeploymentError):
    """The blueprint has no such action for this kind of stack."""

    message = _("%(stack)s has no action “%(action)s”. It has: %(known)s.")


class UnknownStack(DeploymentError):
    """No stack of this name that the actor may see."""

    message = _("There is no stack “%(name)s” that you may see. `run_action --list` names them.")


class TypedNameWrong(DeploymentError):
    """A destroy asks for the stack's name in full."""

    message = _("Type “%(name)s” in full to confirm. Nothing was changed.")


class ReasonMissing(DeploymentError):
    """The act needs a reason."""

    message = _("Say why: this act is kept in the audit trail with its reason.")


class RequestReused(DeploymentError):
    """The same request key came with other content."""

    message = _(
        "This form was sent before with other content, as run %(run)s. Load the page again."
    )


class PlanStale(DeploymentError):
    """A fact of the plan no longer holds."""

    message = _("The plan no longer fits: %(fact)s was %(then)s at plan time and is %(now)s here.")


class PlanOutdated(PlanStale):
    """What the plan was made from was changed since."""

    message = _("The plan no longer fits: %(fact)s changed after it was made.")


class PlanExpired(DeploymentError):
    """Nobody confirmed in time."""

    message = _("The plan was made on %(planned)s and has expired. Queue a new run.")


class PlanDigestDiffers(DeploymentError):
    """The page that was confirmed showed another plan."""

    message = _("The plan that you read is not the one that waits now. Read it again.")


class PlanUnread(DeploymentError):
    """A plan that destroys or replaces must be said to be read."""

    message = _("Tick “I have read …”: this plan replaces %(replace)s and destroys %(destroy)s.")


class NeedsConfirmation(DeploymentError):
    """Auto-apply stopped because of what the plan does."""

    message = _("Not applied by itself: the plan destroys or replaces %(what)s.")


class TerraformMissing(DeploymentError):
    """No terraform on the machine that should run it."""

    message = _(
        "Terraform was not found on host %(host)s (%(path)s). Install Terraform 1.11 or newer from "
        "https://developer.hashicorp.com/terraform/install, or set TERRAFORM_BIN."
    )


class TerraformTooOld(DeploymentError):
    """A terraform that the blueprints cannot use."""

    message = _("Terraform on host %(host)s is %(found)s; %(wanted)s or newer is needed.")


class DiskFull(DeploymentError):
    """Too little room to work."""

    message = _(
        "Only %(free)s free in %(path)s on host %(host)s; a run needs %(wanted)s. Make room."
    )


class OutOfSpace(DeploymentError):
    """The engine's words say that the disk is full."""

    message = _("The disk of host %(host)s ran full during the run. Make room, then retry.")


class EngineFailed(DeploymentError):
    """The engine ended with an error."""

    message = _("%(engine)s ended with exit code %(code)s: %(summary)s")


class EngineAdvised(EngineFailed):
    """The engine ended with an error whose way out is known."""

    message = _("%(engine)s ended with exit code %(code)s: %(summary)s. %(advice)s")


class EngineKilled(DeploymentError):
    """The engine was killed by a signal that was not ours."""

    message = _("%(engine)s was killed by signal %(signal)s on host %(host)s%(hint)s.")


class EngineNotStarted(DeploymentError):
    """The engine could not be started."""

    message = _("%(engine)s could not be started on host %(host)s: %(why)s")


class PortalFailed(DeploymentError):
    """A fault of ours; the details are in the worker's log under the run's id."""

    message = _("The portal failed while it worked on this run. Its worker log names run %(run)s.")


class CanceledBy(DeploymentError):
    """Somebody asked it to stop."""

    message = _("Canceled by %(by)s.")


class TimedOut(DeploymentError):
    """The phase took too long."""

    message = _("Stopped: the %(phase)s phase reached its time-out of %(limit)s.")


class WasSilent(DeploymentError):
    """Nothing was printed for too long."""

    message = _("Stopped: nothing was printed for %(limit)s in the %(phase)s phase.")


class LogTooLong(DeploymentError):
    """The log reached its cap."""

    message = _("Stopped: the log reached its limit of %(limit)s.")


class SupervisorGone(DeploymentError):
    """Nobody minds the engine any more; whether it finished is not known."""

    message = _("Its supervisor on host %(host)s is gone without an outcome.")


class SupervisorGoneWaiting(DeploymentError):
    """The supervisor is gone, its process is not yet."""

    message = _("Its supervisor is gone; waiting for process %(pids)s on host %(host)s to stop.")


class HostSilent(DeploymentError):
    """The host has not been heard of."""

    message = _("Host %(host)s is silent since %(since)s; it may still be working.")


class HostGone(DeploymentError):
    """The host was silent for too long, or somebody declared it gone."""

    message = _("Host %(host)s is gone: %(why)s")


class StateUnreadable(DeploymentError):
    """The state is empty or does not parse."""

    message = _(
        "The state after run %(run)s is empty or unreadable. Restore the version before it."
    )


class StateForced(DeploymentError):
    """A run was killed hard."""

    message = _("Run %(run)s was stopped by force: the state may not fit reality.")


class RunLost(DeploymentError):
    """A run of the stack was lost."""

    message = _("Run %(run)s was lost: what it did is not known.")


class StateChangedMeanwhile(DeploymentError):
    """The state moved between the shown diff and the click."""

    message = _("The state has serial %(now)s now, not %(then)s. Look at the difference again.")


class ForceTooEarly(DeploymentError):
    """Force-cancel opens after the cool-off."""

    message = _("Force-cancel opens %(seconds)s s after the request to stop. Wait until then.")


class NothingToCancel(DeploymentError):
    """The run has ended."""

    message = _("%(run)s has ended already (%(status)s). There is nothing to stop.")


class NotInstalled(DeploymentError):
    """The action needs a stack with resources."""

    message = _("%(stack)s has no resources. Install it first.")


class SharedNotInstalled(DeploymentError):
    """A tenant needs its shared environment's outputs."""

    message = _("%(stack)s needs %(shared)s, which is not installed yet. Install %(shared)s first.")


class DependentsStand(DeploymentError):
    """The shared environment has tenants with resources."""

    message = _(
        "%(stack)s still carries %(count)s installed tenant(s), such as %(names)s. "
        "Destroy them first."
    )


class BlueprintBroken(DeploymentError):
    """The blueprint cannot be used."""

    message = _("The blueprint %(blueprint)s cannot be used: %(why)s")


class LogRemoved(DeploymentError):
    """The log is gone by retention."""

    message = _("The log was removed by retention after %(days)s days; the history stays.")


class ClosedByHand(DeploymentError):
    """An admin declared the host gone."""

    message = _("Declared gone by %(by)s: %(reason)s")


class ParamsRefused(DeploymentError):
    """What an action asks for one run is wrong: a sentence for each parameter."""

    message = _("Not started: %(text)s")

    def __init__(self, problems: dict[str, str]) -> None:
        self.problems = problems
        super().__init__(text=" ".join(f"{name}: {why}" for name, why in problems.items()))


class PointGone(DeploymentError):
    """A restore point names what is no longer there."""

    message = _("%(stack)s cannot go back to %(point)s: %(why)s")


class NothingHanded(DeploymentError):
    """A secret that is shown once was shown, or never came to be."""

    message = _(
        "%(run)s has nothing more to show: a secret that it hands over is shown once. Run the "
        "action again for a new one."
    )


class AdoptedReadOnly(DeploymentError):
    """Another tool holds the state of an adopted stack."""

    message = _(
        "%(stack)s is adopted: its state still belongs to the tool that built it, so “%(action)s” "
        "is not possible here. Possible are: %(known)s. To have all actions, convert it; the "
        "preview shows what that would replace."
    )


class ConvertLosesData(DeploymentError):
    """Converting an adopted stack would replace, destroy or leave behind what holds data."""

    message = _(
        "Not converted: the plan would not keep the data of %(what)s. Nothing was changed. "
        "Set the inputs to what stands there, or bring it into the wanted form outside, and look "
        "at the preview again."
    )


class ConvertWould(DeploymentError):
    """What converting an adopted stack would do: shown with its plan."""

    message = _(
        "Converting takes %(imported)s resources into a state of the portal, makes %(create)s, "
        "changes %(update)s, replaces %(replace)s and destroys %(destroy)s. The old tool's state "
        "knows %(left)s more that have no counterpart here: they stand on, and nobody manages "
        "them. Data: %(data)s."
    )


class HostsMissing(DeploymentError):
    """The stack has no host for a group that its playbooks need."""

    message = _("%(stack)s has no host for %(groups)s. Add one on its page, then run this again.")


class InstalledAlready(DeploymentError):
    """An action for new stacks would do harm on one that is installed."""

    message = _(
        "%(stack)s is installed already, and “%(action)s” would set it up from the beginning. Use "
        "one of these instead: %(others)s."
    )


class HostKeyUnknown(DeploymentError):
    """Nobody has confirmed the key by which a host is known."""

    message = _(
        "The key of %(hosts)s is not confirmed. Run “%(contact)s”, compare what is shown with the "
        "host's own console, and confirm it on the page of %(stack)s."
    )
