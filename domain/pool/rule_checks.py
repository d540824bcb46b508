"""What conditions say of a request: its priority class, the depots that take it, the routing for it, whether it may be split.

Judged when units are asked for, and anew when the rules change; kept with the request meanwhile. A condition that can't be judged gives
a hit (``priorities.vip``, ``depots.a``, ``routing.variants.x``, ``routing.split``): the order is held, and once it is released, that
condition counts as not true for it.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from domain.allocation.priority import rank
from domain.records.values import RuleHit
from domain.rules.conditions import ConditionFailed, Facts
from domain.rules.ruleset import Routing

from .request_facts import RequestFacts, of_request
from .session import PoolSession
from .state import PoolOrder, PoolRequest, RequestJudged

__all__ = ["facts_of", "judge_request", "routing_of"]

_HOLD = "MANUAL"


class _Unjudged(Exception):
    def __init__(self, rule: str, why: str) -> None:
        super().__init__(rule)
        self.hit = RuleHit(rule, _HOLD, f"{rule} could not be judged: {why}", failed=True)


def facts_of(
    session: PoolSession, order_key: str, request: PoolRequest, customer: Callable[[], dict[str, int]] | None = None
) -> Facts:
    """What conditions see of a request. ``customer``: makes the figures of its customer, for fraud rules."""
    channel, _, rest = order_key.partition(":")
    judged = request.judged or RequestJudged()
    return of_request(
        RequestFacts(
            request.channel or channel,
            rest.partition(":")[0],
            request.country,
            judged.postcode,
            judged.billing_country,
            request.service,
            request.currency,
            request.value,
            request.tags,
            judged.risk,
            request.lines,
            request.placed_at,
            session.now,
            session.rules.timezone,
            customer,
        )
    )


def judge_request(session: PoolSession, order_key: str, request: PoolRequest) -> RuleHit | None:
    """Set class, depots, routing and split of a request; a hit where one of them can't be judged."""
    facts = facts_of(session, order_key, request)
    judged = request.judged = request.judged or RequestJudged()

    def holds(rule: str, when: str) -> bool:
        if rule in judged.waived:
            return False
        try:
            return session.conditions.holds(when, facts)
        except ConditionFailed as e:
            raise _Unjudged(rule, e.why) from e

    try:
        request.rank, request.class_name = rank(
            session.rules.priorities,
            tags=request.tags,
            service=request.service,
            channel=request.channel,
            latest_delivery=request.latest_delivery,
            now=session.now,
            holds=lambda priority_class: holds(f"priorities.{priority_class.name}", priority_class.when),
        )
        judged.barred = [
            depot.id for depot in session.rules.depots if depot.when and not holds(f"depots.{depot.id}", depot.when)
        ]
        routing = session.rules_for(order_key).routing
        judged.variant = next(
            (
                routing_variant.name
                for routing_variant in routing.variants
                if holds(f"routing.variants.{routing_variant.name}", routing_variant.when)
            ),
            "",
        )
        split = _variant(routing, judged.variant).split
        judged.whole = bool(split.when) and not holds("routing.split", split.when)
    except _Unjudged as e:
        return e.hit
    return None


def routing_of(session: PoolSession, order: PoolOrder, request: PoolRequest) -> Routing:
    """The routing for a request: its channel's, and of that the variant its conditions chose."""
    return _variant(session.rules_for(order.key).routing, request.judged.variant if request.judged else "")


def _variant(routing: Routing, name: str) -> Routing:
    found = (
        next((routing_variant for routing_variant in routing.variants if routing_variant.name == name), None)
        if name
        else None
    )
    if found is None:
        return routing
    named = ("preferences", "split", "backorder", "unfillable_after_days")
    return msgspec.structs.replace(routing, **{n: x for n in named if (x := getattr(found, n)) is not None})
