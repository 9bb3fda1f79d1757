"""One workflow of real files over two sites, each with agents of its own, on PostgreSQL and Redis."""

from pathlib import Path

from tests.distributed.fleet import fleet
from tests.postgresql import PostgreSQL


def test_files_are_sent_from_one_site_to_the_other(tmp_path: Path, postgresql: PostgreSQL) -> None:
    with fleet(tmp_path, postgresql) as one:
        one.agent("london", "london-1")
        one.agent("dublin", "dublin-1")
        for number in range(100):
            (one.tree("london") / f"file{number}").write_bytes(b"%d" % number * 1000)
        ended = one.wait(one.send(one.tree("london")))
        assert ended["state"] == "SUCCESS", one.logs()[-6000:]
        for number in range(100):
            assert (one.tree("dublin") / f"file{number}").read_bytes() == b"%d" % number * 1000
        assert one.hub.stop() == 0
