"""Blueprints that print, quote and hand on their secrets: nothing of them may be kept."""

from pathlib import Path

import pytest
import zstandard
from django.apps import apps
from django.core.checks import run_checks

from deployments import logstore
from deployments.models import LogChunk, Plan, Run
from deployments.models.logs import Codec
from deployments.runner.redact import DOTS
from deployments.runstatus import RunStatus
from deployments.services import confirm_run, queue_run
from tenants import actors, secrets, services
from tenants.models import Stack
from tests.factories import make_region
from tests.lab import save_plain
from tests.markers import Marker, contents, files_below

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.terraform]
S = RunStatus
BLUEPRINTS = Path(__file__).resolve().parent.parent / "blueprints"
ACTOR = actors.system("test")
TOKEN = 'to<k&e>n"\\ %+/ü STEM'
PEM = "-----BEGIN KEY-----\nMIIEvQIBADAN STEM\nSTEM+second/line==\n-----END KEY-----"


class Leaky:
    """The stack of the leaky blueprint, with planted secrets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.marker = Marker()
        region = make_region(slug="lab", domain_name="lab.example.net")
        tenant = services.create_tenant(ACTOR, name="drip", region=region, blueprint="leaky")
        self.pk = tenant.stack.pk
        self.plant("token", TOKEN)
        self.plant("pem", PEM)

    @property
    def stack(self) -> Stack:
        """Return the stack as the database has it."""
        return Stack.objects.select_related("region__account", "tenant").get(pk=self.pk)

    def plant(self, name: str, template: str) -> None:
        """Set a secret."""
        services.set_secret(ACTOR, self.stack, name, self.marker.value(template))

    def run(self, worker: object, **inputs: object) -> Run:
        """Install with these inputs, applied without confirmation where that is allowed."""
        save_plain(self.stack, inputs)
        run = queue_run(ACTOR, self.stack, "install", auto_apply=True)
        worker.work(run.public_id)
        return Run.objects.with_stack().get(pk=run.pk)

    def leaks(self) -> list[str]:
        """Return where a secret is found: any row, any file but the state."""
        found = self.marker.hits(rows())
        kept = contents(files_below(self.folder, [self.folder / "state"]))
        return found + self.marker.hits(kept)


def rows():
    """Yield every row of the portal's tables; what is compressed there in clear."""
    for model in [*apps.get_app_config("tenants").get_models(),
                  *apps.get_app_config("deployments").get_models()]:  # fmt: skip
        if model is LogChunk:
            continue
        for row in model.objects.values():
            if masked := row.get("masked_json"):
                row["masked_json"] = zstandard.decompress(bytes(masked))
            binary = [bytes(v) for v in row.values() if isinstance(v, memoryview)]
            yield f"{model.__name__} {row.get('id')}", repr(row).encode() + b"".join(binary)
    for chunk in LogChunk.objects.all():
        data = bytes(chunk.data)
        yield "log", zstandard.decompress(data) if chunk.codec == Codec.ZSTD else data


def log_of(run: Run) -> str:
    """Return the stored log."""
    return logstore.read(run.pk, 0, 10_000_000).decode()


@pytest.fixture
def leaky(places, db, settings) -> Leaky:
    """Return the leaky stack, not installed."""
    settings.BLUEPRINT_ROOT = BLUEPRINTS
    return Leaky(places)


def test_a_program_that_echoes_the_secret_in_every_form(leaky, worker):
    run = leaky.run(worker, way="echo")
    log = log_of(run)
    assert run.status == S.APPLIED, (run.error_text, log)
    told = {line.partition("TELL_")[2].partition("=")[0]: line.partition("=")[2]
            for line in log.splitlines() if "TELL_" in line}  # fmt: skip
    assert told.pop("MADE") == ""
    forms = {"JSON", "TWICE", "URL", "BASE64", "BASE641", "BASE642", "PLAIN", "LINE"}
    assert set(told) == forms
    assert all(DOTS in text for text in told.values()), told
    assert leaky.leaks() == []


def test_an_error_that_quotes_what_a_program_printed(leaky, worker):
    run = leaky.run(worker, way="fail")
    assert (run.status, run.error_kind) == (S.ERRORED, "engine")
    assert f"TELL_PLAIN={DOTS}" in log_of(run)
    assert leaky.leaks() == []


def test_a_provider_error_that_quotes_its_input(leaky, worker):
    run = leaky.run(worker, way="provider_error")
    assert (run.status, run.error_kind) == (S.ERRORED, "engine")
    assert f"http://127.0.0.1:9/state/{DOTS}" in log_of(run), log_of(run)
    assert leaky.leaks() == []


def test_a_wrong_type_beside_a_secret(leaky, worker):
    run = leaky.run(worker, nodes="many")
    assert (run.status, run.error_kind) == (S.ERRORED, "engine")
    assert "terraform.tfvars.json" in log_of(run)
    assert "a number is required" in log_of(run)
    assert leaky.leaks() == []


def test_a_sensitive_variable_that_fails_its_own_rule(leaky, worker):
    leaky.plant("checked", 'bad-"<&>-STEM')
    run = leaky.run(worker)
    assert (run.status, run.error_kind) == (S.ERRORED, "engine")
    assert "It begins with good-." in log_of(run)
    assert leaky.leaks() == []


def test_the_check_warns_of_a_rule_that_would_print_a_secret(settings):
    settings.BLUEPRINT_ROOT = BLUEPRINTS
    told = [m for m in run_checks(tags=["blueprints"]) if m.id == "tenants.W001"]
    assert any("checked" in message.msg for message in told), told


def test_user_data_and_unmarked_attributes_of_a_plan(leaky, worker):
    run = queue(leaky, worker, way="hand_on")
    assert run.status == S.PLANNED
    view = str(Plan.objects.get(run=run).view)
    assert "user_data" in view
    assert DOTS in view
    assert leaky.leaks() == []


def queue(leaky: Leaky, worker: object, **inputs: object) -> Run:
    """Plan an installation and stop there."""
    save_plain(leaky.stack, inputs)
    run = queue_run(ACTOR, leaky.stack, "install")
    worker.work(run.public_id)
    return Run.objects.with_stack().get(pk=run.pk)


def test_attributes_that_a_provider_hands_on_unmarked_in_the_next_plan(leaky, worker):
    assert leaky.run(worker, way="hand_on").status == S.APPLIED
    save_plain(leaky.stack, {"nodes": 2})
    run = queue(leaky, worker)
    assert run.status == S.PLANNED_AND_FINISHED
    assert leaky.leaks() == []


def test_an_output_with_a_secret_that_nobody_marked_is_kept_as_a_sensitive_one(leaky, worker):
    assert leaky.run(worker, way="hand_on").status == S.APPLIED
    outputs = leaky.stack.outputs
    assert outputs["plain"]["sensitive"] is True
    assert "value" not in outputs["plain"]
    assert leaky.marker.value(f"token {TOKEN}") in secrets.known_values(leaky.stack)
    assert leaky.leaks() == []


def test_the_old_value_of_a_secret_that_was_changed(leaky, worker):
    assert leaky.run(worker, way="hand_on").status == S.APPLIED
    services.set_secret(ACTOR, leaky.stack, "token", "quite-another-value")
    run = queue(leaky, worker)
    assert run.to_replace == 1
    assert leaky.leaks() == []
    confirm_run(ACTOR, run, has_read=True)
    worker.work(run.public_id)
    run = Run.objects.with_stack().get(pk=run.pk)
    assert run.status == S.APPLIED, run.error_text
    assert f"GONE_TOKEN={DOTS}" in log_of(run), log_of(run)
    assert leaky.leaks() == []


def test_a_part_of_a_sensitive_output_that_an_earlier_run_made(leaky, worker):
    made = Marker()
    assert leaky.run(worker, made=made.value("pw-STEM")[::-1]).status == S.APPLIED
    run = leaky.run(worker, way="echo")
    assert f"TELL_MADE={DOTS}" in log_of(run), log_of(run)
    assert made.hits(rows()) == []


def test_a_leak_would_be_found(leaky, worker):
    run = leaky.run(worker)
    assert run.status == S.APPLIED
    assert leaky.leaks() == []
    Run.objects.filter(pk=run.pk).update(comment=leaky.marker.value("it was STEM"))
    assert len(leaky.leaks()) == 1
    state = leaky.folder / "state" / leaky.stack.public_id / "terraform.tfstate"
    assert leaky.marker.found_in(state.read_bytes())
