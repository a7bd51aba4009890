"""Whether the experts of a pool serve one model."""

import json
from typing import Any

import pytest

from evolve.core.model.errors import HttpFault, InputError
from evolve.providers.pool_models import Served, agreed_model, read_models, serves
from evolve.system.http_client import HttpCall, HttpReply

CALL = HttpCall("GET", "http://a/v1/models", {})


def listed(*models: dict[str, Any]) -> Served:
    body = json.dumps({"object": "list", "data": list(models)}).encode()
    return read_models(CALL, HttpReply(200, "OK", {"Content-Type": "application/json"}, body, 1.0))


def named(*names: str) -> Served:
    return listed(*({"id": name, "created": number} for number, name in enumerate(names)))


def llama(size: int, name: str = "qwen.gguf") -> Served:
    return listed({"id": name, "created": size, "meta": {"n_params": 1_500, "size": size, "n_vocab": 9, "n_embd": 2}})


def test_experts_with_the_same_name_agree() -> None:
    assert agreed_model({"http://a/v1": named("qwen"), "http://b/v1": named("qwen")}, "").id == "qwen"


def test_different_names_are_refused_and_each_expert_is_shown() -> None:
    with pytest.raises(InputError) as refused:
        agreed_model({"http://a/v1": named("qwen"), "http://b/v1": named("smollm2")}, "")
    assert str(refused.value) == (
        "a pool of mixed models is refused: expected one model on all experts of a run, but http://a/v1 serves qwen; "
        "http://b/v1 serves smollm2 (list only experts with the same model, or give each model's service a tag: "
        "pool:consul:SERVICE?tag=TAG)"
    )


def test_the_same_name_with_another_file_is_refused() -> None:
    with pytest.raises(InputError, match=r"qwen\.gguf \(1,117 bytes\).*qwen\.gguf \(94 bytes\)"):
        agreed_model({"http://a/v1": llama(1_117), "http://b/v1": llama(94)}, "")


def test_an_expert_that_says_nothing_of_its_file_agrees_with_one_that_does() -> None:
    agreed = agreed_model({"http://a/v1": named("qwen.gguf"), "http://b/v1": llama(94)}, "")
    assert agreed.weights, "later experts are compared with the file"
    assert serves(llama(94), agreed)
    assert not serves(llama(1_117), agreed)


def test_a_named_model_is_found_among_several() -> None:
    served = {"http://a/v1": named("qwen", "smollm2"), "http://b/v1": named("smollm2")}
    assert agreed_model(served, "smollm2").id == "smollm2"
    with pytest.raises(
        InputError, match=r"expected 'qwen' on each expert, but http://a/v1 serves qwen, smollm2; http:/"
    ):
        agreed_model(served, "qwen")


def test_several_models_without_a_name_are_refused_with_the_option_to_name_one() -> None:
    with pytest.raises(InputError, match=r"http://a/v1 serves 2 models: qwen, smollm2 \(name one: model: qwen, or \?m"):
        agreed_model({"http://a/v1": named("qwen", "smollm2")}, "")


def test_an_alias_is_a_name() -> None:
    served = listed({"id": "/models/qwen.gguf", "aliases": ["qwen"]})
    assert agreed_model({"http://a/v1": served, "http://b/v1": named("qwen")}, "qwen").id == "/models/qwen.gguf"


@pytest.mark.parametrize("data", [{}, {"data": []}, {"data": [{"name": "x"}]}, []])
def test_a_reply_without_models_is_a_fault_with_a_hint(data: Any) -> None:
    reply = HttpReply(200, "OK", {"Content-Type": "application/json"}, json.dumps(data).encode(), 1.0)
    with pytest.raises(HttpFault, match=r"the reply lists no models \(check that the URL ends in /v1\)"):
        read_models(CALL, reply)


def test_credentials_of_an_address_are_not_shown() -> None:
    with pytest.raises(InputError) as refused:
        agreed_model({"http://me:hunter22@a/v1": named("qwen"), "http://b/v1": named("smollm2")}, "")
    assert "hunter22" not in str(refused.value)
