"""Cloud accounts and regions: their rules, and the only writers of both."""

import re
from typing import Any
from urllib.parse import urlsplit

from django.db.models import Q
from django.utils.translation import gettext as _

from tenants import access, secrets
from tenants.actors import Actor
from tenants.errors import PlaceRefused, SecretTooShort
from tenants.models import CloudAccount, Region, Stack
from tenants.models.accounts import Provider, StateBackend
from tenants.rows import change, create_row

KEY_MIN_LENGTH = 8
# A region's identity: what stands there was built with it.
FROZEN = ("code", "domain_name", "hosted_zone", "owner_prefix", "backend_config")
BACKEND_KEYS = {
    StateBackend.LOCAL: (),
    StateBackend.S3: ("bucket", "dynamodb_table"),
    StateBackend.PG: (),
}
MAPPINGS = ("backend_config", "probe")
PROBE_KEYS = {"resolver": str, "port": int, "ca_file": str}
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")
CODE = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d{1,2}")
ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")
# user@host:path, and addresses with a scheme that git takes and that start no program.
SCP_LIKE = re.compile(r"[\w.-]+@[\w.-]+:[^-].*")
REMOTE_SCHEMES = ("ssh", "https", "http", "file")


def create_account(
    actor: Actor, *, name: str, provider: str, secret_key: str = "", **fields: Any
) -> CloudAccount:
    """Create a cloud account; its secret key is stored encrypted and never shown again."""
    access.require(actor, "admin")
    account = CloudAccount(name=name, provider=provider, **fields)
    _check_account(account, bool(secret_key))
    _keep_secret(account, secret_key)
    return create_row(actor, account, "account.create")


def change_account(
    actor: Actor, account: CloudAccount, *, secret_key: str = "", **fields: Any
) -> CloudAccount:
    """Change an account. An empty secret key keeps the old one; without a key id there is none."""
    wanted = _as_wanted(account, fields)
    drops = not wanted.access_key_id and account.has_secret
    _check_account(wanted, bool(secret_key) or (account.has_secret and not drops))
    _check_secret(account, secret_key)
    new = secrets.NO_SECRET if drops else secret_key
    return change(actor, account, "account.change", kind="admin", own_secret=new, **fields)


def _as_wanted(row: Any, fields: dict[str, Any]) -> Any:
    """Return an unsaved copy of the row as it would be."""
    wanted = type(row)(**{f.attname: getattr(row, f.attname) for f in row._meta.concrete_fields})
    for name, value in fields.items():
        setattr(wanted, name, value)
    return wanted


def _check_account(account: CloudAccount, has_secret: bool) -> None:
    why = ""
    if bool(account.access_key_id) != has_secret:
        why = _("an access key id and its secret key go together. Give both, or neither.")
    elif account.role_arn and not ROLE.fullmatch(account.role_arn):
        why = _("a role looks like arn:aws:iam::123456789012:role/name.")
    elif account.provider != Provider.AWS and (account.access_key_id or account.role_arn):
        why = _("only accounts at AWS have access keys or a role.")
    if why:
        raise PlaceRefused(name=account.name, why=why)


def _check_secret(row: Any, value: str) -> None:
    if value and len(value) < KEY_MIN_LENGTH:
        raise SecretTooShort(name=row, length=KEY_MIN_LENGTH)


def _keep_secret(row: Any, value: str) -> None:
    _check_secret(row, value)
    if value:
        secrets.keep_own(row, value)


def create_region(
    actor: Actor, *, account: CloudAccount, slug: str, conn_str: str = "", **fields: Any
) -> Region:
    """Create a region of an account; `conn_str` is the secret address of a pg state backend."""
    access.require(actor, "admin")
    region = Region(account=account, slug=slug, **_without_null(fields))
    _check_region(region, bool(conn_str))
    _keep_secret(region, conn_str)
    return create_row(actor, region, "region.create")


def change_region(actor: Actor, region: Region, *, conn_str: str = "", **fields: Any) -> Region:
    """Change a region. What its stacks were built with is frozen by the first applied one."""
    fields = _without_null(fields)
    changed = [name for name in FROZEN if name in fields and fields[name] != getattr(region, name)]
    if changed:
        _refuse_frozen(region, changed)
    _check_region(_as_wanted(region, fields), bool(conn_str) or region.has_secret)
    _check_secret(region, conn_str)
    return change(actor, region, "region.change", kind="admin", own_secret=conn_str, **fields)


def _without_null(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields with {} for mappings that were emptied in a form."""
    return {k: {} if v is None and k in MAPPINGS else v for k, v in fields.items()}


def _refuse_frozen(region: Region, changed: list[str]) -> None:
    standing = Q(resource_count__gt=0) | Q(state_serial__isnull=False)
    stack = Stack.objects.filter(standing, region_id=region.pk).order_by("name").first()
    if stack is None:
        return
    labels = ", ".join(str(Region._meta.get_field(name).verbose_name) for name in changed)
    why = _("%(labels)s cannot change while %(stack)s stands there. Make a new region.")
    raise PlaceRefused(name=region, why=why % {"labels": labels, "stack": stack})


def _check_region(region: Region, has_secret: bool) -> None:
    problems = (
        _problem_of_code(region),
        _problem_of_backend(region, has_secret),
        _problem_of_endpoint(region.endpoint_url),
        _problem_of_probe(region.probe),
        problem_of_remote(region.instances_remote),
    )
    if why := next(filter(None, problems), ""):
        raise PlaceRefused(name=region.slug, why=why)


def _problem_of_code(region: Region) -> str:
    if region.code and not CODE.fullmatch(region.code):
        return _("the provider's region is a code such as us-east-2.")
    return ""


def _problem_of_backend(region: Region, has_secret: bool) -> str:
    config, backend = region.backend_config, region.state_backend
    known = BACKEND_KEYS.get(backend, ())
    if not isinstance(config, dict) or (unknown := sorted(set(config) - set(known))):
        names = ", ".join(known) or "–"
        shown = ", ".join(unknown) if isinstance(config, dict) else _("no mapping")
        words = {"unknown": shown, "known": names}
        return _("its backend settings are %(unknown)s; known ones are: %(known)s.") % words
    if backend == StateBackend.S3 and (region.account.provider != Provider.AWS or not region.code):
        return _("a state in S3 needs an account at AWS and the provider's region.")
    if backend == StateBackend.PG and not has_secret:
        return _("a state in PostgreSQL needs the address of that database.")
    bucket, table = config.get("bucket", ""), config.get("dynamodb_table", "")
    if bucket and not BUCKET.fullmatch(str(bucket)):
        return _("a bucket's name has 3 to 63 lower-case letters, digits, dots and hyphens.")
    if table and not TABLE.fullmatch(str(table)):
        return _("a table's name has 3 to 255 letters, digits, dots, hyphens and underscores.")
    return ""


def _problem_of_endpoint(url: str) -> str:
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.hostname or parts.password):
        return _("the API address begins with http:// or https:// and holds no password.")
    return ""


def _problem_of_probe(probe: Any) -> str:
    wrong = not isinstance(probe, dict) or any(
        name not in PROBE_KEYS or not isinstance(value, PROBE_KEYS[name])
        for name, value in probe.items()
    )
    if wrong:
        return _("the probe knows resolver (a text), port (a number) and ca_file (a text).")
    return ""


def problem_of_remote(remote: str) -> str:
    """Return why a git remote cannot be used, in words; empty when it can."""
    parts = urlsplit(remote)
    if parts.password:
        return _("a git remote holds no password: give a deploy key or a token by a file.")
    is_path = remote.startswith("/")
    is_url = parts.scheme in REMOTE_SCHEMES and bool(parts.path)
    if remote and not (is_path or is_url or SCP_LIKE.fullmatch(remote)):
        return _("a git remote is an address such as git@example.com:team/instances.git.")
    return ""
