"""Writing one row with its audit entry: what all services of this app stand on."""

from typing import Any

from django.db import IntegrityError, transaction

from tenants import access, audit, secrets
from tenants.actors import Actor
from tenants.errors import ArchivedAlready, NameTaken


def create_row(actor: Actor, thing: Any, action: str) -> Any:
    """Save a new thing with its audit entry. A name in use becomes NameTaken."""
    thing.clean_fields()
    try:
        with transaction.atomic():
            thing.save(force_insert=True)
            told = {"secret": "(set)"} if getattr(thing, "has_secret", False) else {}
            audit.record(actor, action, thing, after={**_plain(thing), **told})
    except IntegrityError as error:
        name = getattr(thing, "name", None) or thing.slug
        raise NameTaken(name=name, kind=thing._meta.verbose_name) from error
    return thing


def _plain(thing: Any, names: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a row's own columns as JSON values; related rows by their names."""
    kept: dict[str, Any] = {}
    for field in thing._meta.concrete_fields:
        if names and field.name not in names:
            continue
        if not names and (not field.editable or field.primary_key):
            continue
        value = getattr(thing, field.name)
        simple = isinstance(value, str | int | float | bool | list | dict | type(None))
        kept[field.name] = value if simple else str(value)
    return kept


def change(
    actor: Actor,
    thing: Any,
    action: str,
    kind: str = "change",
    own_secret: str | None = "",
    **fields: Any,
) -> Any:
    """Change columns of a living thing; nothing is written when nothing differs.

    `own_secret` is a new value of the row's own secret: empty keeps it, NO_SECRET removes it; the
    audit trail tells only that it changed. Raises ValidationError for values that break a
    column's rule, NameTaken for a name in use.
    """
    access.require(actor, kind, thing)
    if getattr(thing, "archived_at", None):
        raise ArchivedAlready(name=thing, when=thing.archived_at.date())
    with transaction.atomic():
        row = type(thing)._base_manager.select_for_update(of=("self",)).get(pk=thing.pk)
        before = _plain(row, tuple(fields))
        for name, value in fields.items():
            setattr(row, name, value)
            setattr(thing, name, value)
        row.clean_fields(exclude=[f.name for f in row._meta.fields if f.name not in fields])
        old, new = audit.changes(before, _plain(row, tuple(fields)))
        names = list(fields)
        if own_secret != "" and _replace_secret(row, thing, own_secret):
            names += ["key_id", "ciphertext"]
            new["secret"] = "(changed)" if own_secret else "(removed)"
        if old or new:
            _save_changed(row, names)
            audit.record(actor, action, row, before=old, after=new)
    return thing


def _save_changed(row: Any, names: list[str]) -> None:
    try:
        with transaction.atomic():
            row.save(update_fields=names)
    except IntegrityError as error:
        raise NameTaken(name=str(row), kind=row._meta.verbose_name) from error


def _replace_secret(row: Any, thing: Any, value: str | None) -> bool:
    """Put a new secret on the locked row and on the caller's; False when it is the same one."""
    if value == (secrets.own(row) if row.has_secret else secrets.NO_SECRET):
        return False
    secrets.keep_own(row, value)
    thing.key_id, thing.ciphertext = row.key_id, row.ciphertext
    return True
