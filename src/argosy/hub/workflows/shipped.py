"""The workflows that come with Argosy."""

from typing import Any


def _lock_level(default: str) -> dict[str, Any]:
    return {
        "name": "lock_level",
        "label": "Lock level",
        "type": "choices",
        "choices": [{"label": "partial", "value": "partial"}, {"label": "implicit", "value": "implicit"}],
        "default": default,
    }


_HYDRATE: dict[str, Any] = {"name": "hydrate", "label": "Bring the data too", "type": "bool", "default": False}
_OVERWRITE: dict[str, Any] = {"name": "overwrite", "label": "Replace what differs", "type": "bool", "default": False}
_DESTINATION: dict[str, Any] = {"name": "destinationsite", "label": "Destination site", "type": "enum[site]"}


def _all(*steps: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rules that send every entry through one chain."""
    return [{"state": "all", "type": "all", "action": list(steps)}]


_PREFERENCE: dict[str, Any] = {
    "name": "sync_preference",
    "label": "Who keeps the name where both sides changed the same",
    "type": "choices",
    "choices": [{"label": one, "value": one} for one in ("newest", "local", "ignore", "keep_both")],
    "default": "newest",
}
_ROTATE: dict[str, Any] = {
    "name": "snapdiff_rotate_on_error",
    "label": "Rotate snapshots although files failed",
    "type": "bool",
    "default": True,
}
_SENDING: tuple[dict[str, Any], ...] = (
    {"name": "dynamo.tasks.remove_location_xattrs_for_moved"},
    {"name": "dynamo.tasks.migrate", "premigrate": True, "overwrite": True, "abort_missing": True},
    {"name": "dynamo.tasks.reverse_stub", "site": "*destinationsite", "overwrite": True},
)


def _changes(*more: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rules that a sync shows: what it comes to for what was created, updated, moved and deleted."""
    there = {"site": "*destinationsite"}
    actions: dict[str, list[dict[str, Any]]] = {
        "created": list(_SENDING),
        "updated": [*more, *_SENDING],
        "moved": [{"name": "dynamo.tasks.move_paths_on_gpfs", **there}],
        "deleted": [{"name": "dynamo.tasks.delete_paths_from_gpfs", **there}],
    }
    return [{"state": state, "type": "all", "action": action} for state, action in actions.items()]


_SYNCS: tuple[dict[str, Any], ...] = (
    {
        "name": "site_sync",
        "label": "Sync Fileset to Site",
        "icon_classes": ["fa", "fa-arrow-right"],
        "discovery": "snapdiff",
        "fields": [_DESTINATION, _PREFERENCE, _ROTATE],
        "filter_rules": _changes(
            {
                "name": "dynamo.tasks.check_sync_state",
                "site": "*destinationsite",
                "sync_preference": "*sync_preference",
            }
        ),
    },
    {
        "name": "bidirectional_sync",
        "label": "Bi-directional Site Sync",
        "icon_classes": ["fa", "fa-arrows-h"],
        "discovery": "bidirectional_snapdiff",
        "schedule_only": True,
        "fields": [_DESTINATION, _PREFERENCE, {**_HYDRATE, "default": None}],
        "filter_rules": _changes(),
    },
)
"""Planned as a whole: their rules are shown, and not run as chains."""

_OFFERED: tuple[dict[str, Any], ...] = (
    {
        "name": "migrate",
        "label": "Migrate",
        "icon_classes": ["fa", "fa-cloud"],
        "discovery": "recursive",
        "fields": [_lock_level("partial")],
        "filter_rules": _all({"name": "dynamo.tasks.migrate", "lock_level": "*lock_level"}),
    },
    {
        "name": "premigrate",
        "label": "Premigrate",
        "icon_classes": ["fa", "fa-cloud-upload"],
        "discovery": "recursive",
        "fields": [_lock_level("implicit")],
        "filter_rules": _all({"name": "dynamo.tasks.migrate", "premigrate": True, "lock_level": "*lock_level"}),
    },
    {
        "name": "recall",
        "label": "Recall",
        "icon_classes": ["fa", "fa-cloud-download"],
        "discovery": "recursive",
        "fields": [_lock_level("implicit")],
        "filter_rules": _all({"name": "dynamo.tasks.recall", "lock_level": "*lock_level"}),
    },
    {
        "name": "send",
        "label": "Send to site",
        "icon_classes": ["fa", "fa-paper-plane"],
        "discovery": "recursive",
        "fields": [_DESTINATION, _HYDRATE, _OVERWRITE],
        "filter_rules": _all(
            {"name": "dynamo.tasks.remove_location_xattrs_for_moved"},
            {"name": "dynamo.tasks.migrate", "premigrate": True, "overwrite": "*overwrite"},
            {
                "name": "dynamo.tasks.reverse_stub",
                "site": "*destinationsite",
                "hydrate": "*hydrate",
                "overwrite": "*overwrite",
            },
        ),
    },
)


def _shelf(name: str, label: str, shelf: str, step: str, *asked: dict[str, Any], **fixed: Any) -> dict[str, Any]:
    """Return the workflow that does something with what lies in a trash or version store: what, its fields say."""
    return {
        "name": name,
        "label": label,
        "discovery": shelf,
        "discovery_options": {field["name"]: f"*{field['name']}" for field in asked} | fixed,
        "fields": list(asked),
        "filter_rules": _all({"name": f"dynamo.tasks.{step}"}),
    }


_ID: dict[str, Any] = {"name": "id", "label": "Only under this id", "type": "string", "default": ""}
_TO: dict[str, Any] = {"name": "to", "label": "Path to restore to", "type": "string", "default": ""}
_OLDER: dict[str, Any] = {"name": "older_than_days", "label": "Older than days", "type": "int", "default": 0}

_HIDDEN: tuple[dict[str, Any], ...] = (
    _shelf("trash_list", "List the trash", "trash", "list_kept"),
    _shelf("trash_restore", "Restore from the trash", "trash", "restore_kept", _ID, _TO, latest=True),
    _shelf("trash_purge", "Purge the trash", "trash", "purge_kept", _ID, _OLDER),
    _shelf("versions_list", "List versions", "versions", "list_kept"),
    _shelf("versions_restore", "Restore a version", "versions", "restore_kept", _ID, _TO, latest=True),
    {
        "name": "sync_undo",
        "label": "Undo a sync",
        "discovery": "undo",
        "discovery_options": {"rounds": "*rounds"},
        "fields": [{"name": "rounds", "label": "Rounds of the sync", "type": "string"}],
        "filter_rules": _all({"name": "dynamo.tasks.give_back"}),
    },
    {
        "name": "sync_unlock",
        "label": "Release the lock of a sync",
        "discovery": None,
        "fields": [{"name": "holder", "label": "Task that holds it", "type": "string"}],
        "filter_rules": _all({"name": "dynamo.tasks.rotate_snapshot", "discovery": "*holder", "forward": False}),
    },
    {
        "name": "create_snapshot",
        "label": "Take a snapshot",
        "discovery": None,
        "fields": [{"name": "snapshot", "label": "Name of the snapshot", "type": "string"}],
        "filter_rules": _all({"name": "dynamo.tasks.create_snapshot", "snapshot": "*snapshot"}),
    },
    {
        "name": "list_snapshots",
        "label": "List snapshots",
        "discovery": "snapshots",
        "fields": [],
        "filter_rules": _all({"name": "dynamo.tasks.list_snapshot"}),
    },
    {
        "name": "delete_snapshots",
        "label": "Delete snapshots",
        "discovery": "snapshots",
        "discovery_options": {"snapshot": "*snapshot"},
        "fields": [
            {"name": "snapshot", "label": "Only the one of this name", "type": "string", "default": ""},
            {"name": "last_too", "label": "The last one too", "type": "bool", "default": False},
        ],
        "filter_rules": _all({"name": "dynamo.tasks.delete_snapshot", "last_too": "*last_too"}),
    },
    {
        "name": "transparent_recall",
        "label": "Transparent recall",
        "discovery": None,
        "fields": [],
        "filter_rules": _all({"name": "dynamo.tasks.recall", "lock_level": "partial"}),
    },
    {
        "name": "reverse_stub",
        "label": "Reverse stub",
        "discovery": None,
        "allow_missing_paths": True,
        "fields": [_HYDRATE, _OVERWRITE],
        "filter_rules": _all({"name": "dynamo.tasks.reverse_stub", "hydrate": "*hydrate", "overwrite": "*overwrite"}),
    },
    {
        "name": "delete_file",
        "label": "Delete",
        "discovery": None,
        "allow_missing_paths": True,
        "fields": [{"name": "recursive", "label": "With all it holds", "type": "bool", "default": False}],
        "filter_rules": _all({"name": "dynamo.tasks.delete_paths_from_gpfs", "recursive": "*recursive"}),
    },
    {
        "name": "adopt",
        "label": "Adopt copies of stubs",
        "discovery": "recursive",
        "fields": [],
        "filter_rules": _all({"name": "dynamo.tasks.adopt"}),
    },
    {
        "name": "verify",
        "label": "Verify",
        "discovery": "recursive",
        "fields": [
            {"name": "content", "label": "Read the objects whole", "type": "bool", "default": False},
            {"name": "repair", "label": "Repair", "type": "bool", "default": False},
            {"name": "budget_gb", "label": "GiB of content to read", "type": "int", "default": 0},
        ],
        "filter_rules": _all(
            {"name": "dynamo.tasks.verify", "content": "*content", "repair": "*repair", "budget_gb": "*budget_gb"}
        ),
    },
    {
        "name": "stat",
        "label": "Look at entries",
        "discovery": None,
        "fields": [],
        "filter_rules": _all({"name": "dynamo.tasks.stat_paths"}),
    },
    {
        "name": "rebuild",
        "label": "Rebuild the index",
        "discovery": "rebuild",
        "fields": [],
        "filter_rules": [],
    },
)
"""Not offered to people, and run by their names: by commands, programs and the recall guard."""

SHIPPED: tuple[dict[str, Any], ...] = (*_OFFERED, *_SYNCS, *({"visible": False, **hidden} for hidden in _HIDDEN))
