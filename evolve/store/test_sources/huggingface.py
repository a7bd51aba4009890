"""`huggingface://datasets/OWNER/NAME?split=test&config=default&limit=20`: the rows of a public data set as tests."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from evolve.core.model.errors import InputError, Problem
from evolve.system.web_files import MAX_BYTES, FetchError, fetch_text

_PREFIX: Final = "huggingface://datasets/"
BASE_URL: Final = "EVOLVE_HF_DATASETS_URL"
"""The environment variable with another address of the server of rows."""
_SERVER: Final = "https://datasets-server.huggingface.co"
_TOKENS: Final = ("HF_TOKEN", "HF_API_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_PAGE: Final = 100
"""Rows in one answer, the server's limit."""


def read_tests(name: str, env: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return a test for each row; its columns are the vars, and lists among them do not multiply.

    Args:
        name: the address; `split` is "test" and `config` is "default" unless it says otherwise.
        env: holds the token of a private data set, and perhaps another server.

    Raises:
        InputError: the address is wrong, or the rows cannot be fetched.
    """
    path, _, query = name.removeprefix(_PREFIX).partition("?")
    if not name.startswith(_PREFIX) or path.count("/") != 1 or not all(path.split("/")):
        raise InputError(Problem(f"expected {_PREFIX}OWNER/NAME, got {name}"))
    options = {"split": "test", "config": "default", **dict(parse_qsl(query))}
    limit = options.pop("limit", None)
    if limit is not None and not limit.isdecimal():
        raise InputError(Problem(f"expected a number of rows as limit, got {limit!r}"))
    rows = _rows({"dataset": path, **options}, None if limit is None else int(limit), env)
    return [{"vars": row, "options": {"disableVarExpansion": True}} for row in rows]


def _rows(query: Mapping[str, str], limit: int | None, env: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    server = env.get(BASE_URL, "").rstrip("/") or _SERVER
    token = next((env[key] for key in _TOKENS if env.get(key)), None)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    done, size, page = 0, 0, _PAGE
    while limit is None or done < limit:
        length = page if limit is None else min(page, limit - done)
        url = f"{server}/rows?{urlencode({**query, 'offset': done, 'length': length})}"
        try:
            text = fetch_text(url, headers)
        except FetchError as error:
            if error.status != 422 or page == 1:
                raise
            page //= 2  # the server refuses pages with too many bytes
            continue
        size += len(text)
        if size > MAX_BYTES:
            raise FetchError(url, f"the rows are larger than {MAX_BYTES / 1e6:.1f} MB; set a limit")
        rows, total = _page(text, url)
        yield from rows
        done += len(rows)
        if not rows or done >= total:
            return


def _page(text: str, url: str) -> tuple[list[Mapping[str, Any]], int]:
    try:
        answer = json.loads(text)
        return [entry["row"] for entry in answer["rows"]], int(answer["num_rows_total"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise FetchError(url, "expected rows as JSON, got something else") from None
