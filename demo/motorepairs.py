"""Repairs of moto 5.2, for the simulated account of the demo and of the tests."""

import secrets
import string
from typing import Any


def repair() -> None:
    """Make moto do what the AWS provider and the portal count on, and without idle waits.

    It reads settings once, when it is imported: call this when they are set.
    """
    _close_each_connection()
    _let_names_be_known_at_once()
    _give_databases_ids()
    _let_policies_see_tls()
    _read_user_data()
    _let_commands_go_to_named_machines()
    _let_rules_keep_descriptions()
    _keep_tags_of_templates_out_of_them()


def _close_each_connection() -> None:
    """On a busy machine the provider loses answers that come by HTTP/1.1.

    It says "use of closed network connection" then and asks again, and what was done already is
    refused (InvalidPermission.Duplicate).
    """
    from moto.moto_server.werkzeug_app import MotoRequestHandler

    # On the very class: werkzeug gives HTTP/1.1 to one that does not say it itself.
    MotoRequestHandler.protocol_version = "HTTP/1.0"


def _let_names_be_known_at_once() -> None:
    """A changed record is in step everywhere at once, so there is no change to be asked about.

    The provider waits 10 to 30 s before it asks how a change stands, several times in a row in
    each apply; for an answer that names no change it does not.
    """
    from moto.core.responses import ActionResult
    from moto.route53.responses import Route53

    plain = Route53.change_resource_record_sets

    def without_change(self: Any) -> ActionResult:
        plain(self)
        return ActionResult({})

    Route53.change_resource_record_sets = without_change


def _give_databases_ids() -> None:
    """All RDS instances have one DbiResourceId, by which the provider reads them.

    With two databases in an account it would find both where it wants one.
    """
    from moto.rds.models import DBInstance

    plain = DBInstance.__init__

    def with_id(self: Any, *args: Any, **kwargs: Any) -> None:
        plain(self, *args, **kwargs)
        letters = string.ascii_uppercase + string.digits
        self.dbi_resource_id = "db-" + "".join(secrets.choice(letters) for _ in range(26))

    DBInstance.__init__ = with_id


def _let_policies_see_tls() -> None:
    """A bucket's policy is read without its conditions: "nobody without TLS" becomes "nobody".

    Connections to the simulation have no TLS; here they count as if they had.
    """
    from moto.iam.access_control import IAMPolicyStatement, PermissionResult

    plain = IAMPolicyStatement.is_action_permitted

    def as_if_encrypted(self: Any, *args: Any, **kwargs: Any) -> Any:
        if "aws:SecureTransport" in self._statement.get("Condition", {}).get("Bool", {}):
            return PermissionResult.NEUTRAL
        return plain(self, *args, **kwargs)

    IAMPolicyStatement.is_action_permitted = as_if_encrypted


def _read_user_data() -> None:
    """A group starts no machine from a later version of a launch template with user data.

    Its text is taken as it came, where the first version's is marked as base64.
    """
    from moto.core.types import Base64EncodedString
    from moto.ec2.models.launch_templates import LaunchTemplateVersion

    def user_data(self: Any) -> Any:
        found = self.data.get("UserData")
        return Base64EncodedString(found) if isinstance(found, str) else found

    LaunchTemplateVersion.user_data = property(user_data)


def _let_commands_go_to_named_machines() -> None:
    """A command goes to all machines of the account, because it has no filter of targets."""
    from moto.ssm.models import Command

    plain = Command._get_instance_ids_from_targets

    def of_targets(self: Any) -> list[str]:
        return plain(self) if self.targets else []

    Command._get_instance_ids_from_targets = of_targets


def _let_rules_keep_descriptions() -> None:
    """The description of a rule that names a group is forgotten, so each plan sets it again."""
    from moto.ec2.models.security_groups import SecurityGroupRule

    plain = SecurityGroupRule.description.fget

    def description(self: Any) -> str | None:
        return plain(self) or self.source_group.get("Description")

    SecurityGroupRule.description = property(description)


def _keep_tags_of_templates_out_of_them() -> None:
    """A launch template's own tags come back as tags of what it starts, so each plan differs."""
    from moto.ec2.models.launch_templates import LaunchTemplateVersion

    plain = LaunchTemplateVersion.__init__

    def without(self: Any, template: Any, number: int, data: dict[str, Any], *more: Any) -> None:
        if "TagSpecifications" in data:
            told = data["TagSpecifications"]
            kept = [one for one in told if one.get("ResourceType") != "launch-template"]
            data = {**data, "TagSpecifications": kept}
        plain(self, template, number, data, *more)

    LaunchTemplateVersion.__init__ = without
