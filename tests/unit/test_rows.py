"""Rows made by Python: no text of a row becomes markup, and what is left out stays out."""

from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest

from deployments import rows
from omlsaas.lib.days import day_words

# Ends an attribute in either quotes, opens an element, and looks like something escaped before.
HOSTILE = """x"'><script>bad()</script><i onfocus='bad()' a="&lt;b&gt;"""
WHEN = datetime(2024, 2, 29, 23, 59, 58, tzinfo=UTC)
LAST_RUN = SimpleNamespace(public_id=HOSTILE, action_label=HOSTILE, created_at=WHEN)


class Seen(HTMLParser):
    """Collects the names of elements and attributes, and all texts, attributes' values too."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _value in attrs}
        self.texts += [value or "" for _name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def tenant(**fields: Any) -> SimpleNamespace:
    """Return a tenant's row; every text is hostile unless given."""
    row = {
        "pk": 1, "public_id": HOSTILE, "name": HOSTILE, "title": HOSTILE,
        "labels": {HOSTILE: HOSTILE, f"{HOSTILE}2": ""}, "archived_at": None,
        "region__slug": HOSTILE, "shared_environment__name": HOSTILE,
        "release__name": f"{HOSTILE}2", "stack__pk": 7, "stack__condition": "in_service",
        "stack__applied_release": HOSTILE, "stack__applied_at": WHEN,
        "stack__state_suspect": False,
    }  # fmt: skip
    return SimpleNamespace(**row | fields)


def run(**fields: Any) -> SimpleNamespace:
    """Return a run's row; every text is hostile unless given."""
    row = {
        "pk": 1, "public_id": HOSTILE, "number": 41, "status": "pending",
        "action_label": HOSTILE, "actor_name": HOSTILE, "reason": HOSTILE,
        "has_changes": None, "cancel_requested_at": None, "created_at": WHEN,
        "started_at": None, "ended_at": None, "to_create": 0, "to_update": 0, "to_replace": 0,
        "to_destroy": 0, "waiting": {"code": HOSTILE, "params": {"name": HOSTILE}},
        "stack__name": HOSTILE, "stack__tenant__public_id": HOSTILE,
        "stack__shared_environment__public_id": None, "region__slug": HOSTILE,
    }  # fmt: skip
    return SimpleNamespace(**row | fields)


def entry(**fields: Any) -> SimpleNamespace:
    """Return an audit entry as `dress` leaves it; every text is hostile unless given."""
    row = {
        "public_id": HOSTILE, "created_at": WHEN, "actor_id": HOSTILE, "actor_name": HOSTILE,
        "actor_kind": HOSTILE, "role": HOSTILE, "initials": HOSTILE, "is_machine": False,
        "tone": "idle", "icon": "pencil", "words": HOSTILE, "href": HOSTILE,
        "target_name": HOSTILE, "tenant_name": f"{HOSTILE}2", "reason": HOSTILE, "sentence": "",
        "changes": [(HOSTILE, HOSTILE, HOSTILE)], "run_href": HOSTILE, "run_name": HOSTILE,
        "request_id": HOSTILE, "operation_id": HOSTILE, "ip": None, "origin": HOSTILE,
        "approver_name": HOSTILE,
    }  # fmt: skip
    return SimpleNamespace(**row | fields)


def tenants(**fields: Any) -> str:
    """Return the row of a tenant with a last run."""
    return rows.tenant_rows([tenant(**fields)], {7: LAST_RUN}, may_bulk=True)


def environments(**fields: Any) -> str:
    """Return the row of a shared environment with a last run."""
    return rows.environment_rows([tenant(**fields)], {7: LAST_RUN}, {1: 3})


def runs(**fields: Any) -> str:
    """Return the row of a run."""
    return rows.run_rows([run(**fields)])


def entries(**fields: Any) -> str:
    """Return the row of an audit entry, by somebody else."""
    return rows.audit_rows([entry(**fields)], user_id="usr_1", by_day=True)


def test_the_hostile_text_would_be_found():
    seen = Seen(f"<td title='{HOSTILE}'>{HOSTILE}</td>")
    assert "script" in seen.elements
    assert "onfocus" in seen.attributes


@pytest.mark.parametrize(
    ("make", "fields", "elements"),
    [
        (tenants, {}, {"tr", "td", "a", "small", "span", "i", "input", "time"}),
        (tenants, {"stack__applied_release": ""}, {"tr", "td", "a", "small", "span", "i",
                                                  "input", "time"}),
        (environments, {}, {"tr", "td", "a", "small", "span", "i", "time"}),
        (runs, {}, {"tr", "td", "a", "small", "span", "i", "div", "time"}),
        (entries, {}, {"tr", "td", "a", "small", "span", "i", "div", "time"}),
        (entries, {"sentence": HOSTILE}, {"tr", "td", "a", "small", "span", "i", "div", "time"}),
        (entries, {"href": "", "changes": [(HOSTILE, None, HOSTILE), (HOSTILE, HOSTILE, None)]},
         {"tr", "td", "a", "small", "span", "i", "div", "time", "details", "summary", "table",
          "tbody", "th", "del"}),
    ],
)  # fmt: skip
def test_hostile_texts_stay_texts(make: Callable[..., str], fields: dict, elements: set[str]):
    markup = make(**fields)
    seen = Seen(markup)
    assert seen.elements == elements
    assert seen.attributes <= {
        "id", "class", "type", "name", "value", "aria-label", "aria-hidden", "href", "data-tone",
        "data-l", "data-ago", "datetime", "title", "colspan", "scope",
    }  # fmt: skip
    assert HOSTILE in seen.texts
    assert "<script" not in markup


def test_each_text_of_a_tenant_is_shown():
    for name in ("name", "title", "region__slug", "shared_environment__name", "release__name"):
        assert f"only-{name}" in tenants(**{name: f"only-{name}"})
    assert "?label=tier%3Dgold%20%26%20red" in tenants(labels={"tier": "gold & red"})
    assert '?label=vip">vip</a>' in tenants(labels={"vip": ""})


def test_what_a_tenant_lacks_is_a_dash_or_nothing():
    bare = tenant(name="acme", title="", labels={}, shared_environment__name=None,
                  release__name=None, stack__applied_release="",
                  stack__applied_at=None)  # fmt: skip
    markup = rows.tenant_rows([bare], {}, may_bulk=False)
    assert markup.count("–") == 3
    assert "<input" not in markup
    assert "<small" not in markup
    assert "<time" not in markup


def test_a_release_that_is_wanted_but_not_applied_stands_behind_the_applied_one():
    both = tenants(stack__applied_release="1.0", release__name="2.0")
    assert '1.0 <span class="o-fg small" data-tone="wait">→ 2.0</span>' in both
    assert "→" not in tenants(stack__applied_release="1.0", release__name="1.0")
    assert "→" not in tenants(stack__applied_release="1.0", release__name=None)


def test_an_archived_tenant_says_so_instead_of_its_condition():
    assert "Archived" in tenants(archived_at=WHEN)
    assert "In service" not in tenants(archived_at=WHEN)
    assert "State suspect" in tenants(stack__state_suspect=True)


def test_a_runs_changes_are_shown_once_they_are_known():
    assert "o-mono" not in runs()
    assert "+0 ~0 −0" in runs(has_changes=False)
    markup = runs(has_changes=True, to_create=1, to_update=2, to_replace=3, to_destroy=4)
    assert "+1 ~2 <b" in markup
    assert "±3</b> <b" in markup
    assert "−4</b>" in markup


def test_a_run_leads_to_what_its_stack_belongs_to():
    own = {"stack__tenant__public_id": None, "stack__shared_environment__public_id": "env_1"}
    assert 'href="/environments/env_1/"' in runs(**own)
    assert 'href="/tenants/ten_1/"' in runs(stack__tenant__public_id="ten_1")


def test_a_day_of_the_trail_is_said_once():
    pair = [entry(), entry(), entry(created_at=datetime(2024, 2, 28, tzinfo=UTC))]
    by_day = rows.audit_rows(pair, user_id="usr_1", by_day=True)
    assert by_day.count('class="o-group"') == 2
    assert "Thursday 29 February 2024" in by_day
    assert 'class="o-group"' not in rows.audit_rows(pair, user_id="usr_1", by_day=False)


def test_ones_own_entries_are_marked():
    assert 'data-tone="run"' in rows.audit_rows([entry()], user_id=HOSTILE, by_day=True)
    assert 'data-tone="run"' not in entries()


def test_long_values_are_cut_but_whole_in_the_title():
    long = "v" * 70
    markup = entries(changes=[("size", None, long)])
    assert f'title="{long}"' in markup
    assert f"{'v' * 59}…</span>" in markup


def test_a_day_is_said_in_each_style():
    assert day_words(WHEN, "j F Y") == "29 February 2024"
    assert day_words(WHEN, "j M") == "29 Feb"
