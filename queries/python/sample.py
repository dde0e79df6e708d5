#!/usr/bin/env python3
"""A shop, small enough to read."""

from __future__ import annotations

import os.path as paths
from .stock import Shelf, shelf_of

# The most items one basket holds.
ITEMS_MAX = 10


class Full(Exception):
    pass


@paths.register
class Basket(Shelf):
    """What a customer carries.

    Full baskets refuse.
    """

    currency = "EUR"

    # Belongs to the method below.
    @property
    def total(self) -> int:
        """Sum of all prices."""
        return sum(price for price in self.prices.values())

    async def add(self, item: Shelf, *, price=0):
        if len(self.items) >= ITEMS_MAX:
            raise Full(item)

        def remember():
            self.items.append(item)

        remember()


def checkout(basket: Basket) -> Full:
    return shelf_of(basket).pay()
