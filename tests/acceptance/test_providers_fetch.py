"""Providers are fetched once for each set, into the folder that every run is pointed to."""

import zipfile
from pathlib import Path

import pytest

from deployments.runner import fetch
from deployments.runstatus import RunStatus
from deployments.services import queue_run
from tenants import actors, services
from tests.cloudruns import do, log_of
from tests.conftest import BINS
from tests.factories import make_region

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.terraform]
TEST = actors.system("test")
LOCK = """provider "registry.terraform.io/example/tiny" {
  version     = "1.0.0"
  constraints = "1.0.0"
  hashes = [
    "%s",
    "zh:0000000000000000000000000000000000000000000000000000000000000000",
  ]
}
"""
MAIN = """terraform {
  required_providers {
    tiny = {
      source  = "example/tiny"
      version = "1.0.0"
    }
  }
}

resource "tiny_thing" "this" {}
"""
MANIFEST = """title: Tiny
kinds:
  tenant:
    root: tenant
    naming: {pattern: "[a-z]+", message: Lower-case letters.}
    actions:
      plan:
        label: Plan
        kind: plan
        risk: none
        steps:
          - kind: terraform.plan
"""


@pytest.fixture
def package(tmp_path) -> Path:
    """Return a provider's package: one program that is none."""
    path = tmp_path / "terraform-provider-tiny_1.0.0_linux_amd64.zip"
    with zipfile.ZipFile(path, "w") as content:
        info = zipfile.ZipInfo("terraform-provider-tiny_v1.0.0")
        info.external_attr = 0o755 << 16
        content.writestr(info, "#!/bin/sh\nexit 1\n")
    return path


@pytest.fixture
def stack(settings, places, tmp_path, package, monkeypatch):
    """Return a stack whose blueprint wants that provider, in a portal without a given mirror."""
    folder = tmp_path / "blueprints" / "tiny" / "tenant"
    folder.mkdir(parents=True)
    (folder.parent / "blueprint.yaml").write_text(MANIFEST)
    (folder / "main.tf").write_text(MAIN)
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(package) as content:
        content.extractall(unpacked)
    (folder / ".terraform.lock.hcl").write_text(LOCK % fetch.hash_of(unpacked))
    settings.BLUEPRINT_ROOT = tmp_path / "blueprints"
    settings.PROVIDER_MIRROR = ""
    settings.TERRAFORM_BIN = str(BINS / "terraform-mirrors")
    # The double takes its package from here; the engine's environment is an allow-list.
    monkeypatch.setenv("SSL_CERT_DIR", str(package.parent))
    region = make_region(slug="lab")
    return services.create_tenant(TEST, name="one", region=region, blueprint="tiny").stack


def test_a_set_is_fetched_once_and_init_obeys_the_lock_file(worker, stack, places):
    run = do(worker, queue_run(TEST, stack, "plan"))
    steps = {step.kind: step for step in run.steps.all()}
    assert steps["providers.fetch"].exit_code == 0, log_of(run)
    assert steps["terraform.init"].exit_code == 0, log_of(run)
    assert "Provider tiny 1.0.0 is in place." in log_of(run)
    there = places / "providers/registry.terraform.io/example/tiny/1.0.0/linux_amd64"
    assert there.is_dir(), "unpacked, because the lock file knows its content"
    assert (places / "fetched").read_text() == "x"

    again = do(worker, queue_run(TEST, stack, "plan"))
    assert "is in place" not in log_of(again)
    assert again.steps.get(kind="terraform.init").exit_code == 0
    assert (places / "fetched").read_text() == "x", "the second run fetched nothing"


def test_a_registry_out_of_reach_says_what_to_do(worker, stack, monkeypatch):
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
    run = do(worker, queue_run(TEST, stack, "plan"))
    assert (run.status, run.error_kind) == (RunStatus.ERRORED, "engine")
    assert "PROVIDER_MIRROR" in run.error_text
    assert not run.steps.filter(kind="terraform.plan").exists()


def test_a_blueprint_without_providers_has_no_such_step(lab):
    run = lab.queue()
    assert "providers.fetch" not in [step["kind"] for step in run.steps_wanted]
