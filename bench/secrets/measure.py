"""The secrets' figures."""

from bench.secrets import hits
from bench.secrets.peers import prepare


def rows(data):
    peers = prepare()
    yield from hits.rows(peers)
