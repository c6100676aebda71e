"""The vault to practise on: a real process, asked over loopback."""

import email.utils
import http.client
import json
import signal
import socket
import subprocess
import sys
import time
import tomllib
import uuid
from pathlib import Path

import psutil
import pytest

EMULATOR = [sys.executable, "-W", "error", "-m", "mockdata.emulator"]


def records(*numbers, column="ssn"):
    return [{"fields": {column: f"v{n}"}, "tokens": {column: f"t{n}"}} for n in numbers]


def body(*numbers, **changes):
    return {
        "records": records(*numbers),
        "continueOnError": True,
        "tokenization": True,
        "byot": "ENABLE",
    } | changes


def ask(vault, content, *, path="/v1/vaults/id/ssn", method="POST", bearer="Bearer x"):
    """Make a request; return status, headers and content, JSON if it is."""
    connection = http.client.HTTPConnection(vault.url.removeprefix("http://"), timeout=30)
    try:
        text = content if isinstance(content, str) else json.dumps(content)
        connection.request(method, path, text, {"Authorization": bearer} if bearer else {})
        answer = connection.getresponse()
        read = answer.read()
        is_json = answer.headers["content-type"] == "application/json"
        return answer.status, answer.headers, json.loads(read) if is_json else read.decode()
    finally:
        connection.close()


def test_it_answers_as_the_service_does(vault):
    emulator = vault()
    status, headers, answer = ask(emulator, body(1, 2))
    assert status == 200
    assert len(headers["x-request-id"]) == 32
    assert [item["tokens"] for item in answer["records"]] == [{"ssn": "t1"}, {"ssn": "t2"}]
    assert len({uuid.UUID(item["skyflow_id"]) for item in answer["records"]}) == 2
    _, _, answer = ask(emulator, body(3, tokenization=False))
    assert answer["records"][0]["tokens"] is None


def test_it_counts_what_it_has_seen_and_what_is_repeated(vault):
    emulator = vault()
    ask(emulator, body(1, 2, 3))
    ask(emulator, body(3, 4))
    ask(emulator, body(1), path="/v1/vaults/other/dob")
    ask(emulator, body(records=[{"fields": {"ssn": "v9"}, "tokens": {"ssn": "t1"}}]))
    stats = emulator.stats()
    assert stats["answers"] == {"200": 4}
    assert stats["tables"] == {
        "dob": {"records": 1, "values": 1, "tokens": 1, "repeated_values": 0, "repeated_tokens": 0},
        "ssn": {"records": 6, "values": 5, "tokens": 4, "repeated_values": 1, "repeated_tokens": 2},
    }


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        ("{", 400, "Invalid request"),
        ("[]", 400, "Invalid request"),
        (b"\xff".decode("latin-1"), 400, "Invalid request"),
        ({"byot": "ENABLE"}, 400, "records"),
        (body(records=[]), 400, "no records"),
        (body(records=[{"fields": {}}]), 400, "record 0 has no fields"),
        (body(records=[{"fields": {"ssn": 5}}]), 400, "Invalid request"),
        (body(1, byot="SOMETIMES"), 400, "SOMETIMES"),
        (body(1, byot="DISABLE"), 400, "DISABLE"),
        (body(1, colour="red"), 400, "colour"),
        (body(records=[{"fields": {"ssn": "v"}}], byot="ENABLE_STRICT"), 400, "ENABLE_STRICT"),
    ],
)
def test_it_refuses_what_is_no_insert(vault, content, status, message):
    emulator = vault()
    found, headers, answer = ask(emulator, content)
    assert found == status
    assert headers["x-request-id"]
    error = answer["error"]
    assert message in error["message"]
    assert (error["http_code"], error["http_status"], error["grpc_code"]) == (400, "Bad Request", 3)
    assert error["details"] == []
    assert emulator.stats()["tables"] == {}


def test_it_takes_what_may_be_left_out(vault):
    emulator = vault()
    assert ask(emulator, body(1, byot="ENABLE_STRICT", upsert="ssn"))[0] == 200
    assert ask(emulator, {"records": [{"fields": {"ssn": "v"}}]})[0] == 200


@pytest.mark.parametrize("fast", [[], ["--fast"]])
def test_it_checks_the_bearer_token(vault, fast):
    emulator = vault(*fast, token="sesame")
    for bearer in (None, "Bearer ", "Bearer simsim", "sesame", "Basic sesame"):
        status, _, answer = ask(emulator, body(1), bearer=bearer)
        assert (status, answer["error"]["grpc_code"]) == (401, 16)
    assert ask(emulator, body(1), bearer="Bearer sesame")[0] == 200
    assert ask(emulator, "{", bearer="Bearer sesame")[0] == 400


def test_without_a_token_of_its_own_it_takes_any(vault):
    emulator = vault()
    assert ask(emulator, body(1), bearer="Bearer anything")[0] == 200
    assert ask(emulator, body(1), bearer=None)[0] == 401


def test_a_token_lasts_for_some_requests(vault):
    emulator = vault("--token-lasts", 2)
    assert [ask(emulator, body(1))[0] for _ in range(3)] == [200, 200, 401]
    assert ask(emulator, body(1), bearer="Bearer another")[0] == 200


def test_other_paths_and_methods(vault):
    emulator = vault()
    assert ask(emulator, body(1), path="/v1/vaults/id")[0] == 404
    assert ask(emulator, "", method="GET")[0] == 405


@pytest.mark.parametrize("date", [False, True])
def test_too_many_requests(vault, date):
    emulator = vault("--throttle", 1, "--retry-after", 7, *["--retry-after-date"] * date)
    before = time.time()
    status, headers, answer = ask(emulator, body(1))
    assert (status, answer["error"]["http_code"]) == (429, 429)
    if date:
        when = email.utils.parsedate_to_datetime(headers["retry-after"]).timestamp()
        assert before + 6 <= when <= time.time() + 7
    else:
        assert headers["retry-after"] == "7"
    assert emulator.stats() == {"answers": {"429": 1}, "faults": {"throttle": 1}, "tables": {}}


def test_unavailable(vault):
    emulator = vault("--unavailable", 1)
    status, headers, text = ask(emulator, body(1))
    assert (status, headers["content-type"], text) == (503, "text/plain", "upstream connect error")


@pytest.mark.parametrize(("when", "taken"), [("before", 0), ("after", 2)])
def test_a_dropped_connection(vault, when, taken):
    emulator = vault(f"--drop-{when}", 1)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        ask(emulator, body(1, 2))
    stats = emulator.stats()
    assert sum(table["records"] for table in stats["tables"].values()) == taken
    assert stats["faults"] == {f"drop_{when}": 1}


def test_a_partial_failure_passes_another_time(vault):
    emulator = vault("--partial", 1)
    _, _, answer = ask(emulator, body(*range(20)))
    errors = [item["error"] for item in answer["records"] if "error" in item]
    assert [error["http_code"] for error in errors] == [500, 500]
    assert emulator.stats()["tables"]["ssn"]["records"] == 18
    status, _, answer = ask(emulator, body(1, continueOnError=False))
    assert (status, answer["error"]["http_code"]) == (500, 500)


def test_a_refused_record_is_refused_each_time(vault):
    emulator = vault("--refuse", 0.5)
    refused = [
        [
            place
            for place, item in enumerate(ask(emulator, body(*range(100)))[2]["records"])
            if "error" in item
        ]
        for _ in range(2)
    ]
    assert refused[0] == refused[1]
    assert 30 < len(refused[0]) < 70


def test_answers_take_the_time_that_they_are_told_to(vault):
    emulator = vault("--slow", 1, "--slow-seconds", 0.2, "--latency", 0.1)
    began = time.monotonic()
    assert ask(emulator, body(1))[0] == 200
    assert time.monotonic() - began >= 0.3


def test_the_same_seed_the_same_faults(vault):
    def seen(seed):
        emulator = vault("--throttle", 0.3, "--unavailable", 0.3, "--seed", seed)
        return [ask(emulator, body(1))[0] for _ in range(20)]

    first = seen(1)
    assert first == seen(1) != seen(2)
    assert set(first) == {200, 429, 503}


def test_fast_counts_records_alone(vault):
    emulator = vault("--fast")
    assert len(ask(emulator, body(1, 1, 2))[2]["records"]) == 3
    table = emulator.stats()["tables"]["ssn"]
    assert (table["records"], table["values"], table["repeated_values"]) == (3, 0, 0)


def test_it_listens_on_this_machine_alone(vault):
    emulator = vault()
    (listening,) = psutil.Process(emulator.process.pid).net_connections()
    assert listening.laddr.ip == "127.0.0.1"
    assert emulator.url == f"http://127.0.0.1:{listening.laddr.port}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(vault, number):
    emulator = vault()
    assert ask(emulator, body(1))[0] == 200
    assert emulator.stop(number) == (0, "", "")


def test_a_port_that_is_taken_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*EMULATOR, "--port", port], capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"mockdata: port {port}: Address already in use\n"


@pytest.mark.parametrize(
    "wrong", [["--throttle", "2"], ["--slow", "x"], ["--port", "-1"], ["--latency", "-1"]]
)
def test_wrong_use(wrong):
    done = subprocess.run([*EMULATOR, *wrong], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert wrong[0] in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "fault",
    [
        *(["--throttle", "0.1"], ["--drop-after", "1"], ["--refuse", "0.1"], ["--latency", "1"]),
        *(["--slow-seconds", "1"], ["--retry-after", "0"], ["--retry-after-date"], ["--seed", "1"]),
    ],
)
def test_fast_has_no_faults(fault):
    done = subprocess.run(
        [*EMULATOR, "--port", "0", "--fast", *fault],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr == f"mockdata: {fault[0]} and --fast cannot be combined: --fast has no faults\n"
    )


def test_shares_are_not_more_than_one_in_all(vault):
    wrong = ["--throttle", "0.5", "--slow", "0.4", "--partial", "0.2"]
    done = subprocess.run(
        [*EMULATOR, "--port", "0", *wrong], capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "add up to more than 1" in done.stderr
    assert done.stderr.count("\n") == 1
    vault("--throttle", 0.1, "--unavailable", 0.7, "--partial", 0.2, "--refuse", 1)
    vault("--fast", "--token-lasts", 5)


@pytest.mark.parametrize("missing", ["uvicorn", "httptools", "msgspec"])
def test_without_its_extra_it_says_what_to_install(missing):
    script = (
        f"import sys; sys.modules['{missing}'] = None\n"
        "from mockdata.emulator.__main__ import main; sys.exit(main([]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    with open(Path(__file__).parents[1] / "pyproject.toml", "rb") as file:
        needed = tomllib.load(file)["project"]["optional-dependencies"]["emulator"]
    command = " ".join(["pip install", *(f"'{each}'" for each in needed)])
    assert done.stderr == f"mockdata: to run the emulator, {command}, or mockdata[emulator]\n"
