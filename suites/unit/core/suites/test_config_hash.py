"""The hash of a suite: the same for the same questions and assertions, on every machine and for every user."""

from dataclasses import replace
from typing import Any

import pytest

from evolve.core.model.suite import Assertion, AssertSet, Prompt, ProviderSpec, ScriptRef, Suite, Test, TestOptions
from evolve.core.suites.config_hash import combined_hash, config_hash

CHECK = Assertion("contains", value="a", weight=2.0)
TEST = Test({"x": "a"}, (CHECK, AssertSet((Assertion("is-json"),))), "one", TestOptions(transform="output"))
PROVIDER = ProviderSpec("openai:chat:m", config={"temperature": 0, "max_tokens": 5})


def suite(folder: str = "/home/ada/work", **changes: Any) -> Suite:
    script = Prompt("", "p", function=ScriptRef(f"{folder}/prompts/p.py", "make"))
    whole = Suite(f"{folder}/suite.yaml", folder, (Prompt("Say {{x}}", "Say {{x}}"), script), (PROVIDER,), (TEST,))
    return replace(whole, **changes)


def test_the_folder_of_the_suite_does_not_matter() -> None:
    assert config_hash(suite()) == config_hash(suite("/builds/7"))


@pytest.mark.parametrize("key", ["apiKey", "api_key", "token", "clientSecret", "Authorization"])
def test_a_secret_is_no_part_of_it(key: str) -> None:
    def keyed(value: str) -> Suite:
        config = {**PROVIDER.config, key: value, "headers": {key: value}}
        return suite(providers=(replace(PROVIDER, config=config, env={"OPENAI_API_KEY": value}),), env={key: value})

    assert config_hash(keyed("mine")) == config_hash(keyed("yours"))


@pytest.mark.parametrize(
    "changes",
    [
        {"description": "another"},
        {"repeat": 2},
        {"prompts": (Prompt("Say {{x}}!", "Say {{x}}"),)},
        {"providers": (replace(PROVIDER, config={"temperature": 0, "max_tokens": 6}),)},
        {"providers": (replace(PROVIDER, config={"temperature": False, "max_tokens": 5}),)},
        {"tests": (replace(TEST, vars={"x": "b"}),)},
        {"tests": (replace(TEST, threshold=0.0),)},
        {"tests": (replace(TEST, requirements=(replace(CHECK, weight=0.0),)),)},
        {"tests": (replace(TEST, requirements=(replace(CHECK, negated=True),)),)},
        {"tests": (replace(TEST, options=TestOptions(transform="output.a")),)},
        {"tests": (TEST, TEST)},
    ],
)
def test_what_changes_a_question_or_a_verdict_changes_it(changes: dict[str, Any]) -> None:
    assert config_hash(suite(**changes)) != config_hash(suite())


@pytest.mark.parametrize("changes", [{"max_concurrency": 3}, {"delay_ms": 5.0}, {"warnings": ("w",)}, {"config": {}}])
def test_what_changes_neither_does_not(changes: dict[str, Any]) -> None:
    assert config_hash(suite(**changes)) == config_hash(suite())


def test_the_order_of_keys_does_not_matter() -> None:
    turned = dict(reversed(PROVIDER.config.items()))
    assert config_hash(suite(providers=(replace(PROVIDER, config=turned),))) == config_hash(suite())


@pytest.mark.parametrize("text", ["lone \ud800", "\x00", "ä"])
def test_any_text_has_a_hash(text: str) -> None:
    assert len(config_hash(suite(tests=(replace(TEST, vars={text: [text, 1.5, None, {"k": text}]}),)))) == 64


def test_several_suites_have_one_hash() -> None:
    assert combined_hash(["a" * 64]) == "a" * 64
    assert combined_hash(["a", "b"]) != combined_hash(["b", "a"])
