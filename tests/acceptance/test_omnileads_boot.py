"""A machine's boot text, rendered by the real Terraform as the tenant's root module does."""

import base64
import gzip
import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import TERRAFORM

OMNILEADS = Path(__file__).resolve().parent.parent.parent / "hcl_template/omnileads"
TENANT = OMNILEADS / "tenant"
SCRIPTS = TENANT / "templates/bin"
EC2_LIMIT = 16 * 1024
# More than a tenant has with a long domain.
SETTINGS = "".join(
    f"SETTING_{n}='it is 50 characters, with a \\\\ and a $HOME'\n" for n in range(30)
)
SHARED_FILES = ("lib", "boot")
APP_FILES = (
    "backup",
    "restore",
    "schedule-backup",
    "set-inventory",
    "reset-admin-password",
    "admin_password.py",
    "boot-order",
)
COMPONENTS = sorted(path.name.removeprefix("install-") for path in SCRIPTS.glob("install-*"))

pytestmark = [
    pytest.mark.terraform,
    pytest.mark.skipif(shutil.which(TERRAFORM) is None, reason="terraform is not installed"),
]


def rendered(folder: Path, files: dict[str, str]) -> str:
    """Return the boot text with these scripts."""
    template = TENANT / "templates/user_data.tftpl"
    return filled(folder, template, {"settings": SETTINGS, "files": files})


def filled(folder: Path, template: Path, values: dict) -> str:
    """Return a template's text with these values."""
    (folder / "values.json").write_text(json.dumps(values))
    (folder / "main.tf").write_text(
        f"""locals {{
  given = jsondecode(file("values.json"))
  text  = templatefile("{template}", local.given)
}}
"""
    )
    done = subprocess.run(
        [TERRAFORM, "console"],
        cwd=folder,
        env={"PATH": str(Path(shutil.which(TERRAFORM)).parent), "HOME": str(folder)},
        input="jsonencode(local.text)",
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(json.loads(done.stdout))


def unpacked(entry: dict[str, str]) -> str:
    """Return a file's text as cloud-init writes it."""
    return gzip.decompress(base64.b64decode(entry["content"])).decode()


@pytest.mark.parametrize("component", COMPONENTS)
def test_settings_and_scripts_arrive_as_they_were_written(tmp_path, component):
    names = SHARED_FILES + (APP_FILES if component == "app" else ())
    wanted = {name: (SCRIPTS / name).read_text() for name in names}
    wanted["install"] = (SCRIPTS / f"install-{component}").read_text()

    text = rendered(tmp_path, wanted)

    assert text.startswith("#cloud-config\n")
    config = yaml.safe_load(text)
    assert config["runcmd"] == [["/opt/omlsaas/bin/boot"]]
    arrived = {entry["path"]: entry for entry in config["write_files"]}
    assert arrived.pop("/opt/omlsaas/settings")["content"] == SETTINGS
    assert {entry["encoding"] for entry in arrived.values()} == {"gz+b64"}
    assert {Path(path).name: unpacked(entry) for path, entry in arrived.items()} == wanted
    assert {entry["permissions"] for entry in arrived.values()} == {"0755"}


def test_the_longest_boot_text_fits(tmp_path):
    files = {name: (SCRIPTS / name).read_text() for name in SHARED_FILES + APP_FILES}
    files["install"] = (SCRIPTS / "install-app").read_text()
    assert len(rendered(tmp_path, files).encode()) < EC2_LIMIT


def test_rtpengine_offers_tenants_its_private_address_and_browsers_both(tmp_path):
    values = {
        "packages_url": "https://packages.example.com",
        "version": "5.5.12.1",
        "control_port": 22222,
        "health_port": 22223,
        "rtp_min_port": 20000,
        "rtp_max_port": 60000,
    }
    text = filled(tmp_path, OMNILEADS / "shared/templates/rtpengine.sh.tftpl", values)
    written = tmp_path / "rtpengine-config.conf"
    _first, found, rest = text.partition("cat >/etc/rtpengine-config.conf")
    assert found
    script = f"set -euo pipefail\ncat >'{written}'" + rest.partition("\nsystemctl")[0]
    environment = {"PRIVATE_IP": "10.0.1.23", "PUBLIC_IP": "198.51.100.9", "PATH": "/usr/bin:/bin"}
    subprocess.run(["bash", "-c", script], env=environment, check=True)

    (line,) = written.read_text().splitlines()
    name, _equals, options = line.partition("=")
    words = shlex.split(shlex.split(options)[0])
    assert name == "OPTIONS"
    assert [words[n + 1] for n, word in enumerate(words) if word == "-i"] == [
        "internal/10.0.1.23",
        "internal/10.0.1.23!198.51.100.9",
        "external/10.0.1.23!198.51.100.9",
    ]
    assert words[words.index("-n") + 1] == "10.0.1.23:22222"
    assert words[words.index("-c") + 1] == "10.0.1.23:22223"
    assert "route53" not in text
