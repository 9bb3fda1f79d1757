"""`argosy up` as a whole: it starts, heals, ends, and leaves nothing behind."""

import fcntl
import os
import re
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from argosy.embedded.supervisor import Part, _Child
from tests.argosy_up import ARGOSY, PASSWORD, READY, Argosy, argosy, until
from tests.installed import install


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Argosy]:
    with argosy(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Argosy]:
    """One that no test harms, started as from a shell, which may hold few files open."""
    few = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, few[1]))
    try:
        with argosy(tmp_path_factory.mktemp("lasting")) as running:
            yield running
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, few)


def children(up: Argosy) -> dict[str, int]:
    """Return the processes of hub and agents by name."""
    assert up.process is not None
    found = {}
    for pid in map(int, Path(f"/proc/{up.process.pid}/task/{up.process.pid}/children").read_text().split()):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"argosy.embedded" in words:
            found[words[words.index(b"argosy.embedded") + 1].decode()] = pid
    return found


def both(up: Argosy) -> dict[str, int]:
    return until(lambda: found if len(found := children(up)) == 2 else None, what="hub and agents run")


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def answers(up: Argosy) -> bool:
    try:
        return httpx.get(f"{up.url}/api/health/", timeout=5).status_code == 401
    except httpx.TransportError:
        return False


def limits(pid: int) -> tuple[str, str]:
    """Return how many files a process may hold open, and how many it might."""
    found = re.search(r"Max open files +(\S+) +(\S+)", Path(f"/proc/{pid}/limits").read_text())
    assert found is not None
    return found[1], found[2]


def test_hub_and_agents_may_hold_as_many_files_open_as_the_system_lets_them(
    lasting: Argosy,
) -> None:
    assert {soft == hard for soft, hard in map(limits, both(lasting).values())} == {True}


def run_up(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([ARGOSY, "up", *words], capture_output=True, text=True, timeout=60, check=False)


def arrives(up: Argosy, name: str) -> None:
    (up.tree("london") / name).write_text(name)
    assert up.wait(up.send(up.tree("london") / name))["state"] == "SUCCESS"
    assert (up.tree("dublin") / name).read_text() == name


def test_it_says_once_that_it_is_ready_and_then_answers(tmp_path: Path) -> None:
    up = Argosy(tmp_path)
    process = subprocess.Popen(
        [ARGOSY, "up", "--config", str(up.config), "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ | {"ARGOSY_ADMIN_PASSWORD": "x"},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert re.fullmatch(r"Argosy is ready at http://127\.0\.0\.1:\d+\n", line)
        up.url = READY.search(line)[1]  # type: ignore[index]
        assert answers(up)
    finally:
        process.terminate()
        rest, _ = process.communicate(timeout=60)
    assert (process.returncode, rest) == (0, "")


def test_a_password_is_made_up_shown_once_and_opens_the_hub(tmp_path: Path) -> None:
    up = Argosy(tmp_path, env={"ARGOSY_ADMIN_PASSWORD": ""})
    shown = tmp_path / "shown"
    password = ""
    for attempt in range(2):
        with shown.open("w") as out:
            process = subprocess.Popen(
                [ARGOSY, "up", "--config", str(up.config), "--port", "0"],
                stdout=out, stderr=subprocess.DEVNULL, env=os.environ | up.env,
            )  # fmt: skip
        try:
            until(lambda: READY.search(shown.read_text()), what="ready")
            url = READY.search(shown.read_text())[1]  # type: ignore[index]
            found = re.search(r"administrator is admin, the password (\S+)", shown.read_text())
            assert (found is not None) == (attempt == 0)
            password = found[1] if found else password
            login = httpx.post(f"{url}/api/auth/token/", json={"username": "admin", "password": password})
            assert login.is_success
        finally:
            process.terminate()
            process.wait(60)
    assert password
    for file in (path for path in (tmp_path / "data").rglob("*") if path.is_file()):
        assert password.encode() not in file.read_bytes(), file


def test_without_a_configuration_it_is_a_hub_with_no_sites(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [ARGOSY, "up", "--port", "0"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env=os.environ | {"ARGOSY_ADMIN_PASSWORD": PASSWORD},
    )  # fmt: skip
    up = Argosy(tmp_path / "unused", process=process)  # type: ignore[arg-type]
    try:
        assert process.stdout is not None
        up.url = READY.search(process.stdout.readline())[1]  # type: ignore[index]
        assert up.call("GET", "/sites/")["results"] == []
    finally:
        process.terminate()
        assert process.wait(60) == 0
    assert (tmp_path / "data" / "lock").exists()


def test_sigterm_ends_it_cleanly_with_nothing_left_behind(up: Argosy) -> None:
    pids = both(up).values()
    assert up.stop() == 0
    assert all(gone(pid) for pid in pids)


def test_ctrl_c_ends_it_cleanly(up: Argosy) -> None:
    assert up.process is not None
    os.killpg(up.process.pid, signal.SIGINT)
    assert up.process.wait(60) == 0
    up.process = None
    assert "Traceback" not in up.log.read_text()


def test_when_the_supervisor_is_killed_no_process_is_left(up: Argosy) -> None:
    pids = both(up).values()
    assert up.process is not None
    os.kill(up.process.pid, signal.SIGKILL)
    up.process.wait(10)
    up.process = None
    until(lambda: all(gone(pid) for pid in pids), seconds=10, what="the children are gone")


def test_children_end_with_the_supervisor_even_where_the_kernel_does_not_tell_them(tmp_path: Path) -> None:
    """The pipe alone does it: a child whose parent lives on ends when its other end is closed."""
    life, ours = os.pipe()
    program = "import os, sys; from argosy.embedded.child import _end_with; _end_with(int(sys.argv[1]))"
    command = [ARGOSY.replace("/argosy", "/python"), "-P", "-c", program, str(life)]
    process = subprocess.Popen(command, pass_fds=[life])
    os.close(life)
    os.close(ours)
    assert process.wait(20) == 1


def test_a_new_start_right_after_a_kill_finds_everything_free(up: Argosy) -> None:
    arrives(up, "before")
    for _ in range(3):
        up.kill()
        up.start()
    arrives(up, "after")


@pytest.mark.parametrize("name", ["hub", "agents"])
def test_a_child_that_dies_is_started_again_and_work_goes_on(up: Argosy, name: str) -> None:
    arrives(up, "before")
    for _ in range(2):
        before = both(up)[name]
        os.kill(before, signal.SIGKILL)
        until(lambda old=before: children(up).get(name, old) != old, what=f"another {name} process")  # type: ignore[misc]
        until(lambda: answers(up), what="the API answers")
    arrives(up, "after")
    assert f"the {name} process was ended by SIGKILL: starting it again" in up.log.read_text()


def test_a_child_that_dies_soon_each_time_is_started_after_longer_and_longer_pauses() -> None:
    child = _Child(Part(name="agents", grace=30.0), {})

    def pause(lived: float) -> float:
        child.process, child.ready, child.started = subprocess.Popen(["true"]), True, time.monotonic() - lived
        child.process.wait()
        child.reap()
        return round(child.due - time.monotonic(), 1)

    assert [pause(1) for _ in range(7)] == [0.2, 0.4, 0.8, 1.6, 3.2, 3.2, 3.2]
    assert pause(61) == 0.1


BOMB = """
    import os, signal
    from dataclasses import dataclass

    from argosy.core.outcome import Outcome


    @dataclass(frozen=True, slots=True, kw_only=True)
    class Bomb:
        \"\"\"Kill the agents at a bomb.\"\"\"

        def apply(self, entry, site):
            if entry.path.endswith(b"bomb"):
                os.kill(os.getpid(), signal.SIGKILL)
            return Outcome.processed(entry)
"""


def test_a_task_that_kills_the_agents_fails_and_other_work_comes_to_its_end(tmp_path: Path) -> None:
    install(tmp_path / "plugin", "bad-steps", {"steps": BOMB}, {"argosy.steps": {"bomb": "steps:Bomb"}})
    with argosy(tmp_path, env={"PYTHONPATH": str(tmp_path / "plugin")}) as up:
        for name in ("bomb", "good"):
            (up.tree("london") / name).touch()
        rule = {"state": "all", "type": "all", "action": [{"name": "dynamo.custom.bomb"}]}
        workflow = {"name": "explode", "label": "Explode", "fields": [], "discovery": None, "filter_rules": [rule]}
        up.call("POST", "/workflows/", json=workflow)
        asked = [
            {"workflow": "explode", "site": "london", "paths": [str(up.tree("london") / name)], "discovery": None}
            for name in ("bomb", "good")
        ]
        bomb, good = (up.call("POST", "/file/workflow/", json=one)["job"] for one in asked)
        ended = [up.wait(job)["state"] for job in (bomb, good)]
        assert ended == ["FAILURE", "SUCCESS"]
        told = up.call("GET", f"/jobs/{bomb}/explain/")["causes"][0]
        assert (told["cause"], told["path"]) == ("agent_died", str(up.tree("london") / "bomb"))
        assert up.log.read_text().count("the agents process was ended by SIGKILL: starting it again") == 4


def test_a_second_one_on_the_same_data_is_refused_and_the_first_goes_on(lasting: Argosy) -> None:
    second = run_up("--config", str(lasting.config), "--port", "0")
    assert second.returncode == 1
    assert lasting.process is not None
    assert second.stderr == (
        f"argosy: data directory {lasting.directory}/data is in use by Argosy process {lasting.process.pid}: "
        "stop it first\n"
    )
    assert second.stdout == ""
    assert answers(lasting)


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = run_up("--data-dir", str(tmp_path / "data"), "--port", str(port))
    assert run.returncode == 1
    assert run.stderr.startswith(f"argosy: 127.0.0.1:{port} is in use: ")
    assert len(run.stderr.splitlines()) == 1


@pytest.mark.parametrize(("address", "reason"), [("192.0.2.1", "cannot be listened on"), ("not a host", "cannot be")])
def test_an_address_of_another_machine_is_refused(tmp_path: Path, address: str, reason: str) -> None:
    run = run_up("--data-dir", str(tmp_path / "data"), "--bind", address, "--port", "0")
    assert run.returncode == 1
    assert reason in run.stderr
    assert len(run.stderr.splitlines()) == 1


def test_a_data_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("mine")
    run = run_up("--data-dir", str(tmp_path / "data"), "--port", "0")
    assert run.returncode == 1
    assert run.stderr == f"argosy: data directory {tmp_path}/data is not a directory: choose another with --data-dir\n"
    assert (tmp_path / "data").read_text() == "mine"


def test_a_configuration_that_cannot_be_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "argosy.toml").write_text("[hub]\ncolour = 1\n")
    run = run_up("--config", str(tmp_path / "argosy.toml"))
    assert (run.returncode, run.stderr) == (1, f"argosy: {tmp_path}/argosy.toml: hub.colour: unknown key\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["argosy.toml"]


def test_it_gives_up_with_the_reason_where_a_child_never_starts(tmp_path: Path) -> None:
    (tmp_path / "data" / "hub").mkdir(parents=True)
    (tmp_path / "data" / "hub" / "hub.sqlite3").write_text("this is no database, and nobody may throw it away")
    run = run_up("--data-dir", str(tmp_path / "data"), "--port", "0")
    assert run.returncode == 1
    assert "file is not a database" in run.stderr
    assert run.stderr.splitlines()[-1] == (
        "argosy: the hub process ended with status 1 5 times before it was ready: giving up"
    )
    assert "nobody may throw it away" in (tmp_path / "data" / "hub" / "hub.sqlite3").read_text()


def test_the_api_process_is_not_root_and_writes_nothing_outside_its_data(lasting: Argosy) -> None:
    status = Path(f"/proc/{both(lasting)['hub']}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert "0" not in fields["Uid"].split()
    assert int(fields["CapEff"], 16) & ~(1 << 2) == 0
    assert int(fields["CapBnd"], 16) == 0
    assert fields["NoNewPrivs"] == "1"


def test_a_hub_that_was_nobodys_becomes_a_user_of_its_own_and_stays_it(up: Argosy) -> None:
    first = hub_user(up)
    assert up.stop() == 0
    hub = up.directory / "data" / "hub"
    for path in (hub, *hub.rglob("*")):
        os.chown(path, 65534, 65534)
    up.start()
    assert hub_user(up) == first != 65534
    assert {path.stat().st_uid for path in (hub, hub / "keys" / "signing.key", hub / "hub.sqlite3")} == {first}
    arrives(up, "after")


def hub_user(up: Argosy) -> int:
    return Path(f"/proc/{both(up)['hub']}").stat().st_uid


def test_what_agents_keep_is_out_of_reach_of_the_hub_s_user(lasting: Argosy) -> None:
    data = lasting.directory / "data"
    for folder in (data, data / "agent", data / "run"):
        assert folder.stat().st_uid == 0
        assert folder.stat().st_mode & 0o022 == 0
    assert (data / "hub").stat().st_uid != 0
    assert (data / "hub").stat().st_mode & 0o777 == 0o700


def test_no_secret_is_in_arguments_or_environment_of_the_children(tmp_path: Path) -> None:
    secret = "8Vb1nQ0zYw"
    datastore = (
        'type = "S3"\nbucket = "bkt"\nendpoint = "http://127.0.0.1:9"\naccesskeyid = "k"\n'
        f'secretaccesskey = "{secret}"\n'
    )
    with argosy(tmp_path, datastore=datastore) as up:
        for pid in both(up).values():
            words = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
            assert secret.encode() not in words
            assert PASSWORD.encode() not in words


def test_the_lock_is_free_again_after_the_end(up: Argosy) -> None:
    assert up.stop() == 0
    with (up.directory / "data" / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
