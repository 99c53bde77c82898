"""Whole runs with the real AWS provider against a local AWS API, their state in a bucket."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from django.db import connection

from deployments.models import StateVersion
from deployments.runner import process
from deployments.runstatus import RunStatus
from deployments.services import confirm_run
from tenants import services
from tenants.models import Stack
from tests.awsapi import SECRET_KEY, AwsApi, make_cloud_region
from tests.cloudruns import (
    BLUEPRINTS,
    BUCKET,
    TEST,
    TOKEN,
    do,
    install,
    log_of,
    make_s3_region,
    make_stack,
    queue,
    state_key,
)

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.terraform,
    pytest.mark.provider,
    pytest.mark.usefixtures("provider", "throw_away"),
]
S = RunStatus
ROLE = "arn:aws:iam::123456789012:role/portal"


class KnowsNobody(BaseHTTPRequestHandler):
    """Answers every call as AWS does for a key that is unknown, in JSON or in XML as it came."""

    def do_POST(self) -> None:
        """Refuse."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        why = "The security token included in the request is invalid."
        kind = self.headers.get("Content-Type") or ""
        if "json" in kind:
            text = json.dumps({"__type": "UnrecognizedClientException", "message": why}).encode()
        else:
            error = f"<Code>InvalidClientTokenId</Code><Message>{why}</Message>"
            text = f"<ErrorResponse><Error>{error}</Error></ErrorResponse>".encode()
        self.send_response(400 if "json" in kind else 403)
        self.send_header("Content-Type", kind if "json" in kind else "text/xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def knows_nobody() -> Iterator[AwsApi]:
    """Return an API that accepts no key."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), KnowsNobody)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield AwsApi(f"http://127.0.0.1:{server.server_address[1]}")
    server.shutdown()
    thread.join()
    server.server_close()


class Watcher:
    """Reads the command lines of all processes while it is open."""

    def __enter__(self) -> "Watcher":
        self.seen: set[str] = set()
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.done.set()
        self.thread.join()

    def _watch(self) -> None:
        while not self.done.wait(0.02):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(path.read_bytes().decode(errors="replace"))
                except OSError:
                    continue


def rows() -> list[tuple[str, str]]:
    """Return (table, row as text) of the whole database."""
    found = []
    with connection.cursor() as cursor:
        cursor.execute("select table_name from information_schema.tables where table_type "
                       "= 'BASE TABLE' and table_schema = 'public'")  # fmt: skip
        for (table,) in cursor.fetchall():
            cursor.execute(f'select t::text from "{table}" t')
            found += [(table, row) for (row,) in cursor.fetchall()]
    return found


def test_plan_confirm_apply_change_and_destroy_with_the_state_in_a_bucket(worker, aws):
    stack = make_stack(make_s3_region(aws), blueprint="parameters")
    with Watcher() as watcher:
        run = do(worker, queue(stack))
        assert (run.status, run.to_create) == (S.PLANNED, 2), (run.error_text, log_of(run))
        confirm_run(TEST, run)
        run = do(worker, run)
    assert run.status == S.APPLIED, (run.error_text, log_of(run))

    assert any("terraform\0apply" in line for line in watcher.seen), "it sees what there is"
    assert not any(SECRET_KEY in line for line in watcher.seen)
    assert SECRET_KEY not in log_of(run)
    for table, row in rows():
        assert SECRET_KEY not in row and SECRET_KEY.encode().hex() not in row, table
    assert any(stack.public_id in row for _, row in rows()), "the sweep would find something"

    ssm, s3 = aws.client("ssm"), aws.client("s3")
    assert ssm.get_parameter(Name="/acme/note")["Parameter"]["Value"] == "first"
    token = ssm.get_parameter(Name="/acme/token", WithDecryption=True)["Parameter"]["Value"]
    assert token == TOKEN
    state = json.loads(s3.get_object(Bucket=BUCKET, Key=state_key(stack))["Body"].read())
    stack = Stack.objects.get(pk=stack.pk)
    assert (stack.resource_count, stack.state_serial) == (2, state["serial"])
    assert stack.outputs["parameter"]["value"] == "/acme/note"
    assert stack.state_host_id == "", "a state in a bucket binds the stack to no host"

    run = do(worker, queue(stack, "change", inputs={"note": "second"}, auto_apply=True))
    assert run.status == S.APPLIED, (run.error_text, log_of(run))
    assert ssm.get_parameter(Name="/acme/note")["Parameter"]["Value"] == "second"
    moments = list(StateVersion.objects.filter(stack=stack).values_list("moment", flat=True))
    assert moments == ["after_apply", "after_apply"], "the one before was kept already"

    Stack.objects.filter(pk=stack.pk).update(is_auto_destroy=True)
    run = do(worker, queue(stack, "destroy", auto_apply=True))
    assert run.status == S.APPLIED, (run.error_text, log_of(run))
    assert not ssm.describe_parameters()["Parameters"]
    assert Stack.objects.get(pk=stack.pk).resource_count == 0


def test_credentials_that_the_provider_refuses_are_told_with_the_way_out(worker, knows_nobody):
    stack = make_stack(make_cloud_region(knows_nobody), "wrong", "parameters")
    run = do(worker, queue(stack, auto_apply=True))
    assert (run.status, run.error_kind) == (S.ERRORED, "engine")
    assert "Give the cloud account an access key that is active" in run.error_text


def test_a_role_is_assumed_by_the_engine_itself(worker, aws):
    region = make_s3_region(aws)
    services.change_account(TEST, region.account, role_arn=ROLE, external_id="ext-1")
    install(worker, make_stack(region, "roled", "parameters"))
    assert aws.client("ssm").get_parameter(Name="/roled/note")["Parameter"]["Value"] == "first"


def test_a_committed_lock_file_is_obeyed_with_the_given_mirror(worker, aws):
    run = do(worker, queue(make_stack(make_s3_region(aws), blueprint="parameters"), "plan"))
    init = run.steps.get(kind="terraform.init")
    assert (init.exit_code, run.status) == (0, S.PLANNED_AND_FINISHED), log_of(run)
    fetch = run.steps.get(kind="providers.fetch")
    assert not process.read_child(Path(fetch.step_dir)), "a given mirror is used as it is"
    lock = (BLUEPRINTS / "parameters" / "tenant" / ".terraform.lock.hcl").read_text()
    assert lock.count("zh:") > 1
