"""OpenID Connect providers as the environment names them, checked before anything starts.

`OIDC_PROVIDERS` is a JSON list (docs/security.md): one object per provider. What is written wrong
stops the portal with a sentence, because a rule that silently does not hold would let people in.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

NEEDED = ("id", "server_url", "client_id")
TEXTS = {"id", "name", "server_url", "client_id", "client_secret", "client_secret_file",
         "groups_claim", "token_auth_method"}  # fmt: skip
FLAGS = {"creates_accounts", "trusts_email", "trusts_second_factor"}
LISTS = {"domains", "allowed_groups", "scope"}
MAPPINGS = {"groups"}
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def read_providers(text: str) -> list[dict[str, Any]]:
    """Return the providers of OIDC_PROVIDERS; raises ImproperlyConfigured with what is wrong."""
    if not text.strip():
        return []
    try:
        found = json.loads(text)
    except ValueError as error:
        raise _wrong(f"it is no JSON ({error})") from error
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise _wrong("it must be a list of objects, one for each provider")
    providers = [_checked(entry) for entry in found]
    names = [provider["id"] for provider in providers]
    if len(set(names)) < len(names):
        raise _wrong("two providers have the same id")
    return providers


def allauth_apps(providers: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the providers as django-allauth wants them (SOCIALACCOUNT_PROVIDERS, APPS)."""
    apps = []
    for provider in providers:
        more = {"server_url": provider["server_url"], "oauth_pkce_enabled": True}
        for name in ("scope", "token_auth_method"):
            if provider.get(name):
                more[name] = provider[name]
        apps.append(
            {
                "provider_id": provider["id"],
                "name": provider["name"],
                "client_id": provider["client_id"],
                "secret": provider["client_secret"],
                "settings": more,
            }
        )
    return apps


def _checked(entry: dict[str, Any]) -> dict[str, Any]:
    where = f"the provider {entry.get('id') or '(without an id)'}"
    if unknown := set(entry) - TEXTS - FLAGS - LISTS - MAPPINGS:
        raise _wrong(f"{where} has {sorted(unknown)}, which nothing reads")
    if missing := [name for name in NEEDED if not entry.get(name)]:
        raise _wrong(f"{where} lacks {missing}")
    _check_types(entry, where)
    if not entry["id"].replace("-", "").replace("_", "").isalnum():
        raise _wrong(f"{where}: an id has letters, digits, - and _ only")
    address = urlsplit(entry["server_url"])
    if address.scheme != "https" and address.hostname not in LOOPBACK:
        raise _wrong(f"{where}: server_url must begin with https://")
    provider = {
        "name": entry["id"], "groups_claim": "groups", "groups": {}, "domains": [],
        "allowed_groups": [], "creates_accounts": False, "trusts_email": False,
        "trusts_second_factor": False, "client_secret": "", **entry,
    }  # fmt: skip
    provider["domains"] = [domain.lower().lstrip("@") for domain in provider["domains"]]
    if path := provider.pop("client_secret_file", ""):
        try:
            provider["client_secret"] = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise _wrong(f"{where}: {path} cannot be read ({error.strerror})") from error
    if provider["creates_accounts"] and not (provider["domains"] or provider["allowed_groups"]):
        raise _wrong(
            f"{where} would make an account for everybody whom it knows: name domains or "
            "allowed_groups, or leave creates_accounts out"
        )
    return provider


def _check_types(entry: dict[str, Any], where: str) -> None:
    for name, value in entry.items():
        if name in TEXTS:
            is_right = isinstance(value, str)
        elif name in FLAGS:
            is_right = isinstance(value, bool)
        elif name in LISTS:
            is_right = isinstance(value, list) and all(isinstance(item, str) for item in value)
        else:
            texts = [*value, *value.values()] if isinstance(value, dict) else [None]
            is_right = all(isinstance(item, str) for item in texts)
        if not is_right:
            raise _wrong(f"{where}: {name} has the wrong kind of value")


def _wrong(why: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"OIDC_PROVIDERS cannot be used: {why}. See docs/security.md.")
