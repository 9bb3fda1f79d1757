"""What was asked for cannot be, or leaves nothing to do."""

from typing import Final

from argosy.hub.jobs.explain.causes.cause import Cause

OUTSIDE = Cause(
    "outside_roots", "The path lies outside the roots of the site", "Name a path below a root, or add one to the site"
)
NO_SITELINK = Cause(
    "no_sitelink", "No sitelink leads from the path to the datastore", "Add the sitelink that the reason names"
)
NO_GUARD = Cause(
    "no_guard",
    "The site makes no stubs: a program that reads one there would read zeros",
    "Use premigrate, or hydrate, or set unguarded_stubs for the site",
)
INVALID = Cause("invalid", "What was asked cannot apply here", "Correct what the reason names, then run it again")
CANCELLED = Cause("cancelled", "The job was cancelled", "Run it again if it was to be done; what was done stays")
NO_WORK = Cause(
    "no_work",
    "The job was given nothing to do yet",
    "Submit paths that name the job (`job` of POST /api/file/workflow/), or cancel it",
)
NOTHING_FOUND = Cause(
    "nothing_found",
    "No entry was found that a rule of the workflow is for",
    "Look at the paths and at the state that was named with each, at state and type of the rules, and at include and "
    "exclude of site, workflow and job",
)
NOTHING_CHANGED = Cause(
    "nothing_changed", "Nothing changed since the last run", "Nothing: the next run finds what changes until then"
)
ALIKE = Cause("alike", "Both sides are alike", "Nothing: the next sync finds what changes until then")
FOLLOWS = Cause(
    "follows", "The other site has all of it already", "Nothing: the next sync finds what changes until then"
)
SYNC_REFUSED = Cause(
    "sync_refused",
    "A guard refused the sync, and nothing was changed",
    "Look whether what is gone is meant to be gone: only then confirm it, as the reason says",
)
SYNC_BROKEN = Cause(
    "sync_broken",
    "The sync did not come to its end",
    "See to what the reason names, then sync again: it goes on from what both sides hold",
)

CODES: Final = {
    "outside_roots": OUTSIDE,
    "no_guard": NO_GUARD,
    "no_sitelink": NO_SITELINK,
    "invalid": INVALID,
    "sync_broken": SYNC_BROKEN,
    "sync_refused": SYNC_REFUSED,
}
"""What lies behind errors of these codes."""
