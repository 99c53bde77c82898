"""What an account refuses in the middle of an apply: a sentence, and the stack's real condition.

The real provider works against a local AWS API behind a door that refuses some calls, in the
words of the real one.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from deployments.models import Run, StateVersion
from deployments.runstatus import RunStatus
from tenants.models import Stack
from tenants.models.stacks import Condition
from tests.cloudruns import do, log_of, make_s3_region, make_stack, queue
from tests.refusingapi import refusing

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.terraform,
    pytest.mark.provider,
    pytest.mark.usefixtures("provider", "throw_away"),
]
S = RunStatus
# What is asked for → what the refusal says, how many resources stand nevertheless.
CASES = {
    "network": ("user/portal lacks the right ec2:CreateVpc", 1),
    "address": ("A quota of the account is reached (AddressLimitExceeded)", 1),
    "bucket": ("The bucket name taken-by-somebody is taken", 1),
    "machine": ("no capacity for this machine type in this zone", 1),
    "certificate": ("The certificate was not validated in time", 2),
    "zone": ("The hosted zone is not in this account", 0),
}
AT_ONCE = 3


def test_each_refusal_has_its_next_step_and_the_stack_its_condition(worker, aws, settings):
    # A zone without machines is a fault of theirs (500), which is tried again and again.
    settings.PROVIDER_ATTEMPTS = 1
    with refusing(aws) as api:
        region = make_s3_region(api)
        stacks = {also: make_stack(region, also, "refusable") for also in CASES}

        def install(also: str) -> Run:
            try:
                wanted = {"also": also}
                return do(worker, queue(stacks[also], inputs=wanted, auto_apply=True))
            finally:
                connection.close()

        # The first alone: it makes the bucket of states.
        runs = {"network": install("network")}
        rest = [also for also in CASES if also not in runs]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            runs |= dict(zip(rest, pool.map(install, rest), strict=True))

    for also, (words, standing) in CASES.items():
        run, stack = runs[also], Stack.objects.get(pk=stacks[also].pk)
        told = (also, run.error_text, log_of(run)[-2000:])
        assert run.status == S.ERRORED, told
        assert words in run.error_text, told
        assert stack.resource_count == standing, told
        assert stack.condition == Condition.ERRORED, told
        assert not stack.state_suspect, told
        kept = StateVersion.objects.filter(stack=stack).count()
        assert (kept > 0) == (standing > 0), told
