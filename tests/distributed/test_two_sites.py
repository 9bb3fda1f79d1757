"""One workflow of real files over two sites, each with agents of its own, on PostgreSQL and Redis."""

from tests.distributed.fleet import Fleet


def test_files_are_sent_from_one_site_to_the_other(one: Fleet) -> None:
    one.agent("london", "london-1")
    one.agent("dublin", "dublin-1")
    ended = one.wait(one.send(one.fill("some", 100)))
    assert ended["state"] == "SUCCESS", one.logs()[-6000:]
    one.has_arrived("some")
    assert one.hub.stop() == 0
