"""The shop's HTTP interface; one release differs from another by its pricing alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI, HTTPException

from ...integrations.asgi import PerformanceMiddleware
from ...runtime import Runtime
from . import database
from .releases import Pricing


def create_app(runtime: Runtime, pricing: Pricing, path: Path) -> FastAPI:
    """The application; it ends the runtime when it shuts down."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        # Before the first request: a release that can not read its secrets must not get traffic.
        await runtime.secrets.get_secret("tax-key")
        yield
        runtime.close()

    app = FastAPI(title="Shop", lifespan=lifespan)
    products, checkout = APIRouter(prefix="/products"), APIRouter(prefix="/checkout")

    @products.get("")
    def list_products() -> list[dict[str, object]]:
        return database.products(path)

    @products.get("/{product_id}")
    def get_product(product_id: int) -> dict[str, object]:
        found = database.product(path, product_id)
        if found is None:
            raise HTTPException(404, "no such product")
        return found

    @checkout.post("/{cart_id}")
    def check_out(cart_id: int) -> dict[str, int]:
        lines = database.cart(path, cart_id)
        if not lines:
            raise HTTPException(404, "no such cart")
        total_cents = pricing.total_cents(lines, runtime.secrets)
        return {"order": database.place_order(path, cart_id, total_cents), "total_cents": total_cents}

    app.include_router(products)
    app.include_router(checkout)
    app.add_middleware(PerformanceMiddleware, profiler=runtime.profiler)
    return app
