"""The main process of `argosy hub`: records, sweeps, leads and collects, and answers agents. Without privileges."""

import socket

from argosy.distributed.bells import Bells
from argosy.distributed.identity import Server as Papers
from argosy.embedded.child import Child
from argosy.embedded.hub import Server, give_up_privileges, show


def run(child: Child) -> None:
    """Answer until told to stop."""
    place, config = child.launch.place, child.launch.config
    give_up_privileges(place)
    child.settle()
    from argosy.hub.project import boot

    password = boot.prepare(place.hub, config, child.launch.admin_password)
    if password:
        show(password)
    from argosy.distributed import listener
    from argosy.distributed.news import News
    from argosy.distributed.nodes import authorise
    from argosy.hub.gc.collector import Collector
    from argosy.hub.schedules.clock import Ticker
    from argosy.hub.sync.conductor import Conductor
    from argosy.hub.sync.delivery import Delivery
    from argosy.hub.workflows import offered

    offered.begin()
    papers = Papers.of(place.hub)
    bells, news = Bells(config.hub.broker), News(config.hub.broker, hears=False)
    news.start()
    delivery = Delivery(bells)
    duties: list[Collector | Ticker | Conductor] = [Collector(), Ticker(), Conductor()]
    delivery.start()
    for duty in duties:
        duty.start()
    answering = listener.answering(listener.Agents(delivery, authorise), papers.context(nodes=True))
    Server(child, answering).run(sockets=[socket.socket(fileno=child.descriptors.agents)])
    for duty in reversed(duties):
        duty.stop()
    delivery.stop()
    news.stop()
    bells.stop()
