"""What the customer is told of his order: by rules, once, in one message for what belongs together,
never at night where he would wake.

Run after a command is settled, on the events it led to: (1) what is to be told is noted for each
medium, (2) what has lost its sense is dropped, (3) what is due is decided: looked up anew, made
into an effect. What waits is told by a later command or a Tick.

Four subjects collapse each by itself: the order as it stands (``news.standing``), cancellations,
parcels, each return.
"""

from __future__ import annotations

import msgspec

from domain.order.condition_facts import of_order as facts_of
from domain.order.session import OrderSession
from domain.order.state.notifications import Note, Notices, Queue
from domain.order.state.reported import Header
from domain.order.state.status import is_live
from domain.records.events import OrderEvent
from domain.rules.conditions import ConditionFailed
from domain.rules.notifications import NOTICES, ORDER_NOTICES, PARCEL_NOTICES, MessageRule

from .compose import address, language_of, message, of_cancel, of_order, of_parcels, of_return
from .customer_clock import out_of_quiet, zone_of
from .news import Standing, arrives, news, standing
from .overdue import find_overdue, next_overdue
from .superseded import find_rma, is_ours, is_stale, is_superseded

__all__ = ["notify"]

_HOUR_MS, _MINUTE_MS = 3_600_000, 60_000
_ALWAYS = frozenset(ORDER_NOTICES)
"""Looked at even where no row tells of them: a day that is promised is remembered."""
_BY_UNITS = frozenset({"CANCELLED", "OVERDUE", "PICKED", "RMA_RECEIVED", "RETURN_EXPIRED", "CREDITED"})
"""Told with the units of the event itself; the others with those of the order, parcel or return."""
_NOTHING = Queue()

Group = tuple[str, str]
"""What becomes one message: a subject, and of parcels and returns also the kind."""


def notify(session: OrderSession) -> None:
    """Note and tell what is due.

    To be called only where the rules have messages, or the order has notices.
    """
    order, header = session.state, session.state.header
    if header is None or _nothing_to_do(session):
        return
    telling = _Telling(session, header)
    kept = order.notices.queues if order.notices is not None else {}
    late = find_overdue(session, order.notices.late if order.notices is not None else []) if telling.media else []
    queues = {}
    for medium in telling.media:
        queue = telling.work(medium, kept.get(medium, _NOTHING))
        if queue.notes or queue.told:
            queues[medium] = queue
    times = [note.due for kept_queue in queues.values() for note in kept_queue.notes]
    if telling.media and (limit := next_overdue(session, late)):
        times.append(limit)
    due = min(times, default=0)
    order.notices = Notices(queues, due, late) if queues or due or late else None


def _nothing_to_do(session: OrderSession) -> bool:
    """Nothing happened that is told, and nothing is due: so it is with most commands."""
    rows, notices = session.rules.notifications.messages, session.state.notices
    if not rows or (notices is not None and 0 < notices.due <= session.command.time):
        return False
    return not any(event.type in _ALWAYS or any(event.type in row.events for row in rows) for event in session.events)


class _Telling:
    """One command's look at what is to be told."""

    def __init__(self, session: OrderSession, header: Header) -> None:
        self.session, self.header = session, header
        self.rules = session.rules.notifications
        self.zone = zone_of(header.ship_to.country, self.rules)
        self.media = (
            sorted({medium for row in self.rules.messages for medium in row.media}) if _may(session, header) else []
        )
        self._rows: dict[str, MessageRule | None] = {}
        self._standing: Standing | None = None

    @property
    def standing(self) -> Standing:
        """How the order stands, looked at once."""
        if self._standing is None:
            self._standing = standing(self.session)
        return self._standing

    # What the rules say
    def row(self, kind: str, medium: str) -> MessageRule | None:
        """The row that decides a kind, where it has something to say over the medium to this
        customer.
        """
        if kind not in self._rows:
            self._rows[kind] = next(
                (rule for rule in self.rules.messages if kind in rule.events and self._fits(rule)), None
            )
        row = self._rows[kind]
        return row if row is not None and medium in row.media and address(self.header, medium) else None

    def _fits(self, rule: MessageRule) -> bool:
        session, header = self.session, self.header
        if rule.channels and not {session.channel, session.target} & set(rule.channels):
            return False
        if rule.countries and header.ship_to.country not in rule.countries:
            return False
        if rule.languages and language_of(header, self.rules) not in rule.languages:
            return False
        try:
            return not rule.when or session.conditions.holds(
                rule.when, facts_of(session.state, header, session.rules, session.command.time)
            )
        except ConditionFailed:
            return False

    def due(self, row: MessageRule, medium: str) -> int:
        """When something that happened now is told."""
        wait = self.rules.collapse_minutes if row.wait_minutes is None else row.wait_minutes
        return self.awake(self.session.command.time + wait * _MINUTE_MS, medium)

    def awake(self, at: int, medium: str) -> int:
        """``at``, or the end of the customer's quiet hours."""
        return out_of_quiet(at, self.zone, self.rules.quiet) if medium in self.rules.quiet.media else at

    # The three steps: noted, dropped, decided
    def work(self, medium: str, queue: Queue) -> Queue:
        """The medium's queue after this command."""
        told, notes = dict(queue.told), list(queue.notes)
        for event in self.session.events:
            # Old news is none: a backlog or a replay does not wake a customer.
            if self.session.command.time - event.occurred_at <= self.rules.max_age_hours * _HOUR_MS:
                self._note(event, medium, told, notes)
        if notes:
            notes = [note for note in notes if not is_superseded(note, notes) and not is_stale(note, self.session)]
            if not is_live(self.session.state) and self.session.state.shipments and self.row("SHIPPED", medium):
                # The parcel's message says it all.
                notes = [note for note in notes if note.kind not in ORDER_NOTICES]
            notes = self._tell(medium, told, notes)
        if told and not notes and not is_live(self.session.state):
            # Everything has left or is cancelled: there is no day to compare with any more.
            told = {}
        return Queue(told, notes)

    def _note(self, event: OrderEvent, medium: str, told: dict[str, str], notes: list[Note]) -> None:
        kind = event.type
        if kind in ORDER_NOTICES:
            placed = kind == "PLACED" or any(noted.kind == "PLACED" for noted in notes)
            found = self._order_row(medium, told, placed)
            if found is None:
                self._known_anyway(told)
        elif kind == "CANCELLED" or (kind in NOTICES and is_ours(event, self.session)):
            row = self.row(kind, medium)
            found = (kind, row) if row is not None else None
        else:
            return
        if found is None:
            return
        units = [(line.line_id, line.qty) for line in event.lines] if kind in _BY_UNITS else []
        # The narrowest subject: a return before a parcel, a parcel before its allocation.
        subject = event.rma_id or event.shipment_id or event.allocation_id
        note = Note(kind, event.seq, event.occurred_at, self.due(found[1], medium), subject, units, reason=event.reason)
        if kind in ("CANCELLED", "CREDITED"):
            note = msgspec.structs.replace(note, amount=event.amount, tax=event.tax, fees=event.fees)
        notes.append(msgspec.structs.replace(note, complete=event.complete))

    def _order_row(self, medium: str, told: dict[str, str], placed: bool) -> tuple[str, MessageRule] | None:
        """What there is to say of the order as it stands: the first kind of news that a row has
        words for.
        """
        kinds = [*news(self.session, self.standing, told).kinds, *(["PLACED"] if placed else [])]
        return next(((kind, row) for kind in kinds if (row := self.row(kind, medium)) is not None), None)

    def _known_anyway(self, told: dict[str, str]) -> None:
        """No row tells of it: the first day is the promise all the same (the shop shows it), and a
        later one a delay.
        """
        for line_id, says in self.standing.says.items():
            if says[0].isdigit():
                told.setdefault(line_id, says)

    def _tell(self, medium: str, told: dict[str, str], notes: list[Note]) -> list[Note]:
        """Decide the groups that are due; gives the notes that wait on."""
        groups: dict[Group, list[Note]] = {}
        for note in notes:
            groups.setdefault(_group(note), []).append(note)
        waiting: list[Note] = []
        for group, mine in groups.items():
            due = min(own.due for own in mine)
            awake = self.awake(max(due, self.session.command.time), medium)
            if due > self.session.command.time:
                waiting += mine
            elif awake > self.session.command.time:  # a tick that came late
                waiting += [msgspec.structs.replace(own, due=awake) for own in mine]
            else:
                self._decide(group, medium, told, mine)
        return sorted(waiting, key=lambda waits: waits.seq)

    def _decide(self, group: Group, medium: str, told: dict[str, str], notes: list[Note]) -> None:
        session, (subject, kind) = self.session, group
        if subject == "order":
            found = self._order_row(medium, told, any(note.kind == "PLACED" for note in notes))
            content = of_order(session, self.standing, news(session, self.standing, told).before)
        else:
            row = self.row(kind, medium)
            found = (kind, row) if row is not None else None
            content = self._content(subject, kind, notes) if found else {}
        if found is None:
            return
        session.effect(message(session, self.header, found[1], medium, kind=found[0], notes=notes, content=content))
        if subject == "order":
            told.update(self.standing.says)

    def _content(self, subject: str, kind: str, notes: list[Note]) -> dict[str, object]:
        if subject == "cancel":
            return of_cancel(self.session, notes)
        if subject == "parcel":
            days = {allocation.id: arrives(self.session, allocation) for allocation in self.session.state.allocations}
            return of_parcels(self.session, kind, notes, days)
        rma = find_rma(self.session.state, subject)
        return of_return(self.session, rma, notes) if rma is not None else {}


def _may(session: OrderSession, header: Header) -> bool:
    """Whether this order's customer is ours to speak to at all."""
    rules = session.rules
    if header.fulfilled_by == "channel" or (header.test and not rules.ship_test_orders):
        return False
    return not {session.channel, session.target} & set(rules.notifications.silent_channels)


def _group(note: Note) -> Group:
    if note.kind in ORDER_NOTICES:
        return "order", ""
    if note.kind == "CANCELLED":
        return "cancel", note.kind
    return ("parcel" if note.kind in PARCEL_NOTICES else note.subject), note.kind
