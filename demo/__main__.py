"""`python -m demo [--folder FOLDER]`: what `make demo-aws` starts."""

import argparse
import contextlib
import logging
import signal
import sys
from pathlib import Path
from typing import Any

from demo import folder, needs
from demo.certificates import Authority
from demo.names import NameServer
from demo.portal import PROJECT, Portal, PortalEnded
from demo.simulation import ACCOUNT_NUMBER, REGION, Simulation
from demo.site import Site

DOMAIN = "demo.example.net"
BLUEPRINT = "omnileads"
# So that a person can also destroy it within a coffee break.
TENANT_INPUTS = {"rds_deletion_protection": False, "rds_final_snapshot": False}
SHARED_INPUTS = {"pstn_trunks": ["203.0.113.0/28"]}
INTRO = """
  The demo is ready. Sign in with the password above.

    1. {shared}
       Install … → read the plan → Confirm & apply: a minute and a half.
    2. {tenant}
       The same: two minutes and a half; then watch it become ready, stage by stage.

  Terraform and the AWS provider are real, the account is simulated on this machine: region
  demo-aws, no AWS account, no cost. Nothing stands behind the addresses that are shown.
  Ctrl-C stops all of it, runs too; the next start begins anew.
"""


def main() -> int:
    """Start everything, wait, stop everything; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--folder", type=Path, default=PROJECT / "var" / "demo-aws")
    var = parser.parse_args().folder.absolute()
    # Also where it was started in the background, which ignores SIGINT.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    try:
        needs.terraform()
        mirror, port = needs.mirror(), needs.port()
        with contextlib.ExitStack() as stack:
            stack.enter_context(folder.begin(var))
            return _run(stack, Portal(var, port, mirror))
    except needs.Missing as missing:
        print(missing, file=sys.stderr)
        return 1
    except PortalEnded:
        print("The demo's portal did not start; what it said is above.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("The demo is stopped.")
        return 130


def _run(stack: contextlib.ExitStack, portal: Portal) -> int:
    outside = portal.var / "outside"
    outside.mkdir(mode=0o700)
    print("Starting the simulated AWS account …", flush=True)
    simulation = Simulation(outside, DOMAIN)
    stack.callback(simulation.stop)
    authority = Authority(outside)
    site = Site(authority.issue(DOMAIN))
    stack.callback(site.stop)

    def has_name(host: str) -> bool:
        found = simulation.has_name(host)
        site.note(host, found)
        return found

    names = NameServer(has_name)
    stack.callback(names.stop)
    stack.callback(portal.stop)
    portal.start()
    probe = {"resolver": names.address, "port": site.port, "ca_file": str(authority.file)}
    made = portal.seed(_wanted(simulation, probe))
    shared, tenant = (f"{name}: {portal.url}{address}" for name, address in made)
    print(INTRO.format(shared=shared, tenant=tenant), flush=True)
    return portal.wait()


def _wanted(simulation: Simulation, probe: dict[str, Any]) -> dict[str, Any]:
    """Return what the portal shall know: one account, one region, what may be installed there."""
    return {
        "one_person": True,
        "account": {
            "name": "demo",
            "provider": "aws",
            "access_key_id": "AKIADEMO000000000000",
            "secret_key": "of-the-simulation-only",
            "account_number": ACCOUNT_NUMBER,
        },
        "region": {
            "slug": "demo-aws",
            "title": "Simulated on this machine",
            "code": REGION,
            "endpoint_url": simulation.url,
            "domain_name": DOMAIN,
            "hosted_zone": simulation.zone,
            "owner_prefix": "demo",
            "state_backend": "s3",
            "probe": probe,
        },
        "environment": {
            "name": "shareddemo",
            "title": "Demo network",
            "blueprint": BLUEPRINT,
            "inputs": SHARED_INPUTS,
        },
        "tenant": {
            "name": "democorp",
            "title": "Demo Corporation",
            "blueprint": BLUEPRINT,
            "inputs": TENANT_INPUTS,
        },
    }


if __name__ == "__main__":
    sys.exit(main())
