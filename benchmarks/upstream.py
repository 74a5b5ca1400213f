"""Client mode: what a call through another host costs beside the same call made directly, and following many runs.

python benchmarks/upstream.py calls    each call directly and through host B, in turns (p50 and p99, the ratio)
python benchmarks/upstream.py follow   share of a core that host B takes for following the logs of 100 runs
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

from common import ROOT, Workspace, quantiles, tell
from web import Client, prepare

JOB, WORDY = (f"20000000-0000-4000-8000-00000000000{digit}" for digit in (2, 5))
ROUNDS = 400


def join(upstream: Workspace, below: Workspace) -> None:
    """Configure a host whose jobs are those of another."""
    base = (upstream.folder / "data" / "http.url").read_text().strip()
    command = [sys.executable, "-m", "host", "clients", "add", "host-b", "--role", "administrator", "--json"]
    command += ["--config", str(upstream.config)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=upstream.environment)
    secrets = below.folder / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "upstream").write_text(json.loads(done.stdout)["secret"])
    (secrets / "upstream").chmod(0o600)
    text = (ROOT / "config" / "santedb.upstream.config.xml").read_text()
    below.config.write_text(text.replace('port="${JOBHOST_PORT:-8081}"', 'port="0" accessLog="false"'))
    below.settings = {
        "JOBHOST_UPSTREAM_HOST": "127.0.0.1",
        "JOBHOST_UPSTREAM_PORT": base.rpartition(":")[2],
        "JOBHOST_UPSTREAM_CLIENT": "host-b",
        "JOBHOST_DATA": str(below.folder / "data"),
    }


def timed(client: Client, method: str, path: str, body: str | None) -> float:
    """Give the seconds of one call."""
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "application/json"}
    began = time.perf_counter()
    status, answer = client.send(method, path, body, headers)
    took = time.perf_counter() - began
    assert status < 300, (path, status, answer[:400])
    return took


def calls(upstream: Workspace, below: Workspace) -> dict[str, object]:
    """Time calls directly and through, one after the other in turns."""
    prepare(upstream, 20)
    upstream.start()
    direct = Client(upstream)
    join(upstream, below)
    below.start()
    through = Client(below)
    run, wordy = (json.loads(direct.send(*start_of(direct, job))[1])["id"] for job in (JOB, WORDY))
    kinds = {
        "job": ("GET", f"/rest/v1/jobs/{JOB}", None),
        "jobs": ("GET", "/rest/v1/jobs?limit=20", None),
        "run": ("GET", f"/rest/v1/runs/{run}", None),
        "runs": ("GET", "/rest/v1/runs?limit=20", None),
        "log": ("GET", f"/rest/v1/runs/{wordy}/log", None),
        "log_empty": ("GET", f"/rest/v1/runs/{run}/log", None),
        "start": ("POST", f"/rest/v1/jobs/{JOB}/start", "{}"),
        "ami_job": ("GET", f"/ami/JobInfo/{JOB}", None),
    }
    figures = {}
    for name, call in kinds.items():
        for client in (direct, through):
            for _ in range(20):
                timed(client, *call)
        times: dict[str, list[float]] = {"direct": [], "through": []}
        for _ in range(ROUNDS):
            times["direct"].append(timed(direct, *call))
            times["through"].append(timed(through, *call))
        shown = {side: quantiles(values) for side, values in times.items()}
        figures[name] = {
            "direct_ms": shown["direct"]["p50"],
            "through_ms": shown["through"]["p50"],
            "ratio": round(shown["through"]["p50"] / shown["direct"]["p50"], 2),
            "p99_ms": [shown["direct"]["p99"], shown["through"]["p99"]],
        }
    return figures


def start_of(client: Client, job: str) -> tuple[str, str, str, dict[str, str]]:
    """Give the request that starts a job."""
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "application/json"}
    return "POST", f"/rest/v1/jobs/{job}/start", "{}", headers


def follow(upstream: Workspace, below: Workspace) -> dict[str, object]:
    """Give host B's share of a core with nobody following, and while 100 runs are followed through it for 20 s."""
    prepare(upstream, 0)
    upstream.start()
    direct = Client(upstream)
    join(upstream, below)
    below.start()
    through = Client(below)
    headers = {"Authorization": f"Bearer {direct.token}", "Content-Type": "application/json"}
    held = json.dumps({"runs": [{"job": JOB, "hold": True}] * 100})
    ids = json.loads(direct.send("POST", "/rest/v1/submissions", held, headers)[1])["ids"]
    time.sleep(3)
    idle = share(below, 10)
    parts = urlsplit(through.base)
    open_streams = []
    for run in ids:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        connection.request("GET", f"/rest/v1/events/runs/{run}", headers={"Authorization": f"Bearer {through.token}"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        threading.Thread(target=drain, args=(answer,), daemon=True).start()
        open_streams.append(connection)
    time.sleep(3)
    quiet = share(below, 20)
    return {"idle": idle, "following_100": quiet, "added": round(quiet - idle, 3)}


def share(space: Workspace, seconds: float) -> float:
    """Give the share of a core that a host takes."""
    before, began = space.cpu_seconds(), time.perf_counter()
    time.sleep(seconds)
    return round((space.cpu_seconds() - before) / (time.perf_counter() - began), 3)


def drain(answer: http.client.HTTPResponse) -> None:
    """Read what comes."""
    while answer.read1(65536):
        pass


def main() -> None:
    """Run one mode and print its line."""
    mode = sys.argv[1] if len(sys.argv) > 1 else "calls"
    with Workspace() as upstream, Workspace() as below:
        tell(f"upstream {mode}", **{"calls": calls, "follow": follow}[mode](upstream, below))


if __name__ == "__main__":
    main()
