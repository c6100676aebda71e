"""Measure the Skyflow sink against the emulator: ``python -m tests.benchmark.skyflow``.

The client and the server are a process each, which is why two cores are what it takes. Both sides'
CPU is told, so that it can be seen which of them the other waits for.
"""

import argparse
import json
import subprocess
import sys
import urllib.request

import psutil

COMMAND = """
import json, os, sys
import uvloop
import mockdata
url, records = sys.argv[1], int(sys.argv[2])
vaults = {name: f"vault-of-{name}" for name in ("name", "id", "dob", "ssn")}
sink = mockdata.SkyflowSink(url, vaults, token="benchmark", log_folder=sys.argv[3])
generate = mockdata.generate  # which imports what a run needs
began = os.times()
report = uvloop.run(generate(records // 4, sink=sink))
used = [after - before for before, after in zip(began, os.times())]
print(json.dumps(report.to_dict() | {"cpu": [used[0] + used[1], used[2] + used[3]]}))
"""

FAULTY = (
    "--throttle=0.1",
    "--retry-after=0",
    "--unavailable=0.01",
    "--drop-before=0.005",
    "--drop-after=0.005",
)
"""10 % of requests answered with 429, 1 % with 503, and 1 % of connections dropped."""


def run(records: int, *options: str) -> tuple[dict, dict, float]:
    """Load an emulator; return the report, what the emulator has seen, and its CPU seconds."""
    command = [sys.executable, "-m", "mockdata.emulator", "--port", "0", *options]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        url = server.stdout.readline().strip()
        words = [sys.executable, "-c", COMMAND, url, str(records), "."]
        report = json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout)
        with urllib.request.urlopen(f"{url}/stats") as answer:
            seen = json.load(answer)
        cpu = sum(psutil.Process(server.pid).cpu_times()[:2])
    finally:
        server.terminate()
        server.wait()
    return report, seen, cpu


def client_cpu(records: int) -> float:
    """Return the microseconds of CPU that a request takes of the client's process."""
    report, seen, _ = run(records, "--fast")
    return report["cpu"][0] / seen["answers"]["200"] * 1e6


def speed(records: int) -> None:
    """Print the throughput, and where the time went."""
    report, seen, cpu = run(records, "--fast")
    requests, seconds = seen["answers"]["200"], report["seconds"]
    delivery = report["delivery"]
    print(
        f"{report['records']:,} records in {seconds:.1f} s: {report['records_per_second']:,.0f} records/s, "
        f"{requests / seconds:,.0f} requests/s, {report['peak_memory'] / 1e6:.0f} MB; "
        f"CPU per request: client {report['cpu'][0] / requests * 1e6:.0f} us, "
        f"workers {report['cpu'][1] / requests * 1e6:.0f} us, emulator {cpu / requests * 1e6:.0f} us; "
        f"latency {delivery['latency_median'] * 1e3:.0f} ms, p95 {delivery['latency_p95'] * 1e3:.0f} ms"
    )
    assert delivery["sent"] == records


def faults(records: int) -> None:
    """Print what becomes of the records where much goes wrong."""
    report, seen, _ = run(records, *FAULTY)
    delivery, tables = report["delivery"], seen["tables"].values()
    distinct, repeated = (sum(t[key] for t in tables) for key in ("values", "repeated_values"))
    print(
        f"{records:,} records, faults {seen['faults']}: sent {delivery['sent']:,}, "
        f"failed {delivery['failed']:,}, not sent {delivery['not_sent']:,}; in the vault {distinct:,}, "
        f"{repeated:,} of them twice; {delivery['retries']:,} retries"
    )
    assert delivery["sent"] + delivery["failed"] == records
    assert distinct + delivery["failed"] >= records
    assert repeated <= 300 * seen["faults"].get("drop_after", 0)


def main() -> None:
    """Measure what the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.skyflow")
    parser.add_argument("--records", type=int, nargs="*", default=[1_000_000, 10_000_000])
    parser.add_argument("--faulty", type=int, default=1_000_000, help="records with faults")
    given = parser.parse_args()
    for records in given.records:
        speed(records)
    if given.faulty:
        faults(given.faulty)


if __name__ == "__main__":
    main()
