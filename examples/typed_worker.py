"""Typed handlers: the annotations say what may come, and are the parent's types as well.

``typed_worker.ts`` is made of them, for parents in TypeScript:
``python -m procwire types typed_worker:client -o typed_worker.ts``.

Needs msgspec: pip install 'procwire[typed]'
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum

from procwire import Client

client = Client(nil_as_missing=True)

CENT = Decimal("0.01")


class Currency(Enum):
    EUR = "EUR"
    PLN = "PLN"


@dataclass
class Line:
    article: str
    price: Decimal
    quantity: int = 1


@dataclass
class Order:
    placed: datetime
    lines: list[Line]
    currency: Currency = Currency.EUR
    # JavaScript's keys are strings; these are read as what they stand for.
    discounts: dict[int, Decimal] = field(default_factory=dict)
    signature: bytes = b""


@dataclass
class Invoice:
    total: Decimal
    currency: Currency
    due: date
    signed: bool


@client.handle(validate_result=True)
async def bill(order: Order) -> Invoice:
    """Nothing is checked here: what comes is what the annotation says."""
    total = sum((line.price * line.quantity for line in order.lines), Decimal())
    pieces = sum(line.quantity for line in order.lines)
    discount = max((d for least, d in order.discounts.items() if pieces >= least), default=0)
    due = order.placed + timedelta(days=14)
    total = (total * (1 - discount)).quantize(CENT)
    return Invoice(total, order.currency, due.date(), len(order.signature) == 64)


@client.handle
async def ship(order: Order) -> AsyncIterator[str]:
    for line in order.lines:
        await client.emit("shipped", line)
        yield f"{line.quantity} × {line.article}"


client.event("shipped", data=Line)

if __name__ == "__main__":
    client.run()
