"""A whole Argosy on many nodes, for tests: a hub on PostgreSQL and Redis, and agents, each as it is started by hand."""

import os
import re
import signal
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.argosy_up import ARGOSY, ENDED, PASSWORD, until
from tests.papers import Authority
from tests.postgresql import PostgreSQL
from tests.redis_server import Redis, running_redis
from tests.servers import free_ports

READY = re.compile(r"Argosy is ready at (https://\S+:\d+)")


@dataclass
class Started:
    """A program that was started, and what ends it."""

    words: list[str]
    log: Path
    ready: re.Pattern[str]
    process: "subprocess.Popen[str] | None" = None

    def start(self, env: dict[str, str] | None = None) -> str:
        """Return what the pattern found when it said that it is ready."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                self.words,
                env=os.environ | (env or {}),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := self.ready.search(line):
                return found[1]
        raise AssertionError(f"{self.words} ended: {self.log.read_text()[-4000:]}")

    def kill(self) -> None:
        """End all its processes at once."""
        if self.process is not None:
            for process in [self.process.pid, *self.children()]:  # the first starts nothing again
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def children(self) -> list[int]:
        assert self.process is not None
        file = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return list(map(int, file.read_text().split())) if file.exists() else []

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        status = self.process.wait(60)
        self.process = None
        return status


@dataclass
class Fleet:
    """A hub, and agents by the names of their nodes."""

    directory: Path
    postgresql: PostgreSQL
    redis: Redis
    sites: tuple[str, ...] = ("london", "dublin")
    authority: Authority = field(default_factory=Authority.made)
    agents: dict[str, Started] = field(default_factory=dict)
    url: str = ""
    _token: str = ""

    def __post_init__(self) -> None:
        self.agents_port = free_ports(1)[0]
        for site in self.sites:
            self.tree(site).mkdir(parents=True)
        (self.directory / "store").mkdir()
        store = f'[[datastores]]\nname = "cloud"\ntype = "POSIX"\npath = "{self.directory}/store"\n'
        self.authority.server(self.directory / "hub" / "hub" / "pki")
        (self.directory / "hub.toml").write_text(
            f'[hub]\ndata_dir = "hub"\ndatabase = "{self.postgresql.database()}"\nredis = "{self.redis.url}"\n'
            f"agents_port = {self.agents_port}\n{store}" + "".join(map(self._site, self.sites))
        )
        words = [ARGOSY, "hub", "--config", str(self.directory / "hub.toml"), "--bind", "127.0.0.1", "--port", "0"]
        self.hub = Started(words, self.directory / "hub.log", READY)
        self._store = store

    def _site(self, site: str) -> str:
        return (
            f'[[sites]]\nname = "{site}"\nroots = ["{self.directory / site}"]\n'
            f'[[sites.links]]\nsite_path = "{self.tree(site)}"\ndatastore = "cloud"\ndatastore_path = "projects/"\n'
        )

    def tree(self, site: str) -> Path:
        return self.directory / site / "projects"

    def start_hub(self) -> None:
        self.url, self._token = self.hub.start({"ARGOSY_ADMIN_PASSWORD": PASSWORD}), ""

    def agent(self, site: str, node: str) -> Started:
        """Start an agent, of a node that has joined."""
        if node not in self.agents:
            top = self.directory / f"agent-{node}"
            top.mkdir()
            self.authority.node(top / "data" / "agent" / "pki", site, node)
            (top / "agent.toml").write_text(
                f'[hub]\ndata_dir = "data"\n[agent]\nhub = "https://127.0.0.1:{self.agents_port}"\nnode = "{node}"\n'
                f'redis = "{self.redis.url}"\n{self._store}{self._site(site)}'
            )
            words = [ARGOSY, "agent", "--config", str(top / "agent.toml")]
            self.agents[node] = Started(words, top / "agent.log", re.compile(r"agent of (\S+) on \S+ is ready"))
        self.agents[node].start()
        return self.agents[node]

    def fill(self, folder: str, count: int) -> Path:
        """Return a directory of the first site with so many files."""
        top = self.tree(self.sites[0]) / folder
        top.mkdir()
        for number in range(count):
            (top / f"file{number}").write_bytes(b"%d" % number * 1000)
        return top

    def arrived(self, folder: str) -> int:
        """Return how many files are at the second site."""
        top = self.tree(self.sites[1]) / folder
        return len(os.listdir(top)) if top.exists() else 0

    def has_arrived(self, folder: str) -> None:
        """Check that both sites have the same files."""
        sent, received = (
            {file.name: file.read_bytes() for file in (self.tree(site) / folder).iterdir()} for site in self.sites[:2]
        )
        assert sent == received

    def call(self, method: str, path: str, *, ok: bool = True, **more: Any) -> Any:
        context = ssl.create_default_context(cafile=str(self.directory / "hub" / "hub" / "pki" / "ca.crt"))
        with httpx.Client(base_url=self.url, verify=context, timeout=30) as client:
            if not self._token:
                login = client.post("/api/auth/token/", json={"username": "admin", "password": PASSWORD})
                self._token = login.json()["access"]
            answer = client.request(method, f"/api{path}", headers={"Authorization": f"Bearer {self._token}"}, **more)
        if ok:
            assert answer.is_success, f"{answer.status_code}: {answer.text}"
            return answer.json() if answer.content else None
        return answer

    def send(self, *paths: Path | str, **fields: Any) -> int:
        fields = {"destinationsite": "dublin", "hydrate": True} | fields
        body = {"workflow": "send", "site": "london", "paths": [str(path) for path in paths], "fields": fields}
        return self.call("POST", "/file/workflow/", json=body)["job"]

    def wait(self, job: int, *, seconds: float = 120.0) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            try:
                found = self.call("GET", f"/jobs/{job}/")
            except httpx.TransportError:  # a process of the hub was killed
                return None
            return found if found["state"] in ENDED else None

        return until(ended, seconds=seconds, what=f"job {job} ended", every=0.1)

    def logs(self) -> str:
        files = [self.hub.log, *(agent.log for agent in self.agents.values())]
        return "\n".join(file.read_text() for file in files if file.exists())

    def end(self) -> None:
        for started in (*self.agents.values(), self.hub):
            started.kill()


@contextmanager
def fleet(directory: Path, postgresql: PostgreSQL, **more: Any) -> Iterator[Fleet]:
    """Yield a fleet whose hub runs; gone at the end."""
    with running_redis(directory / "redis") as redis:
        one = Fleet(directory, postgresql, redis, **more)
        try:
            one.start_hub()
            yield one
        finally:
            one.end()
