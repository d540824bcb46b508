"""Every scenario once more with all messages switched on: nothing but messages is different, each can be sent, and a replay makes the same."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from connectors.messages.catalogue import Catalogue
from connectors.messages.config import Brand
from connectors.messages.render import Renderer
from domain.records.effects import CustomerMessage
from domain.rules.notifications import MEDIA, NOTICES, MessageRule, Notifications
from lab.scenarios.load import Case, read
from lab.scenarios.world import World

HERE = Path(__file__).parent
FILES = [f for f in sorted(HERE.rglob("*.yaml")) if f.parent.name != "notifications"]
ALL = Notifications([MessageRule(list(NOTICES), media=list(MEDIA))], silent_channels=[])
NONE = Notifications()
RENDERER = Renderer(Catalogue())
ACME = Brand.model_validate({"name": "Acme"})


def played(case: Case, notifications: Notifications) -> World:
    def with_them(rules):
        return msgspec.structs.replace(rules, notifications=notifications)

    published = {i: with_them(rules) for i, rules in case.published.items()}
    world = World(msgspec.structs.replace(case, rules=with_them(case.rules), published=published))
    for i, told in enumerate(case.scenario.steps):
        order = told.order and msgspec.structs.replace(told.order, phone="+31612345678")
        step = msgspec.structs.replace(told, order=order)
        world.go_to(case.at[i])
        world.do(i, step)
    world.go_to(world.now + 86_400_000)
    return world


def story(world: World):
    """What happened, without the numbers that count messages too."""
    made = world.fold.made
    skip = ("CUSTOMER_NOTIFIED", "OVERDUE")
    events = [
        (e.order_key, e.type, e.status, e.time, e.lines, e.amount, e.intervention)
        for e in made.events
        if e.type not in skip
    ]
    effects = [
        (e.order_key, e.type, e.target, e.time, getattr(e, "lines", None))
        for e in made.effects
        if not isinstance(e, CustomerMessage)
    ]
    return events, effects, [(e.type, e.moves) for e in made.stock_events], [x.code for x in made.rejected]


@pytest.mark.parametrize("file", [pytest.param(f, id=f.stem) for f in FILES])
def test_nothing_but_messages_is_different(file: Path) -> None:
    case = read(file)
    silent, told = played(case, NONE), played(case, ALL)
    assert story(told) == story(silent)
    assert told.fold.differs(told.fold.again()) == []
    assert not any(isinstance(e, CustomerMessage) for e in silent.fold.made.effects)
    for message in told.fold.made.effects:
        if isinstance(message, CustomerMessage):
            made = RENDERER.render(message, ACME)
            assert "None" not in made.text


def test_the_scenarios_have_something_to_tell() -> None:
    kinds = {m.kind for f in FILES for m in played(read(f), ALL).fold.made.effects if isinstance(m, CustomerMessage)}
    assert kinds >= {
        "ALLOCATED", "BACKORDERED", "CANCELLED", "CREDITED", "DELIVERED", "PLACED", "RETURN_DECLINED", "RMA_CREATED", "RMA_RECEIVED", "SHIPPED",
        "UNFILLABLE",
    }  # fmt: skip
