"""Who a report comes from, and what it may speak of: a 3PL knows its own depots and pick orders, nobody else's.

The edge writes the connection's name into ``source`` (``threepl:NAME/webhook``), never the body: so every record says who told it, also
in logs of before. A depot's connection is its ``wms`` in the rules; a pick order stays with the one it was given to as well.
"""

from __future__ import annotations

from domain.errors import Rejected

from .ruleset import RuleSet

__all__ = ["depot_of", "depots_of", "partner", "same_partner", "target_of"]

_THREE_PL = "threepl:"


def partner(source: str) -> str:
    """The 3PL connection a record comes from; ``""``: not from a 3PL (a channel, a person, ourselves); ``?``: from a nameless one."""
    return source[len(_THREE_PL) :].partition("/")[0] or "?" if source.startswith(_THREE_PL) else ""


def target_of(depot: str, rules: RuleSet) -> str:
    """The WMS connection of a depot: as its rule says, else of the depot's own name."""
    return next((d.wms or d.id for d in rules.depots if d.id == depot), depot)


def depots_of(name: str, rules: RuleSet) -> list[str]:
    """The depots that a connection serves by the rules."""
    return [depot.id for depot in rules.depots if (depot.wms or depot.id) == name]


def same_partner(source: str, depot: str, given_to: str, rules: RuleSet, what: str) -> None:
    """Check that a 3PL's report is of its own: ``given_to`` is the connection that ``what`` (of ``depot``) went to.

    Raises Rejected where another 3PL speaks. The rules in force count too: a depot may get another connection while its work goes on.
    """
    name = partner(source)
    if name and name != given_to and name != (now := target_of(depot, rules)):
        raise Rejected(
            "partner.foreign",
            "source",
            f"{name!r} speaks of {what}, which is with {given_to or now!r}: a 3PL reports its own only. If the depot changed its 3PL, "
            f"say so in the rules (depots, {depot}: wms: {name}) and redrive this",
        )


def depot_of(source: str, depot: str, expected: str, rules: RuleSet) -> str:
    """The depot a 3PL's report of goods is about, ``depot`` as told (``""`` or the connection's own name: not told).

    Not told: the ``expected`` one if it is the 3PL's, else the only one it has. Raises Rejected for another's depot, or an open choice.
    """
    name = partner(source)
    if not name:
        return depot
    own = depots_of(name, rules)
    if depot in own or (depot in ("", name) and not own and target_of(name, rules) == name):
        return depot or name
    if depot not in ("", name):
        raise Rejected(
            "partner.depot",
            "depot",
            f"{depot!r} is no depot of {name!r}, which has {', '.join(own) or 'none'} (in the rules: depots, wms)",
        )
    if expected in own or len(own) == 1:
        return expected if expected in own else own[0]
    raise Rejected("partner.depot", "depot", f"say at which depot: {name!r} has {', '.join(own) or 'none of its name'}")
