"""The command line as a person or a script uses it, against a whole Argosy."""

import fcntl
import json
import os
import pty
import re
import signal
import stat
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.argosy_up import ARGOSY, PASSWORD, Argosy, argosy, until

AWAY = """\
type = "S3"
bucket = "cloud"
endpoint = "http://127.0.0.1:9"
accesskeyid = "k"
secretaccesskey = "s3cr3t"
"""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Argosy]:
    with argosy(tmp_path_factory.mktemp("cli")) as running:
        yield running


@pytest.fixture
def tree(up: Argosy, request: pytest.FixtureRequest) -> Path:
    """A small tree at london, named after the test."""
    top = up.tree("london") / request.node.name[:60].replace("/", "-")
    (top / "inner").mkdir(parents=True)
    (top / "one").write_text("one")
    (top / "inner" / "two").write_text("two")
    return top


def plain(*words: str | bytes, home: Path | None = None, **more: Any) -> "subprocess.CompletedProcess[str]":
    """Run a command without the login of the environment."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("ARGOSY_")}
    env |= {"XDG_CONFIG_HOME": str(home or "/nonexistent")} | more.pop("env", {})
    return subprocess.run([ARGOSY, *words], capture_output=True, text=True, timeout=60, check=False, env=env, **more)


def send(up: Argosy, *words: str | bytes, **more: Any) -> "subprocess.CompletedProcess[str]":
    return up.cli("send", *words, "--site", "london", "--to", "dublin", "--hydrate", **more)


def arrived(up: Argosy, path: Path) -> Path:
    return up.tree("dublin") / path.relative_to(up.tree("london"))


def test_a_tree_is_sent_and_the_end_is_told(up: Argosy, tree: Path) -> None:
    run = send(up, str(tree))
    assert (run.returncode, run.stderr) == (0, "")
    assert re.fullmatch(r"Job (\d+)\nJob \1 SUCCESS: 4 entries processed; .* moved in .*\n", run.stdout)
    assert (arrived(up, tree) / "inner" / "two").read_text() == "two"


def test_paths_are_relative_to_where_one_stands(up: Argosy, tree: Path) -> None:
    assert send(up, "./one", "inner/../inner/two", cwd=tree).returncode == 0
    assert (arrived(up, tree) / "one").read_text() == "one"
    assert (arrived(up, tree) / "inner" / "two").read_text() == "two"


def test_names_of_any_bytes_are_sent(up: Argosy, tree: Path) -> None:
    name = os.fsencode(tree) + b"/caf\xe9 \xff\n"
    with open(name, "wb") as file:
        file.write(b"x")
    assert send(up, name).returncode == 0
    assert os.path.exists(os.fsencode(arrived(up, tree)) + b"/caf\xe9 \xff\n")


def test_json_is_the_only_thing_on_standard_output(up: Argosy, tree: Path) -> None:
    job = json.loads(send(up, str(tree), "-o", "json").stdout)
    assert (job["state"], job["numprocessedfiles"]) == ("SUCCESS", 4)
    number = str(job["id"])
    assert json.loads(up.cli("job", "show", number, "-o", "json").stdout)["id"] == job["id"]
    assert json.loads(up.cli("job", "watch", number, "-o", "json").stdout)["state"] == "SUCCESS"
    listed = [
        json.loads(line) for noun in ("job", "site") for line in up.cli(noun, "list", "-o", "json").stdout.splitlines()
    ]
    assert job["id"] in [one["id"] for one in listed if "state" in one]
    assert [one["name"] for one in listed if "name" in one] == ["dublin", "london"]
    files = [json.loads(line) for line in up.cli("job", "files", number, "-o", "json").stdout.splitlines()]
    assert {Path(file["path"]).name for file in files} == {tree.name, "one", "inner", "two"}
    detached = json.loads(send(up, str(tree), "--detach", "-o", "json").stdout)
    assert up.wait(detached["job"])["state"] == "SUCCESS"


def test_for_people_there_are_tables(up: Argosy, tree: Path) -> None:
    number = json.loads(send(up, str(tree), "-o", "json").stdout)["id"]
    row = rf"(?m)^{number} +SUCCESS +send +london +dublin +4/4 +\S+ \d\d:\d\d:\d\d\+00:00  {tree}$"
    assert re.search(row, up.cli("job", "list").stdout)
    assert re.search(r"(?m)^state +SUCCESS$", up.cli("job", "show", str(number)).stdout)
    files = up.cli("job", "files", str(number), "--category", "processed").stdout
    assert len(re.findall(r"(?m)^processed  /", files)) == 4
    assert up.cli("job", "files", str(number), "--category", "failed").stdout == ""
    assert "london" in up.cli("site", "list").stdout


def test_a_job_is_shown_as_people_read_it(up: Argosy, tree: Path) -> None:
    number = json.loads(send(up, str(tree), "-o", "json").stdout)["id"]
    told = up.cli("job", "show", str(number)).stdout
    for line in (
        r"destinationsite    dublin", r"numbytes           6 B", rf"path               {re.escape(str(tree))}",
        r"created            \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00:00", r"runtime            \d+\.\d s",
    ):  # fmt: skip
        assert re.search(f"(?m)^{line}$", told), (line, told)


def test_the_name_of_a_file_does_not_steer_the_terminal(up: Argosy, tree: Path) -> None:
    hostile = "e\033[31mRED\033]0;pwn\007\n\u202egpj"
    (tree / hostile).write_text("x")
    number = json.loads(send(up, str(tree), "-o", "json").stdout)["id"]
    (arrived(up, tree) / hostile).write_text("another")
    runs = [
        send(up, str(tree / hostile)),
        up.cli("job", "files", str(number)),
        up.cli("job", "show", str(number + 1)),
        send(up, f"/nowhere/{hostile}"),
    ]
    for run in runs:
        told = (run.stdout + run.stderr).replace(r"\n", r"\x0a")  # as the hub quotes it
        assert r"e\x1b[31mRED\x1b]0;pwn\x07\x0a\u202egpj" in told
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", run.stdout + run.stderr)
    files = map(json.loads, up.cli("job", "files", str(number), "-o", "json").stdout.splitlines())
    assert str(arrived(up, tree) / hostile) in [file["path"] for file in files]


def test_a_reason_does_not_name_its_file_again(up: Argosy, tree: Path) -> None:
    number = json.loads(send(up, str(tree / "missing"), "-o", "json").stdout)["id"]
    told = up.cli("job", "files", str(number)).stdout
    assert told.startswith(f"failed     {tree}/missing  (no such file")


def test_why_a_job_waits_is_told_while_its_store_is_away(tmp_path: Path) -> None:
    with argosy(tmp_path, datastore=AWAY) as up:
        (up.tree("london") / "one").write_text("one")
        send(up, str(up.tree("london")), "--detach")
        shown = until(lambda: _found(r"(?m)^waiting: .*cloud.*; it is tried again$", up.cli("job", "show", "1").stdout))
        login = {"ARGOSY_URL": up.url, "ARGOSY_USER": "admin", "ARGOSY_PASSWORD": PASSWORD}
        words = [ARGOSY, "job", "watch", "1"]
        watch = subprocess.Popen(words, env=os.environ | login, stdout=subprocess.PIPE, text=True)
        assert watch.stdout is not None
        assert watch.stdout.readline().startswith(shown[:20])
        up.cli("job", "cancel", "1")
        watch.communicate(timeout=60)
        planned_meanwhile(up, os.environ | login)


def planned_meanwhile(up: Argosy, environment: dict[str, str]) -> None:
    """Plan while the store is away, see that the number comes first and then why it waits, and leave it by Ctrl-C."""
    words = ["env", "--default-signal=INT", ARGOSY, "plan", "premigrate", str(up.tree("london")), "--site", "london"]
    planning = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert planning.stderr is not None
    assert planning.stderr.readline() == "Plan 2 is being made\n"
    assert re.match(r"waiting: .*cloud", planning.stderr.readline())
    planning.send_signal(signal.SIGINT)
    printed, told = planning.communicate(timeout=60)
    assert (planning.returncode, printed) == (130, "")
    assert told.endswith("\nPlan 2 goes on: see it with `argosy apply --show 2`\n")


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[0] if found else ""


def test_a_tree_is_premigrated(up: Argosy, tree: Path) -> None:
    run = up.cli("premigrate", str(tree), "--site", "london")
    assert run.returncode == 0
    assert (tree / "one").read_text() == "one"


def test_where_nothing_went_well_the_status_is_1_and_the_file_is_told(up: Argosy, tree: Path) -> None:
    run = send(up, str(tree / "missing"))
    assert run.returncode == 1
    assert f"failed: {tree}/missing: no such file" in run.stderr


def test_where_a_part_went_well_the_status_is_3_and_overwrite_mends_it(up: Argosy, tree: Path) -> None:
    arrived(up, tree).mkdir(parents=True)
    (arrived(up, tree) / "one").write_text("another")
    run = send(up, str(tree))
    assert run.returncode == 3
    assert f"failed: {arrived(up, tree)}/one: exists and differs" in run.stderr
    assert (arrived(up, tree) / "one").read_text() == "another"
    assert send(up, str(tree), "--overwrite").returncode == 0
    assert (arrived(up, tree) / "one").read_text() == "one"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["send", "/x", "--site", "paris", "--to", "dublin", "--hydrate"], "unknown site 'paris'"),
        (["job", "show", "999999"], "job"),
        (["job", "watch", "999999"], "job"),
        (["job", "cancel", "999999"], "job"),
    ],
)
def test_what_the_hub_refuses_is_told_on_one_line(up: Argosy, words: list[str], reason: str) -> None:
    run = up.cli(*words)
    assert run.returncode == 1
    assert reason in run.stderr.lower()
    assert re.fullmatch(r"argosy: .*\n", run.stderr)
    assert run.stdout == ""


def test_garbage_is_planned_for_people_and_for_programs(up: Argosy) -> None:
    run = up.cli("gc", "plan")
    assert (run.returncode, run.stderr) == (0, "")
    assert re.search(r"(?m)^referred to +\d+ objects, ", run.stdout)
    assert re.search(r"(?m)^Run \d+ DONE$", run.stdout)
    told = json.loads(up.cli("gc", "plan", "-o", "json").stdout)
    assert (told["kind"], told["state"]) == ("plan", "DONE")


def test_a_rebuild_of_a_site_that_does_not_exist_names_those_that_do(up: Argosy) -> None:
    run = up.cli("rebuild", "paris")
    assert (run.returncode, run.stderr) == (1, "argosy: unknown site 'paris': known are dublin, london\n")


def test_a_send_without_its_bytes_fails_where_nothing_guards_stubs(up: Argosy, tree: Path) -> None:
    (tree / "one").write_bytes(bytes(100_000))
    run = up.cli("send", str(tree / "one"), "--site", "london", "--to", "dublin")
    assert run.returncode == 1
    assert re.fullmatch(r"failed: .*dublin has no recall guard.*\n", run.stderr)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["send", "/x"], "--site"),
        (["send", "--site", "a", "--to", "b"], "PATHS"),
        (["sned"], "sned"),
        (["job", "show", "x"], "integer"),
        (["up", "--port", "99999"], "--port"),
        (["job", "list", "--limit", "0"], "--limit"),
        (["job", "files", "1", "--category", "lost"], "lost"),
    ],
)
def test_wrong_usage_is_told_on_one_line_with_status_2(words: list[str], reason: str) -> None:
    run = plain(*words)
    assert run.returncode == 2
    assert reason.lower() in run.stderr.lower()
    assert re.fullmatch(r"argosy: .*--help\)\n", run.stderr)


def test_a_login_is_kept_for_its_owner_alone_and_used_from_then_on(up: Argosy, tmp_path: Path) -> None:
    run = plain("login", "--url", up.url, home=tmp_path, input=f"{PASSWORD}\n")
    assert (run.returncode, run.stdout) == (0, f"Logged in to {up.url} as admin\n")
    file = tmp_path / "argosy" / "credentials.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert PASSWORD not in file.read_text()
    assert "london" in plain("site", "list", home=tmp_path).stdout


def test_an_access_token_that_is_no_longer_good_is_replaced_unasked(up: Argosy, tmp_path: Path) -> None:
    plain("login", "--url", up.url, home=tmp_path, env={"ARGOSY_PASSWORD": PASSWORD})
    file = tmp_path / "argosy" / "credentials.json"
    kept = json.loads(file.read_text())
    kept["hubs"][up.url]["access"] = "stale"
    file.write_text(json.dumps(kept))
    assert plain("site", "list", home=tmp_path).returncode == 0
    assert json.loads(file.read_text())["hubs"][up.url]["access"] != "stale"


def test_a_wrong_password_is_refused_and_nothing_is_kept(up: Argosy, tmp_path: Path) -> None:
    run = plain("login", "--url", up.url, home=tmp_path, input="wrong\n")
    assert run.returncode == 1
    assert re.fullmatch(r"argosy: .*\n", run.stderr)
    assert not (tmp_path / "argosy").exists()


def test_without_a_login_one_is_asked_for(up: Argosy) -> None:
    run = plain("site", "list", env={"ARGOSY_URL": up.url})
    assert (run.returncode, run.stdout) == (1, "")
    assert "run `argosy login`" in run.stderr


def test_a_hub_that_is_away_is_named(tmp_path: Path) -> None:
    run = plain("site", "list", env={"ARGOSY_URL": "http://127.0.0.1:9"})
    assert run.returncode == 1
    assert re.fullmatch(r"argosy: the hub at http://127.0.0.1:9 does not answer .*\n", run.stderr)


def test_ctrl_c_leaves_the_job_and_tells_how_to_watch_it(tmp_path: Path) -> None:
    env = {"ARGOSY_FAILPOINTS": "hsm:hash=pause", "ARGOSY_FAILPOINTS_DIR": str(tmp_path / "points")}
    (tmp_path / "points").mkdir()
    with argosy(tmp_path, env=env) as up:
        (up.tree("london") / "one").write_text("one")
        login = {"ARGOSY_URL": up.url, "ARGOSY_USER": "admin", "ARGOSY_PASSWORD": PASSWORD}
        words = ["send", str(up.tree("london") / "one"), "--site", "london", "--to", "dublin", "--hydrate"]
        process = subprocess.Popen(
            ["env", "--default-signal=INT", ARGOSY, *words],  # who runs us may ignore it
            env=os.environ | login,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        until((tmp_path / "points" / "hsm:hash.hit").exists, what="the job runs")
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
        assert process.returncode == 130
        assert told == "\nJob 1 goes on: watch it with `argosy job watch 1`\n"
        (tmp_path / "points" / "hsm:hash.go").touch()
        watched = up.cli("job", "watch", "1")
        assert watched.returncode == 0
        assert "SUCCESS" in watched.stdout


def test_a_cancelled_job_ends_and_watching_it_tells_failure(tmp_path: Path) -> None:
    env = {"ARGOSY_FAILPOINTS": "hsm:hash=pause", "ARGOSY_FAILPOINTS_DIR": str(tmp_path / "points")}
    (tmp_path / "points").mkdir()
    with argosy(tmp_path, env=env) as up:
        for number in range(5):
            (up.tree("london") / str(number)).write_text("x")
        started = send(up, str(up.tree("london")), "--detach")
        assert started.stdout == "Job 1 runs: watch it with `argosy job watch 1`\n"
        until((tmp_path / "points" / "hsm:hash.hit").exists, what="the job runs")
        assert up.cli("job", "cancel", "1").stdout == "Job 1 is being cancelled\n"
        (tmp_path / "points" / "hsm:hash.go").touch()
        watched = up.cli("job", "watch", "1")
        assert "CANCELLED" in watched.stdout
        assert watched.returncode in {1, 3}


def test_to_cancel_a_job_that_has_ended_says_how_it_ended(up: Argosy, tree: Path) -> None:
    number = json.loads(send(up, str(tree), "--output", "json").stdout)["id"]
    assert up.cli("job", "cancel", str(number)).stdout == f"Job {number} has ended (SUCCESS)\n"
    assert json.loads(up.cli("job", "cancel", str(number), "-o", "json").stdout)["state"] == "SUCCESS"


def test_on_a_terminal_progress_is_live(up: Argosy, tree: Path) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 40, 160, 0, 0))
    login = {"ARGOSY_URL": up.url, "ARGOSY_USER": "admin", "ARGOSY_PASSWORD": PASSWORD, "TERM": "xterm"}
    words = ["send", str(tree), "--site", "london", "--to", "dublin", "--hydrate"]
    process = subprocess.Popen([ARGOSY, *words], env=os.environ | login, stdout=theirs, stderr=subprocess.DEVNULL)
    os.close(theirs)
    shown = _read_all(ours)
    assert process.wait(30) == 0
    assert "entries/s" in shown
    assert re.search(r"Job \d+ SUCCESS: 4 entries processed", shown)


def _read_all(descriptor: int) -> str:
    shown = b""
    while True:
        try:
            part = os.read(descriptor, 4096)
        except OSError:
            return shown.decode()
        shown += part


def test_a_new_password_is_set_while_the_hub_runs_and_the_old_one_ends(tmp_path: Path) -> None:
    with argosy(tmp_path) as up:
        assert up.cli("site", "list").returncode == 0
        run = plain("admin", "reset-password", "--data-dir", str(tmp_path / "data"))
        assert (run.returncode, run.stderr.count("\n")) == (0, 0)
        new = re.fullmatch(r"The new password of admin is (\S+)\n", run.stdout)
        assert new is not None
        assert up.cli("site", "list").returncode == 1
        login = {"ARGOSY_URL": up.url, "ARGOSY_USER": "admin", "ARGOSY_PASSWORD": new[1]}
        assert plain("site", "list", env=login).returncode == 0
        given = {"ARGOSY_ADMIN_PASSWORD": PASSWORD}
        run = plain("admin", "reset-password", "--data-dir", str(tmp_path / "data"), env=given)
        assert run.stdout == "The password of admin is set\n"
        assert up.cli("site", "list").returncode == 0
        owners = {path.lstat().st_uid for path in (tmp_path / "data" / "hub").rglob("*")}
        assert owners == {(tmp_path / "data" / "hub").stat().st_uid}


@pytest.mark.parametrize("words", [["admin", "reset-password"], ["config", "export", "london"]])
def test_a_directory_that_holds_no_hub_is_refused_and_left_alone(tmp_path: Path, words: list[str]) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        run = plain(*words, "--data-dir", str(folder))
        assert run.returncode == 1
        assert re.fullmatch(r"argosy: .*--data-dir\n", run.stderr)
    assert list(tmp_path.iterdir()) == []


def test_an_exported_site_can_be_read_as_configuration(up: Argosy, tmp_path: Path) -> None:
    run = plain("config", "export", "london", "--data-dir", str(up.directory / "data"))
    assert (run.returncode, run.stderr) == (0, "")
    (tmp_path / "argosy.toml").write_text(run.stdout)
    from argosy.core.config import load

    site = load(tmp_path / "argosy.toml").sites[0]
    assert (site.name, site.roots) == ("london", (str(up.root("london")),))
    run = plain("config", "export", "--data-dir", str(up.directory / "data"))
    (tmp_path / "argosy.toml").write_text(run.stdout)
    assert sorted(site.name for site in load(tmp_path / "argosy.toml").sites) == ["dublin", "london"]
    assert plain("config", "export", "paris", "--data-dir", str(up.directory / "data")).returncode == 1


def test_doctor_finds_a_sound_machine_sound(up: Argosy) -> None:
    run = up.cli("doctor", "--config", str(up.config))
    assert run.returncode == 0, run.stdout
    for found in (
        "Python: ",
        "kernel: ",
        "Argosy runs on it",
        "API process: uid ",
        "root ",
        "datastore cloud: ",
        "hub ",
    ):
        assert re.search(rf"(?m)^ok    .*{re.escape(found)}", run.stdout), found
    assert re.search(r"(?m)^warn  recall guard: not available yet", run.stdout)
    assert "fail" not in run.stdout


def test_doctor_names_what_is_wrong_and_ends_with_1(tmp_path: Path) -> None:
    one = Argosy(tmp_path, site_options="unguarded_stubs = true\n")
    one.root("london").rename(tmp_path / "away")
    (tmp_path / "store").rmdir()
    (tmp_path / "store").write_text("no directory")
    run = plain("doctor", "--config", str(one.config), env={"ARGOSY_URL": "http://127.0.0.1:9"})
    assert run.returncode == 1
    assert re.search(rf"(?m)^fail  site london, root {tmp_path}/london: No such file", run.stdout)
    assert re.search(r"(?m)^fail  datastore cloud: ", run.stdout)
    assert re.search(r"(?m)^warn  site dublin: unguarded_stubs = true", run.stdout)
    assert re.search(r"(?m)^warn  hub http://127.0.0.1:9: does not answer", run.stdout)
    told = json.loads(plain("doctor", "--config", str(one.config), "-o", "json").stdout)
    assert ("warn", "site dublin") in [(finding["level"], finding["subject"]) for finding in told]


def test_doctor_tells_what_is_wrong_with_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "argosy.toml").write_text("colour = 1")
    run = plain("doctor", "--config", str(tmp_path / "argosy.toml"))
    assert run.returncode == 1
    assert re.search(r"(?m)^fail  configuration: .*colour: unknown key$", run.stdout)


def test_doctor_warns_of_secrets_that_others_may_read(tmp_path: Path) -> None:
    one = Argosy(tmp_path, datastore=AWAY)
    one.config.chmod(0o644)
    run = plain("doctor", "--config", str(one.config))
    assert re.search(r"(?m)^warn  configuration .*others may read", run.stdout)
    assert "s3cr3t" not in run.stdout + run.stderr


@pytest.mark.parametrize("words", [["--help"], ["send", "--help"], ["up", "-h"], ["job", "--help"], ["version"]])
def test_help_and_version_load_neither_django_nor_the_agent(words: list[str]) -> None:
    program = (
        "import sys; from argosy.cli.main import run; status = run(sys.argv[1:]);"
        "heavy = {'django', 'uvicorn', 'httpx', 'boto3', 'obstore'} & set(sys.modules); sys.exit(status or len(heavy))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0
    assert "argosy" in run.stdout.lower()


def test_commands_that_talk_to_a_hub_do_without_django(up: Argosy) -> None:
    program = (
        "import sys; from argosy.cli.main import run; status = run(['site', 'list']);"
        "sys.exit(status or 'django' in sys.modules)"
    )
    login = {"ARGOSY_URL": up.url, "ARGOSY_USER": "admin", "ARGOSY_PASSWORD": PASSWORD}
    run = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | login, capture_output=True, timeout=60, check=False
    )
    assert run.returncode == 0
