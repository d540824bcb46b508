"""Rules of a channel or account laid over the general ones."""

from __future__ import annotations

import msgspec
import pytest

from domain.rules.layers import of_order
from domain.rules.returns import ReturnFees, Returns, ReturnsFor, ReturnWindow
from domain.rules.ruleset import ChannelRules, RuleSet
from ops.rules.load import check

GENERAL = Returns(windows=[ReturnWindow(30)], fees=ReturnFees(10), expiry_days=20)
RULES = RuleSet(
    "v1",
    returns=GENERAL,
    channels={
        "bol": ChannelRules(returns=ReturnsFor(windows=[ReturnWindow(14)])),
        "bol:be": ChannelRules(returns=ReturnsFor(fees=ReturnFees(), auto_approve=False)),
        "amazon": ChannelRules(ship_test_orders=True),
    },
)


@pytest.mark.parametrize(
    ("channel", "account", "days", "percent", "auto", "version"),
    [
        ("shopify", "acme", 30, 10, True, "v1"),
        ("amazon", "acme", 30, 10, True, "v1+channel:amazon"),
        ("bol", "nl", 14, 10, True, "v1+channel:bol"),
        ("bol", "be", 14, 0, False, "v1+channel:bol+channel:bol:be"),
    ],
)
def test_each_field_about_returns_is_that_of_the_most_special_rules_that_name_it(
    *, channel: str, account: str, days: int, percent: int, auto: bool, version: str
) -> None:
    rules = of_order(RULES, channel, account)
    found = rules.returns
    assert ([w.days for w in found.windows], found.fees.restocking_percent) == ([days], percent)
    assert (found.auto_approve, found.expiry_days, rules.version) == (auto, 20, version)


def test_every_field_about_returns_may_differ_by_channel() -> None:
    assert ReturnsFor.__struct_fields__ == Returns.__struct_fields__
    own = Returns(windows=[], auto_approve=False, review_above=1, claims_up_to=2, expiry_days=3, late="review")
    layer = ReturnsFor(**{name: getattr(own, name) for name in own.__struct_fields__})
    assert of_order(RuleSet(channels={"bol": ChannelRules(returns=layer)}), "bol", "x").returns == own


def test_a_field_set_back_to_its_default_is_that_and_not_left_out() -> None:
    text = "depots: [{id: a, country: NL}]\nreturns: {expiry_days: 9}\nchannels: {bol: {returns: {expiry_days: 0}}}\n"
    rules = check(text)
    assert isinstance(rules, RuleSet)
    again = msgspec.json.decode(msgspec.json.encode(rules), type=RuleSet)
    assert of_order(again, "bol", "x").returns.expiry_days == 0
