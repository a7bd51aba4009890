"""Tests and prompts from the web, from data sets and from programs; the servers are on loopback."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from evolve.core.model.errors import InputError
from evolve.core.model.suite import Suite
from evolve.store.files import LocalFiles
from evolve.store.read_options import ReadOptions
from evolve.store.suites import load_suite
from evolve.store.test_sources.huggingface import BASE_URL
from evolve.system import web_files
from fixtures.loopback_server import serving

FILES = {
    "/tests.csv": "q,__expected\none,contains:one\ntwo,contains:two\n",
    "/tests.json": '[{"vars": {"q": "one"}}, {"vars": {"q": "two"}}]',
    "/tests.yaml": "- vars: {q: one}\n- vars: {q: two}\n",
    "/tests.jsonl": '{"vars": {"q": "one"}}\n{"vars": {"q": "two"}}\n',
    "/bad.yaml": "- vars: {q: one}\n  asert: []\n",
    "/prompt.txt": "Answer {{q}}\n---\nAnswer briefly {{q}}\n",
}
ROWS = [{"question": f"q{number}", "choices": ["a", "b"]} for number in range(250)]


class Server(ThreadingHTTPServer):
    """Serves the files above, and the rows of one data set."""

    most_rows = 100

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """Answers GET."""

    server: Server

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        parts = urlsplit(self.path)
        if parts.path == "/away.csv":
            self.answer(302, "", {"Location": "http://192.0.2.1/tests.csv"})
        elif parts.path == "/rows":
            self.rows({key: values[0] for key, values in parse_qs(parts.query).items()})
        elif parts.path == "/huge.csv":
            self.answer(200, "q\n" + "x" * (web_files.MAX_BYTES + 1))
        else:
            self.answer(200 if parts.path in FILES else 404, FILES.get(parts.path, ""))

    def rows(self, query: dict[str, str]) -> None:
        offset, length = int(query["offset"]), int(query["length"])
        if length > self.server.most_rows:
            return self.answer(422, "")
        rows = [{"row": row} for row in ROWS[offset : offset + length]]
        return self.answer(200, json.dumps({"rows": rows, "num_rows_total": len(ROWS)}))

    def answer(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        return None


@pytest.fixture
def server() -> Iterator[Server]:
    started = Server()
    with serving(started):
        yield started


def load(folder: Path, prompts: str, tests: str, **env: str) -> Suite:
    (folder / "suite.yaml").write_text(f"prompts: {prompts}\nproviders: [echo]\ntests: {tests}\n")
    return load_suite(str(folder / "suite.yaml"), ReadOptions(env=env))


def problems_of(folder: Path, prompts: str, tests: str, **env: str) -> str:
    with pytest.raises(InputError) as caught:
        load(folder, prompts, tests, **env)
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize("suffix", ["csv", "json", "yaml", "jsonl"])
@pytest.mark.parametrize("is_listed", [False, True])
def test_tests_come_from_the_web(tmp_path: Path, server: Server, suffix: str, is_listed: bool) -> None:
    url = f"{server.url}/tests.{suffix}"
    suite = load(tmp_path, "['{{q}}']", f"[{url!r}]" if is_listed else url)
    assert [test.vars["q"] for test in suite.tests] == ["one", "two"]
    assert len(server.asked) == 1


def test_prompts_come_from_the_web(tmp_path: Path, server: Server) -> None:
    suite = load(tmp_path, f"['{server.url}/prompt.txt']", "[{vars: {q: a}}]")
    assert [prompt.raw for prompt in suite.prompts] == ["Answer {{q}}", "Answer briefly {{q}}"]


def test_a_text_that_begins_with_an_address_is_a_prompt(tmp_path: Path) -> None:
    suite = load(tmp_path, "['https://example.org says what?', 'https://example.org/page']", "[{vars: {q: a}}]")
    assert suite.prompts[0].raw == "https://example.org says what?"


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        ("URL/gone.csv", "suite.yaml:3:8: tests: cannot fetch URL/gone.csv: HTTP 404"),
        ("URL/huge.csv", "it is larger than 8.4 MB"),
        ("URL/away.csv", "expected an address with https://"),
        ("URL/code.py", "expected an address that ends with .csv, .json, .jsonl, .yaml, .yml, got"),
        ("URL/bad.yaml", "URL/bad.yaml:2:3: [0].asert: unknown key 'asert'"),
        ("http://192.0.2.1/tests.csv", "expected an address with https://"),
        ("https://docs.google.com/spreadsheets/d/1/edit", "not supported by Anneal: tests from Google Sheets"),
        ("s3://bucket/tests.csv", "not supported by Anneal: tests from s3"),
        ("huggingface://models/a/b", "not supported by Anneal: tests from huggingface other than datasets"),
        ("huggingface://datasets/alone", "expected huggingface://datasets/OWNER/NAME"),
        ("huggingface://datasets/a/b?limit=x", "expected a number of rows as limit, got 'x'"),
    ],
)
def test_what_cannot_be_fetched_is_a_problem(tmp_path: Path, server: Server, tests: str, message: str) -> None:
    found = problems_of(tmp_path, "['{{q}}']", tests.replace("URL", server.url))
    assert message.replace("URL", server.url) in found


def test_the_rows_of_a_data_set_are_tests(tmp_path: Path, server: Server) -> None:
    env = {BASE_URL: server.url, "HF_TOKEN": "secret"}
    suite = load(tmp_path, "['{{question}}']", "huggingface://datasets/owner/name?split=train&config=main", **env)
    assert [test.vars["question"] for test in suite.tests] == [row["question"] for row in ROWS]
    assert all(test.options.disable_var_expansion for test in suite.tests)
    first, token = server.asked[0]
    query = parse_qs(urlsplit(first).query)
    assert (query["dataset"], query["split"], query["config"]) == (["owner/name"], ["train"], ["main"])
    assert token == "Bearer secret"


def test_a_limit_and_smaller_pages_are_obeyed(tmp_path: Path, server: Server) -> None:
    server.most_rows = 30
    suite = load(tmp_path, "['{{question}}']", "['huggingface://datasets/o/n?limit=60']", **{BASE_URL: server.url})
    assert len(suite.tests) == 60
    assert parse_qs(urlsplit(server.asked[-1][0]).query)["split"] == ["test"]


def test_a_program_makes_prompts(tmp_path: Path) -> None:
    program = tmp_path / "make.sh"
    program.write_text("#!/bin/sh\necho hello\n")
    assert "make.sh cannot be executed" in problems_of(tmp_path, "['exec:./make.sh a']", "[{vars: {q: a}}]")
    program.chmod(0o755)
    (prompt,) = load(tmp_path, "['exec:./make.sh a']", "[{vars: {q: a}}]").prompts
    assert prompt.label == "./make.sh a"
    assert prompt.function is not None
    assert prompt.function.path == f"exec:{program} a"
    assert "prompts[0]: no such program: nothing-here" in problems_of(
        tmp_path, "['exec:nothing-here']", "[{vars: {q: a}}]"
    )


def test_a_failure_case_fetches_nothing(tmp_path: Path, server: Server) -> None:
    folder = tmp_path / "failure_cases"
    folder.mkdir()
    (tmp_path / ".git").mkdir()
    files = LocalFiles(str(folder), may_fetch=False)
    with pytest.raises(InputError, match="is not fetched"):
        files.fetch(f"{server.url}/prompt.txt")
    assert server.asked == []
