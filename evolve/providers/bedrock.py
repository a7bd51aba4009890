"""Models at Amazon Bedrock: `bedrock:MODEL`, `bedrock:converse:MODEL`, and vectors by `bedrock:embeddings:MODEL`.

Claude is called by InvokeModel with its own messages, as in promptfoo; every other model by Converse, which has one
form for all. botocore finds the credentials and signs requests; a Bedrock API key needs neither.
"""

import asyncio
import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from evolve.core.formats.json_text import json_or
from evolve.core.javascript.values import to_json
from evolve.core.model.answers import Answer, Request, TokenUsage
from evolve.core.model.errors import EnvironmentFault, InputError, MissingKeyFault, Problem
from evolve.core.model.extras import install_command
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Embedding
from evolve.core.model.suite import ProviderSpec
from evolve.providers.chat_messages import chat_messages
from evolve.providers.claude import (
    accepted_thinking,
    always_thinks,
    claude_output,
    claude_prompt,
    claude_usage,
    is_chat,
    refuses_sampling,
    spends_on_thinking,
)
from evolve.providers.config import place_of, text_of
from evolve.providers.context import ProviderContext
from evolve.providers.hosted import (
    Dialect,
    Door,
    Endpoint,
    HostedEmbedder,
    HostedModel,
    OpenDoor,
    client_of,
    env_number,
    find_key,
    key_hints,
    read_config,
    rendered_headers,
)
from evolve.providers.prices import cost_of, price_list
from evolve.providers.replies import MalformedReply, count, finish_reason, first, given, items, mapping
from evolve.providers.tools import chosen_tool, is_openai_tools, tool_functions
from evolve.system.http_client import HttpCall

_REGION = "us-east-1"
_CREDENTIAL_KEYS = ("accessKeyId", "secretAccessKey", "sessionToken", "profile", "region", "endpoint")
_KEYS = frozenset(
    {
        *_CREDENTIAL_KEYS, "max_tokens", "maxTokens", "temperature", "top_p", "topP", "stop", "stopSequences",
        "tools", "tool_choice", "toolChoice", "toolConfig", "thinking", "showThinking", "reasoningConfig",
        "anthropic_version", "guardrailIdentifier", "guardrailVersion", "trace", "additionalModelRequestFields",
        "additionalModelResponseFieldPaths", "performanceConfig", "serviceTier", "interfaceConfig",
        "textGenerationConfig", "max_gen_len", "maxTokenCount", "max_new_tokens", "inferenceModelType",
    }
)  # fmt: skip
REFUSED = {
    "mcp": "Anneal starts no MCP servers",
    "functionToolCallbacks": "tool calls are the answer; nothing executes them",
}
_OTHER_KINDS = ("kb", "knowledge-base", "agents", "nova-sonic", "video", "mantle", "messages")
_DATA_URL = re.compile(r"data:[^/;]+/([^;]+);base64,(.*)", re.DOTALL)
_RATES_LIKE = re.compile(r"(global|us|eu|jp|au|apac)\.")
"""The prefix of a model's name that is served from several regions; the price table has none."""


@dataclass(frozen=True, slots=True)
class Converse:
    """The dialect of any model."""

    context: ProviderContext
    model: str
    invoked: bool = False
    """Whether the id lacks `converse`: promptfoo then uses InvokeModel, with its defaults and settings per family."""

    name = "Bedrock's Converse"
    reading = ("showThinking",)

    def headers(self, _: Mapping[str, JsonValue]) -> Mapping[str, str]:
        """See `Dialect.headers`."""
        return {}

    def body(self, request: Request, config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """See `Dialect.body`."""
        system, messages = _converse_messages(request.prompt)
        body: dict[str, JsonValue] = {"messages": messages, **({"system": system} if system else {})}
        if inference := self._inference(config):
            body["inferenceConfig"] = inference
        if tools := _tool_config(config, self.model):
            body["toolConfig"] = tools
        if config.get("guardrailIdentifier"):
            version = str(config.get("guardrailVersion") or "DRAFT")
            trace = {"trace": config["trace"]} if config.get("trace") else {}
            body["guardrailConfig"] = {
                "guardrailIdentifier": str(config["guardrailIdentifier"]), "guardrailVersion": version, **trace
            }  # fmt: skip
        if further := self._further(config):
            body["additionalModelRequestFields"] = further
        if paths := config.get("additionalModelResponseFieldPaths"):
            body["additionalModelResponseFieldPaths"] = paths
        for name, key in (("performanceConfig", "latency"), ("serviceTier", "type")):
            if config.get(name):
                body[name] = {key: mapping(config[name]).get(key)}
        return body

    def _inference(self, config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        env = self.context
        family = {**mapping(config.get("textGenerationConfig")), **mapping(config.get("interfaceConfig"))}
        if self.invoked:
            config = {**config, **family}
        tokens = first(
            *(
                config.get(name)
                for name in ("maxTokens", "max_tokens", "max_gen_len", "max_new_tokens", "maxTokenCount")
            ),
            env_number(env, "AWS_BEDROCK_MAX_TOKENS"),
            # promptfoo's default by InvokeModel; by Converse, and for Nova, the service decides.
            1024 if self.invoked and "amazon.nova" not in self.model else None,
        )
        heat = first(config.get("temperature"), env_number(env, "AWS_BEDROCK_TEMPERATURE"), 0 if self.invoked else None)
        top_p = first(config.get("topP"), config.get("top_p"), env_number(env, "AWS_BEDROCK_TOP_P"))
        stops = config.get("stopSequences") or config.get("stop") or json_or(env.env.get("AWS_BEDROCK_STOP", ""), None)
        thinking = mapping(config.get("reasoningConfig"))
        if thinking.get("type") == "enabled":
            heat = top_p = None
            tokens = None if thinking.get("maxReasoningEffort") == "high" else tokens
        if refuses_sampling(self.model):
            heat = top_p = None
        found = {"maxTokens": tokens, "temperature": heat, "topP": top_p, "stopSequences": stops}
        return {key: value for key, value in found.items() if value is not None}

    def _further(self, config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        further = dict(mapping(config.get("additionalModelRequestFields")))
        if refuses_sampling(self.model):
            further = {key: value for key, value in further.items() if key not in ("temperature", "top_p", "top_k")}
        effort = mapping(further.get("output_config")).get("effort")
        thinking = accepted_thinking(self.model, first(config.get("thinking"), further.pop("thinking", None)), effort)
        if thinking:
            further["thinking"] = dict(thinking)
        return {**further, **given(config, "reasoningConfig")}

    def answer(self, data: JsonValue, config: Mapping[str, JsonValue], latency_ms: float) -> Answer:
        """See `Dialect.answer`."""
        reply = mapping(data)
        blocks = [
            mapping(block) for block in items(mapping(mapping(reply.get("output")).get("message")).get("content"))
        ]
        if not blocks and "stopReason" not in reply:
            raise MalformedReply("it has no output.message")
        calls = [block for block in blocks if block.get("toolUse")]
        disabled = first(config.get("tool_choice"), config.get("toolChoice")) == "none"
        shown = calls if calls and not disabled else blocks
        texts = [part for block in shown for part in _block_texts(block, config.get("showThinking") is not False)]
        stop = reply.get("stopReason")
        tokens, written = _tokens(reply)
        error = _ERRORS.get(str(stop))
        return Answer(
            "\n\n".join(texts),
            error=error,
            latency_ms=latency_ms,
            cost=self._cost(tokens, config, written),
            tokens=tokens,
            finish_reason="content_filter" if stop == "guardrail_intervened" else finish_reason(stop),
            guardrails={"flagged": True, "reason": stop} if stop == "guardrail_intervened" else None,
            metadata=_metadata(reply),
            raw=data,
        )

    def _cost(self, tokens: TokenUsage, config: Mapping[str, JsonValue], written: int) -> float | None:
        return cost_of("bedrock", _listed_name(self.model), tokens, config, written=written)


_ERRORS = {
    "malformed_model_output": "the model's output could not be parsed",
    "malformed_tool_use": "the model's tool call is malformed; check the tools and their schemas",
}


@dataclass(frozen=True, slots=True)
class InvokedClaude:
    """The dialect of Claude by InvokeModel."""

    context: ProviderContext
    model: str

    name = "Bedrock's InvokeModel"
    reading = ("showThinking",)

    def headers(self, config: Mapping[str, JsonValue]) -> Mapping[str, str]:
        """See `Dialect.headers`: guardrails are named in headers."""
        names = {"guardrailIdentifier": "Identifier", "guardrailVersion": "Version"}
        found = {f"X-Amzn-Bedrock-Guardrail{new}": str(config[old]) for old, new in names.items() if config.get(old)}
        return {**found, **({"X-Amzn-Bedrock-Trace": str(config["trace"]).upper()} if config.get("trace") else {})}

    def body(self, request: Request, config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """See `Dialect.body`."""
        prompt = claude_prompt(request.prompt)
        thinking = accepted_thinking(self.model, config.get("thinking"), None)
        # promptfoo sends a lone system message as the user's.
        alone = prompt.system and not prompt.messages
        messages: list[JsonValue] = [{"role": "user", "content": prompt.system}] if alone else prompt.messages
        # promptfoo's defaults; thinking takes its tokens from the same limit.
        default = 2048 if thinking is None and spends_on_thinking(self.model, None) else 1024
        tokens = first(config.get("max_tokens"), env_number(self.context, "AWS_BEDROCK_MAX_TOKENS"), default)
        body: dict[str, JsonValue] = {
            "messages": messages,
            "anthropic_version": config.get("anthropic_version") or "bedrock-2023-05-31",
            "max_tokens": tokens,
        }
        if not refuses_sampling(self.model):
            body["temperature"] = first(config.get("temperature"), 0)
        choice = config.get("tool_choice")
        if always_thinks(self.model) and mapping(choice).get("type") in ("any", "tool"):
            choice = None
        body |= {**given(config, "tools"), **({"tool_choice": choice} if choice else {})}
        body |= {"thinking": dict(thinking)} if thinking else {}
        system: JsonValue = prompt.system
        if prompt.system and is_chat(value := json_or(request.prompt, None)):
            # From a chat in JSON, the system message is sent unchanged.
            system = next(mapping(item).get("content") for item in value if mapping(item).get("role") == "system")
        return {**body, **({"system": system} if prompt.system and not alone else {})}

    def answer(self, data: JsonValue, config: Mapping[str, JsonValue], latency_ms: float) -> Answer:
        """See `Dialect.answer`."""
        output = claude_output(data, show_thinking=config.get("showThinking") is not False)
        tokens, written = claude_usage(data)
        reply = mapping(data)
        acted = reply.get("amazon-bedrock-guardrailAction")
        return Answer(
            output,
            latency_ms=latency_ms,
            cost=cost_of("bedrock", _listed_name(self.model), tokens, config, written=written),
            tokens=tokens,
            finish_reason=finish_reason(reply.get("stop_reason")),
            guardrails={"flagged": acted == "INTERVENED"} if acted else None,
            raw=data,
        )


def _listed_name(model: str) -> str:
    """Return the longest name in the price table that is part of this model's name, else the model's name."""
    plain = _RATES_LIKE.sub("", model.lower(), count=1)
    known = [name for name in price_list().vendors.get("bedrock", {}) if name.lower() in plain]
    return max(known, key=len) if known else model


def _converse_messages(prompt: str) -> tuple[list[JsonValue], list[JsonValue]]:
    """Return system blocks and messages, of chat messages or of text with lines `system:`, `user:`, `assistant:`."""
    value = chat_messages(prompt) if prompt.lstrip().startswith("- role:") else json_or(prompt, None)
    if not is_chat(value):
        return _of_lines(prompt)
    system: list[JsonValue] = []
    messages: list[JsonValue] = []
    for message in map(mapping, value):
        content = message.get("content")
        if message.get("role") == "system":
            system.append({"text": content if isinstance(content, str) else to_json(content)})
        elif message.get("role") in ("user", "assistant"):
            text = content if isinstance(content, str) else to_json(content)
            parts = content if isinstance(content, list) else [text]
            found: list[JsonValue] = [block for part in parts if (block := _block(part)) is not None]
            messages.append({"role": message["role"], "content": found})
    return system, messages


def _of_lines(prompt: str) -> tuple[list[JsonValue], list[JsonValue]]:
    system: list[JsonValue] = []
    turns: list[tuple[str, list[str]]] = []
    open_turn = False
    for line in prompt.split("\n"):
        role, _, rest = line.strip().partition(":")
        role = role.lower()
        if role == "system" and ":" in line:
            system, open_turn = [{"text": rest.strip()}], False
        elif role in ("user", "assistant") and ":" in line:
            turns.append((role, [rest.strip()] if rest.strip() else []))
            open_turn = True
        elif open_turn:
            turns[-1][1].append(line)
        else:
            turns.append(("user", [line]))
            open_turn = True
    messages: list[JsonValue] = [
        {"role": role, "content": [{"text": "\n".join(lines)}]} for role, lines in turns if lines
    ]
    return system, messages or [{"role": "user", "content": [{"text": prompt}]}]


def _block(part: JsonValue) -> JsonValue:
    """Return a content block in Converse's form; None for an image or document without its bytes."""
    if isinstance(part, str):
        return {"text": part}
    block = mapping(part)
    kind = block.get("type")
    if kind == "text":
        return {"text": block.get("text")}
    if kind == "image_url" or block.get("image_url"):
        url = mapping(block.get("image_url")).get("url") or block.get("url")
        return _media("image", {"source": {"bytes": url}})
    if kind in ("image", "document") or block.get("image") or block.get("document"):
        name = "document" if kind == "document" or block.get("document") else "image"
        return _media(name, mapping(block.get(name)) or block)
    if kind == "tool_use" or block.get("toolUse"):
        use = mapping(block.get("toolUse")) or block
        found = {"toolUseId": first(use.get("toolUseId"), use.get("id")), **given(use, "name", "input")}
        return {"toolUse": found}
    if kind == "tool_result" or block.get("toolResult"):
        result = mapping(block.get("toolResult")) or block
        content = result.get("content")
        parts: list[JsonValue] = content if isinstance(content, list) else [str(content)]
        blocks: list[JsonValue] = [{"text": item} if isinstance(item, str) else item for item in parts]
        identity = result.get("toolUseId") or result.get("tool_use_id")
        return {"toolResult": {**given(result, "status"), "toolUseId": identity, "content": blocks}}
    return {"text": to_json(part)}


def _media(name: str, data: Mapping[str, JsonValue]) -> JsonValue:
    source = mapping(data.get("source"))
    text = source.get("bytes") or source.get("data")
    kind = data.get("format") or str(source.get("media_type") or "").rpartition("/")[2]
    kind = kind or ("png" if name == "image" else "txt")
    if not isinstance(text, str):
        return None
    if found := _DATA_URL.fullmatch(text):
        kind, text = (found[1] if name == "image" else kind), found[2]
    elif text.startswith(("http://", "https://")):
        return None
    # Decoded and encoded again, because the API refuses base64 with line breaks, which suites have.
    plain = base64.b64encode(base64.b64decode(text)).decode()
    named = {"name": data.get("name") or "document"} if name == "document" else {}
    return {name: {"format": "jpeg" if kind == "jpg" else kind, **named, "source": {"bytes": plain}}}


def _tool_config(config: Mapping[str, JsonValue], model: str) -> JsonValue:
    choice = first(config.get("tool_choice"), config.get("toolChoice"))
    if choice == "none":
        return None
    if config.get("toolConfig") and not config.get("tools"):
        return config["toolConfig"]
    tools = [_tool(tool) for tool in items(config.get("tools"))]
    if is_openai_tools(config.get("tools")):
        tools = [_spec(function, function.get("parameters")) for function in tool_functions(config["tools"])]
    if not tools:
        return None
    chosen = _choice(choice) if choice else None
    if always_thinks(model) and chosen and ("any" in chosen or "tool" in chosen):
        chosen = None
    return {"tools": tools, **({"toolChoice": chosen} if chosen else {})}


def _tool(tool: JsonValue) -> JsonValue:
    fields = mapping(tool)
    if fields.get("toolSpec"):
        return {"toolSpec": fields["toolSpec"]}
    if fields.get("type") == "function" and fields.get("function"):
        return _spec(mapping(fields["function"]), mapping(fields["function"]).get("parameters"))
    return _spec(fields, first(fields.get("input_schema"), fields.get("parameters")))


def _spec(function: Mapping[str, JsonValue], schema: JsonValue) -> JsonValue:
    shape = schema or {"type": "object", "properties": {}}
    described = {"description": function["description"]} if function.get("description") else {}
    return {"toolSpec": {"name": function.get("name"), **described, "inputSchema": {"json": shape}}}


def _choice(choice: JsonValue) -> dict[str, JsonValue]:
    chosen = chosen_tool(choice)
    if chosen is not None and chosen.startswith("tool:"):
        return {"tool": {"name": chosen.removeprefix("tool:")}}
    if chosen == "required" or choice == "any":
        return {"any": {}}
    name = mapping(mapping(choice).get("tool")).get("name")
    return {"tool": {"name": name}} if isinstance(name, str) else {"auto": {}}


def _block_texts(block: Mapping[str, JsonValue], show_thinking: bool) -> list[str]:
    if block.get("text"):
        return [str(block["text"])]
    if use := mapping(block.get("toolUse")):
        shown = {"type": "tool_use", "id": use.get("toolUseId"), "name": use.get("name"), "input": use.get("input")}
        return [to_json(shown)]
    reasoning = mapping(block.get("reasoningContent"))
    if not reasoning or not show_thinking:
        return []
    if reasoning.get("redactedContent"):
        return ["<thinking>[Redacted]</thinking>"]
    thought = mapping(reasoning.get("reasoningText"))
    text = str(thought.get("text") or "")
    signed = [f"Signature: {thought['signature']}"] if thought.get("signature") else []
    return [f"<thinking>\n{text}\n</thinking>", *signed] if text.strip() else []


def _tokens(reply: Mapping[str, JsonValue]) -> tuple[TokenUsage, int]:
    usage = mapping(reply.get("usage"))
    read, written = count(usage.get("cacheReadInputTokens")), count(usage.get("cacheWriteInputTokens"))
    prompt, completion = count(usage.get("inputTokens")) + read + written, count(usage.get("outputTokens"))
    return TokenUsage(prompt + completion, prompt, completion, read, 1), written


def _metadata(reply: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    found = given(reply, "stopReason", "performanceConfig", "serviceTier", "additionalModelResponseFields", "trace")
    latency = mapping(reply.get("metrics")).get("latencyMs")
    return {**found, "latencyMs": latency} if latency else found


class SignedDoor:
    """An endpoint whose requests are signed with AWS credentials, which botocore finds at the first call.

    Args:
        spec: for messages, and for credentials in its config.
        context: the environment.
        url: the URL of calls.
        headers: of every call.
        region: of the endpoint.
    """

    def __init__(
        self, spec: ProviderSpec, context: ProviderContext, url: str, headers: Mapping[str, str], region: str
    ) -> None:
        self.url = url
        self._spec = spec
        self._context = context
        self._headers = headers
        self._region = region
        self._credentials: Any = None

    async def call(self, body: JsonValue, headers: Mapping[str, str]) -> HttpCall:
        """See `Door.call`."""
        if self._credentials is None:
            self._credentials = await asyncio.to_thread(self._found)
        plain = Endpoint(self.url, self._headers, ()).call(body, headers)
        # Credentials of a role expire; botocore renews them when it freezes them, which may call a server.
        frozen = await asyncio.to_thread(self._credentials.get_frozen_credentials)
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        request = AWSRequest("POST", self.url, headers=dict(plain.headers), data=plain.body)
        SigV4Auth(frozen, "bedrock", self._region).add_auth(request)
        secrets = tuple(part for part in (frozen.secret_key, frozen.access_key, frozen.token) if part)
        return HttpCall("POST", self.url, dict(request.headers.items()), plain.body, secrets, _HINTS)

    def _found(self) -> Any:
        try:
            from botocore.credentials import Credentials
            from botocore.exceptions import BotoCoreError
            from botocore.session import Session
        except ImportError as exc:
            raise _needs_botocore(self._spec) from exc
        own = [text_of(self._spec, name, self._context) for name in ("accessKeyId", "secretAccessKey", "sessionToken")]
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        known = own if own[0] and own[1] else [self._context.env.get(name) for name in names]
        if known[0] and known[1]:
            return Credentials(*known)
        try:
            session = Session(
                profile=text_of(self._spec, "profile", self._context) or self._context.env.get("AWS_PROFILE")
            )
            found = session.get_credentials()
        except BotoCoreError as exc:
            raise EnvironmentFault(f"provider {self._spec.id!r}: AWS credentials: {exc}") from exc
        if found is None:
            place = place_of(self._spec)
            raise MissingKeyFault(
                f"{f'{place}: ' if place else ''}provider {self._spec.id!r} has no AWS credentials",
                hint="set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or `profile`",
            )
        return found

    async def close(self) -> None:
        """See `Door.close`."""


_HINTS = {
    401: "AWS does not know these credentials",
    403: "AWS does not know these credentials, or they may not use this model: enable it in the Bedrock console",
    404: "check the model's name and the region",
}


def _needs_botocore(spec: ProviderSpec) -> EnvironmentFault:
    place = place_of(spec)
    return EnvironmentFault(
        f"{f'{place}: ' if place else ''}provider {spec.id!r} needs botocore to sign its requests",
        hint=f"type: {install_command('bedrock')}; or set AWS_BEARER_TOKEN_BEDROCK",
    )


def open_provider(spec: ProviderSpec, context: ProviderContext) -> HostedModel | HostedEmbedder:
    """Return the model that the id names.

    Raises:
        InputError: another kind of model, or a wrong config.
        EnvironmentFault: botocore is not installed, and there is no Bedrock API key.
    """
    kind, model = _kind_and_model(spec)
    config = read_config(spec, context, _KEYS, REFUSED)
    client = client_of(spec, context)
    family = config.get("inferenceModelType")
    is_claude = "anthropic.claude" in model or (model.startswith("arn:") and family == "claude")
    action = "invoke" if kind == "embedding" or (kind == "completion" and is_claude) else "converse"
    door = _door(spec, context, f"model/{quote(model, safe='')}/{action}")
    if kind == "embedding":
        field = "texts" if "cohere.embed" in model else "inputText"
        return HostedEmbedder(
            spec,
            "Bedrock's InvokeModel",
            lambda text: {field: [text] if field == "texts" else text},
            _vector,
            door,
            client,
        )
    dialect: Dialect = (
        InvokedClaude(context, model) if action == "invoke" else Converse(context, model, kind == "completion")
    )
    return HostedModel(spec, dialect, door, config, context, client)


def _door(spec: ProviderSpec, context: ProviderContext, path: str) -> Door:
    region = text_of(spec, "region", context) or context.env.get("AWS_BEDROCK_REGION") or _REGION
    base = text_of(spec, "endpoint", context) or context.env.get("AWS_ENDPOINT_URL_BEDROCK_RUNTIME")
    url = f"{(base or f'https://bedrock-runtime.{region}.amazonaws.com').rstrip('/')}/{path}"
    headers = {"Content-Type": "application/json", "Accept": "application/json", **rendered_headers(spec, context)}
    key = find_key(spec, context, ("AWS_BEARER_TOKEN_BEDROCK",))
    if key.value and not spec.config.get("accessKeyId"):
        bearer = {**headers, "Authorization": f"Bearer {key.value}"}
        return OpenDoor(Endpoint(url, bearer, (key.value,), key_hints(key)))
    try:
        import botocore  # noqa: F401
    except ImportError as exc:
        raise _needs_botocore(spec) from exc
    return SignedDoor(spec, context, url, headers, region)


def _vector(data: JsonValue) -> Embedding:
    reply = mapping(data)
    vector = items(reply.get("embedding")) or items(reply.get("embeddings"))
    if vector and isinstance(vector[0], list):
        vector = vector[0]
    if not vector:
        raise MalformedReply("it has no embedding")
    numbers = tuple(float(part) for part in vector if isinstance(part, int | float))
    return Embedding(numbers, count(reply.get("inputTextTokenCount")))


def _kind_and_model(spec: ProviderSpec) -> tuple[str, str]:
    _, _, rest = spec.id.partition(":")
    kind, _, model = rest.partition(":")
    if kind in _OTHER_KINDS or "nova-sonic" in rest or "nova-reel" in rest or "luma.ray" in rest:
        message = f"provider {spec.id!r}: only text and vectors are supported"
        raise InputError(Problem(message, place_of(spec), "use bedrock:MODEL or bedrock:converse:MODEL"))
    kind = "embedding" if kind == "embeddings" else kind
    if kind not in ("converse", "completion", "embedding"):
        kind, model = "completion", rest
    if not model:
        expected = "expected bedrock:MODEL, bedrock:converse:MODEL or bedrock:embeddings:MODEL"
        raise InputError(Problem(f"provider {spec.id!r}: {expected}", place_of(spec)))
    return kind, model
