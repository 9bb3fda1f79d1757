"""Plans, as the hub tells them."""

import msgspec


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a step would do to files alike (`processed`), or why nothing."""

    state: str
    says: str
    files: int
    size: int = 0
    """Bytes of the files themselves."""
    bytes: int = 0
    requests: int = 0
    along: int = 0
    """Entries that would be taken along, with directories that hold them."""
    reason: str = ""
    path: str = ""
    """One of the files."""
    path_b64: str | None = None


class PlannedStep(msgspec.Struct, frozen=True, kw_only=True):
    """One link of the chain of one rule; without a rule, what was to be found."""

    rule: int | None
    link: int
    step: str
    site: str
    says: list[Said]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan says: `files` would be dealt with, `untouched` need nothing, of `unable` it could not be done."""

    plan: int
    workflow: str
    site: str
    state: str
    complete: bool
    applied: int | None = None
    """The job that applied it last."""
    steps: list[PlannedStep]
    files: int = 0
    untouched: int = 0
    unable: int = 0
    untaken: int = 0
    """Entries that were found and that no rule is for."""
    bytes: int = 0
    requests: int = 0
    uncounted: int = 0
    """How often a step takes more than that, and nobody can say how much."""
