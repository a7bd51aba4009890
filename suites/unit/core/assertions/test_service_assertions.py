"""Assertions that ask a service: moderation and classifier, with the services on loopback."""

import json
from pathlib import Path
from typing import Any

import pytest

from evolve.cli.run import main
from fixtures.faulty_server import FaultyServer
from fixtures.opened_providers import OpenedProviders

KEY = "sk-verysecretkey-0123456789abcdef"


def rows(folder: Path, suite: dict[str, Any], monkeypatch: pytest.MonkeyPatch, **env: str) -> Any:
    """Return the results of a run of one suite, as promptfoo's JSON has them."""
    (folder / "s.yaml").write_text(json.dumps(suite), encoding="utf-8")
    for name, value in {"EVOLVE_CACHE_DIR": str(folder / "cache"), **env}.items():
        monkeypatch.setenv(name, value)
    main([str(folder / "s.yaml"), "-o", str(folder / "out.json"), "--quiet"])
    return json.loads((folder / "out.json").read_text("utf-8"))["results"]["results"]


def suite_of(*assertions: dict[str, Any], output: str = "a knife", **options: Any) -> dict[str, Any]:
    return {"prompts": [output], "providers": ["echo"], "tests": [{"assert": list(assertions), "options": options}]}


@pytest.mark.parametrize(
    ("assertion", "output", "passed", "reason"),
    [
        ({}, "a knife", False, "Moderation flags detected: violence"),
        ({}, "a spoon", True, "No moderation flags detected"),
        ({"value": ["hate"]}, "a knife", True, "No relevant moderation flags detected"),
        ({"value": ["violence", "hate"]}, "a knife", False, "Moderation flags detected: violence"),
        ({"type": "not-moderation"}, "a knife", True, "Moderation flags detected: violence"),
        ({"type": "not-moderation"}, "a spoon", False, "No moderation flags detected"),
    ],
)
def test_moderation_finds_what_is_flagged(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    faulty_server: FaultyServer,
    assertion: dict[str, Any],
    output: str,
    passed: bool,
    reason: str,
) -> None:
    suite = suite_of({"type": "moderation", **assertion}, output=output)
    row = rows(tmp_path, suite, monkeypatch, OPENAI_API_KEY=KEY, OPENAI_BASE_URL=f"{faulty_server.url}/v1")[0]
    assert (row["success"], row["gradingResult"]["componentResults"][0]["reason"]) == (passed, reason)
    assert faulty_server.requests[-1].path == "/v1/moderations"


@pytest.mark.parametrize(
    ("assertion", "output", "passed", "score"),
    [
        ({"value": "POSITIVE", "threshold": 0.8}, "a good day", True, 0.9),
        ({"value": "POSITIVE"}, "a good day", False, 0.9),
        ({"value": "POSITIVE", "threshold": 0.5}, "a bad day", False, 0.2),
        ({"threshold": 0.75}, "a bad day", True, 0.8),
        ({"type": "not-classifier", "value": "NEGATIVE", "threshold": 0.5}, "a good day", True, 0.9),
        ({"value": "unheard of", "threshold": 0.5}, "a good day", False, 0.0),
    ],
)
def test_a_classifier_scores_a_class(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    faulty_server: FaultyServer,
    assertion: dict[str, Any],
    output: str,
    passed: bool,
    score: float,
) -> None:
    provider = {
        "classification": {"id": "huggingface:text-classification:m", "config": {"apiBaseUrl": faulty_server.url}}
    }
    suite = suite_of({"type": "classifier", **assertion}, output=output, provider=provider)
    row = rows(tmp_path, suite, monkeypatch)[0]
    part = row["gradingResult"]["componentResults"][0]
    assert (part["pass"], part["score"]) == (passed, pytest.approx(score))


@pytest.mark.parametrize(("threshold", "passed"), [(0.7, True), (0.8, False)])
def test_similar_takes_a_service_that_compares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faulty_server: FaultyServer, threshold: float, passed: bool
) -> None:
    provider = {"id": "huggingface:sentence-similarity:m", "config": {"apiBaseUrl": faulty_server.url}}
    assertion = {"type": "similar", "value": "a fork", "threshold": threshold, "provider": provider}
    assert rows(tmp_path, suite_of(assertion), monkeypatch)[0]["success"] is passed
    asked = faulty_server.requests[-1].json["inputs"]
    assert asked == {"source_sentence": "a fork", "sentences": ["a knife"]}


def test_a_classifier_without_a_provider_is_an_error_that_says_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = rows(tmp_path, suite_of({"type": "classifier", "value": "x"}), monkeypatch)[0]
    assert "huggingface:text-classification:MODEL" in row["error"]


def test_a_grader_may_name_one_for_text_and_one_for_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faulty_server: FaultyServer
) -> None:
    url = f"{faulty_server.url}/v1"
    config = {"apiBaseUrl": url, "apiKey": KEY}
    provider = {
        "id": "openai:chat:grader",
        "config": config,
        "embedding": {"id": "openai:embedding:vectors", "config": config},
    }
    suite = suite_of({"type": "similar", "value": "a fork"}, {"type": "llm-rubric", "value": "ok"}, provider=provider)
    rows(tmp_path, suite, monkeypatch)
    assert {request.path for request in faulty_server.requests} == {"/v1/embeddings", "/v1/chat/completions"}


def test_a_grader_of_settings_alone_loads_and_is_an_error_where_one_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = suite_of({"type": "llm-rubric", "value": "ok"}, provider={"config": {"temperature": 0}})
    assert "the key 'text' of a provider" in rows(tmp_path, needed, monkeypatch)[0]["error"]
    unused = suite_of({"type": "contains", "value": "knife"}, provider={"config": {"temperature": 0}})
    assert rows(tmp_path, unused, monkeypatch)[0]["success"] is True


def test_a_run_without_a_key_asks_nobody_and_names_line_and_variable(
    providers: OpenedProviders,
    monkeypatch: pytest.MonkeyPatch,
    faulty_server: FaultyServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = providers.folder
    text = f"""
prompts: [hello]
providers:
  - id: openai:chat:paid
    config: {{apiBaseUrl: "{faulty_server.url}/v1", apiKey: {KEY}}}
  - anthropic:messages:claude-haiku-4-5
tests: [{{vars: {{a: b}}}}]
"""
    (folder / "s.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("EVOLVE_CACHE_DIR", str(folder / "cache"))
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    from evolve.__main__ import main as command

    assert command(["run", str(folder / "s.yaml")]) == 4
    said = capsys.readouterr().err
    assert "s.yaml:6:5: providers[1]: provider 'anthropic:messages:claude-haiku-4-5' has no API key" in said
    assert "ANTHROPIC_API_KEY" in said
    assert faulty_server.requests == []
