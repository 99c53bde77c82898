"""The page of one run: what it says, what it lets whom do, what a refusal loses (nothing)."""

import re
from datetime import timedelta

import orjson
import pytest
import zstandard
from django.urls import reverse
from django.utils import timezone

from deployments import facts
from deployments.errors import CanceledBy, EngineFailed, PlanStale, StackBusy
from deployments.models import Plan, Run, RunEvent
from deployments.runner.plans import plan_view
from deployments.runstatus import RunStatus
from deployments.runview import plan as plans
from deployments.runview import timeline
from deployments.runview.words import address_parts, lasted
from tenants import blueprints
from tenants.models import AuditEntry
from tests.factories import give_role, make_run, make_step, make_tenant, make_user

S = RunStatus
DIGEST = "ab" * 32
TWO_STEPS = [{"kind": "terraform.plan", "params": {}}, {"kind": "terraform.apply", "params": {}}]
POSTS = ("confirm", "discard", "cancel", "force_cancel", "retry", "hold", "review")
HTMX = {"HTTP_HX_REQUEST": "true"}


def change(address, actions, before=None, after=None, **more):
    module, _dot, rest = address.rpartition(".terraform_data.")
    return {
        "address": address,
        "module_address": module,
        "mode": "managed",
        "type": "terraform_data",
        "name": rest or "this",
        "change": {"actions": actions, "before": before, "after": after, **more},
    }


REPLACE = change(
    "module.database.terraform_data.this",
    ["delete", "create"],
    {"disk": 40, "note": "<b>bold</b>"},
    {"disk": 80, "note": "<i>new</i>"},
    replace_paths=[["disk"]],
)
UPDATE = change("module.app.terraform_data.this", ["update"], {"size": "small"}, {"size": "large"})
SECRET = change(
    "module.app_secrets.terraform_data.this",
    ["update"],
    {"password": "0ld-s3cret-71"},
    {"password": "n3w-s3cret-72"},
    before_sensitive={"password": True},
    after_sensitive={"password": True},
)
CREATE = change("module.redis.terraform_data.this", ["create"], None, {"size": "small"})


def planned(stack, changes=(REPLACE, UPDATE, SECRET, CREATE), **fields):
    """Return a run that waits for a yes, with a plan of these changes."""
    shown = {"resource_changes": list(changes), "format_version": "1.2"}
    found = plan_view(shown)
    counts = found["view"]["counts"]
    now = timezone.now()
    defaults = {
        "action": "change",
        "action_label": "Change",
        "steps_wanted": TWO_STEPS,
        "started_at": now - timedelta(seconds=9),
        "planned_at": now - timedelta(seconds=5),
        "plan_expires_at": now + timedelta(days=7),
        "to_create": counts["create"],
        "to_update": counts["update"],
        "to_replace": counts["replace"],
        "to_destroy": counts["delete"],
        "has_changes": True,
    }
    run = make_run(stack, fields.pop("status", S.PLANNED), **(defaults | fields))
    Plan.objects.create(
        run=run,
        digest=DIGEST,
        facts={**facts.portal_facts(stack), "state_serial": 41},
        view=found["view"],
        masked_json=zstandard.compress(orjson.dumps(found["masked"])),
        bundle=b"sealed",
    )
    return run


def applying(stack, rows=(), *, status=S.APPLYING, **fields):
    """Return a run at work on these resources."""
    now = timezone.now()
    times = {
        "confirmed_at": now - timedelta(seconds=11),
        "confirmed_by": "Alice",
        "apply_started_at": now - timedelta(seconds=10),
    }
    run = planned(stack, status=status, **(times | fields))
    total = sum(2 if row["action"] == "replace" else 1 for row in rows)
    done = sum(row["status"] == "done" for row in rows)
    progress = {"done": done, "total": total, "resources": list(rows), "failed": 0, "more": 0}
    step = make_step(run, progress=progress)
    step.started_at = now - timedelta(seconds=10)
    step.save()
    return run


def row(address, status="done", action="create", began=1, ended=3, **more):
    start = timezone.now() - timedelta(seconds=10)

    def stamp(seconds):
        return None if seconds is None else (start + timedelta(seconds=seconds)).isoformat()

    halves = {key: stamp(more.pop(key)) for key in ("half", "again") if key in more}
    return {"address": address, "action": action, "status": status, "reason": "",
            "started": stamp(began), "ended": stamp(ended), **halves, **more}  # fmt: skip


@pytest.fixture
def acme(lab):
    """Return the stack of acme, in an installed shared environment."""
    return lab.stack("acme")


@pytest.fixture
def alice(acme, client):
    """Sign Alice in, who operates acme; return her client."""
    client.force_login(make_user("alice", role="operator", over=acme, first_name="Alice"))
    return client


def kind_of(stack):
    return blueprints.load(stack.blueprint).kinds[stack.kind]


def page(client, run, **query):
    return client.get(reverse("run", args=[run.public_id]), query)


def text(response):
    return response.content.decode()


def post(client, run, act, data=None, **headers):
    return client.post(reverse(f"run_{act}", args=[run.public_id]), data or {}, **headers)


# -- who -------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", POSTS)
def test_an_outsider_finds_no_run_to_decide_over(acme, client, act):
    client.force_login(make_user("charlie", role="operator", over=make_tenant()))
    assert post(client, planned(acme), act).status_code == 404


@pytest.mark.parametrize("name", ["run", "run_live", "run_plan_json"])
def test_an_outsider_finds_no_run_to_see(acme, client, name):
    client.force_login(make_user("charlie", role="operator", over=make_tenant()))
    assert client.get(reverse(name, args=[planned(acme).public_id])).status_code == 404


@pytest.mark.parametrize("act", POSTS)
def test_a_viewer_decides_nothing(acme, client, act):
    client.force_login(make_user("bob", role="viewer", over=acme))
    run = planned(acme)
    assert post(client, run, act, {"has_read": "on", "comment": "x"}).status_code == 403
    run.refresh_from_db()
    assert run.status == S.PLANNED


def test_a_viewer_reads_the_plan_and_who_may_confirm(acme, client):
    make_user("alice", role="operator", over=acme, first_name="Alice")
    client.force_login(make_user("bob", role="viewer", over=acme))
    shown = text(page(client, planned(acme)))
    assert "Alice may confirm" in shown
    assert "module.<wbr>" in shown
    assert "Discard plan" not in shown
    assert "/confirm" not in shown


def test_an_operator_sets_no_legal_hold_and_an_admin_does(alice, acme):
    run = planned(acme)
    assert post(alice, run, "hold", {"on": "1", "reason": "court"}).status_code == 403
    alice.force_login(make_user("dana", role="admin"))
    assert post(alice, run, "hold", {"on": "1", "reason": "court"}).status_code == 302
    run.refresh_from_db()
    assert run.has_legal_hold
    assert AuditEntry.objects.get(action="run.hold").reason == "court"


# -- the plan --------------------------------------------------------------------------------


def test_the_dangerous_comes_first_and_is_loud(alice, acme):
    shown = text(page(alice, planned(acme)))
    order = re.findall(r'data-act="([a-z-]+)"', shown)
    assert order == ["replace", "update", "update", "create"]
    assert 'class="is-loud"' in shown
    assert "forces replacement" in shown
    assert "holds data" in shown
    assert "Data is destroyed." in shown


def test_what_holds_data_stands_before_its_like(lab, acme):
    other = change("module.app.terraform_data.this", ["delete", "create"], {"n": 1}, {"n": 2})
    card = plans.card(planned(acme, [other, REPLACE]).plan, kind_of(acme))
    assert card.rows.index("<b>database</b>") < card.rows.index("<b>app</b>")


def test_values_of_the_plan_are_escaped(alice, acme):
    shown = text(page(alice, planned(acme)))
    assert "<b>bold</b>" not in shown
    assert "&lt;b&gt;bold&lt;/b&gt;" in shown


def test_sensitive_values_never_arrive(alice, acme):
    run = planned(acme)
    assert "s3cret-7" not in text(page(alice, run))
    assert "(sensitive value)" in text(page(alice, run))
    answer = alice.get(reverse("run_plan_json", args=[run.public_id]))
    assert answer["Content-Disposition"].startswith("attachment")
    assert b"s3cret-7" not in answer.content
    assert orjson.loads(answer.content)["format_version"] == "1.2"


def test_a_filter_shows_one_kind_of_change(alice, acme):
    shown = text(page(alice, planned(acme), show="replace"))
    assert re.findall(r'data-act="([a-z-]+)"', shown) == ["replace"]


def test_a_plan_of_thousands_is_paged(lab, acme):
    many = [
        change(f"module.n{n:04}.terraform_data.this", ["create"], None, {}) for n in range(1200)
    ]
    plan = planned(acme, many).plan
    card = plans.card(plan, None, page=3)
    assert (card.shown, card.total, len(card.pages)) == (200, 1200, 3)
    assert plans.card(plan, None, page=99).page == 3


def test_the_page_asks_no_more_for_more_resources(alice, acme, django_assert_max_num_queries):
    many = [change(f"module.n{n:04}.terraform_data.this", ["create"], None, {}) for n in range(400)]
    run = planned(acme, many)
    page(alice, run)
    with django_assert_max_num_queries(40):
        page(alice, run)


# -- decisions -------------------------------------------------------------------------------


def test_a_yes_applies_exactly_the_plan_that_was_read(alice, acme):
    run = planned(acme)
    data = {"plan_digest": DIGEST, "has_read": "on", "comment": "agreed by phone"}
    answer = post(alice, run, "confirm", data)
    assert answer.url == reverse("run", args=[run.public_id])
    run.refresh_from_db()
    assert (run.status, run.confirmed_by, run.comment) == (
        S.APPLY_QUEUED,
        "Alice",
        "agreed by phone",
    )


def test_an_unread_plan_is_refused_and_the_comment_stays(alice, acme):
    run = planned(acme)
    answer = post(alice, run, "confirm", {"plan_digest": DIGEST, "comment": "by phone <3"})
    assert answer.status_code == 200
    assert "Tick “I have read …”" in text(answer)
    assert "by phone &lt;3</textarea>" in text(answer)
    run.refresh_from_db()
    assert run.status == S.PLANNED


def test_another_plan_than_the_one_read_is_refused(alice, acme):
    run = planned(acme)
    answer = post(alice, run, "confirm", {"plan_digest": "cd" * 32, "has_read": "on"})
    assert "not the one that waits now" in text(answer)


def test_of_two_browsers_the_second_sees_what_the_first_did(alice, acme):
    run = planned(acme)
    data = {"plan_digest": DIGEST, "has_read": "on"}
    post(alice, run, "confirm", data)
    answer = post(alice, run, "confirm", data)
    assert answer.status_code == 200
    assert "so it cannot become" in text(answer)
    assert "Apply queued" in text(answer)


def test_a_destroy_asks_for_the_name_in_full(alice, acme):
    gone = change("module.app.terraform_data.this", ["delete"], {"size": "small"}, None)
    run = planned(acme, [gone], is_destroy=True, action="destroy", action_kind="destroy")
    assert 'name="typed_name"' in text(page(alice, run))
    data = {"plan_digest": DIGEST, "has_read": "on", "typed_name": "acm", "comment": "kept"}
    answer = post(alice, run, "confirm", data)
    assert "Type “acme” in full" in text(answer)
    assert "kept</textarea>" in text(answer)
    run.refresh_from_db()
    assert run.status == S.PLANNED
    post(alice, run, "confirm", data | {"typed_name": "acme"})
    run.refresh_from_db()
    assert run.status == S.APPLY_QUEUED


def test_a_no_frees_the_stack(alice, acme):
    run = planned(acme)
    assert post(alice, run, "discard", {"comment": "not today"}).status_code == 302
    run.refresh_from_db()
    assert run.status == S.DISCARDED
    assert "Alice said no to this plan." in text(page(alice, run))
    assert "not today" in text(page(alice, run))


def test_a_stale_plan_says_so_before_the_click(alice, acme):
    run = planned(acme)
    acme.desired_inputs = {"channels": 90}
    acme.save()
    shown = text(page(alice, run))
    assert "This plan cannot be applied any more." in shown
    # Of digests a person learns nothing.
    assert "the stack&#x27;s inputs changed after it was made" in shown
    assert "digest of" not in shown
    assert re.search(r'<button class="btn w-100 mb-2 o-go" disabled', shown)


def test_a_suspect_stack_says_so_before_the_click(alice, acme):
    run = planned(acme)
    acme.state_suspect, acme.suspect_reason = True, {"code": "RunLost", "params": {"run": 3}}
    acme.save()
    shown = text(page(alice, run))
    assert "Run 3 was lost" in shown
    assert re.search(r'<button class="btn w-100 mb-2 o-go" disabled', shown)


def test_a_run_that_waits_is_canceled_at_once(alice, acme):
    run = make_run(acme, S.PENDING)
    assert post(alice, run, "cancel", {"comment": "no need"}).status_code == 302
    run.refresh_from_db()
    assert run.status == S.CANCELED
    shown = text(page(alice, run))
    assert "Canceled by Alice." in shown and "“no need”" in shown
    assert "Canceled. Canceled" not in shown


def test_what_cannot_be_tried_again_leads_to_what_can(alice, acme):
    acme.resource_count = 4
    acme.save()
    shown = text(page(alice, make_run(acme, S.ERRORED)))
    assert "acme is installed already: use another action." in shown
    assert "Actions of acme" in shown


def test_a_log_without_lines_says_that_they_come(alice, acme):
    assert "Lines appear here as soon as" in text(page(alice, make_run(acme, S.PENDING)))
    assert "Lines appear here as soon as" not in text(page(alice, make_run(acme, S.APPLIED)))


def test_a_run_at_work_shows_that_it_was_asked_to_stop(alice, acme):
    run = applying(acme, [row("module.app.terraform_data.this", "running", ended=None)])
    post(alice, run, "cancel", {"comment": "wrong window"})
    shown = text(page(alice, run))
    assert "Cancel requested" in shown
    assert "“wrong window”" in shown
    assert "Canceling" in shown
    assert "Force-cancel is for admins." in shown
    assert "/force-cancel" not in shown


def test_what_a_run_was_at_when_it_was_lost_is_not_shown_as_running(alice, acme):
    run = applying(acme, [row("module.app.terraform_data.this", "running", ended=None)])
    Run.objects.filter(pk=run.pk).update(status=S.LOST, ended_at=timezone.now())
    run.steps.update(ended_at=timezone.now())
    shown = text(page(alice, run))
    assert "cut off, end unknown" in shown
    assert "o-spin" not in shown


def test_force_opens_after_the_cool_off(alice, acme, settings):
    asked = {"cancel_requested_at": timezone.now(), "cancel_by": "Alice"}
    asked |= {"cancel_mode": "graceful", "cancel_because": CanceledBy(by="Alice").to_json()}
    run = applying(acme, [row("module.app.terraform_data.this", "running", ended=None)], **asked)
    alice.force_login(make_user("dana", role="admin"))
    assert re.search(r'o-danger" disabled', text(page(alice, run)))
    assert "Force-cancel opens 60 s after" in text(post(alice, run, "force_cancel"))
    Run.objects.filter(pk=run.pk).update(cancel_requested_at=timezone.now() - timedelta(minutes=2))
    assert post(alice, run, "force_cancel", {"comment": "stuck"}).status_code == 302
    run.refresh_from_db()
    assert run.cancel_mode == "kill"
    assert "is being killed" in text(page(alice, run))


def test_a_retry_is_a_new_run(alice, acme):
    run = make_run(acme, S.ERRORED, action="install")
    answer = post(alice, run, "retry", {"request_key": "k1"})
    fresh = Run.objects.get(retry_of=run)
    assert answer.url == reverse("run", args=[fresh.public_id])
    assert f'href="{reverse("run", args=[run.public_id])}"' in text(page(alice, fresh))
    assert post(alice, run, "retry", {"request_key": "k1"}).url == answer.url
    assert Run.objects.filter(retry_of=run).count() == 1


def test_a_retry_of_a_destroy_asks_for_the_name(alice, acme):
    acme.resource_count = 20
    acme.save()
    fields = {"action": "destroy", "action_kind": "destroy", "is_destroy": True}
    run = make_run(acme, S.ERRORED, **fields)
    answer = post(alice, run, "retry", {"request_key": "k1", "reason": "again"})
    assert "Type “acme” in full" in text(answer)
    assert 'value="again"' in text(answer)
    assert not Run.objects.filter(retry_of=run).exists()


@pytest.mark.parametrize("status", [S.CONFIGURING, S.VERIFYING, S.APPLIED, S.ERRORED])
def test_outputs_are_those_of_before_until_the_apply_has_taken_them(alice, acme, status):
    acme.outputs = {"url": {"value": "https://acme.example.net"}}
    acme.save()
    run = applying(acme)
    assert "before this run" in text(page(alice, run))
    run.steps.update(ended_at=timezone.now())
    make_step(run, kind="state.after", ended_at=timezone.now())
    ended = timezone.now() if status in (S.APPLIED, S.ERRORED) else None
    Run.objects.filter(pk=run.pk).update(status=status, ended_at=ended)
    html = text(page(alice, run))
    assert "https://acme.example.net" in html
    assert "before this run" not in html


def test_nothing_is_offered_on_an_archived_tenant(alice, acme):
    run = make_run(acme, S.ERRORED)
    tenant = acme.tenant
    tenant.archived_at, tenant.archived_by = timezone.now(), "Dana"
    tenant.save()
    shown = text(page(alice, run))
    assert "was archived by Dana" in shown
    assert "/retry" not in shown


# -- what it says ----------------------------------------------------------------------------


def test_a_waiting_run_names_its_holder_with_the_way_there(alice, acme):
    holder = planned(acme)
    why = StackBusy(stack=acme, run=holder.number, run_id=holder.public_id, status="planned",
                    by="Alice", way_out="Confirm or discard it first.")  # fmt: skip
    run = make_run(acme, S.PENDING, waiting=why.to_json())
    shown = text(page(alice, run))
    assert "Confirm or discard it first." in shown
    assert reverse("run", args=[holder.public_id]) in shown
    assert "1 run waits behind this one." in text(page(alice, holder))


def test_an_errored_run_shows_the_engines_words_escaped(alice, acme):
    error = EngineFailed(engine="terraform apply", code=1, summary="boom")
    run = applying(acme, [row("module.app.terraform_data.this", "errored")], status=S.ERRORED,
                   ended_at=timezone.now(), error=error.to_json(), error_kind="engine")  # fmt: skip
    step = run.steps.get()
    told = {"severity": "error", "summary": "boom", "detail": "<script>x</script>", "address": "a"}
    step.progress["diagnostics"] = [told]
    step.save()
    shown = text(page(alice, run))
    assert "ended with exit code 1." in shown
    assert "&lt;script&gt;x&lt;/script&gt;" in shown
    assert "a new run goes on from there" in shown


def test_a_lost_run_is_no_failure_and_names_the_way_out(alice, acme):
    acme.state_suspect, acme.suspect_reason = True, {"code": "RunLost", "params": {"run": 1}}
    acme.save()
    run = make_run(acme, S.LOST)
    shown = text(page(alice, run))
    assert "The outcome is not known." in shown
    assert reverse("stack_action", args=[acme.public_id, "plan"]) in shown
    assert "Mark as reviewed" not in shown
    acme.suspect_checked_at = timezone.now()
    acme.save()
    assert "Mark as reviewed" in text(page(alice, run))
    answer = post(alice, run, "review", {"comment": ""})
    assert "Say why" in text(answer)
    assert post(alice, run, "review", {"comment": "all there"}).status_code == 302
    acme.refresh_from_db()
    assert not acme.state_suspect


def test_a_discarded_run_names_the_fact(alice, acme):
    why = PlanStale(fact="Terraform", then="1.11.4", now="1.12.0")
    run = planned(acme, status=S.DISCARDED, error=why.to_json(), ended_at=timezone.now())
    assert "Terraform was 1.11.4 at plan time and is 1.12.0 here" in text(page(alice, run))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"has_changes": False}, "Nothing to do."),
        ({"has_changes": True}, "is not as its inputs say."),
        ({"has_changes": True, "drift_count": 2}, "2 resources were changed outside."),
    ],
)
def test_a_run_that_only_looked_says_what_it_found(alice, acme, fields, said):
    run = make_run(acme, S.PLANNED_AND_FINISHED, is_plan_only=True, **fields)
    assert said in text(page(alice, run))


@pytest.mark.parametrize("status", list(S))
def test_every_status_has_a_page(alice, acme, status):
    run = make_run(acme, status)
    RunEvent.objects.create(run=run, to_status=status, actor_name="Alice", actor_id="a")
    shown = text(page(alice, run))
    assert str(RunStatus(status).label) in shown
    assert "style=" not in shown.replace("text-style=", "")
    assert not re.search(r"<script(?![^>]*\bsrc=)", shown)


def test_what_the_provider_filled_in_is_one_quiet_line_and_no_drift(alice, acme):
    run = planned(acme)
    assert "filled in by itself" not in text(page(alice, run))
    run.plan.view["filled_in"] = 371
    run.plan.save(update_fields=["view"])
    shown = text(page(alice, run))
    assert "371 attributes that the provider filled in by itself do not count" in shown
    assert "No drift" in shown and "Changed outside" not in shown


# -- the timeline ----------------------------------------------------------------------------


def test_a_replacement_shows_both_halves(acme):
    rows = [row("module.db.terraform_data.this", action="replace", began=1, half=3, again=4,
                ended=6, begins_with="delete")]  # fmt: skip
    run = applying(acme, rows)
    shown = timeline.build(run, run.steps.get(), {}, table=True)
    bars = re.findall(r'<rect x="([\d.]+)" y="8" width="([\d.]+)" height="10"( class="is-del")?',
                      shown.rows)  # fmt: skip
    assert [bool(bar[2]) for bar in bars] == [True, False]
    assert float(bars[1][0]) > float(bars[0][0]) + float(bars[0][1])
    assert "replace" in shown.table


def test_what_runs_and_what_is_expected_stand_side_by_side(acme):
    rows = [
        row("module.a.terraform_data.this", "running", began=2, ended=None),
        row("module.b.terraform_data.this", "planned", began=None, ended=None),
    ]
    run = applying(acme, rows)
    expected = {r["address"]: (2.0, 60.0) for r in rows}
    shown = timeline.build(run, run.steps.get(), expected, table=False)
    assert shown.rows.count("is-guess") == 2
    assert shown.rows.count("is-growing") == 1
    assert shown.span >= 62


def test_a_crowd_is_bounded_and_failures_stay(acme):
    rows = [row(f"module.n{n:03}.terraform_data.this") for n in range(80)]
    rows.append(row("module.bad.terraform_data.this", "errored"))
    run = applying(acme, rows)
    shown = timeline.build(run, run.steps.get(), {}, table=True)
    assert shown.rows.count("o-lbl") == timeline.ROWS_SHOWN
    assert "<b>bad</b>" in shown.rows
    assert shown.more == 21
    assert shown.table.count("<tr>") == 81


def test_the_last_successful_run_tells_what_to_expect(acme):
    rows = [row("module.a.terraform_data.this", began=1, ended=5)]
    applying(acme, rows, status=S.APPLIED, ended_at=timezone.now())
    run = applying(acme, [])
    start, length = timeline.expected_of(run)["module.a.terraform_data.this"]
    assert (round(start), round(length)) == (1, 4)


def test_durations_and_addresses_read_as_people_say_them():
    assert [lasted(s) for s in (0.41, 31, 86, 7500)] == ["0.4 s", "31 s", "1:26", "2:05:00"]
    assert address_parts('module.app["a.b"].terraform_data.this')[1] == 'app["a.b"]'
    assert address_parts("aws_instance.web[0]") == ("aws_instance.", "web[0]", "")


# -- live ------------------------------------------------------------------------------------


def live(client, run, url=""):
    return text(client.get(url or reverse("run_live", args=[run.public_id]), **HTMX))


def pulse_of(shown):
    return re.search(r'hx-get="([^"]+)"', shown)[1].replace("&amp;", "&")


def test_a_look_brings_only_what_moves(alice, acme):
    run = applying(acme, [row("module.app.terraform_data.this", "running", ended=None)])
    fragments = live(alice, run, pulse_of(text(page(alice, run))))
    ids = re.findall(r'id="(run-[a-z]+)"[^>]*hx-swap-oob="morph"', fragments)
    assert "run-timeline" in ids
    assert not {"run-panels", "run-plan", "run-history"} & set(ids)


def test_a_look_after_a_decision_brings_the_panels_and_the_next_address(alice, acme):
    run = planned(acme)
    before = pulse_of(text(page(alice, run)))
    assert "run-panels" not in live(alice, run, before)
    post(alice, run, "confirm", {"plan_digest": DIGEST, "has_read": "on"})
    fragments = live(alice, run, before)
    assert 'id="run-panels"' in fragments
    assert 'id="run-plan"' not in fragments
    assert pulse_of(fragments) != before


def test_a_decision_by_script_answers_with_the_changed_parts(alice, acme):
    run = planned(acme)
    answer = post(alice, run, "confirm", {"plan_digest": DIGEST}, **HTMX)
    assert answer.status_code == 200
    assert "Tick “I have read …”" in text(answer)
    answer = post(alice, run, "confirm", {"plan_digest": DIGEST, "has_read": "on"}, **HTMX)
    assert "Apply queued" in text(answer)
    assert "<html" not in text(answer)


def test_a_retry_by_script_leads_to_the_new_run(alice, acme):
    run = make_run(acme, S.ERRORED, action="install")
    answer = post(alice, run, "retry", {"request_key": "k1"}, **HTMX)
    fresh = Run.objects.get(retry_of=run)
    assert answer["HX-Redirect"] == reverse("run", args=[fresh.public_id])


def test_a_role_over_a_group_of_tenants_names_the_confirmers(acme, client):
    give_role(make_user("erin", first_name="Erin"), "operator", acme.region)
    client.force_login(make_user("bob", role="viewer", over=acme))
    assert "Erin may confirm" in text(page(client, planned(acme)))
