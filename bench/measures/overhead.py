"""run_overhead: one real run through the portal, against terraform alone with the same inputs."""

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from bench.engine import find_terraform
from bench.lab import SECRET, Lab
from bench.portal import PROJECT, BenchFailed
from bench.rig import Rig

REPEATS = 5
BARE_S = (8, 12)
# 60 resources: 20 of the tenant itself and these nodes.
INPUTS = {"replicas": 40, "delay_ms": 490}
RESOURCES = 60
SHARED = {
    "network_id": "net-1", "subnets": {"a": "sub-a", "b": "sub-b"}, "dns_zone": "lab.example.net",
    "certificate_id": "cert-1", "sbc_address": "sbc.lab.example.net:5061",
    "rtp_addresses": ["198.51.100.20"],
}  # fmt: skip


def bare(folder: Path, name: str) -> float:
    """Return the seconds of init, plan and apply by hand."""
    shutil.copytree(PROJECT / "hcl_template" / "lab", folder / "lab")
    shutil.copytree(PROJECT / "hcl_template" / "modules", folder / "modules")
    module = folder / "lab" / "tenant"
    given = {"stack_name": name, "region": "lab", "domain": "lab.example.net", "shared": SHARED}
    (module / "terraform.tfvars.json").write_text(json.dumps(given | INPUTS))
    env = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "TF_IN_AUTOMATION": "1",
        "CHECKPOINT_DISABLE": "1", "TF_VAR_admin_password": SECRET,
    }  # fmt: skip
    terraform = find_terraform()
    begun = time.monotonic()
    for arguments in (
        ["init", "-input=false"], ["plan", "-input=false", "-out=plan.bin"],
        ["apply", "-input=false", "plan.bin"],
    ):  # fmt: skip
        done = subprocess.run(
            [terraform, *arguments], cwd=module, env=env, capture_output=True, text=True
        )
        if done.returncode:
            raise BenchFailed(f"terraform {arguments[0]}: {done.stderr[-500:]}")
    seconds = time.monotonic() - begun
    state = json.loads((module / "terraform.tfstate").read_bytes())
    count = sum(len(row["instances"]) for row in state["resources"])
    if count != RESOURCES:
        raise BenchFailed(f"{count} resources, {RESOURCES} are wanted")
    return seconds


def through_portal(rig: Rig, lab: Lab, name: str) -> float:
    """Return the seconds from the click to the end of the run, as a browser sees both."""
    lab.tenant(name)
    begun = time.monotonic()
    run_id = lab.start(name, **INPUTS)
    (watcher,) = rig.watchers(lab, run_id, 1)
    status = lab.client.wait_end(run_id, 120, 0.5)
    if status != "applied":
        raise BenchFailed(f"{name} is {status}")
    seen = [at for at, told in watcher.events if told.get("status") == status]
    if not seen:
        raise BenchFailed(f"the watcher of {name} never heard that it is {status}")
    return seen[0] - begun


def measure(rig: Rig) -> None:
    """Alternate bare and portal; the portal is up, and idle, in both."""
    lab = rig.real
    # Not counted: the first run of a worker loads what later ones have.
    through_portal(rig, lab, "overhead-warm")
    alone, portal = [], []
    for number in range(REPEATS):
        with tempfile.TemporaryDirectory(dir=rig.folder) as folder:
            alone.append(bare(Path(folder), f"overhead{number}"))
        portal.append(through_portal(rig, lab, f"overhead{number}"))
    bare_s = statistics.median(alone)
    low, high = BARE_S
    void = "" if low <= bare_s <= high else f"bare terraform takes {bare_s:.1f} s, not {low}–{high}"
    more = {"bare_s": [round(s, 3) for s in alone], "portal_s": [round(s, 3) for s in portal]}
    over = [a - b for a, b in zip(portal, alone, strict=True)]
    ratio = [a / b for a, b in zip(portal, alone, strict=True)]
    rig.report.tell("run_overhead_s", over, void=void, **more)
    rig.report.tell("run_overhead_ratio", ratio, void=void, **more)
