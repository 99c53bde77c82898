"""The one portal that acceptance tests share: starting it costs seconds."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import TERRAFORM
from tests.markers import KeyMarker, Marker
from tests.portal import Person, Portal


@dataclass
class Planted:
    """A running portal whose keys can be recognised wherever they surface."""

    portal: Portal
    admin: Person
    secret_key: Marker
    encryption_key: KeyMarker


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    """Return a portal with planted keys, and its admin. What tests do to the lab stays done."""
    if shutil.which(TERRAFORM) is None:
        pytest.skip("there is no terraform here")
    portal = Portal(tmp_path_factory.mktemp("planted"))
    secret_key, encryption_key = Marker(), KeyMarker()
    portal.var.mkdir(mode=0o700)
    _plant(portal.var / "secret_key", secret_key.value("STEM-and-more-of-it-" * 3))
    _plant(portal.var / "encryption_keys", f"k1:{encryption_key.text}")
    try:
        portal.start()
        admin = Person(portal, "admin", portal.password)
        yield Planted(portal, admin, secret_key, encryption_key)
        admin.close()
    finally:
        portal.stop()


def _plant(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text + "\n")
