"""The shop's SQLite database: products, carts and orders."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CARTS = 60
LINES_OF_A_CART = (6, 10)  # fewest, most
FOOD = (
    "Espresso beans",
    "Green tea",
    "Rye bread",
    "Olive oil",
    "Sea salt",
    "Honey",
    "Dark chocolate",
    "Oats",
)
GOODS = ("Mug", "Kettle", "Notebook", "Desk lamp", "Backpack", "Umbrella", "Headphones", "Keyboard")
SIZES = ("small", "medium", "large", "twin pack", "gift box")

SCHEMA = """
CREATE TABLE product (id INTEGER PRIMARY KEY, name TEXT NOT NULL, net_cents INTEGER NOT NULL,
                      is_food INTEGER NOT NULL);
CREATE TABLE cart_line (cart_id INTEGER NOT NULL, product_id INTEGER NOT NULL REFERENCES product,
                        quantity INTEGER NOT NULL);
CREATE INDEX cart_lines ON cart_line (cart_id);
CREATE TABLE placed_order (id INTEGER PRIMARY KEY, cart_id INTEGER NOT NULL, total_cents INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a cart."""

    net_cents: int  # of the whole line
    is_food: bool


def create(path: Path) -> int:
    """Make the database and return how many products it has; the same content every time."""
    dice = random.Random(7)
    names = [(f"{name}, {size}", name in FOOD) for name in (*FOOD, *GOODS) for size in SIZES]
    products = [
        (number, name, dice.randrange(150, 9000), food) for number, (name, food) in enumerate(names, 1)
    ]
    lines = [
        (cart, dice.randint(1, len(products)), dice.randint(1, 3))
        for cart in range(1, CARTS + 1)
        for _ in range(dice.randint(*LINES_OF_A_CART))
    ]
    with connected(path) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(SCHEMA)
        database.executemany("INSERT INTO product VALUES (?, ?, ?, ?)", products)
        database.executemany("INSERT INTO cart_line VALUES (?, ?, ?)", lines)
    return len(products)


@contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that commits at the end, or rolls back, and is closed."""
    connection = sqlite3.connect(path, timeout=5)
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        with connection:
            yield connection
    finally:
        connection.close()


def products(path: Path, limit: int = 50) -> list[dict[str, object]]:
    with connected(path) as database:
        rows = database.execute("SELECT id, name, net_cents FROM product ORDER BY name LIMIT ?", (limit,))
        return [{"id": number, "name": name, "net_cents": cents} for number, name, cents in rows]


def product(path: Path, number: int) -> dict[str, object] | None:
    with connected(path) as database:
        row = database.execute("SELECT id, name, net_cents FROM product WHERE id = ?", (number,)).fetchone()
    return None if row is None else {"id": row[0], "name": row[1], "net_cents": row[2]}


def cart(path: Path, number: int) -> list[Line]:
    with connected(path) as database:
        rows = database.execute(
            "SELECT net_cents * quantity, is_food FROM cart_line JOIN product ON product.id = product_id "
            "WHERE cart_id = ?",
            (number,),
        )
        return [Line(cents, bool(food)) for cents, food in rows]


def place_order(path: Path, cart_id: int, total_cents: int) -> int:
    with connected(path) as database:
        made = database.execute(
            "INSERT INTO placed_order (cart_id, total_cents) VALUES (?, ?)", (cart_id, total_cents)
        )
        return made.lastrowid or 0
