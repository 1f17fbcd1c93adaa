"""The application: both APIs, and the routes by which a test or the command line controls the sandbox."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import asdict

from aiohttp import web

from order_assets.sandbox import ktsp, scalev
from order_assets.sandbox.faults import Fault
from order_assets.sandbox.mishaps import too_many
from order_assets.sandbox.state import SANDBOX, Options, Sandbox
from order_assets.sandbox.world import World

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_REQUESTS_PER_SECOND = 500.0
_MAX_IN_FLIGHT = 8
_MAX_STEPS = 1_000


def build_app(world: World, options: Options | None = None) -> web.Application:
    """The sandbox as an aiohttp application, not yet listening."""
    app = web.Application(middlewares=[_meter])
    app[SANDBOX] = Sandbox(world, options or Options())
    app.add_routes([*scalev.routes(), *ktsp.routes()])
    app.add_routes(
        [
            web.get("/sandbox/health", _health),
            web.get("/sandbox/accounts.toml", _accounts),
            web.put("/sandbox/faults/{account:.+}", _put_fault),
            web.delete("/sandbox/faults/{account:.+}", _clear_faults),
            web.delete("/sandbox/faults", _clear_faults),
            web.post("/sandbox/evolve", _evolve),
            web.get("/sandbox/requests", _requests),
            web.post("/sandbox/requests/reset", _reset_requests),
        ]
    )
    return app


@web.middleware
async def _meter(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Counts requests, adds the latency, and keeps the rate limits."""
    api = {"/v3": "scalev", "/v1": "ktsp"}.get(request.path[:3])
    if api is None:
        return await handler(request)
    sandbox = request.app[SANDBOX]
    traffic = sandbox.traffic
    traffic.arrived(api, int(sandbox.options.clock()))
    try:
        if sandbox.options.latency_ms:
            await asyncio.sleep(sandbox.options.latency_ms / 1000)
        rate = sandbox.rate if api == "scalev" else sandbox.ktsp_rate
        allowed, headers = rate.take()
        if not allowed:
            traffic.refused[api] += 1
            traffic.other["rate_limited"] += 1
        if api == "ktsp":
            return await handler(request) if allowed else too_many({"Retry-After": str(rate.seconds_left())})
        response = await handler(request) if allowed else too_many()
        if not response.prepared:
            for name, value in headers.items():
                response.headers.setdefault(name, value)  # a fault may have its own
        return response
    finally:
        traffic.in_flight[api] -= 1


async def _health(request: web.Request) -> web.Response:
    spec = request.app[SANDBOX].world.spec
    return web.json_response(
        {"ok": True, "seed": spec.seed, "pid": os.getpid(), "spec": {**asdict(spec), "until": str(spec.until)}}
    )


async def _accounts(request: web.Request) -> web.Response:
    base_url = f"{request.scheme}://{request.host}"
    return web.Response(text=accounts_toml(request.app[SANDBOX], base_url), content_type="application/toml")


def accounts_toml(sandbox: Sandbox, base_url: str) -> str:
    """An accounts file for everyone in the world, with freshly signed tokens as literals."""
    pace = [f"max_in_flight = {_MAX_IN_FLIGHT}", f"requests_per_second = {_REQUESTS_PER_SECOND}"]
    lines = ["# Accounts of the sandbox: invented people, tokens that open nothing else.", "[scalev]"]
    lines += [f'base_url = "{base_url}"', f"page_size = {scalev.PAGE_SIZE}", *pace]
    for store in sandbox.world.stores:
        lines += ["", "[[scalev.stores]]", f'store_id = "{store.store_id}"', f'time_zone = "{store.time_zone}"']
        lines += ['currency = "IDR"', f'storefront_key = "{store.storefront_key}"']
        for who in store.customers:
            pair = sandbox.tokens.issue(who.account)
            lines += ["", "[[scalev.stores.customers]]", f'name = "{who.name}"']
            lines += [f'access_token = "{pair["access"]}"', f'refresh_token = "{pair["refresh"]}"']
    lines += ["", "[ktsp]", *pace, f"page_size = {ktsp.MAX_PAGE_SIZE}", "first_page = 0"]
    lines += ["", "[[ktsp.programmes]]", 'name = "ktsp"', f'base_url = "{base_url}"']
    lines += [f'app_key = "{sandbox.app_key}"', f'app_secret = "{sandbox.app_secret}"']
    lines += ['time_zone = "Asia/Hong_Kong"', 'currency = "HKD"']
    for member in sandbox.world.members:
        lines += ["", "[[ktsp.programmes.members]]", f'member_id = "{member.member_id}"']
    return "\n".join(lines) + "\n"


async def _put_fault(request: web.Request) -> web.Response:
    sandbox = request.app[SANDBOX]
    account = request.match_info["account"]
    if not sandbox.world.has(account):
        return web.json_response({"error": f"no account {account}"}, status=404)
    try:
        sandbox.faults.put(account, Fault.parse(await request.text()))
    except ValueError as error:
        return web.json_response({"error": str(error)}, status=400)
    return web.Response(status=204)


async def _clear_faults(request: web.Request) -> web.Response:
    request.app[SANDBOX].faults.clear(request.match_info.get("account"))
    return web.Response(status=204)


async def _evolve(request: web.Request) -> web.Response:
    try:
        steps = int(request.query.get("steps", "1"))
    except ValueError:
        steps = 0
    if not 1 <= steps <= _MAX_STEPS:
        return web.json_response({"error": f"steps must be a number from 1 to {_MAX_STEPS}"}, status=400)
    # In a thread, since a large world takes seconds and other requests should not wait.
    changes = await asyncio.to_thread(request.app[SANDBOX].world.evolve, steps)
    return web.json_response(asdict(changes))


async def _requests(request: web.Request) -> web.Response:
    return web.json_response(request.app[SANDBOX].traffic.as_json(), dumps=json.dumps)


async def _reset_requests(request: web.Request) -> web.Response:
    request.app[SANDBOX].traffic.reset()
    return web.Response(status=204)
