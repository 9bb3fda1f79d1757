"""The `argosy` command: parses, calls one function, prints; errors become exit statuses here and nowhere else.

Exit statuses: 0 done, 1 failed, 2 usage, 3 partly failed, 130 interrupted.
"""

import os
import sys
from collections.abc import Sequence

import typer

from argosy.cli import (
    admin,
    adopt,
    agent,
    config,
    conflicts,
    datastore,
    doctor,
    explain,
    fileset,
    fileset_snapshot,
    fileset_snapshots,
    gc,
    hub,
    job,
    login,
    migrate,
    plan,
    premigrate,
    rebuild,
    recall,
    schedule,
    schedule_runs,
    send,
    site,
    stub,
    sync,
    trash,
    undo,
    up,
    verify,
    version,
    versions,
    workflow,
)
from argosy.cli.output import shown
from argosy.core.errors import ArgosyError

app = typer.Typer(
    name="argosy",
    help="Argosy puts data where it is needed: one hub, many sites, any Linux filesystem, any object store.",
    epilog="Exit status: 0 done, 1 failed, 2 wrong usage, 3 some files failed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(up.up)
app.add_typer(hub.app, name="hub")
app.add_typer(agent.app, name="agent")
app.command()(login.login)
app.command()(send.send)
app.command()(premigrate.premigrate)
app.command()(migrate.migrate)
app.command()(recall.recall)
app.command()(adopt.adopt)
app.command()(verify.verify)
app.add_typer(stub.app, name="stub")
app.add_typer(trash.app, name="trash")
app.add_typer(versions.app, name="versions")
app.add_typer(sync.app, name="sync")
app.add_typer(conflicts.app, name="conflicts")
app.add_typer(job.app, name="job")
app.add_typer(workflow.app, name="workflow")
for command in (schedule_runs.run, schedule_runs.subscribe, schedule_runs.unsubscribe):
    schedule.app.command()(command)
app.add_typer(schedule.app, name="schedule")
app.command()(explain.explain)
app.command()(plan.plan)
app.command()(plan.apply)
app.command()(undo.undo)
app.add_typer(site.app, name="site")
fileset.app.command()(fileset_snapshot.snapshot)
fileset.app.command()(fileset_snapshots.snapshots)
fileset.app.command()(fileset_snapshots.remove)
app.add_typer(fileset.app, name="fileset")
app.add_typer(gc.app, name="gc")
app.command()(rebuild.rebuild)
app.add_typer(datastore.app, name="datastore")
app.command()(doctor.doctor)
app.command()(version.version)
app.add_typer(admin.app, name="admin")
app.add_typer(config.app, name="config")


def main() -> None:
    """Run the command line and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command; return its exit status."""
    try:
        status = app(list(arguments), prog_name="argosy", standalone_mode=False)
        sys.stdout.flush()
    except ArgosyError as error:
        return _told(error.message, 1)
    except typer.TyperException as error:
        message = " ".join(error.format_message().split("\n")).rstrip(".").replace(": Value error, ", ": ")
        return _told(f"{message} (see {_command_of(error)} --help)", error.exit_code) if message else error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (typer.Abort, KeyboardInterrupt):
        return _told("interrupted", 130)
    return status if isinstance(status, int) else 0


def _command_of(error: typer.TyperException) -> str:
    """Return the command that was used wrongly, as it is called."""
    context = getattr(error, "ctx", None)  # only wrong usage has one
    return str(context.command_path) if context else "argosy"


def _told(message: str, status: int) -> int:
    """Say it on one line of standard error, whatever characters are in it."""
    sys.stderr.buffer.write(f"argosy: {shown(message)}\n".encode())
    sys.stderr.flush()
    return status


if __name__ == "__main__":
    main()
