"""Who gets nowhere: without a certificate, with one of another authority, and for what is another site's."""

import json
import ssl
from pathlib import Path

import httpx
import pytest
from kombu.connection import Connection

from argosy.agent.remote import Papers, RemoteHub
from argosy.core.broker import TASK, Broker, key_prefix
from argosy.core.errors import Denied, Invalid
from argosy.core.faults import HubAway
from argosy.core.report import Present, Report
from tests.argosy_up import until
from tests.distributed.fleet import Fleet
from tests.papers import Authority


def papers(fleet: Fleet, directory: Path, site: str, node: str, *, authority: Authority | None = None) -> Papers:
    (authority or fleet.authority).node(directory, site, node)
    (directory / "ca.crt").write_bytes((fleet.directory / "hub" / "hub" / "pki" / "ca.crt").read_bytes())
    return Papers.in_directory(directory)


def hub(fleet: Fleet, papers: Papers) -> RemoteHub:
    return RemoteHub(f"https://127.0.0.1:{fleet.agents_port}", papers)


@pytest.fixture
def dublin(lasting: Fleet, tmp_path: Path) -> RemoteHub:
    return hub(lasting, papers(lasting, tmp_path, "dublin", "dublin-9"))


def test_a_node_is_answered(dublin: RemoteHub) -> None:
    assert dublin.clock() > 0
    assert dublin.present(Present(site="dublin", node="dublin-9")) == ()


def test_it_asks_in_vain_for_what_is_another_sites(lasting: Fleet, dublin: RemoteHub) -> None:
    job = lasting.send(lasting.fill("theirs", 1))
    task = lasting.call("GET", "/tasks/", params={"job_id": job})["results"][0]["taskid"]
    refused = [
        lambda: dublin.claim(task, 1, "dublin-9"),
        lambda: dublin.renew(task, 1),
        lambda: dublin.report(Report(task=task, attempt=1)),
        lambda: dublin.unprobed("london"),
        lambda: dublin.filesets("london"),
        lambda: dublin.present(Present(site="london", node="dublin-9")),
        lambda: dublin.present(Present(site="dublin", node="dublin-1")),
        lambda: dublin.arrive("london", "london-1", "x"),
    ]
    for ask in refused:
        with pytest.raises(Denied):
            ask()
    assert lasting.call("GET", f"/tasks/{task}/")["state"] == "PENDING"
    assert "call refused" in lasting.hub.log.read_text()


def test_it_asks_in_vain_for_what_there_is_not(dublin: RemoteHub) -> None:
    with pytest.raises(Invalid, match="unknown method"):
        dublin._call("adopt_orphans", None)
    with pytest.raises(Invalid):
        dublin._call("claim", ["no claim"])


def test_the_certificate_of_another_authority_opens_nothing(lasting: Fleet, tmp_path: Path) -> None:
    stranger = hub(lasting, papers(lasting, tmp_path, "dublin", "dublin-9", authority=Authority.made()))
    with pytest.raises(HubAway):
        stranger.clock()


def test_without_a_certificate_there_is_no_connection(lasting: Fleet) -> None:
    known = ssl.create_default_context(cafile=str(lasting.directory / "hub" / "hub" / "pki" / "ca.crt"))
    with httpx.Client(verify=known) as client, pytest.raises(httpx.TransportError):
        client.post(f"https://127.0.0.1:{lasting.agents_port}/api/agent/clock/", content=b"null")


def test_the_certificate_of_the_hub_itself_is_none_of_a_node(lasting: Fleet) -> None:
    pki = lasting.directory / "hub" / "hub" / "pki"
    itself = hub(lasting, Papers(pki / "server.crt", pki / "server.key", pki / "ca.crt"))
    with pytest.raises(HubAway):
        itself.clock()


def test_messages_that_are_none_of_the_hubs_are_refused_and_harm_nothing(lasting: Fleet) -> None:
    agent = lasting.agent("dublin", "dublin-1")
    lasting.agent("london", "london-1")
    options = Broker(url=lasting.redis.url).options(key_prefix("dublin"))
    body = json.dumps([[], {"task": "x", "attempt": 1}, {}])
    with Connection(lasting.redis.url, transport_options=options) as connection, connection.Producer() as producer:
        for queue in ("dublin.transfer", "dublin.discovery"):
            sent = {"routing_key": queue, "exchange": ""}
            producer.publish({"x": 1}, serializer="pickle", headers={"task": TASK}, **sent)
            producer.publish(body, content_type="application/json", headers={"task": "os.system"}, **sent)
            producer.publish("[1", content_type="application/json", headers={"task": TASK}, **sent)
            producer.publish(body, content_type="application/json", content_encoding="utf-8", **sent)
    until(lambda: agent.log.read_text().count("message refused") == 8, what="all are refused")
    ended = lasting.wait(lasting.send(lasting.fill("after", 10)))
    assert ended["state"] == "SUCCESS", lasting.logs()[-4000:]
    lasting.has_arrived("after")
