"""An S3 server in a process of its own (moto), and a proxy that makes trouble on the way to it."""

import http.client
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

import boto3
from botocore.config import Config

SERVER = """
import sys
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""

NUMBERS = count()

CODES = {403: "AccessDenied", 500: "InternalError", 503: "SlowDown"}
"""What S3 says beside a status."""


class S3Server:
    """The server, and what it says of itself."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.port = int(self.process.stdout.readline())
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            config=Config(retries={"total_max_attempts": 1}),
        )

    def make_bucket(self):
        """Make a bucket that nothing is in; return its name."""
        name = f"bucket-{next(NUMBERS)}"
        self.client.create_bucket(Bucket=name)
        return name

    def stop(self):
        """End it, for good."""
        self.client.close()
        self.process.kill()
        self.process.communicate()


class Bucket:
    """One bucket of a server."""

    def __init__(self, server, name):
        self._client, self.name = server.client, name
        self.url = f"s3://{name}/some/prefix"

    def objects(self):
        """Return the objects under the URL, by the rest of their names."""
        listed = self._client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return {
            each["Key"].removeprefix("some/prefix/"): self._client.get_object(
                Bucket=self.name, Key=each["Key"]
            )["Body"].read()
            for each in listed
        }

    def parts(self):
        """Return how many parts each object was uploaded in; 0 for one that was simply put."""
        listed = self._client.list_objects_v2(Bucket=self.name).get("Contents", [])
        tags = {each["Key"].rpartition("/")[2]: each["ETag"].strip('"') for each in listed}
        return {key: int(tag.partition("-")[2] or 0) for key, tag in tags.items()}

    def open_uploads(self):
        """Return the keys of uploads that were neither completed nor aborted."""
        uploads = self._client.list_multipart_uploads(Bucket=self.name).get("Uploads", [])
        return [each["Key"] for each in uploads]

    def put(self, name, content=b"earlier"):
        """Put an object under the URL."""
        self._client.put_object(Bucket=self.name, Key=f"some/prefix/{name}", Body=content)


class Proxy(ThreadingHTTPServer):
    """Passes requests on, but for those that ``trouble(method, path)`` has an answer for.

    The answer is a status, one with the code of an error, or the event to wait for before the
    connection is closed.
    """

    daemon_threads = True

    def __init__(self, server):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.server_to = server.port
        self.endpoint = f"http://127.0.0.1:{self.server_address[1]}"
        self.trouble = lambda method, path: None
        self.seen = []
        self.met = threading.Event()
        """Set once there was trouble."""

    def handle_error(self, request, client_address):
        """Say nothing of connections that were given up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path))
        trouble = self.server.trouble(self.command, self.path)
        if trouble is not None:
            self.server.met.set()
        if isinstance(trouble, threading.Event):
            trouble.wait()
            self.close_connection = True
        elif trouble is not None:
            status, code = trouble if isinstance(trouble, tuple) else (trouble, CODES[trouble])
            text = f"<Error><Code>{code}</Code><Message>Not now.</Message></Error>"
            self.answer(status, [], text.encode())
        else:
            there = http.client.HTTPConnection("127.0.0.1", self.server.server_to)
            there.request(self.command, self.path, body, dict(self.headers))
            answer = there.getresponse()
            self.answer(answer.status, answer.getheaders(), answer.read())
            there.close()

    def answer(self, status, headers, content):
        self.send_response(status)
        size = str(len(content))
        for name, value in headers:
            if name.lower() == "content-length":
                size = value if self.command == "HEAD" else size
            elif name.lower() not in ("connection", "date", "server", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", size)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = pass_on  # noqa: N815


@contextmanager
def proxy_to(server):
    """Run a proxy for as long as the block lasts."""
    proxy = Proxy(server)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()
