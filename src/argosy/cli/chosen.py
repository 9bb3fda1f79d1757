"""What a run of a workflow is told beside its paths: options that several commands have."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

WORKFLOW = Annotated[str, typer.Argument(help="Name of the workflow, or its id.")]
PATHS = Annotated[list[str], typer.Argument(help="Files and directories, as they are called at the site.")]
SITE = Annotated[str, typer.Option(help="Site that has them.")]
FIELD = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="NAME=VALUE of a runtime field; repeat it for more.")
]
STATE = Annotated[str, typer.Option(help="State that the paths are given with.")]
DISCOVERY = Annotated[
    str,
    typer.Option(
        metavar="NAME|none", help="How entries are found, in the place of the workflow's own way; none: PATHS as given."
    ),
]
INCLUDE = Annotated[
    list[str] | None, typer.Option(help="Pattern in the place of those of the rules; repeat it for more.")
]
EXCLUDE = Annotated[
    list[str] | None, typer.Option(help="Pattern in the place of those of the rules; repeat it for more.")
]
IGNORE_INCLUDES = Annotated[
    bool, typer.Option("--ignore-site-includes", help="Leave out the include patterns of the site.")
]
IGNORE_EXCLUDES = Annotated[
    bool, typer.Option("--ignore-site-excludes", help="Leave out the exclude patterns of the site.")
]


def patterns(
    include: Sequence[str] | None, exclude: Sequence[str] | None, *, ignore_includes: bool, ignore_excludes: bool
) -> dict[str, Any]:
    """Return what was said of patterns, under the keys that the hub knows."""
    said: dict[str, Any] = {
        "include": include,
        "exclude": exclude,
        "ignore_site_includes": ignore_includes,
        "ignore_site_excludes": ignore_excludes,
    }
    return {key: value for key, value in said.items() if value}
