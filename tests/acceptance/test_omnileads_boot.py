"""A machine's boot text, rendered by the real Terraform as the tenant's root module does."""

import base64
import gzip
import json
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


def name_written(folder: Path, answer: int) -> subprocess.CompletedProcess[str]:
    """Run what RTPengine's machine does before it installs anything; `aws` shows its arguments."""
    values = {
        "packages_url": "https://packages.example.com",
        "version": "5.5.12.1",
        "zone_id": "Z0123456789ABC",
        "internal_fqdn": "rtpengine-internal-shared1.cc.example.com",
        "internal_ttl": 60,
        "control_port": 22222,
        "rtp_min_port": 20000,
        "rtp_max_port": 60000,
    }
    text = filled(folder, OMNILEADS / "shared/templates/rtpengine.sh.tftpl", values)
    first, found, _ = text.partition("\nretry amazon-linux-extras")
    assert found
    before = f"""set -euo pipefail
PRIVATE_IP=10.0.1.23
aws() {{ printf '%s\\0' "$@"; return {answer}; }}
retry() {{ "$@" || "$@" || return 1; }}
"""
    return subprocess.run(
        ["bash", "-c", before + first + "\necho installs"],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )


def test_rtpengines_machine_writes_its_private_address(tmp_path):
    done = name_written(tmp_path, 0)

    assert done.returncode == 0, done.stderr
    *words, rest = done.stdout.split("\0")
    assert rest.strip() == "installs"
    assert words[:2] == ["route53", "change-resource-record-sets"]
    assert words[words.index("--hosted-zone-id") + 1] == "Z0123456789ABC"
    assert json.loads(words[words.index("--change-batch") + 1]) == {
        "Changes": [
            {
                "Action": "UPSERT",
                "ResourceRecordSet": {
                    "Name": "rtpengine-internal-shared1.cc.example.com",
                    "Type": "A",
                    "TTL": 60,
                    "ResourceRecords": [{"Value": "10.0.1.23"}],
                },
            }
        ]
    }


def test_rtpengines_boot_fails_when_it_cannot_write_its_name(tmp_path):
    done = name_written(tmp_path, 255)

    assert done.returncode == 1
    assert done.stdout.count("change-resource-record-sets") == 2
    assert "installs" not in done.stdout
