"""Importing this module makes every kind of step known."""

from deployments.steps import (  # noqa: F401  (they register themselves)
    KINDS,
    ansible_playbook,
    asg_replace,
    backups,
    hosts_backups,
    hosts_contact,
    hosts_made,
    inputs_require,
    leftovers,
    parameters,
    probe_http,
    providers_fetch,
    restore_point,
    s3_empty,
    ssm_command,
    state_copy,
    state_restore,
    state_unlock,
    terraform_apply,
    terraform_plan,
    versions_refuse,
)

__all__ = ["KINDS"]
