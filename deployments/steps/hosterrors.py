"""Refusals of steps that work on hosts, and what they find."""

from django.utils.translation import gettext_lazy as _

from deployments.errors import DeploymentError


class AnsibleMissing(DeploymentError):
    """No ansible-playbook on the machine that should run it."""

    message = _(
        "ansible-playbook does not work on worker host %(host)s (%(path)s: %(why)s). Run "
        "`make setup` there again, or name one by ANSIBLE_BIN."
    )


class PlaybookMissing(DeploymentError):
    """The blueprint names a playbook that it does not have."""

    message = _("The blueprint has no playbook “%(playbook)s”. Repair its blueprint.yaml.")


class PlaybookFailed(DeploymentError):
    """A host failed in a task, or the playbook itself is broken."""

    message = _("%(host)s failed in “%(task)s”: %(summary)s%(more)s. %(advice)s")


class PlaybookBroken(DeploymentError):
    """Ansible could not begin."""

    message = _("Ansible ended with exit code %(code)s before it did anything: %(summary)s")


class HostUnreachable(DeploymentError):
    """There is no way to a host."""

    message = _(
        "%(host)s cannot be reached over SSH: %(summary)s. Look whether it is up, and whether "
        "address and port are right and open to the worker; nothing was done on it after that."
    )


class DatabaseHeld(DeploymentError):
    """Another session of a database holds what a task wants to replace."""

    message = _(
        "Another session holds the database that “%(task)s” on %(host)s wants to change: "
        "%(summary)s. Look into pg_stat_activity whose it is, end it, then run this again."
    )


class HostLost(DeploymentError):
    """A host answered at the beginning of a playbook that changes things, and then no more."""

    message = _(
        "%(host)s was lost over SSH in the middle: %(summary)s. What had been stopped there stays "
        "stopped, and how far it came is not known. When it is up again, run “%(check)s”, then "
        "start what does not run."
    )


class HostKeyChanged(DeploymentError):
    """A host shows another key than the one that was confirmed."""

    message = _(
        "%(host)s shows another key than the one that was confirmed, so nothing was sent to it. If "
        "it was installed anew, run “%(contact)s” and confirm its new key; if not, somebody may "
        "stand between."
    )


class HostSignInRefused(DeploymentError):
    """A host does not take the SSH key."""

    message = _(
        "%(host)s does not let the user in with this SSH key. Put the public half into its "
        "authorized_keys, or give the host's key on the stack's page."
    )


class SudoRefused(DeploymentError):
    """The user may not become root."""

    message = _(
        "%(host)s lets the user in, but not become root. Allow sudo without a password for that "
        "user, or use root: %(summary)s."
    )


class HostDiskFull(DeploymentError):
    """The disk of a host is full."""

    message = _(
        "The disk of %(host)s is full (“%(task)s”). Make room there, then run this again: what "
        "is done already is left as it is."
    )


class ImageMissing(DeploymentError):
    """The registry has no such image, or shows it to nobody."""

    message = _(
        "%(host)s gets no such image from the registry (“%(task)s”): %(summary)s. Choose a tag "
        "that exists in the inputs (or the release), then run this again: what is done already is "
        "left as it is."
    )


class RegistryMute(DeploymentError):
    """The registry does not answer to a host, or wants it to wait."""

    message = _(
        "%(host)s cannot fetch an image, as the registry does not serve it (“%(task)s”): "
        "%(summary)s. Look whether the host reaches the registry and whether that has a limit, "
        "then run this again."
    )


class PythonUnsuitable(DeploymentError):
    """The host's Python is none that Ansible can use."""

    message = _(
        "%(host)s has no Python that this Ansible can use: %(summary)s. Install Python 3.8 or "
        "newer on it."
    )


class HostsUnknown(DeploymentError):
    """A playbook was stopped in its middle."""

    message = _(
        "Run %(run)s was stopped in the middle: how far each host came is not known. Run "
        "“%(check)s” first."
    )


class HostKeyOffered(DeploymentError):
    """A host showed a key that nobody has confirmed."""

    message = _(
        "It shows %(fingerprint)s. Compare that with `ssh-keygen -lf` on the host's own console, "
        "then confirm it on the page of %(stack)s."
    )


class HostKeyOther(DeploymentError):
    """A host showed another key than the confirmed one."""

    message = _(
        "It shows %(fingerprint)s, and %(pinned)s was confirmed. Was it installed anew? Then "
        "compare and confirm the new one on the page of %(stack)s; if not, somebody may stand "
        "between."
    )


class HostMute(DeploymentError):
    """Hosts did not answer at the first contact."""

    message = _(
        "No SSH answer from %(hosts)s. Look whether they are up, and whether address and port are "
        "right and open to worker host %(worker)s. %(why)s"
    )


class NoBackupTold(DeploymentError):
    """A playbook that makes a backup ended well and told of none."""

    message = _(
        "%(playbook)s ended well, but told of no backup: there is none of this run. Repair the "
        "blueprint."
    )
