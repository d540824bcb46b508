"""A simulated payment provider: what was captured, what went back. Its ledger is append-only and the truth about money.

It pays out under an idempotency key, the same key once; never more than was captured; and says no in so many words. All amounts are minor units.
"""

from __future__ import annotations

from dataclasses import dataclass

from .ledger import EventLog

__all__ = ["Declined", "Payments", "Refund"]


class Declined(Exception):
    """No money moved. ``code``: ``above_captured``, ``key_reused``, ``no_payment``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Refund:
    """Money that went back. ``again``: this key had come before."""

    id: str
    amount: int
    again: bool = False


class Payments:
    """Payments of orders by (order, payment). ``ledger``: kinds ``captured``, ``refunded``, ``declined``."""

    def __init__(self, ledger: EventLog, currency: str = "EUR") -> None:
        self.ledger, self.currency = ledger, currency
        self._captured: dict[tuple[str, str], int] = {}
        self._refunded: dict[tuple[str, str], int] = {}
        self._keys: dict[str, tuple[tuple[object, ...], Refund]] = {}

    def capture(self, order: str, payment: str, amount: int) -> None:
        """Note that the customer paid this amount."""
        place = (order, payment)
        self._captured[place] = self._captured.get(place, 0) + amount
        self.ledger.append("captured", order=order, payment=payment, amount=amount, currency=self.currency)

    def captured(self, order: str) -> dict[str, int]:
        """Payments of an order and what each captured."""
        return {text: n for (item, text), n in self._captured.items() if item == order}

    def left(self, order: str, payment: str) -> int:
        """What can still go back to a payment."""
        return self._captured.get((order, payment), 0) - self._refunded.get((order, payment), 0)

    def refund(self, key: str, order: str, payment: str, amount: int, *, by: str) -> Refund:
        """Pay back. The same key and content again gives the same refund. ``by``: who asked (shop, wharfinger …). Raises Declined."""
        content = (order, payment, amount)
        if key in self._keys:
            known, refund = self._keys[key]
            if known != content:
                raise self._declined("key_reused", key, f"{key} came with {known}", content)
            return Refund(refund.id, refund.amount, again=True)
        if (order, payment) not in self._captured:
            raise self._declined("no_payment", key, f"{order} has no payment {payment}", content)
        if amount < 1 or amount > self.left(order, payment):
            left = self.left(order, payment)
            raise self._declined("above_captured", key, f"{amount} asked, {left} left of {payment}", content)
        refund = Refund(f"rf-{len(self._keys) + 1}", amount)
        self._keys[key] = (content, refund)
        self._refunded[order, payment] = self._refunded.get((order, payment), 0) + amount
        self.ledger.append(
            "refunded",
            id=refund.id,
            key=key,
            order=order,
            payment=payment,
            amount=amount,
            currency=self.currency,
            by=by,
        )
        return refund

    def _declined(self, code: str, key: str, message: str, content: tuple[object, ...]) -> Declined:
        self.ledger.append("declined", code=code, key=key, content=[str(x) for x in content])
        return Declined(code, message)
