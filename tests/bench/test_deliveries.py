"""The benchmarks' own deliveries are what a shop would send, or their figures mean nothing."""

from __future__ import annotations

import pytest

from bench.web.deliveries import Deliveries, order_number
from connectors.protocols import BadSignature
from connectors.shopify.receiver import ShopifyReceiver
from domain.records.commands import OrderUpserted
from lab.simulators.catalogue import catalogue

NOW = 1_795_428_000_000


def parts(request: bytes) -> tuple[dict[str, str], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    return {k.lower(): v for k, v in (x.split(": ", 1) for x in head.decode().split("\r\n")[1:])}, body


@pytest.mark.parametrize(("size", "lines"), [(25_000, {12: 1}), (8_000, {1: 40, 2: 28, 3: 18, 4: 10, 6: 4})])
def test_each_is_signed_and_becomes_an_order_of_its_own_without_a_problem(size: int, lines: dict[int, int]) -> None:
    made = Deliveries(catalogue(1), secret="s", path="/x", host="h", size=size, lines=lines, templates=20)
    receiver = ShopifyReceiver("bench", ["s"])
    numbers, phones = set(), set()
    for n in range(1, 61):
        headers, body = parts(made.request(n, NOW))
        assert int(headers["content-length"]) == len(body)
        assert len(body) > size - 1_500
        (fact,) = receiver.translate(receiver.verify(headers, body), body, NOW, "a" * 32).orders
        assert isinstance(fact, OrderUpserted)
        assert fact.order.problems == []
        numbers.add(order_number(fact.order_key))
        phones.add(fact.order.client.phone)
    assert numbers == set(range(1, 61))
    assert len(phones) == 60, "a cache of phone numbers must not help"
    with pytest.raises(BadSignature):
        receiver.verify(headers, body + b" ")
