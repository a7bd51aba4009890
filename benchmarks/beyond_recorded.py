"""Every answer of a unit, kept in a file: a unit that was killed gets its answers again without a model.

A line for each answer: what was asked (as a hash), the reply, and what it cost the machine. With `model=None` only the
file answers, which is how CI repeats a part of a run.
"""

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path

from evolve.core.model.answers import Answer, Request, TokenUsage
from evolve.core.model.errors import CannotEvaluate, EnvironmentFault
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Provider

_MOST_TOKENS = 800
"""Of an answer whose request names no limit: an optimizer's proposal."""
CpuSeconds = Callable[[], Awaitable[float]]
"""Returns the CPU seconds that the model's server has used so far; 0 where they cannot be seen."""


class RecordedModel:
    """A model whose answers are kept.

    Args:
        file: gets the answers; those that it has are not asked for again.
        model: who answers; None when only the file may.
        cpu: what the server has used; differences of it are kept with each answer.
    """

    def __init__(self, file: Path, model: Provider | None, cpu: CpuSeconds | None = None) -> None:
        self.id = "recorded" if model is None else model.id
        self._model, self._file, self._cpu = model, file, cpu
        self._known: dict[str, Mapping[str, JsonValue]] = {}
        self._asked: Counter[str] = Counter()
        self.cpu_s = 0.0
        """What the server used for the answers that were given, whichever run recorded them."""
        self.busy_s = 0.0
        """Seconds that the model worked on them."""
        self._used: dict[str, None] = {}
        for line in _whole_lines(file):
            entry = json.loads(line)
            self._known[entry["key"]] = entry

    def identity(self, _: Request) -> JsonValue:
        """Return None: the file is the only store."""
        return None

    async def answer(self, request: Request) -> Answer:
        """See `Provider.answer`; the reply has what the chat protocol needs and no more."""
        request = _bounded(request)
        key = self._key(request)
        entry = self._known.get(key)
        if entry is None:
            entry = self._known[key] = await self._new(key, request)
        self._used.setdefault(key)
        self.cpu_s += float(str(entry["cpu_s"]))
        self.busy_s += float(str(entry["seconds"]))
        if entry.get("unfit"):
            raise CannotEvaluate(str(entry["unfit"]))
        tokens = entry["tokens"]
        assert isinstance(tokens, dict)
        usage = TokenUsage(**tokens)  # type: ignore[arg-type]  # our own file
        return Answer(entry["text"], tokens=usage, raw=_reply(str(entry["text"]), str(entry["end"]), usage))

    def keep_used(self) -> None:
        """Leave only those answers in the file that were given: all that is needed to repeat what was done."""
        lines = [json.dumps(self._known[key], ensure_ascii=False) for key in self._used]
        self._file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    async def close(self) -> None:
        """Close the model's connections."""
        if self._model is not None:
            await self._model.close()

    def _key(self, request: Request) -> str:
        body = {"prompt": json.loads(request.prompt), "config": dict(request.config)}
        settings = request.config.get("passthrough")
        # Where chance decides, the same question again is another one.
        is_certain = isinstance(settings, dict) and settings.get("temperature") == 0
        text = json.dumps(body, sort_keys=True)
        number = 0 if is_certain else self._asked[text]
        self._asked[text] += 1
        return hashlib.sha256(f"{text}{number}".encode()).hexdigest()[:24]

    async def _new(self, key: str, request: Request) -> Mapping[str, JsonValue]:
        if self._model is None:
            raise EnvironmentFault(f"{self._file} has no answer to a question, and no model may be asked")
        cpu, begun = await self._cpu_seconds(), time.monotonic()
        unfit, answer = "", Answer("")
        try:
            answer = await self._model.answer(request)
        except CannotEvaluate as error:
            unfit = str(error)
        tokens = answer.tokens
        entry: dict[str, JsonValue] = {
            "key": key,
            "text": _text(answer),
            "end": answer.finish_reason or "stop",
            "tokens": {
                "total": tokens.total,
                "prompt": tokens.prompt,
                "completion": tokens.completion,
                "cached": tokens.cached,
                "requests": 1,
            },
            "cpu_s": round(await self._cpu_seconds() - cpu, 2),
            "seconds": round(time.monotonic() - begun, 2),
        }
        if unfit:
            entry["unfit"] = unfit
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        return entry

    async def _cpu_seconds(self) -> float:
        return await self._cpu() if self._cpu else 0.0


def _whole_lines(file: Path) -> list[str]:
    """Return the file's lines; the half line that a killed process left is removed, so that none is added to it."""
    if not file.exists():
        return []
    text = file.read_text(encoding="utf-8", errors="replace")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        file.write_text(whole, encoding="utf-8")
    # Not splitlines: an answer may have other characters that end a line.
    return whole.split("\n")[:-1]


def process_cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process and its threads; 0 where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    # utime and stime, fields 14 and 15 of proc(5); two fields are before the parenthesis.
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _bounded(request: Request) -> Request:
    """Return the request with a limit of tokens: without one a small model may write until its context is full."""
    settings = request.config.get("passthrough")
    if not isinstance(settings, dict) or {"max_tokens", "max_completion_tokens"} & settings.keys():
        return request
    return replace(request, config={**request.config, "passthrough": {**settings, "max_tokens": _MOST_TOKENS}})


def _text(answer: Answer) -> str:
    choices = answer.raw.get("choices") if isinstance(answer.raw, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else {}
    message = first.get("message") if isinstance(first, dict) else None
    content = message.get("content") if isinstance(message, dict) else None
    return str(content if content is not None else answer.output or "")


def _reply(text: str, end: str, tokens: TokenUsage) -> JsonValue:
    return {
        "id": "recorded",
        "object": "chat.completion",
        "created": 0,
        "model": "recorded",
        "choices": [{"index": 0, "finish_reason": end, "message": {"role": "assistant", "content": text}}],
        "usage": {
            "prompt_tokens": tokens.prompt,
            "completion_tokens": tokens.completion,
            "total_tokens": tokens.total,
        },
    }
