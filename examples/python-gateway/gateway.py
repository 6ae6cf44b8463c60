#!/usr/bin/env python3
"""HTTP in front of a node: GET /call/FUNCTION?args=[1,2] calls that function, and answers with its result as JSON.

usage: gateway.py WORKER_URL [PORT]

Each request is a coroutine that awaits a call, so thousands may wait at a time.
"""

import asyncio
import json
import sys

from aiohttp import web

import onward
import onward.rpc as rpc

TIMEOUT_S = 10
HTTP_STATUS = {
    onward.StatusCode.INVALID_ARGUMENT: 400,
    onward.StatusCode.NOT_FOUND: 404,
    onward.StatusCode.UNIMPLEMENTED: 404,
    onward.StatusCode.PERMISSION_DENIED: 403,
    onward.StatusCode.RESOURCE_EXHAUSTED: 429,
    onward.StatusCode.UNAVAILABLE: 503,
    onward.StatusCode.DEADLINE_EXCEEDED: 504,
}


def refuse(status: int, what: str) -> web.Response:
    return web.json_response({"error": what}, status=status)


async def call(request: web.Request) -> web.Response:
    try:
        arguments = json.loads(request.query.get("args", "[]"))
    except json.JSONDecodeError as error:
        return refuse(400, f"args is not JSON: {error}")
    if not isinstance(arguments, list):
        return refuse(400, "args must be a JSON array")
    try:
        answer = await rpc.rpc_async("worker", request.match_info["function"], arguments, timeout=TIMEOUT_S)
    except onward.RpcError as error:
        return refuse(HTTP_STATUS.get(error.code, 500), error.message)
    except Exception as error:  # that the function has raised
        return refuse(500, repr(error))
    return web.json_response({"result": answer})


async def serve(port: int) -> None:
    application = web.Application()
    application.add_routes([web.get("/call/{function}", call)])
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    host, real_port = runner.addresses[0]
    print(f"http://{host}:{real_port}/call/rfc.my_add_2?args=[1,2]", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def main() -> None:
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    rpc.init_rpc("gateway", peers={"worker": sys.argv[1]})
    try:
        asyncio.run(serve(int(sys.argv[2]) if len(sys.argv) == 3 else 8080))
    except KeyboardInterrupt:
        pass
    rpc.shutdown()


if __name__ == "__main__":
    main()
