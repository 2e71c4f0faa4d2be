"""What moving a checkpoint costs the server: up by the Hub's protocol, down again, beside nginx.

    python benchmarks/registry.py [--mib 1024] [--repeats 3] [--mlflow PYTHON] [--granian PYTHON]

Prints CPU seconds of the server's processes for each GiB, ratios within this run, and how many
small requests for JSON a CPU second answers. Uploads are verified: the server computes SHA-256
while it writes. MLflow's artifact proxy, and the zoo under granian instead of gunicorn, are
measured where an interpreter is given that has MLflow, or granian and the zoo. Needs nginx.
"""

import argparse
import concurrent.futures
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PIECE = 2**20
TICKS = os.sysconf("SC_CLK_TCK")
PULLS = 8
SMALL = 2000  # requests
GETS = 5  # for each PUT
OK = 200
Row = tuple[str, float, float]  # what was asked, CPU seconds, of nginx's beside it (0: not beside)
Ask = Callable[[], float]

NGINX = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; sendfile on; client_body_temp_path {folder}/body; proxy_temp_path {folder}/p;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--mlflow", type=Path, help="an interpreter that has mlflow")
    parser.add_argument("--granian", type=Path, help="an interpreter that has granian and the zoo")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.bin"
        _write(path, options.mib)
        rows = list(_measure_zoo(path, options))
        if options.granian:
            rows += _measure_granian(path, options)
        if options.mlflow:
            rows += _measure_mlflow(path, options)
    _print(rows, options.mib)


def _write(path: Path, mib: int) -> None:
    with path.open("wb") as file:
        for _ in range(mib):
            file.write(os.urandom(PIECE))


@contextmanager
def _nginx(path: Path) -> Iterator[Ask]:
    """Have nginx serve the file; what it gives fetches it and tells the CPU seconds of that."""
    folder, port = path.parent, _free_port()
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
    folder.chmod(0o755)  # nginx reads it as another user
    command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", "user root;"]
    with _running(command, port) as process:
        yield lambda: _spent(process.pid, lambda: _get(port, f"/{path.name}"))


def _measure_zoo(path: Path, options: argparse.Namespace) -> Iterator[Row]:
    """Measure the zoo as `zoo serve` runs it."""
    command = [sys.executable, str(ROOT / "cli.py"), "serve", "--port", "0"]
    process = subprocess.Popen(  # noqa: S603  # our own command
        command, env=_environment(path, "gunicorn"), stdout=subprocess.PIPE, text=True
    )
    try:
        port = int(re.search(r":(\d+)", process.stdout.readline())[1])
        _, web, *_ = _processes(process.pid)  # The first of them sees to jobs and answers nobody.
        yield from _measure_served("gunicorn", web, port, path, options)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _measure_granian(path: Path, options: argparse.Namespace) -> Iterator[Row]:
    """Measure the same app under granian: one process, as many threads."""
    port = _free_port()
    command = [str(options.granian), "-m", "granian", "--interface", "wsgi", "--workers", "1"]
    command += ["--blocking-threads", "128", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--no-ws", "--log-level", "warning", "wsgi:app"]
    with _running(command, port, cwd=ROOT, env=_environment(path, "granian")) as process:
        yield from _measure_served("granian", process.pid, port, path, options)


def _environment(path: Path, server: str) -> dict[str, str]:
    """Give each server a home of its own, and nothing to do beside answering."""
    own = {"ZOO_HOME": str(path.parent / server), "ZOO_WORKER_SLOTS": "0", "ZOO_SCRUB_DAYS": "0"}
    return os.environ | own


def _measure_served(
    server: str,
    pid: int,
    port: int,
    path: Path,
    options: argparse.Namespace,
) -> Iterator[Row]:
    _post(port, "/api/repos/create", {"name": "net", "organization": "bench"})
    idle = _resident(pid)
    most = [idle]
    puts = []
    for number in range(options.repeats):
        _touch(path, number)
        before = _cpu(pid)
        digest = _put(port, path)
        puts.append(_cpu(pid) - before)
        most.append(_resident(pid))
    yield f"zoo PUT, sha256 verified, {server}", statistics.median(puts), 0.0
    value = {"path": path.name, "algo": "sha256", "oid": digest, "size": 1}
    lines = [{"key": "header", "value": {"summary": "x"}}, {"key": "lfsFile", "value": value}]
    data = b"\n".join(json.dumps(line).encode() for line in lines)
    _post(port, "/api/models/bench/net/commit/main", data)
    yield from _measure_gets(server, pid, port, path, options)
    most.append(_resident(pid))
    print(f"{server}: memory idle {idle:.0f} MB, most seen {max(most):.0f} MB")
    for name in ("/v1/health", "/v1/models/bench/net"):
        before = _cpu(pid)
        _ask_often(port, name)
        spent = _cpu(pid) - before
        print(f"{server}: GET {name}: {SMALL / spent:.0f} answers a CPU second")


def _measure_gets(
    server: str, pid: int, port: int, path: Path, options: argparse.Namespace
) -> Iterator[Row]:
    """Fetch the file from nginx, from the server and from it eight times at once, turn by turn.

    What a transfer costs the kernel drifts by half within a minute, on the same bytes; only
    neighbours can be compared.
    """
    address = f"/bench/net/resolve/main/{path.name}"

    def pull_all() -> None:
        with concurrent.futures.ThreadPoolExecutor(PULLS) as pool:
            list(pool.map(lambda _: _get(port, address), range(PULLS)))

    ways = {"nginx GET": [], f"zoo GET, {server}": [], f"zoo GET, {PULLS} at once, {server}": []}
    plain, one, many = ways.values()
    with _nginx(path) as ask_nginx:
        for _ in range(GETS * options.repeats):
            plain.append(ask_nginx())
            one.append(_spent(pid, lambda: _get(port, address)))
            many.append(_spent(pid, pull_all) / PULLS)
    for name, costs in ways.items():
        ratios = [cost / max(beside, 1 / TICKS) for cost, beside in zip(costs, plain, strict=True)]
        yield name, statistics.median(costs), statistics.median(ratios)


def _measure_mlflow(path: Path, options: argparse.Namespace) -> Iterator[Row]:
    port = _free_port()
    command = [
        str(options.mlflow),
        "-m",
        "mlflow",
        "server",
        f"--port={port}",
        "--workers=1",
        f"--backend-store-uri=sqlite:///{path.parent}/mlflow.db",
        f"--artifacts-destination={path.parent}/mlflow",
        "--serve-artifacts",
    ]
    address = "/api/2.0/mlflow-artifacts/artifacts/model.bin"
    with _running(command, port) as process:
        before = _cpu(process.pid)
        _send(port, address, path)
        yield "MLflow PUT, not verified", _cpu(process.pid) - before, 0.0
        yield "MLflow GET", _spent(process.pid, lambda: _get(port, address)), 0.0


def _print(rows: list[Row], mib: int) -> None:
    nginx = next(cost for name, cost, _ in rows if name == "nginx GET")
    print("\n| request | server CPU s / GiB | of nginx's GET |\n| --- | --- | --- |")
    for name, cost, ratio in rows:
        beside = ratio or cost / max(nginx, 1 / TICKS)
        print(f"| {name} | {cost * 1024 / mib:.2f} | {beside:.2f} |")


def _spent(pid: int, run: Callable[[], None]) -> float:
    """Give the CPU seconds that a server spends on a request."""
    before = _cpu(pid)
    run()
    return _cpu(pid) - before


def _get(port: int, path: str) -> None:
    """Fetch a file and drop it, with no more copies than the kernel makes."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        buffer, count = bytearray(2**20), 0
        while received := connection.recv_into(buffer):
            if count == 0 and b" %d " % OK not in buffer[:20]:
                raise SystemExit(bytes(buffer[:200]))
            count += received


def _ask_often(port: int, path: str) -> None:
    """Ask for a small answer again and again on one connection, as clients do."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for _ in range(SMALL):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        if answer.status != OK:
            raise SystemExit(f"{path}: {answer.status}")
    connection.close()


def _put(port: int, path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    body = {"operation": "upload", "objects": [{"oid": digest, "size": path.stat().st_size}]}
    told = _post(port, "/bench/net.git/info/lfs/objects/batch", body)
    href = told["objects"][0]["actions"]["upload"]["href"]
    _send(port, "/lfs/" + href.partition("/lfs/")[2], path)
    return digest


def _send(port: int, address: str, path: Path) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, blocksize=PIECE)
    with path.open("rb") as file:
        connection.request(
            "PUT", address, body=file, headers={"Content-Length": str(path.stat().st_size)}
        )
    answer = connection.getresponse()
    if answer.status not in {OK, 201}:
        raise SystemExit(f"{answer.status}: {answer.read()[:300]}")
    connection.close()


def _post(port: int, path: str, body: dict | bytes) -> dict:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("POST", path, data, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    told = json.loads(answer.read())
    if answer.status != OK:
        raise SystemExit(told)
    return told


def _touch(path: Path, number: int) -> None:
    """Make other bytes of the file, so that the server does not know them."""
    with path.open("r+b") as file:
        file.write(number.to_bytes(8, "little"))


def _processes(pid: int) -> Iterator[int]:
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from _processes(int(child))


def _cpu(pid: int) -> float:
    """Give the CPU seconds that a process and those it started have spent."""
    total = 0
    for one in _processes(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def _resident(pid: int) -> float:
    """Give the MB of the largest process of a server."""
    sizes = []
    for one in _processes(pid):
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{one}/status").read_text())
        sizes.append(int(found[1]) / 1000 if found else 0.0)
    return max(sizes[1:] or sizes)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@contextmanager
def _running(command: list[str], port: int, **options: object) -> Iterator[subprocess.Popen]:
    if shutil.which(command[0]) is None:
        raise SystemExit(f"{command[0]} is not here.")
    process = subprocess.Popen(  # noqa: S603  # the servers that are compared
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options
    )
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


if __name__ == "__main__":
    main()
