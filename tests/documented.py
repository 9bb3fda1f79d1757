"""The workflow definitions that the manual gives as examples: their keys, names and values; the labels are ours.

Written from "Custom Workflows", "Custom Tasks" and the page of the client's workflow commands.
"""

from typing import Any

TARGET = {"name": "target_site", "label": "To", "type": "enum[site]"}
POLICY = {
    "name": "sync_policy",
    "label": "Who wins",
    "type": "choices",
    "choices": [{"label": "Newest", "value": "newest"}, {"label": "Sender", "value": "sourcesite"}],
}
MIGRATE = {"name": "dynamo.tasks.migrate"}


def all_through(*actions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"state": "all", "type": "all", "action": list(actions), **more}


SEND_TO_LONDON = all_through(MIGRATE, {"name": "dynamo.tasks.reverse_stub", "site": "london"})
SEND_TO_TARGET = all_through(MIGRATE, {"name": "dynamo.tasks.reverse_stub", "site": "*target_site"})
BY_POLICY = all_through(MIGRATE, {"name": "dynamo.tasks.reverse_stub", "sync_policy": "*sync_policy"})
CREATED_ONLY = {
    "state": "created",
    "type": "file",
    "exclude": ["*.temp"],
    "action": [MIGRATE, {"name": "dynamo.tasks.reverse_stub", "site": "*target_site"}],
}
SEND_FILE = {
    "name": "send_file",
    "label": "To another site",
    "icon_classes": ["fa fa-cloud fa-stack-2x text-primary", "fa fa-refresh fa-stack-1x text-light"],
    "filter_rules": [SEND_TO_TARGET],
    "fields": [TARGET],
}
SEND_BY_POLICY = {
    "name": "send_file",
    "label": "By policy",
    "icon": "<span class='fa-stack'></span>",
    "filter_rules": [BY_POLICY],
    "fields": [POLICY],
}
MIGRATE_STATE = {
    "name": "migrate_state",
    "label": "By state",
    "filter_rules": [
        {"type": "all", "state": "modified", "action": MIGRATE},
        {"type": "all", "state": "moved", "action": {"name": "dynamo.tasks.delete_paths_from_gpfs"}},
    ],
    "discovery": None,
    "fields": [],
}
OPTIONS = {"discovery": "recursive", "discovery_options": {"skip_missing": False}}
DELETE_FILE = {
    "icon_classes": ["fa fa-cloud fa-stack-2x text-success", "fa fa-angle-up fa-stack-2x text-light"],
    "discovery": None,
    "enabled": True,
    "visible": True,
    "fields": [],
    "filter_rules": [
        all_through({"name": "dynamo.tasks.delete_paths_from_gpfs", "recursive": False}, description="Delete a file")
    ],
}
RECALL_OVERWRITE = {
    "name": "recall_overwrite",
    "label": "Over what is there",
    "icon_classes": ["fa fa-cloud fa-stack-2x text-primary", "fa fa-caret-down fa-stack-2x text-light"],
    "filter_rules": [
        all_through({"name": "dynamo.tasks.reverse_stub", "site": "*destinationsite", "overwrite": True}),
    ],
    "fields": [{"name": "destinationsite", "type": "enum[site]", "label": "To", "value": "site"}],
}
EMAIL = {
    "name": "dynamo.custom.email_staff",
    "staff_members": ["first@harbour.example", "second@harbour.example"],
    "subject": "Project 7 is away",
    "from_address": "argosy@harbour.example",
}
SCRIPT = {"name": "dynamo.custom.run_cloud_script"}


def plugin(name: str, *actions: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "label": "With a step of our own",
        "icon_classes": [],
        "discovery": None,
        "enabled": True,
        "visible": True,
        "fields": [],
        "filter_rules": [all_through(*actions)],
    }


def made_of(name: str, *rules: dict[str, Any], fields: tuple[dict[str, Any], ...] = (), **more: Any) -> dict[str, Any]:
    """Return a whole definition around rules and fields that the manual gives alone."""
    return {"name": name, "label": "L", "icon_classes": [], "filter_rules": list(rules), "fields": list(fields), **more}
