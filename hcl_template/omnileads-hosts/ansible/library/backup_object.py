#!/usr/bin/python
"""Ansible module: a file as an object of a bucket, there and back, always compared by SHA-256."""

from __future__ import annotations

import io
import json
import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.object_store import PART_BYTES, Store, StoreError, digest_of

DOCUMENTATION = r"""
module: backup_object
short_description: A file as an object of a bucket
description:
  - Uploads a file and reads the object back, downloads an object, lists or removes objects.
  - Needs nothing on the host but its Python.
options:
  state:
    description:
      - C(present) uploads C(path) and reads the object back, C(fetched) downloads it to C(path).
      - C(listed) tells the folders under C(key), C(absent) removes all objects under it.
    choices: [present, fetched, listed, absent]
    required: true
    type: str
  key: {description: The object's key, or what keys begin with., required: true, type: str}
  path: {description: The file., type: path}
  sha256: {description: What a download must have; any other one is removed., type: str}
  stack:
    description:
      - Of C(listed) folders whose manifest.json tells another C(stack) are left out.
    type: str
  url: {description: Address of the store., required: true, type: str}
  bucket: {description: Name of the bucket., required: true, type: str}
  region: {description: Its region., default: us-east-1, type: str}
  access_key: {description: Access key., required: true, type: str}
  secret_key: {description: Secret key., required: true, type: str}
  is_verified: {description: Whether the store's certificate is checked., default: true, type: bool}
  is_made: {description: Whether a bucket that is not there is made., default: false, type: bool}
  part_bytes: {description: A larger file is uploaded in parts of so many bytes., type: int}
author: [the portal]
"""
EXAMPLES = r"""
- name: Ensure the dump is in the bucket
  backup_object:
    state: present
    key: backup/acme/20261126T030000Z/database.dump
    path: /var/lib/omnileads/backup/database.dump
    url: https://s3.example.com
    bucket: acme
    access_key: "{{ bucket_access_key }}"
    secret_key: "{{ bucket_secret_key }}"
"""
RETURN = r"""
sha256: {description: SHA-256 of the object as it came back., returned: present or fetched}
size: {description: Its bytes., returned: present or fetched}
folders:
  description:
    - For each folder its key with the last slash, its name (C(taken_at)), the C(names) in it and
      their bytes in all (C(size)).
  returned: listed
"""


MANIFEST = "manifest.json"


def put(store: Store, key: str, path: str, is_made: bool) -> dict[str, object]:
    """Upload a file; raise StoreError unless the very same bytes come back."""
    sha256, size = digest_of(path)
    if is_made:
        store.ensure_bucket()
    store.put(key, path)
    found = store.read(key)
    if found != (sha256, size):
        text = "%s came back as another one: %s bytes for %s. There is no such backup; try again."
        raise StoreError(text % (key, found[1], size))
    return {"changed": True, "sha256": sha256, "size": size}


def fetch(store: Store, key: str, path: str, wanted: str) -> dict[str, object]:
    """Download an object; what is not as wanted is no file afterwards."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            sha256, size = store.read(key, file)
        if wanted and sha256 != wanted:
            text = "%s is not what was backed up: %s bytes, another SHA-256. Choose another backup."
            raise StoreError(text % (key, size))
    except BaseException:
        os.unlink(path)
        raise
    return {"changed": True, "sha256": sha256, "size": size}


def list_folders(store: Store, prefix: str) -> list[dict[str, object]]:
    """Return the folders right below a prefix, the newest name first."""
    found: dict[str, dict] = {}
    for key, size in store.listed(prefix):
        name, slash, rest = key[len(prefix) :].partition("/")
        if slash and rest:
            row = {"key": f"{prefix}{name}/", "taken_at": name, "names": [], "size": 0}
            row = found.setdefault(name, row)
            row["names"].append(rest)
            row["size"] += size
    return [found[name] for name in sorted(found, reverse=True)]


def without_others(
    store: Store, folders: list[dict[str, object]], stack: str
) -> list[dict[str, object]]:
    """Return the folders without those whose manifest.json names another stack, or is none."""
    return [
        one
        for one in folders
        if MANIFEST not in one["names"] or stack_of(store, one["key"] + MANIFEST) in ("", stack)
    ]


def stack_of(store: Store, key: str) -> str | None:
    """Return whose a manifest says the backup is: empty when it does not, None when it is none."""
    file = io.BytesIO()
    store.read(key, file)
    try:
        told = json.loads(file.getvalue())
    except ValueError:
        return None
    return str(told.get("stack", "")) if isinstance(told, dict) else None


def remove(store: Store, prefix: str) -> dict[str, object]:
    """Remove all objects whose key begins so."""
    keys = [key for key, _size in store.listed(prefix)]
    for key in keys:
        store.delete(key)
    return {"changed": bool(keys)}


def main() -> None:
    """Do what the task says."""
    text = {"type": "str", "required": True}
    module = AnsibleModule(
        argument_spec={
            "state": {**text, "choices": ["present", "fetched", "listed", "absent"]},
            "key": {**text, "no_log": False},
            "path": {"type": "path"},
            "sha256": {"type": "str"},
            "stack": {"type": "str"},
            "url": text,
            "bucket": text,
            "region": {"type": "str", "default": "us-east-1"},
            "access_key": {**text, "no_log": True},
            "secret_key": {**text, "no_log": True},
            "is_verified": {"type": "bool", "default": True},
            "is_made": {"type": "bool", "default": False},
            "part_bytes": {"type": "int", "default": PART_BYTES},
        },
        required_if=[("state", "present", ["path"]), ("state", "fetched", ["path"])],
    )
    told = module.params
    names = ("url", "bucket", "access_key", "secret_key", "region", "is_verified", "part_bytes")
    try:
        store = Store(**{name: told[name] for name in names})
        if told["state"] == "present":
            done = put(store, told["key"], told["path"], told["is_made"])
        elif told["state"] == "fetched":
            done = fetch(store, told["key"], told["path"], told["sha256"])
        elif told["state"] == "absent":
            done = remove(store, told["key"])
        else:
            folders = list_folders(store, told["key"])
            if told["stack"]:
                folders = without_others(store, folders, told["stack"])
            done = {"folders": folders}
    except (OSError, StoreError) as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(**{"changed": False, **done})


if __name__ == "__main__":
    main()
