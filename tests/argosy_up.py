"""A whole Argosy for tests: `argosy up` as a user starts it, in a process group that can be killed at any moment."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

PASSWORD = "correct horse battery staple"
READY = re.compile(r"Argosy is ready at (http://\S+)")
ARGOSY = str(Path(sys.executable).with_name("argosy"))
ENDED = {"SUCCESS", "FAILURE", "SKIPPED", "CANCELLED"}


def until(true: Callable[[], Any], *, seconds: float = 60.0, what: str = "", every: float = 0.02) -> Any:
    """Return what `true` returns once it is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < deadline, f"still not so after {seconds} s: {what or true}"
        time.sleep(every)
    return value


def session_of(process: int) -> int:
    """Return the session of a process, 0 when it has ended."""
    try:
        return os.getsid(process)
    except ProcessLookupError:
        return 0


@dataclass
class Argosy:
    """One installation: a directory with sites, and the process that serves them while it runs."""

    directory: Path
    sites: Sequence[str] = ("london", "dublin")
    datastore: str = ""
    """TOML of the datastore `cloud`; a local directory where empty."""
    site_options: str = ""
    hub_options: str = ""
    env: dict[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[str] | None" = None
    url: str = ""
    _token: str = ""

    def __post_init__(self) -> None:
        for site in self.sites:
            (self.tree(site)).mkdir(parents=True, exist_ok=True)
        (self.directory / "store").mkdir(exist_ok=True)
        self.write_config()

    def root(self, site: str) -> Path:
        return self.directory / site

    def tree(self, site: str) -> Path:
        return self.root(site) / "projects"

    @property
    def config(self) -> Path:
        return self.directory / "argosy.toml"

    @property
    def log(self) -> Path:
        return self.directory / "argosy.log"

    def write_config(self) -> None:
        store = self.datastore or f'type = "POSIX"\npath = "{self.directory}/store"\n'
        sites = "".join(
            f'[[sites]]\nname = "{site}"\nroots = ["{self.root(site)}"]\n{self.site_options}'
            f'[[sites.links]]\nsite_path = "{self.tree(site)}"\ndatastore = "cloud"\ndatastore_path = "projects/"\n'
            for site in self.sites
        )
        self.config.write_text(
            f'[hub]\ndata_dir = "data"\n{self.hub_options}[[datastores]]\nname = "cloud"\n{store}{sites}'
        )

    def start(self) -> "Argosy":
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [ARGOSY, "up", "--config", str(self.config), "--port", "0"],
                env=os.environ | {"ARGOSY_ADMIN_PASSWORD": PASSWORD} | self.env,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := READY.search(line):
                self.url, self._token = found[1], ""
                return self
        raise AssertionError(f"argosy up ended: {self.log.read_text()[-4000:]}")

    def kill(self) -> None:
        """End all its processes at once, as a power cut of the host would, the disk excepted."""
        if self.process is not None:
            for process in self.processes():
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def processes(self) -> list[int]:
        """Return all processes of this Argosy, the supervisor first so that it starts nothing again."""
        assert self.process is not None
        found = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        return sorted(process for process in found if session_of(process) == self.process.pid)

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        status = self.process.wait(60)
        self.process = None
        return status

    def call(self, method: str, path: str, *, ok: bool = True, **more: Any) -> Any:
        if not self._token:
            login = httpx.post(f"{self.url}/api/auth/token/", json={"username": "admin", "password": PASSWORD})
            self._token = login.json()["access"]
        answer = httpx.request(
            method, f"{self.url}/api{path}", headers={"Authorization": f"Bearer {self._token}"}, timeout=30, **more
        )
        if ok:
            assert answer.is_success, f"{answer.status_code}: {answer.text}"
            return answer.json() if answer.content else None
        return answer

    def send(self, *paths: Path | str, ok: bool = True, **fields: Any) -> Any:
        fields = {"destinationsite": "dublin", "hydrate": True} | fields
        body = {"workflow": "send", "site": "london", "paths": [str(path) for path in paths], "fields": fields}
        answer = self.call("POST", "/file/workflow/", json=body, ok=ok)
        return answer["job"] if ok else answer

    def run(self, workflow: str, *paths: Path | str, site: str = "london", **fields: Any) -> dict[str, Any]:
        """Run a workflow over paths to its end; return the job."""
        given = [str(path) for path in paths]
        body = {"workflow": workflow, "site": site, "paths": given, "fields": fields}
        return self.wait(self.call("POST", "/file/workflow/", json=body)["job"])

    def wait(self, job: int, *, seconds: float = 120.0, every: float = 0.02) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            found = self.call("GET", f"/jobs/{job}/")
            return found if found["state"] in ENDED else None

        return until(ended, seconds=seconds, what=f"job {job} ended", every=every)

    def files(self, job: int, category: str) -> list[dict[str, Any]]:
        answer = self.call("GET", f"/jobs/{job}/files/", params={"category": category, "page_size": 0})
        return answer["results"]

    def tasks(self, job: int) -> list[dict[str, Any]]:
        return self.call("GET", "/tasks/", params={"job_id": job, "page_size": 0})["results"]

    def cli(self, *words: str | bytes, **more: Any) -> "subprocess.CompletedProcess[str]":
        login = {"ARGOSY_URL": self.url, "ARGOSY_USER": "admin", "ARGOSY_PASSWORD": PASSWORD}
        return subprocess.run(
            [ARGOSY, *words], env=os.environ | login, capture_output=True, text=True, timeout=120, check=False, **more
        )

    def leftovers(self) -> list[Path]:
        """Return what is in staging and what the local store began and did not finish."""
        staging = [self.root(site) / ".argosy" / "staging" for site in self.sites]
        staging.append(self.directory / "store" / ".argosy" / "staging")
        return [path for folder in staging if folder.exists() for path in folder.iterdir()]

    def leaves_nothing(self) -> None:
        """Return once nothing is left: what is there may be an agent's that tries what the store can do."""
        until(
            lambda: not self.leftovers(), seconds=30, what=f"nothing is left in staging: {self.leftovers()}", every=0.1
        )


@contextmanager
def argosy(directory: Path, **more: Any) -> Iterator[Argosy]:
    """A running Argosy, gone at the end."""
    one = Argosy(directory, **more)
    try:
        yield one.start()
    finally:
        one.kill()
