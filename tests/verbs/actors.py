"""What others do to a file while a verb is at work on it, and what of that must be found afterwards."""

import mmap
import os
import threading
from pathlib import Path

from tests.argosy_up import until
from tests.locking import at_locks
from tests.verbs.agents import Agent, Call
from tests.verbs.evidence import Sight, conflicts

PAYLOAD = b"what somebody else wrote. " * 40
OFFSET = 40_000
SHORT = 1000


class Actor:
    """Somebody who reads. `begin` comes before the verb, `act` at the point."""

    keeps_open = False
    changes = False

    def __init__(self, path: Path, old: bytes) -> None:
        self.path = path
        self.old = old
        self.thread = threading.Thread(target=self.act, daemon=True)

    @property
    def where(self) -> Path:
        """Where the file is in the end."""
        return self.path

    def begin(self) -> None:
        """Do what is done before the verb."""

    def act(self) -> None:
        """Do it."""
        assert len(self.path.read_bytes()) == len(self.old)

    def end(self) -> None:
        """Let go, after the verb."""
        self.thread.join(60)
        assert not self.thread.is_alive()

    def new(self) -> bytes:
        """Return what the file holds afterwards, had it been whole."""
        return self.old

    def left(self, kept: bytes) -> bool:
        """Say whether these bytes hold what was done to a file that was not whole."""
        return False

    def waits(self) -> bool:
        """Say whether the verb makes him wait."""
        try:
            return b"break_lease" in Path(f"/proc/self/task/{self.thread.native_id}/wchan").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return False

    def check(self) -> None:
        """Nothing that was there before or came meanwhile is lost: `where` is not a stub any more."""
        found, kept = Sight(self.where).bytes, conflicts(self.where)
        if self.changes and found != self.new():
            assert found == self.old, f"{type(self).__name__}: the file holds what nobody wrote"
            assert any(map(self.left, kept)), f"{type(self).__name__}: what was written is nowhere"
        else:
            assert found == self.new(), f"{type(self).__name__}: the file holds what nobody wrote"


class Reader(Actor):
    pass


class OpenWriter(Actor):
    """Has it open all the time."""

    keeps_open = changes = True

    def begin(self) -> None:
        self.file = self.path.open("r+b", buffering=0)

    def act(self) -> None:
        os.pwrite(self.file.fileno(), PAYLOAD, OFFSET)

    def end(self) -> None:
        super().end()
        self.file.close()

    def new(self) -> bytes:
        return self.old[:OFFSET] + PAYLOAD + self.old[OFFSET + len(PAYLOAD) :]

    def left(self, kept: bytes) -> bool:
        return kept[OFFSET : OFFSET + len(PAYLOAD)] == PAYLOAD


class Mapper(OpenWriter):
    """Has it mapped all the time, and has written to it before: his stores leave no trace in its times."""

    def begin(self) -> None:
        with self.path.open("r+b") as file:
            self.map = mmap.mmap(file.fileno(), 0)
        self.map[OFFSET : OFFSET + len(PAYLOAD)] = self.old[OFFSET : OFFSET + len(PAYLOAD)]
        found = self.path.stat()
        os.utime(self.path, ns=(found.st_atime_ns, 10**18))

    def act(self) -> None:
        self.map[OFFSET : OFFSET + len(PAYLOAD)] = PAYLOAD

    def end(self) -> None:
        Actor.end(self)
        self.map.close()


class LateMapper(Mapper):
    """Opens it, maps it and stores."""

    keeps_open = False

    def begin(self) -> None:
        pass

    def act(self) -> None:
        with self.path.open("r+b") as file:
            self.map = mmap.mmap(file.fileno(), 0)
        super().act()


class LateWriter(OpenWriter):
    """Opens it, writes and closes it, and gives it the mtime it had."""

    keeps_open = False

    def begin(self) -> None:
        pass

    def act(self) -> None:
        with self.path.open("r+b", buffering=0) as file:
            os.pwrite(file.fileno(), PAYLOAD, OFFSET)

    def end(self) -> None:
        Actor.end(self)


class Restorer(LateWriter):
    """Gives it afterwards the mtime it had."""

    def act(self) -> None:
        before = self.path.stat().st_mtime_ns
        super().act()
        os.utime(self.path, ns=(before, before))


class Appender(Actor):
    changes = True

    def act(self) -> None:
        with self.path.open("ab") as file:
            file.write(PAYLOAD)

    def new(self) -> bytes:
        return self.old + PAYLOAD

    def left(self, kept: bytes) -> bool:
        return kept.endswith(PAYLOAD)


class Truncater(Actor):
    changes = True

    def act(self) -> None:
        os.truncate(self.path, SHORT)

    def new(self) -> bytes:
        return self.old[:SHORT]

    def left(self, kept: bytes) -> bool:
        return len(kept) == SHORT


class Replacer(Actor):
    """Opens it with O_TRUNC and writes."""

    changes = True

    def act(self) -> None:
        self.path.write_bytes(PAYLOAD)

    def new(self) -> bytes:
        return PAYLOAD

    def left(self, kept: bytes) -> bool:
        return kept == PAYLOAD


class Moder(Actor):
    def act(self) -> None:
        self.path.chmod(0o600)

    def check(self) -> None:
        super().check()
        assert self.path.stat().st_mode & 0o777 == 0o600


class Toucher(Actor):
    """Gives it another mtime."""

    MTIME_NS = 1_600_000_000_123_456_789

    def act(self) -> None:
        os.utime(self.path, ns=(self.MTIME_NS, self.MTIME_NS))


class Renamer(Actor):
    @property
    def where(self) -> Path:
        return self.path.with_name("renamed") if self.path.with_name("renamed").exists() else self.path

    def act(self) -> None:
        self.path.rename(self.path.with_name("renamed"))


class Newcomer(Renamer):
    """Moves it away and gives its name to another file."""

    @property
    def where(self) -> Path:
        return self.path.with_name("elsewhere")

    def act(self) -> None:
        self.path.rename(self.where)
        self.path.write_bytes(PAYLOAD)

    def check(self) -> None:
        super().check()
        assert self.path.read_bytes() == PAYLOAD


class Linker(Actor):
    """Gives it another name."""

    def act(self) -> None:
        os.link(self.path, self.path.with_name("another"))

    def check(self) -> None:
        super().check()
        assert self.path.with_name("another").read_bytes() == self.old


class Remover(Actor):
    def act(self) -> None:
        self.path.unlink()

    def check(self) -> None:
        assert not self.path.exists()


class SecondVerb(Actor):
    """Another agent at the same file."""

    agent: Agent
    call: Call

    def act(self) -> None:
        until(self._has_come, what="the second agent waits")

    def _has_come(self) -> bool:
        if not self.agent.is_running():
            return True
        try:
            return at_locks(self.agent.process) > 0
        except (FileNotFoundError, ProcessLookupError):
            return False


ACTORS: list[type[Actor]] = [
    Reader, OpenWriter, Mapper, LateMapper, LateWriter, Restorer, Appender, Truncater, Replacer, Moder, Toucher,
    Renamer, Newcomer, Linker, Remover, SecondVerb,
]  # fmt: skip
