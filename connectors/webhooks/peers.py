"""Who sends: the address a request came from, past the proxies that are ours."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

__all__ = ["LOOPBACK", "Proxies"]

LOOPBACK = ("127.0.0.0/8", "::1")
_MAX_HOPS = 16
_V6_PREFIX = 64
"""One customer of a provider has that many addresses of version 6 at least: they count as one."""


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text.strip().strip("[]"))
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


class Proxies:
    """The networks whose ``X-Forwarded-For`` is believed. Raises ValueError for what is no network."""

    def __init__(self, networks: Sequence[str] = LOOPBACK) -> None:
        self._networks = [ip_network(n, strict=False) for n in networks]
        self.peer = lru_cache(maxsize=4096)(self._peer)

    def _trusted(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in n for n in self._networks)

    def _peer(self, client: str, forwarded: str) -> str:
        """The peer to count for: an address, of version 6 its /64.

        ``forwarded`` is read from its end, where our own proxies write: what stands before the first foreign address is that sender's own say.
        """
        peer = _address(client)
        if peer is None:
            return client[:64]
        for hop in reversed(forwarded.split(",")[-_MAX_HOPS:]) if forwarded else ():
            if not self._trusted(peer):
                break
            found = _address(hop)
            if found is None:
                break
            peer = found
        if isinstance(peer, IPv6Address):
            return str(ip_network((peer, _V6_PREFIX), strict=False))
        return str(peer)
