"""What every step needs that runs a playbook: its private files, its words for a failure."""

import os
import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from deployments import identity
from deployments.errors import DeploymentError, EngineKilled
from deployments.runner import ansible, workdir
from deployments.runner.process import Exit
from deployments.services.hosts import check_label, contact_label, require_applied, require_hosts
from deployments.steps import Launch, engine
from deployments.steps import hosterrors as errors
from deployments.work import Work
from tenants import blueprints, inventory, secrets
from tenants.hosts import checked_key
from tenants.models import Host

# What follows the word stands in the same paragraph.
ERROR_WORDS = re.compile(r"^\[?ERROR\]?[:!] *(.+(?:\n.+){0,2})", re.M)
# The group of the hosts that a run is for, when it leaves others alone.
ONLY = "only_these"
TAIL_BYTES = 64 * 1024
SUMMARY_CHARS = 300

# What a failure's words mean, the first that fits. Ansible and ssh word them; see the tests.
_MEANINGS: tuple[tuple[str, type[DeploymentError]], ...] = (
    (r"Host key verification failed|HOST IDENTIFICATION HAS CHANGED", errors.HostKeyChanged),
    (r"Permission denied \(|Too many authentication failures|Load key ",
     errors.HostSignInRefused),
    (r"[Mm]issing sudo password|a password is required|is not in the sudoers|"
     r"not allowed to execute|sudo: .*(command )?not found", errors.SudoRefused),
    (r"(?i)No space left on device|Disk quota exceeded", errors.HostDiskFull),
    (r"(?i)manifest unknown|name unknown|repository does not exist|"
     r"requested access to the resource is denied|unauthorized: ", errors.ImageMissing),
    (r"(?i)pinging container registry|initializing source docker://.*"
     r"(no such host|i/o timeout|connection refused|TLS handshake)|toomanyrequests",
     errors.RegistryMute),
    (r"canceling statement due to lock timeout", errors.DatabaseHeld),
    (r"requires a minimum of Python|No python interpreters found|"
     r"python[0-9.]*: (command )?not found|interpreter .* was not found|"
     r"SyntaxError: future feature annotations",
     errors.PythonUnsuitable),
)  # fmt: skip


def place_of(work: Work) -> ansible.Place:
    """Return where the run's private files for playbooks stand."""
    return ansible.Place(work.folder.path / "play")


def playbook_path(work: Work, params: Mapping[str, Any]) -> Path:
    """Return the playbook in the run's copy of the blueprint. Raises PlaybookMissing."""
    base = work.folder.tf / work.run.blueprint
    path = base / params["playbook"]
    if not path.is_file() or not path.resolve().is_relative_to(base.resolve()):
        raise errors.PlaybookMissing(playbook=params["playbook"])
    return path


def fill_folder(work: Work) -> None:
    """Copy the blueprint into the run's folder, where that was not done yet.

    Raises BlueprintChanged when its files are not those with which the run was taken up: what was
    approved is not what would be played.
    """
    work.folder.make()
    blueprint = blueprints.load(work.run.blueprint)
    if (work.folder.tf / blueprint.name / blueprints.MANIFEST).exists():
        return
    if blueprint.digest != work.run.blueprint_digest:
        raise blueprints.BlueprintChanged(blueprint=blueprint.name)
    blueprints.copy_files(blueprint, work.folder.tf)


def render(work: Work, params: Mapping[str, Any]) -> list[Host]:
    """Write all that a playbook needs into the run's folder; return the hosts.

    With `inputs: applied` it gets the plain inputs of the last apply; secrets are those of now.
    Raises what `require_hosts` does, AnsibleMissing, PlaybookMissing, InputsMoved, and
    BlueprintChanged.
    """
    require_ansible()
    hosts = require_hosts(work.stack)
    if params.get("only_applied"):
        require_applied(work.run, work.run.inputs)
    fill_folder(work)
    playbook_path(work, params)
    place = place_of(work).make()
    only = {ONLY: params["only_hosts"]} if params.get("only_hosts") else None
    document = inventory.render(hosts, work.kind.hosts, _private(work, place, hosts), only)
    place.write_inventory(document)
    place.write_known_hosts({host.public_id: host.host_key for host in hosts})
    inputs = work.inputs_for(params)
    told = work.render(params.get("vars", {}), inputs=inputs)
    ansible.write_values(place.variables, inputs | told)
    ansible.write_values(place.secrets, _secrets(work))
    return hosts


def _private(work: Work, place: ansible.Place, hosts: list[Host]) -> dict[str, dict[str, Any]]:
    """Return how each host is reached, and write the keys that this needs."""
    found = {}
    name = work.kind.hosts.ssh_key
    common = checked_key(name, work.secret_values.get(name, ""))
    for host in hosts:
        found[host.name] = {"ansible_ssh_common_args": ansible.host_alias(host.public_id)}
        if key := (common if host.is_made else secrets.own(host)):
            workdir.write_private(place.key(host.public_id), key.encode())
            found[host.name]["ansible_ssh_private_key_file"] = str(place.key(host.public_id))
    return found


def _secrets(work: Work) -> dict[str, Any]:
    """Return every secret by name; null for one that nobody gave."""
    names = [v.name for v in work.kind.variables.values() if v.sensitive]
    return dict.fromkeys(names) | work.secret_values


def require_ansible() -> str:
    """Return the version of ansible-core here. Raises AnsibleMissing."""
    try:
        return ansible.version(settings.ANSIBLE_BIN)
    except ansible.AnsibleUnusable as problem:
        host = identity.host_name()
        why = problem.problem
        raise errors.AnsibleMissing(host=host, path=problem.binary, why=why) from problem


def launch(work: Work, params: Mapping[str, Any], check: bool = False) -> Launch:
    """Return the process of a playbook over the stack's hosts."""
    place = place_of(work)
    argv = ansible.command(
        settings.ANSIBLE_BIN,
        playbook_path(work, params),
        place,
        limit=_limit(work, params),
        tags=work.render(list(params.get("tags", ()))),
        check=check,
    )
    agent = os.environ.get("SSH_AUTH_SOCK")
    env = ansible.environment(place, {"SSH_AUTH_SOCK": agent} if agent else {})
    name, default = ("plan_s", settings.PLAN_TIMEOUT_S)
    if work.step.phase != "plan":
        name, default = ("apply_s", settings.APPLY_TIMEOUT_S)
    silence = engine.limit(work, "silence_s", settings.SILENCE_TIMEOUT_S)
    return Launch(argv, place.path, env, engine.limit(work, name, default), silence)


def _limit(work: Work, params: Mapping[str, Any]) -> list[str]:
    """Return the step's hosts and groups; of these only the run's own choice, where it has one."""
    found = work.render(list(params.get("limit", ())))
    if not params.get("only_hosts"):
        return found
    return [*found, f"&{ONLY}"] if found else [ONLY]


def forget(work: Work) -> None:
    """Remove keys, secrets and sockets: what follows in the run needs none of them."""
    workdir.remove(place_of(work).path)


# -- what a failure means --------------------------------------------------------------------


def judge(work: Work, outcome: Exit) -> None:
    """Raise the refusal for an exit that is a failure."""
    if outcome.exit_code == 0:
        return
    if outcome.exit_code in (126, 127) and outcome.error:
        binary, host = settings.ANSIBLE_BIN, identity.host_name()
        raise errors.AnsibleMissing(host=host, path=binary, why=outcome.error)
    if outcome.signal:
        name = signal.Signals(outcome.signal).name
        hint = _(": usually too little memory") if outcome.signal == signal.SIGKILL else ""
        host = identity.host_name()
        raise EngineKilled(engine="ansible-playbook", signal=name, host=host, hint=hint)
    found = list(work.step.progress.get("diagnostics", ()))
    if not found:
        summary = _last_error(work) or outcome.error or _("see the end of its log")
        raise errors.PlaybookBroken(code=outcome.exit_code, summary=summary)
    raise meaning_of(work, found)


def meaning_of(work: Work, found: list[dict[str, Any]]) -> DeploymentError:
    """Return what the first failure means, with the next step."""
    first = found[0]
    words = f"{first.get('summary', '')}\n{first.get('detail', '')}"
    task = first.get("place", "").partition("“")[2].rstrip("”")
    facts = {
        "host": first.get("address") or "?",
        "task": task or "?",
        "summary": _short(first.get("summary", "")),
        "contact": contact_label(work.kind),
        "check": check_label(work.kind),
    }
    known = next((kind for pattern, kind in _MEANINGS if re.search(pattern, words)), None)
    rows = work.step.progress.get("hosts", ())
    if known is None and any(r["host"] == facts["host"] and r["unreachable"] for r in rows):
        known = errors.HostUnreachable
        # An author says of the other kinds that they only read.
        if work.step.kind == "ansible.playbook" and any(
            r["host"] == facts["host"] and r.get("ok", 0) + r.get("changed", 0) for r in rows
        ):
            known = errors.HostLost
    if known is not None:
        return known(**facts)
    more = _(", and %s more") % (len(found) - 1) if len(found) > 1 else ""
    advice = _("Its own words are in the log; mend that, then run this again.")
    return errors.PlaybookFailed(**facts, more=more, advice=advice)


def _short(text: str) -> str:
    words = " ".join(text.split()).rstrip(".")
    return words if len(words) <= SUMMARY_CHARS else f"{words[:SUMMARY_CHARS]}…"


def _last_error(work: Work) -> str:
    """Return what Ansible said before it had anything to tell events of."""
    path = work.step_dir(work.step) / "raw.log"
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        block = file.read()
    found = ERROR_WORDS.findall(work.redactor.apply(block).decode(errors="replace"))
    return _short(found[-1]) if found else ""
