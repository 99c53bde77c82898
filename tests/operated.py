"""A tenant whose operations run against a local AWS API, and what stands outside of our code."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from deployments.models import Run
from deployments.services import queue_run
from tenants import actors, services
from tenants.actors import Actor
from tenants.models import Stack
from tests.awsapi import AwsApi, make_cloud_region

IMAGE = "ami-12c6146b"


@dataclass
class Operated:
    """The tenants acme and globex, their machines, groups and buckets."""

    aws: AwsApi
    actor: Actor
    machines: dict[str, str] = field(default_factory=dict)

    def stack(self, name: str = "acme") -> Stack:
        """Return a stack as the database has it."""
        return Stack.objects.select_related("region__account").get(name=name)

    def queue(self, action: str, name: str = "acme", **more: Any) -> Run:
        """Queue an action as the system."""
        return queue_run(self.actor, self.stack(name), action, typed_name=name, **more)

    def put(self, key: str, content: bytes = b"a backup", name: str = "acme") -> None:
        """Put an object into a tenant's bucket."""
        self.aws.client("s3").put_object(Bucket=f"data-{name}", Key=key, Body=content)

    def parameters(self) -> list[str]:
        """Return the names of all parameters."""
        found = self.aws.client("ssm").describe_parameters()["Parameters"]
        return [one["Name"] for one in found]


def make_operated(aws: AwsApi, **region: Any) -> Operated:
    """Make two tenants that count as installed, each with a machine, a group and a bucket."""
    actor = actors.system("test")
    place = make_cloud_region(aws, **region)
    made = Operated(aws, actor)
    for name in ("acme", "globex"):
        tenant = services.create_tenant(actor, name=name, region=place, blueprint="operated")
        _install_on_paper(tenant.stack)
        _make_cloud(made, name)
    return made


def _install_on_paper(stack: Stack) -> None:
    stack.resource_count = 1
    values = {
        "url": f"https://{stack.name}.example.test",
        "data_bucket": f"data-{stack.name}",
        "app_group": f"app-{stack.name}",
        "dialer_group": None,
    }
    stack.outputs = {key: {"value": value} for key, value in values.items()}
    stack.applied_inputs = {"app_version": "1.0", "stack_name": stack.name}
    stack.save()


def tags(name: str, component: str) -> list[dict[str, str]]:
    """Return what every machine of a stack carries."""
    return [
        {"Key": "omlsaas:stack", "Value": name},
        {"Key": "omlsaas:component", "Value": component},
    ]


def _make_cloud(made: Operated, name: str) -> None:
    s3, ec2 = made.aws.client("s3"), made.aws.client("ec2")
    s3.create_bucket(
        Bucket=f"data-{name}", CreateBucketConfiguration={"LocationConstraint": "us-east-2"}
    )
    s3.put_bucket_versioning(Bucket=f"data-{name}", VersioningConfiguration={"Status": "Enabled"})
    started = ec2.run_instances(
        ImageId=IMAGE, MinCount=1, MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags(name, "app")}],
    )  # fmt: skip
    made.machines[name] = started["Instances"][0]["InstanceId"]


def make_group(made: Operated, name: str = "acme", size: int = 2, owner: str = "") -> list[str]:
    """Make the tenant's auto-scaling group and return its machines."""
    groups, ec2 = made.aws.client("autoscaling"), made.aws.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    groups.create_launch_configuration(
        LaunchConfigurationName=f"lc-{name}", ImageId=IMAGE, InstanceType="t2.micro"
    )
    keep = {"PropagateAtLaunch": True, "ResourceId": f"app-{name}"}
    keep["ResourceType"] = "auto-scaling-group"
    groups.create_auto_scaling_group(
        AutoScalingGroupName=f"app-{name}", LaunchConfigurationName=f"lc-{name}",
        MinSize=0, MaxSize=5, DesiredCapacity=size, VPCZoneIdentifier=subnet,
        Tags=[{**tag, **keep} for tag in tags(owner or name, "group")],
    )  # fmt: skip
    return members(made, name)


def members(made: Operated, name: str = "acme") -> list[str]:
    """Return the machines of the tenant's group."""
    groups = made.aws.client("autoscaling")
    found = groups.describe_auto_scaling_groups(AutoScalingGroupNames=[f"app-{name}"])
    return [one["InstanceId"] for one in found["AutoScalingGroups"][0]["Instances"]]


class Agent:
    """What stands for the agent on the machines: it does something for each new command."""

    def __init__(self, aws: AwsApi, do: Callable[[dict[str, Any]], None]) -> None:
        self.ssm, self.do = aws.client("ssm"), do
        self.seen: list[dict[str, Any]] = []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> "Agent":
        self.thread.start()
        return self

    def __exit__(self, *_error: Any) -> None:
        self.stop.set()
        self.thread.join(10)

    def _work(self) -> None:
        known: set[str] = set()
        while not self.stop.wait(0.1):
            for command in self.ssm.list_commands()["Commands"]:
                if command["CommandId"] not in known:
                    known.add(command["CommandId"])
                    self.seen.append(command)
                    self.do(command)


def commands_sent(made: Operated) -> list[dict[str, Any]]:
    """Return all commands that were sent."""
    return made.aws.client("ssm").list_commands()["Commands"]
