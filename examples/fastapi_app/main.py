"""A small FastAPI service: orders in SQLite, a signing key from Secret Manager, everything measured.

Run it against a local cloud::

    genesis-perf emulator --port 8085 --http-port 8086 &
    export GENESIS_PERF_EMULATOR=127.0.0.1:8085 GENESIS_PERF_EMULATOR_HTTP=127.0.0.1:8086
    uvicorn --app-dir examples/fastapi_app main:app
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

from core.performance.integrations.asgi import PerformanceMiddleware
from fastapi import FastAPI, HTTPException

from core.performance import OptimizedSecretManager, PerformanceProfiler, runtime

PROJECT = os.environ.get("GOOGLE_CLOUD_PROJECT", "demo-project")
DATABASE = os.environ.get("ORDERS_DATABASE", "orders.db")

# Made at module level on purpose: constructors open nothing, so a server may fork its workers afterwards.
profiler = PerformanceProfiler()
secrets = OptimizedSecretManager(PROJECT)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    with closing(sqlite3.connect(DATABASE)) as database, database:
        database.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, amount_cents INTEGER)")
    running = await asyncio.to_thread(
        runtime.start, "orders", environment="staging", release="1.0.0", project_id=PROJECT
    )
    yield
    await asyncio.to_thread(running.close)
    await secrets.aclose()


app = FastAPI(lifespan=lifespan)
app.add_middleware(PerformanceMiddleware, profiler=profiler)


@app.post("/orders/{amount_cents}", status_code=201)
def place(amount_cents: int) -> dict[str, int]:
    with profiler.profile_context("insert_order"), closing(sqlite3.connect(DATABASE)) as database, database:
        number = database.execute("INSERT INTO orders (amount_cents) VALUES (?)", (amount_cents,)).lastrowid
    return {"id": int(number or 0)}


@app.get("/orders/{number}")
async def read(number: int) -> dict[str, str | int]:
    amount_cents = await asyncio.to_thread(_amount_cents, number)
    if amount_cents is None:
        raise HTTPException(404, "there is no such order")
    key = await secrets.get_secret("signing-key")
    signature = hmac.new(key.encode(), f"{number}:{amount_cents}".encode(), hashlib.sha256).hexdigest()
    return {"id": number, "amount_cents": amount_cents, "signature": signature}


def _amount_cents(number: int) -> int | None:
    with closing(sqlite3.connect(DATABASE)) as database:
        row = database.execute("SELECT amount_cents FROM orders WHERE id = ?", (number,)).fetchone()
    return None if row is None else int(row[0])
