"""Backorders: who waits for which SKU, in which order, and how much stock is kept for them.

A waiting request stands in one queue per SKU it lacks, chosen by the depots that may serve it; within a queue the order is
class, then age. **No overtaking**: a request may take from a depot only what the backorders before it (every one of a higher
class; of its own class all of them for a new request, the older ones for a backorder) leave there. A waiting unit is kept at each
depot that may serve it: careful rather than exact, and without effect unless a whole-or-nothing order waits for something else.
"""

from __future__ import annotations

from domain.allocation.decide import Want, eligible
from domain.allocation.priority import after_class, queue_key
from domain.records.values import RuleHit
from domain.rules.ruleset import Routing

from .rule_checks import judge_request, routing_of
from .session import PoolSession
from .state import PoolOrder, PoolRequest, SkuQueue, SkuStock
from .stock import available

__all__ = [
    "DAY_MS",
    "KEEP_CLOSED_DAYS",
    "close_if_done",
    "enqueue",
    "expire_later",
    "finish",
    "leave",
    "queue_index",
    "rejoin",
    "requeue",
    "units_by_sku",
    "usable",
    "want_of",
]

KEEP_CLOSED_DAYS = 120
"""How long an order's record is kept after its last unit left: longer than the topics are, so any repeat is still known."""

DAY_MS = 86_400_000


def queue_index(sku: str, depots: str) -> str:
    """The name of a queue's index."""
    return f"q\x1f{sku}\x1f{depots}"


def units_by_sku(request: PoolRequest) -> dict[str, int]:
    """Units that wait, summed by SKU."""
    units: dict[str, int] = {}
    for line in request.lines:
        units[line.sku] = units.get(line.sku, 0) + line.qty
    return units


def want_of(request: PoolRequest, routing: Routing | None = None) -> Want:
    """What waits, as the allocation sees it. ``routing``: the order's own, where it has one."""
    judged = request.judged
    return Want(
        request.demand(),
        request.country,
        request.service,
        request.value,
        request.currency,
        request.excluded,
        request.latest_delivery,
        routing,
        judged.barred if judged else [],
        judged.whole if judged else False,
        postcode=request.postcode,
    )


def key_of(order: PoolOrder, request: PoolRequest) -> str:
    """The request's place in a queue."""
    return queue_key(request.rank, request.placed_at, request.arrived, (order.key, request.no))


def enqueue(session: PoolSession, order: PoolOrder, request: PoolRequest, could: list[str]) -> None:
    """A request begins to wait; after ``unfillable_after_days`` it is given up."""
    order.requests.append(request)
    request.arrived = session.meta.seq
    session.index("open").set(f"{order.key}/{request.no}")
    expire_later(session, order, request)
    rejoin(session, order, request, ",".join(could))


def expire_later(session: PoolSession, order: PoolOrder, request: PoolRequest) -> None:
    """From now on it waits for stock, and not for ever, if the rules say so."""
    if days := routing_of(session, order, request).unfillable_after_days:
        request.expires = session.now + days * DAY_MS
        session.index("timers").set(timer(request.expires, "expire", f"{order.key}/{request.no}"))


def finish(session: PoolSession, order: PoolOrder, request: PoolRequest) -> None:
    """Nothing of the request waits any more (it has left its queues)."""
    order.requests.remove(request)
    order.done.append(request.no)
    session.index("open").remove(f"{order.key}/{request.no}")
    if request.expires:
        session.index("timers").remove(timer(request.expires, "expire", f"{order.key}/{request.no}"))


def timer(due: int, kind: str, id: str) -> str:
    """The key of a timer: they sort by when they are due."""
    return f"{max(due, 0):014d}\x1f{kind}\x1f{id}"


def leave(session: PoolSession, order: PoolOrder, request: PoolRequest) -> None:
    """Take the request out of its queues; its lines must be as they were when it joined."""
    if request.queue is None:
        return
    for sku, units in units_by_sku(request).items():
        stock = session.stock(sku)
        queue = next(sku_queue for sku_queue in stock.queues if sku_queue.depots == request.queue)
        left = queue.waiting.pop(request.rank, 0) - units
        if left > 0:
            queue.waiting[request.rank] = left
        if not queue.waiting:
            stock.queues.remove(queue)
        session.save_stock(stock)
        session.index(queue_index(sku, request.queue)).remove(key_of(order, request))
    request.queue = None


def rejoin(session: PoolSession, order: PoolOrder, request: PoolRequest, depots: str) -> None:
    """Put the request into the queues of these depots (joined ids)."""
    request.queue = depots
    for sku, units in units_by_sku(request).items():
        stock = session.stock(sku)
        queue = next((sku_queue for sku_queue in stock.queues if sku_queue.depots == depots), None)
        if queue is None:
            queue = SkuQueue(depots, {})
            stock.queues.append(queue)
        queue.waiting[request.rank] = queue.waiting.get(request.rank, 0) + units
        session.save_stock(stock)
        session.index(queue_index(sku, depots)).set(key_of(order, request), units)


def requeue(session: PoolSession, order: PoolOrder, request: PoolRequest) -> RuleHit | None:
    """Rules or the excluded depots changed: class and depots are judged anew. A rule that can't be judged: the request has left its
    queues, and the caller hands it back to its order. What is parked stays so until its time.
    """
    if request.parked:
        return None
    leave(session, order, request)
    hit = judge_request(session, order.key, request)
    if hit is not None:
        return hit
    rejoin(session, order, request, ",".join(eligible(want_of(request), session.rules)))
    session.save_order(order)
    return None


def usable(
    session: PoolSession, order: PoolOrder, request: PoolRequest, walked: tuple[str, dict[str, int]] | None = None
) -> dict[str, dict[str, int]]:
    """What the request may take by SKU and depot: available less what is kept for those before it.

    ``walked``: a SKU whose queues were walked down to this request, with the units that were passed over by queue.
    """
    found: dict[str, dict[str, int]] = {}
    for sku in units_by_sku(request):
        stock = session.stock(sku)
        free = available(stock, session.compiled.skus.safety(sku), session.quality(sku))
        if free and stock.queues:
            most = max(free.values())
            kept = walked[1] if walked and walked[0] == sku else _ahead(session, stock, order, request, most)
            free = take_kept(session, stock, free, kept)
        found[sku] = free
    return found


def take_kept(session: PoolSession, stock: SkuStock, free: dict[str, int], kept: dict[str, int]) -> dict[str, int]:
    """Take from each depot's units what is kept for the backorders (``kept``: by queue) that may use the depot."""
    rest: dict[str, int] = {}
    for depot, n in free.items():
        left = n - sum(
            kept.get(sku_queue.depots, 0)
            for sku_queue in stock.queues
            if session.rebuilding or sku_queue.may_use(depot)
        )
        if left > 0:
            rest[depot] = left
    return rest


def _ahead(session: PoolSession, stock: SkuStock, order: PoolOrder, request: PoolRequest, limit: int) -> dict[str, int]:
    """Units of the backorders before the request, by queue; counted up to ``limit``, where nothing is left anyway."""
    key = after_class(request.rank) if request.queue is None else key_of(order, request)
    kept: dict[str, int] = {}
    for queue in stock.queues:
        units = sum(n for item, n in queue.waiting.items() if item < request.rank)
        same = queue.waiting.get(request.rank, 0)
        if same and request.queue is None:
            units += same
        elif same and units < limit:
            units += _same_class(session, queue_index(stock.sku, queue.depots), request.rank, key, limit - units)
        kept[queue.depots] = units
    return kept


def _same_class(session: PoolSession, name: str, rank: int, key: str, limit: int) -> int:
    index, units = session.index(name), 0
    entry = index.after(f"{rank:02d}/")
    while entry and entry[0] < key and units < limit:
        units += entry[1]
        entry = index.after(entry[0])
    return units


def close_if_done(session: PoolSession, order: PoolOrder) -> None:
    """An order of which nothing waits and nothing is reserved is forgotten after a while."""
    if order.requests or any(line.live for allocation in order.allocations for line in allocation.lines):
        return
    order.forget = session.now + KEEP_CLOSED_DAYS * DAY_MS
    session.index("timers").set(timer(order.forget, "order", order.key))
