"""The one place where secrets, bundles and states are encrypted and opened.

AES-256-GCM; each ciphertext is bound to its row (model, id, field) by associated data, so that a
value copied to another tenant's row does not open. Layout: 12 bytes nonce, then GCM output.
"""

import base64
import json
import os
from collections.abc import Iterator
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models import Window
from django.db.models.functions import RowNumber

from tenants import auditkeys
from tenants.errors import KeyUnknown
from tenants.models import Secret, Stack
from tenants.models.accounts import OwnSecret
from tenants.models.secrets import SecretKind

NONCE_BYTES = 12
KNOWN_VERSIONS = 3
NO_SECRET = None


@lru_cache(maxsize=8)
def _parse(text: str) -> dict[str, AESGCM]:
    keys: dict[str, AESGCM] = {}
    for item in text.replace("\n", ",").split(","):
        if not item.strip():
            continue
        key_id, sign, encoded = item.strip().partition(":")
        if not sign:
            # Nothing of it is told: without an id the whole of it is the key.
            raise ImproperlyConfigured(
                f"ENCRYPTION_KEYS: entry {len(keys) + 1} has no id: write k1:<base64 of 32 bytes>"
            )
        try:
            raw = base64.b64decode(encoded.replace("-", "+").replace("_", "/") + "==")
        except ValueError:
            raw = b""
        if len(raw) != 32:
            raise ImproperlyConfigured(f"ENCRYPTION_KEYS: key {key_id} is not 32 bytes of base64")
        keys[key_id] = AESGCM(raw)
    return keys


def keys() -> dict[str, AESGCM]:
    """Return the keys by id; the first writes. Raises ImproperlyConfigured when there is none."""
    found = _parse(settings.ENCRYPTION_KEYS)
    if not found:
        raise ImproperlyConfigured(
            "ENCRYPTION_KEYS is empty: set `k1:<base64 of 32 random bytes>` (or _FILE)."
        )
    return found


def require_keys() -> None:
    """Raise ImproperlyConfigured unless the portal has the keys without which it must not start."""
    if settings.SECRET_KEY_MISSING:
        raise ImproperlyConfigured(
            "SECRET_KEY is empty: set it (or SECRET_KEY_FILE) to 50 random characters. "
            "`make run` makes one by itself."
        )
    keys()
    auditkeys.keys()


def encrypt(plain: bytes, bound_to: str) -> tuple[str, bytes]:
    """Return (key id, ciphertext) for bytes bound to a row such as `secret:stk_…:input:name:1`."""
    key_id, cipher = next(iter(keys().items()))
    nonce = os.urandom(NONCE_BYTES)
    return key_id, nonce + cipher.encrypt(nonce, plain, bound_to.encode())


def decrypt(key_id: str, ciphertext: bytes, bound_to: str) -> bytes:
    """Return the plain bytes.

    Raises KeyUnknown for a key that is not here and ValueError for bytes that were changed or
    belong to another row.
    """
    cipher = keys().get(key_id)
    if cipher is None:
        raise KeyUnknown(key=key_id)
    data = bytes(ciphertext)
    try:
        return cipher.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], bound_to.encode())
    except InvalidTag as error:
        raise ValueError(f"the value of {bound_to} was changed or belongs elsewhere") from error


def _bound_to(stack: Stack, kind: str, name: str, version: int) -> str:
    return f"secret:{stack.public_id}:{kind}:{name}:{version}"


def store(stack: Stack, name: str, value: str, kind: str = SecretKind.INPUT) -> Secret:
    """Store a new version of one secret, unless it has this very value already."""
    with transaction.atomic():
        Stack.objects.select_for_update(of=("self",), no_key=True).only("pk").get(pk=stack.pk)
        newest = _newest(stack, kind).get(name)
        if newest is not None and reveal(newest, stack) == value:
            return newest
        version = newest.version + 1 if newest else 1
        key_id, ciphertext = encrypt(value.encode(), _bound_to(stack, kind, name, version))
        return Secret.objects.create(
            stack=stack, kind=kind, name=name, version=version, key_id=key_id, ciphertext=ciphertext
        )


def reveal(secret: Secret, stack: Stack) -> str:
    """Return a secret's value. Doors that show it to a person leave an audit entry."""
    bound = _bound_to(stack, secret.kind, secret.name, secret.version)
    return decrypt(secret.key_id, secret.ciphertext, bound).decode()


def _bound_to_row(row: OwnSecret) -> str:
    return f"{row._meta.model_name}:{row.public_id}:secret"


def keep_own(row: OwnSecret, value: str | None) -> None:
    """Put the one secret of an account or region on its row, encrypted; the caller saves it."""
    if value is NO_SECRET:
        row.key_id, row.ciphertext = "", None
    else:
        row.key_id, row.ciphertext = encrypt(value.encode(), _bound_to_row(row))


def own(row: OwnSecret) -> str:
    """Return the one secret of an account or region in clear; empty when it has none."""
    if not row.has_secret:
        return ""
    return decrypt(row.key_id, row.ciphertext, _bound_to_row(row)).decode()


def _newest(stack: Stack, kind: str) -> dict[str, Secret]:
    rows = Secret.objects.filter(stack=stack, kind=kind).order_by("name", "-version")
    return {row.name: row for row in rows.distinct("name")}


def versions(stack: Stack, kind: str = SecretKind.INPUT) -> dict[str, int]:
    """Return the version in force of each secret of the stack."""
    return {name: row.version for name, row in _newest(stack, kind).items()}


def values(stack: Stack, wanted: dict[str, int] | None = None) -> dict[str, str]:
    """Return the input secrets in force, or those of the wanted versions, in clear.

    Raises LookupError when a wanted version is gone.
    """
    if wanted is None:
        return {name: reveal(row, stack) for name, row in _newest(stack, SecretKind.INPUT).items()}
    rows = {
        (row.name, row.version): row
        for row in Secret.objects.filter(stack=stack, kind=SecretKind.INPUT, name__in=wanted)
    }
    missing = [name for name, version in wanted.items() if (name, version) not in rows]
    if missing:
        raise LookupError(f"secret versions are gone: {', '.join(missing)}")
    return {name: reveal(rows[name, version], stack) for name, version in wanted.items()}


def known_values(stack: Stack) -> set[str]:
    """Return the secret values of a stack, inputs and outputs: what the redactor must know.

    Those in force and a few before them, which the state and what runs may still hold; of a
    structured output its texts as well.
    """
    found: set[str] = set()
    newest = Window(RowNumber(), partition_by=["kind", "name"], order_by="-version")
    rows = Secret.objects.filter(stack=stack).annotate(age=newest)
    for row in rows.filter(age__lte=KNOWN_VERSIONS):
        value = reveal(row, stack)
        found.add(value)
        if row.kind == SecretKind.OUTPUT and value[:1] in ("{", "["):
            found.update(_texts(value))
    # Keys of hosts that were removed may still stand in files over there.
    found.update(own(host) for host in stack.hosts.exclude(key_id=""))
    return found


def _texts(value: str) -> Iterator[str]:
    """Yield the texts in a JSON value; nothing when it only looks like one."""
    try:
        waiting = [json.loads(value)]
    except ValueError:
        return
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, list):
            waiting += item
        elif isinstance(item, dict):
            waiting += item.values()
