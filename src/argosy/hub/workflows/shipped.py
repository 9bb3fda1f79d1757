"""The workflows that come with Argosy."""

from typing import Any

_LOCK_LEVEL: dict[str, Any] = {
    "name": "lock_level",
    "label": "Lock level",
    "type": "choices",
    "choices": [{"label": "partial", "value": "partial"}, {"label": "implicit", "value": "implicit"}],
    "default": "implicit",
}

SHIPPED: tuple[dict[str, Any], ...] = (
    {
        "name": "premigrate",
        "label": "Premigrate",
        "icon_classes": ["fa", "fa-cloud-upload"],
        "discovery": "recursive",
        "fields": [_LOCK_LEVEL],
        "filter_rules": [
            {
                "state": "all",
                "type": "all",
                "action": [{"name": "dynamo.tasks.migrate", "premigrate": True, "lock_level": "*lock_level"}],
            }
        ],
    },
    {
        "name": "send",
        "label": "Send to site",
        "icon_classes": ["fa", "fa-paper-plane"],
        "discovery": "recursive",
        "fields": [
            {"name": "destinationsite", "label": "Destination site", "type": "enum[site]"},
            {"name": "hydrate", "label": "Bring the data too", "type": "bool", "default": False},
            {"name": "overwrite", "label": "Replace what differs", "type": "bool", "default": False},
        ],
        "filter_rules": [
            {
                "state": "all",
                "type": "all",
                "action": [
                    {"name": "dynamo.tasks.remove_location_xattrs_for_moved"},
                    {"name": "dynamo.tasks.migrate", "premigrate": True, "overwrite": "*overwrite"},
                    {
                        "name": "dynamo.tasks.reverse_stub",
                        "site": "*destinationsite",
                        "hydrate": "*hydrate",
                        "overwrite": "*overwrite",
                    },
                ],
            }
        ],
    },
)

ALIASES: dict[str, dict[str, str]] = {
    "send": {"destination": "destinationsite", "destination site": "destinationsite"},
}
"""Other spellings of fields that documentation and clients use."""
