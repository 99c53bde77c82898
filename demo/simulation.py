"""The simulated AWS account: moto's server in a thread, with what a real account would have."""

import json
import os
import secrets
from pathlib import Path
from typing import Any

from demo.motorepairs import repair

REGION = "us-east-2"
ACCOUNT_NUMBER = "123456789012"
# Images that the blueprint looks up by their publisher, https://docs.aws.amazon.com/ec2/
IMAGES = (
    ("137112412989", "amzn2-ami-hvm-2.0.20250610.0-x86_64-gp2", "/dev/xvda"),
    ("099720109477", "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20250610", "/dev/sda1"),
)


class Simulation:
    """A local AWS API on a free port of 127.0.0.1; everything in it is gone when it stops."""

    def __init__(self, folder: Path, domain: str) -> None:
        self._prepare(folder)
        from moto.server import ThreadedMotoServer

        repair()
        self._server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self._server.start()
        self.url = "http://{}:{}".format(*self._server.get_host_and_port())
        self._names = self.client("route53")
        made = self._names.create_hosted_zone(Name=domain, CallerReference=secrets.token_hex(8))
        self.zone = made["HostedZone"]["Id"].rpartition("/")[2]

    def _prepare(self, folder: Path) -> None:
        """Write the images down: moto reads file and settings once, when it is imported."""
        images = [
            {
                "ami_id": f"ami-0{secrets.token_hex(8)}",
                "owner_id": owner,
                "name": name,
                "description": name,
                "public": True,
                "architecture": "x86_64",
                "state": "available",
                "image_type": "machine",
                "hypervisor": "xen",
                "virtualization_type": "hvm",
                "root_device_type": "ebs",
                "root_device_name": device,
                "creation_date": "2025-06-10T00:00:00.000Z",
            }
            for owner, name, device in IMAGES
        ]
        path = folder / "images.json"
        path.write_text(json.dumps(images))
        os.environ["MOTO_AMIS_PATH"] = str(path)
        os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"

    def client(self, service: str) -> Any:
        """Return a boto3 client of this account."""
        import boto3

        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id="demo",
            aws_secret_access_key="demo",  # noqa: S106 the simulation takes any
        )

    def has_name(self, host: str) -> bool:
        """Tell whether the hosted zone has an address for a host."""
        from botocore.exceptions import BotoCoreError, ClientError

        wanted = f"{host}."
        try:
            answer = self._names.list_resource_record_sets(
                HostedZoneId=self.zone, StartRecordName=wanted, StartRecordType="A", MaxItems="1"
            )
        except (BotoCoreError, ClientError):
            return False
        found = answer["ResourceRecordSets"]
        return any(row["Name"] == wanted and row["Type"] == "A" for row in found)

    def stop(self) -> None:
        """Forget the account."""
        self._server.stop()
