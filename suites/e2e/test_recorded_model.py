"""The recorded model itself: it answers as the model did, whole and in parts, and never what was not asked."""

import asyncio
import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from evolve.core.model.answers import Answer, Request
from evolve.core.templating.templates import Templates
from evolve.evaluation.setup import Settings, open_provider_by_id
from fixtures.e2e_app import LARGE, PROVIDERS
from fixtures.real_experts import shipped_model
from fixtures.recorded_model import RecordedModel, place_model, recorded_model, serve_as_embedded
from fixtures.tool_servers import answering, served_in_thread

ASKED = {"messages": [{"role": "user", "content": "which tool?"}], "temperature": 0}


class CountingModel:
    """A model that counts its questions in its answers."""

    def __init__(self) -> None:
        self.asked = 0

    async def answer(self, _: web.Request) -> web.Response:
        """Return the next answer."""
        self.asked += 1
        message = {"role": "assistant", "content": f"answer {self.asked}"}
        usage = {"prompt_tokens": 7, "completion_tokens": 2}
        return web.json_response({"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage})


def post(url: str, body: dict[str, Any]) -> bytes:
    request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=60) as response:
        return bytes(response.read())


def test_a_question_is_asked_once_and_answered_later_without_the_model(tmp_path: Path) -> None:
    file, kept = tmp_path / "answers.jsonl", tmp_path / "kept" / "answers.jsonl"
    counting = CountingModel()
    with served_in_thread(answering(counting.answer)) as model_url:
        model = RecordedModel(file, model_url)
        with recorded_model(model) as url:
            first = json.loads(post(url, ASKED))
            assert json.loads(post(url, {**ASKED, "model": "another name"})) == first
            post(url, {**ASKED, "temperature": 1})
    assert counting.asked == 2
    assert "which tool?" not in file.read_text()

    again = RecordedModel(file)
    with recorded_model(again) as url:
        assert json.loads(post(url, ASKED)) == first
        streamed = post(url, {**ASKED, "stream": True}).decode()
        assert '"content": "answer 1"' in streamed
        assert streamed.endswith("data: [DONE]\n\n")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            post(url, {**ASKED, "seed": 5})
    assert again.unknown == ["which tool?"]
    again.keep_used(kept)
    assert kept.read_text() == file.read_text().splitlines(keepends=True)[0], "the other question was not asked again"


def test_it_takes_the_place_of_an_embedded_server(tmp_path: Path) -> None:
    shipped_model()  # skips without the engine
    place_model(LARGE, tmp_path)
    env = {**os.environ, "EVOLVE_CACHE_DIR": str(tmp_path)}

    async def ask(url: str) -> Answer:
        serve_as_embedded(url, PROVIDERS["large"], env)
        provider = open_provider_by_id(PROVIDERS["large"], Settings(env=env), Templates("strict"))
        try:
            return await provider.answer(Request(json.dumps(ASKED["messages"]), config={"temperature": 0}))
        finally:
            await provider.close()

    with served_in_thread(answering(CountingModel().answer)) as model_url:
        model = RecordedModel(tmp_path / "answers.jsonl", model_url)
        with recorded_model(model) as url:
            answer = asyncio.run(ask(url))
    assert (answer.output, answer.tokens.total) == ("answer 1", 9)
