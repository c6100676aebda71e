"""Measure HTTP clients for the sink: ``python -m tests.benchmark.clients``, those that are installed.

Each makes requests of 45 kB, 128 at a time, to a server that reads them and answers at once, by
HTTP/1.1. What counts is the CPU time that a request takes of the client's process.
"""

import asyncio
import importlib.util
import subprocess
import sys
import time
from contextlib import asynccontextmanager

import uvloop

REQUESTS = 4_000
AT_A_TIME = 128
BODY = b"x" * 45_000

SERVER = """
import asyncio, socket, uvicorn

async def app(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})

listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
print(f"http://127.0.0.1:{listening.getsockname()[1]}/", flush=True)
uvicorn.Server(uvicorn.Config(app, http="httptools", lifespan="off", loop="asyncio", log_level="error",
                              access_log=False)).run([listening])
"""


@asynccontextmanager
async def pyreqwest(url):
    from pyreqwest.client import ClientBuilder

    async with ClientBuilder().build() as client:

        async def post():
            await (await client.post(url).body_bytes(BODY).build().send()).bytes()

        yield post


@asynccontextmanager
async def aiohttp(url):
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_A_TIME)) as client:

        async def post():
            async with client.post(url, data=BODY) as answer:
                await answer.read()

        yield post


@asynccontextmanager
async def httpx(url, name="httpx"):
    module = importlib.import_module(name)
    limits = module.Limits(max_connections=AT_A_TIME, max_keepalive_connections=AT_A_TIME)
    async with module.AsyncClient(limits=limits) as client:

        async def post():
            await client.post(url, content=BODY)

        yield post


def httpx2(url):
    return httpx(url, "httpx2")


@asynccontextmanager
async def niquests(url):
    import niquests

    async with niquests.AsyncSession(pool_maxsize=AT_A_TIME) as client:

        async def post():
            await client.post(url, data=BODY)

        yield post


async def measure(client, url):
    """Print the throughput, the CPU time and the latencies of a client."""
    left, latencies = REQUESTS, []
    async with client(url) as post:

        async def work():
            nonlocal left
            while left > 0:
                left -= 1
                start = time.perf_counter()
                await post()
                latencies.append(time.perf_counter() - start)

        cpu, began = time.process_time(), time.perf_counter()
        await asyncio.gather(*(work() for _ in range(AT_A_TIME)))
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    latencies.sort()
    median, p95 = (latencies[int(len(latencies) * share)] * 1e3 for share in (0.5, 0.95))
    print(
        f"{client.__name__:10} {REQUESTS / seconds:6,.0f} requests/s, {cpu / REQUESTS * 1e6:5,.0f} us of CPU a request, "
        f"median {median:.0f} ms, p95 {p95:.0f} ms"
    )


def main():
    """Measure every client that is installed."""
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    try:
        url = server.stdout.readline().strip()
        for client in (pyreqwest, aiohttp, niquests, httpx2, httpx):
            if importlib.util.find_spec(client.__name__):
                uvloop.run(measure(client, url))
            else:
                print(f"{client.__name__} is not installed")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
