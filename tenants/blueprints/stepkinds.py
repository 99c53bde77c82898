"""What the name of a step tells without knowing how it is done."""

# Steps whose process is Terraform: a host without it can do all others.
ENGINE_STEPS = ("terraform.", "state.", "providers.")
# They tell how what stands differs from what is wanted.
COMPARES = ("terraform.plan", "ansible.check")
# They take away what somebody keeps in a bucket.
EMPTIES = ("s3.empty",)
MAKES_BACKUPS, LISTS_BACKUPS = "ansible.backup", "ansible.backups"
# Actions of these alone, in their plan, change nothing.
LOOKS = (*COMPARES, "hosts.contact", "ansible.ask", LISTS_BACKUPS)
PLAYBOOKS = (
    "ansible.playbook", "ansible.check", "ansible.ask", MAKES_BACKUPS, LISTS_BACKUPS,
)  # fmt: skip


def needs_inputs(kind: str) -> bool:
    """Tell whether a step cannot be done while an input without default is not set."""
    return kind.startswith(ENGINE_STEPS) or kind in PLAYBOOKS
