"""A server that answers as a test says, and remembers what it was asked."""

import asyncio
import json
from contextlib import asynccontextmanager

NAMES = {200: "OK", 302: "Found", 404: "Not Found", 503: "Unavailable"}


def taken(records):
    """Return the content of an answer that says that records were taken."""
    return json.dumps(
        {"records": [{"skyflow_id": f"id{k}", "tokens": None} for k in range(records)]}
    )


class Request:
    """What was asked: path, headers in lower case, body, and its JSON."""

    def __init__(self, head, body):
        first, *lines = head.decode().splitlines()
        self.method, self.path, _ = first.split(" ")
        pairs = (line.partition(": ") for line in lines if line)
        self.headers = {name.lower(): value for name, _, value in pairs}
        self.body = body
        self.json = json.loads(body)
        self.records = len(self.json["records"])


class Server:
    """``answer`` is given each request and its number, from 0 on; None drops the connection.

    It returns a status, or a status, a text and headers. Where it returns 200 alone, all is taken.
    """

    def __init__(self, answer):
        self._answer = answer
        self.requests = []
        self.open = self.most_open = 0

    async def handle(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                request = Request(head, await reader.readexactly(size))
                self.requests.append(request)
                self.open += 1
                self.most_open = max(self.most_open, self.open)
                answer = self._answer(request, len(self.requests) - 1)
                if asyncio.iscoroutine(answer):
                    answer = await answer
                self.open -= 1
                if answer is None:
                    return
                status, text, headers = (answer, None, {}) if isinstance(answer, int) else answer
                content = (taken(request.records) if text is None else text).encode()
                headers = {"content-length": len(content)} | headers
                lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
                writer.write(
                    f"HTTP/1.1 {status} {NAMES.get(status, '?')}\r\n{lines}\r\n".encode() + content
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(answer=lambda request, number: 200, *, ssl=None):
    """Run a server on loopback; yields it, with its ``url``."""
    server = Server(answer)
    tasks = set()

    async def handle(reader, writer):
        task = asyncio.current_task()
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        await server.handle(reader, writer)

    listening = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=ssl)
    port = listening.sockets[0].getsockname()[1]
    server.url = f"{'https' if ssl else 'http'}://127.0.0.1:{port}"
    try:
        yield server
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
