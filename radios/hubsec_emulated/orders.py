"""What is to be in a house, as it is written on a command line: ``lamp`` or ``lamp=3``."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from hubsec_emulated.errors import EmulationError


@dataclass(frozen=True, slots=True)
class Order:
    """So many of a kind."""

    kind: str
    count: int


def read_order(text: str, kinds: Collection[str], most: int) -> Order:
    """Read ``kind`` or ``kind=count``, where `kinds` are what there is and `most` what fits into a house.

    :raises EmulationError: it is neither, or so many don't fit into a house.
    """
    name, equals, count = text.partition("=")
    if name not in kinds:
        raise EmulationError(
            f"{text!r} is no device: say one of {', '.join(kinds)}, with =count behind it for several."
        )
    if not equals:
        return Order(name, 1)
    if not (count.isdecimal() and len(count) <= len(str(most)) and 1 <= int(count) <= most):
        raise EmulationError(f"{text!r}: how many of them is a number from 1 to {most}.")
    return Order(name, int(count))


def read_orders(texts: Iterable[str], kinds: Collection[str], most: int) -> list[Order]:
    """Read what is to be in the house.

    :raises EmulationError: one is no device, or together they are too many.
    """
    orders = [read_order(text, kinds, most) for text in texts]
    together = sum(order.count for order in orders)
    if together > most:
        raise EmulationError(f"A house has room for {most} devices, not for {together}.")
    return orders
