"""The HTTP server: requests a second, how soon a started job begins, big stores, and lateness beside a load.

python benchmarks/web.py rates     requests a second beside bare routes, in one run (needs wrk)
python benchmarks/web.py start     POST $start to the job's first line
python benchmarks/web.py big [N]   lists and filters over HTTP with N (1 000 000) runs, 10 000 jobs, 20 000 schedules
python benchmarks/web.py late      lateness of 1 000 schedules beside 300 requests/s and 500 idle streams
python benchmarks/web.py told      the same, and every stream is told of every run
python benchmarks/web.py ready     the host with all HTTP mounts: seconds to ready, memory
"""

from __future__ import annotations

import asyncio
import http.client
import json
import math
import os
import random
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from common import CONFIGURATION, PLUGIN, XCRON, Workspace, quantiles, stamp, tell

PROVIDERS = """<add type="SanteDB.Core.Jobs.DefaultJobManagerService, SanteDB.Core.Api" />
    <add type="host_rest.server.server:HttpServer" />
    <add type="host_rest.server.health:HealthMount" />
    <add type="host_rest.server.metrics:MetricsMount" />
    <add type="host_rest.oauth.mount:OAuthMount" />
    <add type="host_rest.ami.mount:AmiMount" />
    <add type="host_rest.api.mount:RestMount" />
    <add type="host_rest.events.mount:EventsMount" />
    <add type="host_panel.mount:PanelMount" />"""
SECTION = '<section xsi:type="HttpServerConfigurationSection" port="0" accessLog="false" />\n  <section xsi:type="JobConfigurationSection">'
MANY = 9_990
"""With the five that are always there, fewer than the 10 000 classes one plugin may offer."""


def prepare(space: Workspace, jobs: int) -> None:
    """Write a configuration with the HTTP server and this many more jobs."""
    os.environ["BENCH_JOBS"] = str(jobs)
    text = CONFIGURATION.replace(
        '<add type="SanteDB.Core.Jobs.DefaultJobManagerService, SanteDB.Core.Api" />', PROVIDERS
    )
    more = "\n".join(f'<add type="bench_jobs:Job{n}" startType="never" />' for n in range(jobs))
    space.config.write_text(
        text.replace('<section xsi:type="JobConfigurationSection">', SECTION).replace("</jobs>", f"{more}</jobs>")
    )


class Client:
    """One kept connection to the host, signed in as an administrator."""

    def __init__(self, space: Workspace) -> None:
        self.base = (space.folder / "data" / "http.url").read_text().strip()
        parts = urlsplit(self.base)
        self.connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "host",
                "clients",
                "add",
                "bench",
                "--role",
                "administrator",
                "--json",
                "--config",
                str(space.config),
            ],
            capture_output=True,
            text=True,
            check=True,
            env=space.environment,
        )
        account = json.loads(done.stdout)
        form = {"grant_type": "client_credentials", "client_id": "bench", "client_secret": account["secret"]}
        _, body = self.send(
            "POST", "/auth/oauth2_token", urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"}
        )
        self.token = json.loads(body)["access_token"]

    def send(
        self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        self.connection.request(method, path, body, headers or {})
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def get(self, path: str, accept: str = "application/json") -> tuple[int, bytes]:
        return self.send("GET", path, None, {"Authorization": f"Bearer {self.token}", "Accept": accept})


def wrk(url: str, token: str | None = None, accept: str = "application/json", seconds: int = 3) -> dict[str, float]:
    """Give requests a second of one thread with 32 connections, the median of three; fails on any refusal."""
    headers = ["-H", f"Accept: {accept}", *(["-H", f"Authorization: Bearer {token}"] if token else [])]
    found = []
    for _ in range(3):
        done = subprocess.run(
            ["wrk", "-t1", "-c32", f"-d{seconds}", "--latency", *headers, url],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "Non-2xx" not in done.stdout, done.stdout
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)[1])
        p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", done.stdout)
        found.append((rate, float(p99[1]) * {"us": 0.001, "ms": 1, "s": 1000}[p99[2]]))
    rate, p99 = sorted(found)[1]
    return {"per_s": round(rate), "p99_ms": round(p99, 2)}


def rates(space: Workspace) -> dict[str, object]:
    """Time the routes that matter beside bare ones."""
    prepare(space, 100)
    space.start()
    client = Client(space)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    bare = subprocess.Popen([sys.executable, str(Path(__file__).with_name("web_bare.py")), str(port)])
    try:
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        status, body = client.get("/ami/JobInfo?_count=1")
        assert status == 200, body
        job = json.loads(body)["resource"][0]["id"]
        return {
            "bare_starlette": wrk(f"http://127.0.0.1:{port}/j"),
            "bare_fastapi": wrk(f"http://127.0.0.1:{port}/fast/j"),
            "health": wrk(f"{client.base}/health/live"),
            "ami_job_json": wrk(f"{client.base}/ami/JobInfo/{job}", client.token),
            "ami_job_xml": wrk(f"{client.base}/ami/JobInfo/{job}", client.token, "application/xml"),
            "ami_100_json": wrk(f"{client.base}/ami/JobInfo?_count=100", client.token),
            "ami_100_xml": wrk(f"{client.base}/ami/JobInfo?_count=100", client.token, "application/xml"),
            "rest_job": wrk(f"{client.base}/rest/v1/jobs/{job}", client.token),
            "rest_runs_50": wrk(f"{client.base}/rest/v1/runs?limit=50", client.token),
        }
    finally:
        bare.terminate()
        bare.wait()


def start(space: Workspace) -> dict[str, object]:
    """Time POST $start until the job's first line, one after the other."""
    prepare(space, 0)
    space.start()
    client = Client(space)
    job = "20000000-0000-4000-8000-000000000001"
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "application/json"}
    begun, answered = [], []
    for _ in range(300):
        began = time.time()
        status, body = client.send("POST", f"/ami/JobInfo/{job}/$start", '{"parameter":[]}', headers)
        assert status == 204, body
        answered.append(time.time() - began)
        begun.append(began)
        time.sleep(0.01)
    lines = sorted(first for _, first, _ in space.wait_rows(300, 10))
    return {
        "first_line_ms": quantiles([line - began for began, line in zip(begun, lines, strict=True)]),
        "answer_ms": quantiles(answered),
    }


async def fill(space: Workspace, rows: int) -> None:
    """Write finished runs of many jobs, and some that failed."""
    from datetime import UTC, datetime

    from host.contracts.jobs import JobCatalogue
    from host.contracts.runs import JobRunClaimer, JobRunWriter
    from host.kernel.host import Host
    from host.model.runs import AttemptError, RunOutcome, RunReason, RunRequest, RunState

    async with Host.from_file(space.config) as host:
        jobs = [info for name, info in sorted(host.get(JobCatalogue).available().items()) if ":Job" in name]
        store, claimer = host.get(JobRunWriter), host.get(JobRunClaimer)
        chance = random.Random(5)
        written = 0
        while written < rows - 20_000:
            chosen = chance.choices(jobs, k=2000)
            await store.submit(
                [RunRequest(job_id=info.id, job_type=info.job_type, skip=RunReason.MISFIRE) for info in chosen]
            )
            written += 2000
        for _ in range(40):
            await store.submit(
                [RunRequest(job_id=info.id, job_type="bench:Live") for info in chance.choices(jobs, k=500)]
            )
        done = 0
        while done < 20_000:
            runs = (await claimer.claim({"loop": 500}, frozenset({"bench:Live"}))).runs
            now = datetime.now(UTC)
            error = AttemptError(
                attempt=1, at=now, node="n", error="ConnectionError: the other side is down", traceback=None
            )
            await claimer.finish(
                [
                    RunOutcome(
                        id=run.id,
                        fencing_token=run.fencing_token,
                        started_at=now,
                        state=RunState.FAILED,
                        reason=RunReason.ERROR,
                        error=error,
                    )
                    if number % 4 == 0
                    else RunOutcome(
                        id=run.id, fencing_token=run.fencing_token, started_at=now, state=RunState.COMPLETED
                    )
                    for number, run in enumerate(runs)
                ]
            )
            done += len(runs)


def fill_big(space: Workspace, rows: int) -> None:
    """Make a host with many jobs, twice as many schedules and this many runs; not started yet."""
    prepare(space, MANY)
    lines = "".join(
        f'<JobItemConfiguration type="bench_jobs:Job{n}" startType="immediate"><schedule xmlns="http://santedb.org/configuration">'
        f'<add type="interval" start="0001-01-01T00:00:00" interval="{86400 + n}" /><add type="scheduled" days="Monday Friday" start="2026-01-01T04:{n % 60:02}:00" /></schedule></JobItemConfiguration>'
        for n in range(MANY)
    )
    xcron = XCRON.split("  <JobItemConfiguration")[0] + lines + "</ArrayOfJobItemConfiguration>"
    (space.folder / "xcron.xml").write_text(xcron)
    sys.path.insert(0, str(PLUGIN))
    os.environ["BENCH_LOG"] = str(space.notes)
    asyncio.run(fill(space, rows))


def big(space: Workspace, rows: int) -> dict[str, object]:
    """Time every list and filter that a page asks for."""
    fill_big(space, rows)
    ready = space.start()
    client = Client(space)
    run = json.loads(client.get("/rest/v1/runs?limit=1&state=failed")[1])
    run_id = (run.get("runs") or run.get("items"))[0]["id"]
    job = "20000000-0000-4000-8000-000000000001"
    paths = {
        "ami_list": "/ami/JobInfo?_count=100&_includeTotal=true",
        "ami_deep": "/ami/JobInfo?_count=100&_offset=9000&_includeTotal=true",
        "ami_name": "/ami/JobInfo?name=~777&_includeTotal=true",
        "ami_unconfigured": "/ami/JobInfo?_unconfigured=true",
        "jobs": "/rest/v1/jobs?limit=100",
        "jobs_name": "/rest/v1/jobs?name=777&limit=100",
        "runs": "/rest/v1/runs?limit=100",
        "runs_failed": "/rest/v1/runs?state=failed&limit=100",
        "runs_rare_state": "/rest/v1/runs?state=quarantined&limit=100",
        "runs_of_job": f"/rest/v1/runs?job={job}&limit=100",
        "runs_text": "/rest/v1/runs?text=other+side&limit=100",
        "runs_rare_text": "/rest/v1/runs?text=nothing+has+this&limit=100",
        "runs_since": "/rest/v1/runs?created_from=2020-01-01T00:00:00Z&limit=100",
        "run": f"/rest/v1/runs/{run_id}",
    }
    figures = {}
    for name, path in paths.items():
        times = []
        for _ in range(20):
            began = time.perf_counter()
            status, body = client.get(path)
            times.append(time.perf_counter() - began)
            assert status == 200, (path, status, body[:500])
        times.sort()
        figures[name] = {"p50": round(times[10] * 1000, 1), "p95": round(times[18] * 1000, 1)}
    return {"runs": rows, "ready_s": round(ready, 2), "rss_mib": space.rss_mib(), "ms": figures}


def late(space: Workspace, query: str = "?job=20000000-0000-4000-8000-000000000002") -> dict[str, object]:
    """Time schedules beside requests and idle streams."""
    prepare(space, 100)
    begin = float(math.ceil(time.time() + 12))
    chance = random.Random(7)
    times = [begin + round(chance.uniform(0, 10), 3) for _ in range(1000)]
    entries = "".join(
        f'<JobItemConfiguration type="bench_jobs:Job{n}" startType="immediate">'
        '<schedule xmlns="http://santedb.org/configuration" xmlns:jh="urn:jobhost:xcron:1">'
        + "".join(
            f'<add type="scheduled" start="{stamp(instant)}" jh:id="s{m}" />' for m, instant in enumerate(times[n::100])
        )
        + "</schedule></JobItemConfiguration>"
        for n in range(100)
    )
    (space.folder / "xcron.xml").write_text(
        XCRON.split("  <JobItemConfiguration")[0] + entries + "</ArrayOfJobItemConfiguration>"
    )
    space.start()
    client = Client(space)
    before = space.rss_mib()
    job = "20000000-0000-4000-8000-000000000001"
    paths = [f"/ami/JobInfo/{job}", "/ami/JobInfo?_count=20", "/rest/v1/runs?limit=20", "/rest/v1/jobs?limit=20"]
    seconds = begin + 11 - time.time()
    load = subprocess.Popen(
        [
            sys.executable,
            str(Path(__file__).with_name("web_load.py")),
            client.base,
            client.token,
            "300",
            "500",
            str(seconds),
            query,
            *paths,
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    cpu = space.cpu_seconds()
    time.sleep(max(0.0, begin + 5 - time.time()))
    weight = space.rss_mib()
    rows = [row for row in space.wait_rows(1000, 40) if row[0]]
    output, _ = load.communicate(timeout=60)
    busy = (space.cpu_seconds() - cpu) / seconds
    return {
        "late_ms": quantiles([first - fire for fire, first, _ in rows]),
        "early": sum(first < fire for fire, first, _ in rows),
        "missed": 1000 - len(rows),
        "load": json.loads(output),
        "cpu_share": round(busy, 2),
        "rss_mib": {"before": before, "with_streams": weight},
    }


def ready(space: Workspace) -> dict[str, object]:
    """Time the start of a host with everything that HTTP has."""
    prepare(space, 0)
    seconds = space.start()
    Client(space)
    time.sleep(1)
    return {"ready_s": round(seconds, 2), "rss_mib": space.rss_mib()}


def main() -> None:
    """Run one mode and print its line."""
    mode = sys.argv[1] if len(sys.argv) > 1 else "rates"
    with Workspace() as space:
        if mode == "big":
            tell("web big", **big(space, int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000))
        else:
            tell(
                f"web {mode}",
                **{"rates": rates, "start": start, "late": late, "told": lambda space: late(space, ""), "ready": ready}[
                    mode
                ](space),
            )


if __name__ == "__main__":
    main()
