"""What the tasks of the demo jobs run: `program.py SETTINGS`. It fails for real where something that it needs is wrong.

It is started by its path, with the standard library alone. SETTINGS is an INI file that the job's template wrote.
"""

import configparser
import json
import os
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CHECK_S = 0.5
MISSES = 6
"""So many checks in a row without the service that it depends on end the program."""
JOURNAL_BYTES = 64 * 1024


class Health(BaseHTTPRequestHandler):
    """Answers every path with 200."""

    def do_GET(self) -> None:  # the name that the standard library calls
        """Answer."""
        body = json.dumps({"job": os.environ.get("NOMAD_JOB_ID"), "ok": True}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Log nothing: health checks would fill the log."""


def read_settings(file: Path) -> configparser.SectionProxy:
    """Return the settings; end the program where one is wrong."""
    parser = configparser.ConfigParser()
    parser.read_string(file.read_text("utf-8"))
    settings = parser["service"]
    workers = settings.get("workers", "1")
    if not workers.isdecimal():
        sys.exit(f"{file.name}: [service] workers: expected a number, got {workers!r}")
    return settings


def load_backlog(settings: configparser.SectionProxy) -> bytes:
    """Return the work that waits, which is held in memory."""
    file = Path(settings.get("backlog", ""))
    return file.read_bytes() if file.is_file() else b""


def listen(port: int) -> ThreadingHTTPServer:
    """Serve HTTP on a port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", port), Health)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def answers(service: str) -> bool:
    """Return whether Consul knows an instance of a service that passes its checks."""
    url = f"{os.environ['CONSUL_HTTP_ADDR']}/v1/health/service/{service}?passing=true"
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(json.loads(answer.read()))
    except (OSError, ValueError):
        return False


def write_journal(folder: str) -> None:
    """Write the journal again; the old one stays until the new one is whole."""
    fresh = Path(folder) / "journal.new"
    fresh.write_bytes(b"." * JOURNAL_BYTES)
    fresh.replace(Path(folder) / "journal")


def work(settings: configparser.SectionProxy) -> None:
    """Use what the settings name, for ever; end the program where it is not there."""
    misses = 0
    while True:
        if settings.get("scratch"):
            write_journal(settings["scratch"])
        if settings.get("depends_on"):
            misses = 0 if answers(settings["depends_on"]) else misses + 1
        if misses >= MISSES:
            sys.exit(f"dependency {settings['depends_on']} is not available: Consul has no instance that passes")
        time.sleep(CHECK_S)


def main() -> None:
    """Run until something is wrong."""
    settings = read_settings(Path(sys.argv[1]))
    backlog = load_backlog(settings)
    port = int(os.environ["NOMAD_PORT_http"])  # noqa: SIM112  # as Nomad names it
    listen(port)
    print(f"{os.environ.get('NOMAD_JOB_ID')} serves port {port}; {len(backlog)} bytes of work wait", flush=True)
    work(settings)


if __name__ == "__main__":
    main()
