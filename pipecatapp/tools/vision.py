"""The tool `vision`: a question about a declared picture, answered by a multimodal endpoint."""

import base64
import json
from pathlib import Path
from typing import Final

from evolve.core.model.errors import EnvironmentFault
from evolve.core.model.json_value import JsonValue
from evolve.core.text.did_you_mean import did_you_mean
from evolve.system.http_client import HttpCall, HttpClient, HttpReply, accept_json, check_status
from evolve.system.retry import RetryPolicy
from pipecatapp.core.ports import Risk, ToolReason
from pipecatapp.tools.config import VisionConfig
from pipecatapp.tools.context import ToolContext
from pipecatapp.tools.registry import Arguments, ToolProblem, text_of, tool
from pipecatapp.tools.threads import in_thread

_MAX_PICTURE: Final = 8 * 2**20
_KINDS: Final = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"GIF8", "image/gif"))
_MAX_TOKENS: Final = 400


@tool(
    "vision",
    {
        "required": ["source", "question"],
        "properties": {
            "source": {"type": "string", "description": "Name of a declared camera, screen or picture."},
            "question": {"type": "string", "minLength": 1, "description": "What to find out from the picture."},
        },
    },
    risk=Risk.READ,
    timeout_s=60,
)
async def vision(arguments: Arguments, context: ToolContext) -> str:
    """Look at a camera, a picture or the screen and answer a question about it."""
    config = context.config.vision
    if config is None:
        message = "no model that sees is configured: set tools.vision. Nothing was looked at"
        raise ToolProblem(ToolReason.NOT_CONFIGURED, message)
    source = text_of(arguments, "source")
    if source not in config.sources:
        hint = did_you_mean(source, config.sources) or f"declared: {', '.join(config.sources)}"
        raise ToolProblem(ToolReason.REFUSED, f"no picture {source[:40]!r} is declared ({hint})")
    client = HttpClient(RetryPolicy(deadline_s=55, attempt_s=55, max_retries=1))
    try:
        picture = await _picture(client, config, source)
        reply = await client.call(_question(config, picture, text_of(arguments, "question")), accept_json)
    finally:
        await client.close()
    return _answer(reply)


async def _picture(client: HttpClient, config: VisionConfig, source: str) -> str:
    """Return the picture as a data URL."""
    place = config.sources[source]
    if place.startswith(("http://", "https://")):
        token = config.source_tokens.get(source)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        content = await client.call(HttpCall("GET", place, headers, follows=False), _body)
    else:
        content = await in_thread(lambda _: _file(Path(place)))
    kind = _kind(content)
    if kind is None or len(content) > _MAX_PICTURE:
        message = f"{source} gave no picture (JPEG, PNG, GIF or WebP of at most {_MAX_PICTURE // 2**20} MiB)"
        raise ToolProblem(ToolReason.FAILED, message)
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _body(call: HttpCall, reply: HttpReply) -> bytes:
    check_status(call, reply)
    return reply.body


def _file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_PICTURE + 1)
    except OSError as error:
        raise EnvironmentFault(f"{path} cannot be read: {error.strerror}") from error


def _kind(content: bytes) -> str | None:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in _KINDS if content.startswith(start)), None)


def _question(config: VisionConfig, picture: str, question: str) -> HttpCall:
    parts: list[JsonValue] = [
        {"type": "text", "text": question},
        {"type": "image_url", "image_url": {"url": picture}},
    ]
    body = {"model": config.model, "messages": [{"role": "user", "content": parts}], "max_tokens": _MAX_TOKENS}
    headers = {"Content-Type": "application/json"}
    if config.api_key:
        headers["Authorization"] = f"Bearer {config.api_key}"
    return HttpCall("POST", f"{config.url}/chat/completions", headers, json.dumps(body).encode(), follows=False)


def _answer(reply: JsonValue) -> str:
    try:
        text = reply["choices"][0]["message"]["content"]  # type: ignore[call-overload, index]
    except (KeyError, IndexError, TypeError):
        text = None
    if not isinstance(text, str) or not text.strip():
        raise ToolProblem(ToolReason.FAILED, "the model that sees gave no answer")
    return text
