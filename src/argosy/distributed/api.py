"""One of the processes that answer the API by HTTPS; all share the socket. Without privileges."""

import socket

from argosy.distributed.bells import Bells
from argosy.distributed.identity import Server as Papers
from argosy.embedded.child import Child
from argosy.embedded.hub import Server, answering, give_up_privileges


def run(child: Child) -> None:
    """Answer until told to stop. The main process has made the tables."""
    place, config = child.launch.place, child.launch.config
    give_up_privileges(place)
    child.settle()
    from argosy.hub.project import boot

    boot.attach(place.hub)
    from argosy.distributed.news import News
    from argosy.hub.events.feed import Feed
    from argosy.hub.jobs import bells
    from argosy.hub.workflows import offered

    offered.begin()
    ours = Bells(config.hub.broker)
    bells.hang(ours)
    feed, news = Feed(), News(config.hub.broker)
    feed.start()
    news.start()
    secured = answering(feed)
    secured.load()
    secured.ssl = Papers.of(place.hub).context(nodes=False)
    Server(child, secured, feed).run(sockets=[socket.socket(fileno=child.descriptors.listen)])
    news.stop()
    feed.stop()
    ours.stop()
