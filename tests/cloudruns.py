"""Stacks in a region at the local AWS API, and ways to run them without Celery."""

from pathlib import Path

from deployments import logstore
from deployments.models import Run
from deployments.runstatus import RunStatus
from deployments.services import queue_run
from tenants import actors, services
from tenants.models import Region, Stack
from tests.awsapi import AwsApi, make_cloud_region

BLUEPRINTS = Path(__file__).resolve().parent / "blueprints"
TEST = actors.system("test")
ACCOUNT = "123456789012"
BUCKET = f"acme-omlsaas-state-{ACCOUNT}-us-east-2"
TOKEN = "t0ken-of-the-stack-1234"


def make_s3_region(api: AwsApi, **fields: object) -> Region:
    """Return a region whose states are in S3."""
    made = make_cloud_region(api, state_backend="s3", **fields)
    services.change_account(TEST, made.account, account_number=ACCOUNT)
    return Region.objects.select_related("account").get(pk=made.pk)


def make_stack(region: Region, name: str = "acme", blueprint: str = "plain") -> Stack:
    """Return a stack of a throw-away blueprint, ready to install."""
    tenant = services.create_tenant(TEST, name=name, region=region, blueprint=blueprint)
    if blueprint == "parameters":
        services.set_secret(TEST, tenant.stack, "token", TOKEN)
    return Stack.objects.get(pk=tenant.stack.pk)


def queue(stack: Stack, action: str = "install", **more: object) -> Run:
    """Queue an action as the system."""
    stack = Stack.objects.get(pk=stack.pk)
    return queue_run(TEST, stack, action, typed_name=stack.name, **more)


def do(worker, run: Run) -> Run:
    """Let the worker take the run up and do all that it can."""
    worker.work(run.public_id)
    return Run.objects.with_stack().get(pk=run.pk)


def install(worker, stack: Stack) -> Run:
    """Install the stack."""
    run = do(worker, queue(stack, auto_apply=True))
    assert run.status == RunStatus.APPLIED, (run.error_text, log_of(run))
    return run


def log_of(run: Run) -> str:
    """Return the stored log."""
    return logstore.read(run.pk, 0, 10_000_000).decode()


def state_key(stack: Stack) -> str:
    """Return where the state lies in the bucket."""
    return f"{stack.public_id}/terraform.tfstate"
