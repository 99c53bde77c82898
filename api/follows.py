"""Links of the document: which operations follow from an answer, and where their id is in it."""

REGION = ("get_region", "change_region", "ask_region", "archive_region")
ENVIRONMENT = ("get_environment", "change_environment", "archive_environment")
TENANT = ("get_tenant", "change_tenant", "list_pins", "pin_component", "archive_tenant")
STACK = (
    "get_stack", "list_actions", "list_backups", "list_restore_points", "list_states",
    "list_hosts", "get_inventory", "get_end", "change_inputs", "change_settings", "review_stack",
    "unlock_state",
)  # fmt: skip
RUN = (
    "get_run", "list_events", "get_log", "get_plan", "confirm_run", "discard_run", "cancel_run",
    "force_cancel_run", "retry_run", "hold_run", "approve_run", "reject_run",
)  # fmt: skip
# A run that is just queued has no plan yet.
QUEUED = tuple(name for name in RUN if name != "get_plan")
HOST = ("get_host", "change_host", "pin_host", "remove_host")
RELEASE = ("get_release", "change_release", "archive_release")
ACCOUNT = ("get_account", "change_account", "check_cloud_account", "archive_account")
PERSON = ("get_person", "change_person", "end_sessions", "reset_second_factor")
INVITATION = ("get_invitation", "resend_invitation", "revoke_invitation")
CHANNEL = (
    "get_channel", "change_channel", "let_channel_listen", "test_channel", "pause_channel",
    "renew_channel_key", "list_deliveries", "archive_channel",
)  # fmt: skip
SUBSCRIPTION = ("get_subscription", "end_subscription")
FIRST, OWN = "/items/0/id", "/id"
# Operation and status -> (operations, parameter, pointer to the id).
Follow = tuple[tuple[str, ...], str, str]
FOLLOWS: dict[tuple[str, str], list[Follow]] = {
    ("list_regions", "200"): [(REGION, "region_id", FIRST)],
    ("create_region", "201"): [(REGION, "region_id", OWN)],
    ("list_environments", "200"): [
        (ENVIRONMENT, "environment_id", FIRST),
        (("get_stack",), "stack_id", "/items/0/stack/id"),
    ],
    ("create_environment", "201"): [(ENVIRONMENT, "environment_id", OWN)],
    ("list_tenants", "200"): [
        (TENANT, "tenant_id", FIRST),
        (("get_stack",), "stack_id", "/items/0/stack/id"),
    ],
    ("create_tenant", "201"): [
        (TENANT, "tenant_id", OWN),
        (STACK, "stack_id", "/stack/id"),
    ],
    ("list_releases", "200"): [(RELEASE, "release_id", FIRST)],
    ("create_release", "201"): [(RELEASE, "release_id", OWN)],
    ("list_stacks", "200"): [(STACK, "stack_id", FIRST)],
    ("list_states", "200"): [(("get_state", "rollback_state"), "version_id", FIRST)],
    ("list_runs", "200"): [
        (QUEUED, "run_id", FIRST),
        (("get_stack",), "stack_id", "/items/0/stack/id"),
    ],
    ("create_run", "202"): [(QUEUED, "run_id", OWN)],
    ("retry_run", "202"): [(("get_run", "cancel_run"), "run_id", OWN)],
    ("unlock_state", "202"): [(("get_run", "cancel_run"), "run_id", OWN)],
    ("rollback_state", "202"): [(("get_run", "cancel_run"), "run_id", OWN)],
    ("list_approvals", "200"): [(("get_run", "approve_run"), "run_id", "/items/0/run")],
    ("list_hosts", "200"): [(HOST, "host_id", FIRST)],
    ("add_host", "201"): [(HOST, "host_id", OWN)],
    ("list_accounts", "200"): [(ACCOUNT, "account_id", FIRST)],
    ("create_account", "201"): [(ACCOUNT, "account_id", OWN)],
    ("adopt_tenant", "201"): [(("get_tenant",), "tenant_id", OWN)],
    ("list_grants", "200"): [(("get_grant", "revoke_grant"), "grant_id", FIRST)],
    ("create_grant", "201"): [(("get_grant", "revoke_grant"), "grant_id", OWN)],
    ("list_people", "200"): [(PERSON, "user_id", FIRST)],
    ("create_person", "201"): [(PERSON, "user_id", OWN)],
    ("list_groups", "200"): [(("get_group", "change_group"), "group_id", FIRST)],
    ("create_group", "201"): [(("get_group", "change_group"), "group_id", OWN)],
    ("list_roles", "200"): [(("get_role",), "role_id", FIRST)],
    ("grant_role", "201"): [(("get_role", "revoke_role"), "role_id", OWN)],
    ("list_invitations", "200"): [(INVITATION, "invitation_id", FIRST)],
    ("create_invitation", "201"): [(INVITATION, "invitation_id", OWN)],
    ("list_subscriptions", "200"): [(SUBSCRIPTION, "subscription_id", FIRST)],
    ("subscribe", "201"): [(SUBSCRIPTION, "subscription_id", OWN)],
    ("let_channel_listen", "201"): [(SUBSCRIPTION, "subscription_id", OWN)],
    ("list_channels", "200"): [(CHANNEL, "channel_id", FIRST)],
    ("create_channel", "201"): [(CHANNEL, "channel_id", OWN)],
    ("list_deliveries", "200"): [(("get_delivery", "redeliver"), "delivery_id", FIRST)],
    ("redeliver", "202"): [(("get_delivery",), "delivery_id", OWN)],
    ("list_workers", "200"): [(("drain_worker", "declare_worker_gone"), "worker_id", FIRST)],
}  # fmt: skip
