"""The ASGI middleware against FastAPI, Starlette and bare applications."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, BackgroundTasks, FastAPI, HTTPException
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from genesis_performance.integrations.asgi import PerformanceMiddleware
from genesis_performance.model.operation import OperationSnapshot
from genesis_performance.operations import current_operation, note_call
from genesis_performance.profiler import PerformanceProfiler


@pytest.fixture
def profiler() -> PerformanceProfiler:
    return PerformanceProfiler()


async def hello(_request: Any) -> PlainTextResponse:
    return PlainTextResponse("hello")


def application() -> FastAPI:
    app = FastAPI()
    leaf = APIRouter()

    @leaf.get("/deep/{x}")
    def deep(x: str) -> str:
        return x

    middle = APIRouter()
    middle.include_router(leaf, prefix="/v2/nested")
    app.include_router(middle, prefix="/api/{tenant}")

    @app.get("/plain/{y}")
    def plain(y: str) -> str:
        return y

    @app.get("/fails")
    def fails() -> None:
        raise RuntimeError("no")

    @app.get("/busy")
    def busy() -> None:
        raise HTTPException(503)

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(3):
                await asyncio.sleep(0.02)
                yield b"x"

        return StreamingResponse(chunks())

    @app.get("/later")
    async def later(tasks: BackgroundTasks) -> str:
        async def behind() -> None:
            app.state.behind_began = time.perf_counter()
            await asyncio.sleep(0.2)

        tasks.add_task(behind)
        return "now"

    @app.get("/reads")
    def reads() -> str:
        note_call("secret read", "key", 1_000_000)
        note_call("secret read", "key", 1_000_000)
        return current_operation() or ""

    sub = FastAPI()
    sub.include_router(middle, prefix="/sub")
    app.mount("/t/{tenant}", sub)
    inner = Starlette(
        routes=[Route("/in/{b:int}", hello), Mount("/more/{c}", routes=[Route("/leaf/{d}", hello)])]
    )
    app.mount("/s", inner)
    return app


async def ask(app: Any, *paths: str, method: str = "GET", root_path: str = "") -> list[httpx.Response]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, root_path=root_path)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return [await client.request(method, path) for path in paths]


def recorded(profiler: PerformanceProfiler) -> dict[str, OperationSnapshot]:
    return {one.name: one for one in profiler.recorder.snapshots() if one.count}


@pytest.mark.parametrize("root_path", ["", "/behind/proxy"])
@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/plain/12345", "/plain/{y}"),
        ("/api/acme/v2/nested/deep/1", "/api/{tenant}/v2/nested/deep/{x}"),
        ("/t/acme/sub/v2/nested/deep/3", "/t/{tenant}/sub/v2/nested/deep/{x}"),
        ("/s/in/4", "/s/in/{b}"),
        ("/s/more/5/leaf/6", "/s/more/{c}/leaf/{d}"),
        ("/t/acme/jane.doe@example.com", "<unmatched>"),
        ("/wp-login.php", "<unmatched>"),
    ],
)
async def test_the_name_is_the_whole_route_template(
    profiler: PerformanceProfiler, path: str, template: str, root_path: str
) -> None:
    app = PerformanceMiddleware(application(), profiler=profiler)
    await ask(app, root_path + path, root_path=root_path)
    assert list(recorded(profiler)) == [f"GET {template}"]


async def test_it_works_as_added_middleware_too(profiler: PerformanceProfiler) -> None:
    app = application()
    app.add_middleware(PerformanceMiddleware, profiler=profiler)
    await ask(app, "/plain/1", "/api/acme/v2/nested/deep/1", "/plain/2")
    assert {name: one.count for name, one in recorded(profiler).items()} == {
        "GET /plain/{y}": 2,
        "GET /api/{tenant}/v2/nested/deep/{x}": 1,
    }


async def test_static_files_are_one_operation(profiler: PerformanceProfiler, tmp_path: Any) -> None:
    (tmp_path / "a.txt").write_text("a")
    app = Starlette(routes=[Mount("/static", StaticFiles(directory=tmp_path))])
    await ask(PerformanceMiddleware(app, profiler=profiler), "/static/a.txt", "/static/b.txt")
    assert recorded(profiler)["GET /static/{path}"].count == 2


async def test_methods_are_folded_to_known_verbs(profiler: PerformanceProfiler) -> None:
    app = PerformanceMiddleware(application(), profiler=profiler)
    await ask(app, "/plain/1", method="BREW")
    await ask(app, "/plain/1", method="POST")
    assert list(recorded(profiler)) == ["OTHER /plain/{y}", "POST /plain/{y}"]


async def test_server_errors_and_exceptions_count_as_errors(profiler: PerformanceProfiler) -> None:
    app = PerformanceMiddleware(application(), profiler=profiler)
    fails, busy, missing = await ask(app, "/fails", "/busy", "/missing")
    assert (fails.status_code, busy.status_code, missing.status_code) == (500, 503, 404)
    found = recorded(profiler)
    assert found["GET /fails"].errors == found["GET /busy"].errors == 1
    assert found["GET /busy"].error_types == {"ServerError": 1}
    assert found["GET <unmatched>"].errors == 0


async def test_an_exception_of_a_bare_application_passes_through(profiler: PerformanceProfiler) -> None:
    async def broken(*_: Any) -> None:
        raise KeyError("bare")

    with pytest.raises(KeyError, match="bare"):
        await PerformanceMiddleware(broken, profiler=profiler)({"type": "http", "method": "GET"}, None, None)  # type: ignore[arg-type]
    assert recorded(profiler)["GET <unmatched>"].error_types == {"KeyError": 1}


async def test_a_stream_is_measured_to_its_last_chunk(profiler: PerformanceProfiler) -> None:
    await ask(PerformanceMiddleware(application(), profiler=profiler), "/stream")
    assert recorded(profiler)["GET /stream"].mean_ms >= 55


async def test_a_background_task_is_not_part_of_the_request(profiler: PerformanceProfiler) -> None:
    app, begin = application(), time.perf_counter()
    await ask(PerformanceMiddleware(app, profiler=profiler), "/later")
    assert recorded(profiler)["GET /later"].mean_ms <= (app.state.behind_began - begin) * 1000


async def test_calls_made_in_a_worker_thread_belong_to_the_operation(profiler: PerformanceProfiler) -> None:
    (response,) = await ask(PerformanceMiddleware(application(), profiler=profiler), "/reads")
    assert response.json() == "GET <unmatched>", "the route is known only afterwards"
    (repeat,) = profiler.recorder.repeated_calls()
    assert (repeat.operation, repeat.calls, repeat.executions) == ("GET /reads", 2, 1)
    assert repeat.file == __file__


async def test_requests_at_once_are_kept_apart(profiler: PerformanceProfiler) -> None:
    app = PerformanceMiddleware(application(), profiler=profiler)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        await asyncio.gather(*(client.get(f"/{kind}") for _ in range(20) for kind in ("stream", "plain/1")))
    found = recorded(profiler)
    assert found["GET /stream"].count == found["GET /plain/{y}"].count == 20
    assert found["GET /stream"].cpu_ns is None, "the thread's clock would count the other requests"
    assert all(one.in_flight == 0 for one in profiler.recorder.snapshots())


async def test_server_timing_is_sent_unless_switched_off(profiler: PerformanceProfiler) -> None:
    (response,) = await ask(PerformanceMiddleware(application(), profiler=profiler), "/plain/1")
    assert response.headers["server-timing"].startswith("app;dur=")
    silent = PerformanceMiddleware(application(), profiler=profiler, server_timing=False)
    assert "server-timing" not in (await ask(silent, "/plain/1"))[0].headers


async def test_a_client_that_leaves_is_counted_and_recorded_once(profiler: PerformanceProfiler) -> None:
    sent: list[Any] = []

    async def waits_for_the_end(_scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await receive())["type"] != "http.disconnect":
            pass
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    messages: Iterator[dict[str, str]] = iter([{"type": "http.request"}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    middleware = PerformanceMiddleware(waits_for_the_end, profiler=profiler)
    await middleware({"type": "http", "method": "GET"}, receive, send)
    assert middleware.disconnects == 1
    (one,) = recorded(profiler).values()
    assert (one.count, one.errors) == (1, 0)


@pytest.mark.parametrize("kind", ["lifespan", "websocket"])
async def test_lifespan_and_websockets_pass_by(profiler: PerformanceProfiler, kind: str) -> None:
    seen = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["type"])

    await PerformanceMiddleware(app, profiler=profiler)({"type": kind}, None, None)  # type: ignore[arg-type]
    assert seen == [kind]
    assert not profiler.recorder.snapshots()


class BrokenExecution:
    def __init__(self, broken: str) -> None:
        self._broken = broken

    def _maybe(self, name: str) -> None:
        if self._broken in {name, "all"}:
            raise RuntimeError(name)

    def __enter__(self) -> None:
        self._maybe("enter")

    def __exit__(self, *_: object) -> None:
        self._maybe("exit")

    def rename(self, _name: str) -> None:
        self._maybe("rename")

    def fail(self, _kind: type[BaseException]) -> None:
        self._maybe("fail")


class BrokenProfiler:
    def __init__(self, broken: str) -> None:
        self._broken = broken

    def profile_context(self, _name: str) -> Any:
        if self._broken == "context":
            raise RuntimeError("context")
        return BrokenExecution(self._broken)


@pytest.mark.parametrize("broken", ["context", "enter", "exit", "rename", "fail", "all"])
async def test_nothing_of_ours_raises_into_the_application(broken: str) -> None:
    middleware = PerformanceMiddleware(application(), profiler=BrokenProfiler(broken))
    fine, busy = await ask(middleware, "/plain/1", "/busy")
    assert (fine.status_code, busy.status_code) == (200, 503)
    assert middleware.failures >= 1


async def test_a_broken_naming_hook_costs_the_name_only(profiler: PerformanceProfiler) -> None:
    def naming(_scope: Any) -> str:
        raise LookupError("hook")

    middleware = PerformanceMiddleware(application(), profiler=profiler, operation_name=naming)
    (response,) = await ask(middleware, "/plain/1")
    assert response.status_code == 200
    assert recorded(profiler)["GET <unmatched>"].count == 1


async def test_the_hook_names_and_may_leave_it_to_the_router(profiler: PerformanceProfiler) -> None:
    names = {"/plain/1": "/{database}/{table}"}
    app = PerformanceMiddleware(
        application(), profiler=profiler, operation_name=lambda scope: names.get(scope["path"], "")
    )
    await ask(app, "/plain/1", "/plain/2")
    assert list(recorded(profiler)) == ["GET /plain/{y}", "GET /{database}/{table}"]


async def test_without_a_profiler_it_has_its_own() -> None:
    middleware = PerformanceMiddleware(application())
    await ask(middleware, "/plain/1")
    assert middleware.failures == 0
    own = middleware._profiler
    assert isinstance(own, PerformanceProfiler)
    assert recorded(own)["GET /plain/{y}"].count == 1


async def test_a_switched_off_profiler_changes_nothing() -> None:
    from genesis_performance.config.profiler import ProfilerConfig

    off = PerformanceProfiler(ProfilerConfig(enabled=False))
    middleware = PerformanceMiddleware(application(), profiler=off)
    (response,) = await ask(middleware, "/plain/1")
    assert response.status_code == 200
    assert middleware.failures == 0


async def test_datasette_is_named_by_its_own_route_table(profiler: PerformanceProfiler) -> None:
    from datasette.app import Datasette

    from genesis_performance.demo.datasette_routes import template

    app = PerformanceMiddleware(Datasette(memory=True).app(), profiler=profiler, operation_name=template)
    answers = await ask(app, "/", "/_memory", "/_memory.json?sql=select+1", "/nothing/there")
    assert [answer.status_code for answer in answers] == [200, 200, 200, 404]
    assert sorted(recorded(profiler)) == [
        "GET /",
        "GET /{database}",
        "GET /{database}.json",
        "GET /{database}/{table}",
    ]
    assert app.failures == 0
