"""A message as it could be, for previews and for the check of templates: one with everything in it, one with as little as there can be."""

from __future__ import annotations

import msgspec

from domain.records.effects import CustomerMessage
from domain.records.values import MessageCause, MessageLine, MessageParcel
from domain.rules.notifications import RETURN_NOTICES, TEMPLATES

__all__ = ["sample", "samples"]

_AT = 1_795_428_000_000
"""2026-11-23 10:00 in Amsterdam."""
_DAY = 86_400_000


def sample(kind: str, medium: str = "mail", language: str = "en", order_name: str = "#1001") -> CustomerMessage:
    """A message of a kind with everything in it that such a one can have; ``template`` is the kind's own."""
    back = kind in RETURN_NOTICES
    parcel = MessageParcel("p1", "PostNL", "3SABCD012345678", "https://track.example/3SABCD012345678", 2)
    causes = [MessageCause(k, n, _AT) for n, k in enumerate(dict.fromkeys(("PLACED", kind)), 1)] if not back else []
    states = (
        ("returned", "returned")
        if back
        else {"CANCELLED": ("cancelled", "cancelled")}.get(kind, ("coming", "backordered"))
    )
    return CustomerMessage(
        event_id="00000000-0000-5000-8000-000000000000",
        type="CustomerMessage",
        time=_AT,
        source="preview",
        trace="0" * 32,
        order_key="shopify:acme:1001",
        target=f"message:{medium}",
        medium=medium,
        to="anna@example.org" if medium == "mail" else "+31612345678",
        kind=kind,
        template=TEMPLATES[kind],
        language=language,
        timezone="Europe/Amsterdam",
        causes=causes or [MessageCause(kind, 1, _AT)],
        rule_version="preview",
        order_name=order_name,
        placed_at=_AT,
        customer="Anna de Vries",
        country={"nl": "NL", "de": "DE", "fr": "FR"}.get(language, "GB"),
        currency="EUR",
        total=7997,
        lines=[
            MessageLine("1", "MUG-BLUE", "Mug, blue", 2, 5332, states[0], "" if back else "2026-11-26"),
            MessageLine("2", "TEAPOT", "Teapot & lid", 1, 2665, states[1]),
        ],
        parcels=[parcel],
        eta="" if back else "2026-11-26",
        eta_before="2026-11-24" if kind == "DELAYED" else "",
        give_up_at=_AT + 3 * _DAY,
        complete=True,
        reason="unfillable" if kind == "CANCELLED" else "",
        amount=2666,
        tax=463,
        fees=495 if kind == "CREDITED" else 0,
        rma_id="shopify:acme:1001/r1" if back else "",
        rma_kind="return" if back else "",
        label_url="https://hooks.example/labels/1" if kind in ("RMA_CREATED", "RETURN_LABELLED") else "",
        valid_until=_AT + 30 * _DAY if back else 0,
    )


def samples(kind: str, medium: str, language: str) -> list[CustomerMessage]:
    """What a template of the kind must be able to say: with everything, with nothing that may be missing, and what is in between."""
    full = sample(kind, medium, language)
    bare = msgspec.structs.replace(
        full,
        causes=[MessageCause(kind, 1, _AT)],
        customer="",
        lines=[],
        parcels=[],
        eta="",
        eta_before="",
        give_up_at=0,
        complete=False,
        reason="",
        amount=0,
        tax=0,
        fees=0,
        label_url="",
        valid_until=0,
    )
    odd = [msgspec.structs.replace(full, rma_kind="claim")] if full.rma_id else []
    return [full, bare, msgspec.structs.replace(full, complete=False), *odd]
