"""The work that the examples measure: orders in an SQLite database."""

import asyncio
import sqlite3


def count_orders(customers: int = 200) -> int:
    """Make a table of orders, and count those above the average of their customer."""
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE orders (customer INTEGER, amount REAL)")
        rows = ((number % customers, number * 37 % 101) for number in range(4000))
        database.executemany("INSERT INTO orders VALUES (?, ?)", rows)
        found = database.execute(
            "SELECT count(*) FROM orders"
            " JOIN (SELECT customer, avg(amount) AS mean FROM orders GROUP BY customer) USING (customer)"
            " WHERE amount > mean"
        ).fetchone()
    database.close()
    return int(found[0])


async def count_orders_async() -> int:
    """The same from a coroutine, in a thread, because sqlite3 blocks."""
    return await asyncio.to_thread(count_orders)
