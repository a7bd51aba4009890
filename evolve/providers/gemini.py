"""Gemini's generateContent, which Google AI Studio and Vertex share: prompts, tools and replies as pure functions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from evolve.core.formats.json_text import json_or
from evolve.core.javascript.values import to_json
from evolve.core.model.answers import Answer, Request, TokenUsage
from evolve.core.model.json_value import JsonValue
from evolve.providers.chat_messages import chat_messages
from evolve.providers.prices import cost_of
from evolve.providers.replies import MalformedReply, count, finish_reason, given, items, mapping
from evolve.providers.tools import chosen_tool, is_openai_tools, tool_functions

KEYS = frozenset(
    {
        "temperature", "maxOutputTokens", "topP", "topK", "stopSequences", "generationConfig", "safetySettings",
        "systemInstruction", "responseSchema", "tools", "tool_choice", "toolConfig", "tool_config", "useAssistantRole",
        "service_tier", "passthrough", "apiVersion", "context", "examples", "modelArmor", "streaming",
    }
)  # fmt: skip
_SAMPLING = ("temperature", "topP", "topK", "stopSequences", "maxOutputTokens")
_BLOCKED = frozenset({"SAFETY", "RECITATION", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "IMAGE_SAFETY"})
"""Finish reasons that mean a filter stopped the answer."""
_NO_SCHEMA = frozenset({"additionalProperties", "$schema", "default", "$id", "$ref"})
"""Keywords of JSON Schema that the API refuses in the parameters of a function."""
_IMAGES = {
    "/9j/": "image/jpeg", "iVBORw0KGgo": "image/png", "R0lGODlh": "image/gif", "R0lGODdh": "image/gif",
    "UklGR": "image/webp", "Qk0": "image/bmp", "Qk1": "image/bmp", "SUkq": "image/tiff", "TU0A": "image/tiff",
    "AAABAA": "image/x-icon",
}  # fmt: skip
"""The first characters of images in base64."""
_DATA_URL = re.compile(r"data:([^;,]+);base64,(.*)", re.DOTALL)
_SHORTEST_IMAGE = 20
"""Shorter values are words that happen to begin like an image, such as `Qk0`."""


@dataclass(frozen=True, slots=True)
class GenerateContent:
    """The dialect of one model."""

    model: str
    is_vertex: bool = False

    name = "generateContent"
    reading = ()

    def headers(self, _: Mapping[str, JsonValue]) -> Mapping[str, str]:
        """See `Dialect.headers`."""
        return {}

    def body(self, request: Request, config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """See `Dialect.body`."""
        assistant = "assistant" if config.get("useAssistantRole") else "model"
        contents, system = _contents(request.prompt, assistant)
        system = [*_instruction(config.get("systemInstruction")), *system]
        images = _images_of(request.vars)
        body: dict[str, JsonValue] = {
            "contents": [_with_images(content, images) for content in contents],
            "generationConfig": self._generation(config),
        }
        if safety := items(config.get("safetySettings")):
            body["safetySettings"] = [_safety(mapping(item)) for item in safety]
        body |= _tooling(config)
        if system:
            body["systemInstruction" if self.is_vertex else "system_instruction"] = {"parts": system}
        passed = dict(mapping(config.get("passthrough")))
        tier = passed.pop("service_tier", None) or config.get("service_tier")
        more = passed.pop("tools", None)
        body |= {**({"serviceTier": tier} if tier else {}), **passed}
        if more is not None:
            body["tools"] = [*items(body.get("tools")), *(more if isinstance(more, list) else [more])]
        return body | (_armor(mapping(config.get("modelArmor"))) if self.is_vertex else {})

    def _generation(self, config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        own = given(config, *_SAMPLING, *(("context", "examples") if self.is_vertex else ()))
        own |= mapping(config.get("generationConfig"))
        if schema := config.get("responseSchema"):
            own["response_schema"] = json_or(schema, schema) if isinstance(schema, str) else schema
            own["response_mime_type"] = "application/json"
        return own

    def answer(self, data: JsonValue, config: Mapping[str, JsonValue], latency_ms: float) -> Answer:
        """See `Dialect.answer`: one object, or those of a stream."""
        chunks = [mapping(chunk) for chunk in (data if isinstance(data, list) else [data])]
        output: JsonValue = None
        candidate: Mapping[str, JsonValue] = {}
        for chunk in chunks:
            if not items(chunk.get("candidates")):
                if blocked := _why_none(chunk):
                    return self._refused(blocked, chunk, latency_ms, data)
                continue
            candidate = mapping(items(chunk["candidates"])[0])
            reason = candidate.get("finishReason")
            if reason in _BLOCKED:
                return self._refused(_why_blocked(candidate), chunk, latency_ms, data)
            parts = items(mapping(candidate.get("content")).get("parts"))
            output = _joined(output, _output(parts)) if parts else output
        if output is None:
            if not candidate:
                raise MalformedReply("it has no candidates")
            return Answer(None, f"No output found in response: {to_json(dict(candidate))}", latency_ms, raw=data)
        tokens, billed = _usage(chunks[-1])
        vendor = "vertex" if self.is_vertex and _has_own_price(self.model) else "google"
        return Answer(
            output,
            latency_ms=latency_ms,
            cost=cost_of(vendor, self.model, billed, config),
            tokens=tokens,
            finish_reason=_reason(candidate.get("finishReason"), output),
            guardrails=_guardrails(chunks, candidate),
            metadata=_grounding(chunks),
            raw=data,
        )

    def _refused(self, why: str, chunk: Mapping[str, JsonValue], latency_ms: float, data: JsonValue) -> Answer:
        guardrails: dict[str, JsonValue] = {"flagged": True, "reason": why}
        reason = "content_filter"
        if self.is_vertex and mapping(chunk.get("promptFeedback")).get("blockReason"):
            # The message of Vertex' prompt filter is the answer, as in promptfoo.
            guardrails |= {"flaggedInput": True, "flaggedOutput": False}
            tokens, _ = _usage(chunk)
            return Answer(
                why, latency_ms=latency_ms, tokens=tokens, finish_reason=reason, guardrails=guardrails, raw=data
            )
        return Answer(None, why, latency_ms, finish_reason=reason, guardrails=guardrails, raw=data)


def _has_own_price(model: str) -> bool:
    from evolve.providers.prices import price_list

    return model in price_list().vendors.get("vertex", {})


def _contents(prompt: str, assistant: str) -> tuple[list[JsonValue], list[JsonValue]]:
    """Return the contents and the parts of the system message, from Gemini's own form, chat messages or text."""
    value = json_or(prompt, None)
    if isinstance(value, dict) and ("contents" in value or "system_instruction" in value):
        return items(value.get("contents")), items(mapping(value.get("system_instruction")).get("parts"))
    if isinstance(value, dict) and "parts" in value:
        return [value], []
    if isinstance(value, list) and value and all("parts" in mapping(item) for item in value):
        return _split([mapping(item) for item in value])
    messages = chat_messages(prompt)
    if messages == [{"role": "user", "content": prompt}]:
        return [{"parts": [{"text": prompt}], "role": "user"}], []
    return _split([_content(mapping(message), assistant) for message in messages])


def _content(message: Mapping[str, JsonValue], assistant: str) -> Mapping[str, JsonValue]:
    role, content = message.get("role"), message.get("content")
    parts: list[JsonValue] = [_part(part) for part in content] if isinstance(content, list) else [_part(content)]
    return {"role": assistant if role == "assistant" else role, "parts": parts}


def _part(part: JsonValue) -> JsonValue:
    if isinstance(part, str):
        return {"text": part}
    return {"text": mapping(part).get("text")} if mapping(part).get("type") == "text" else part


def _split(contents: list[Mapping[str, JsonValue]]) -> tuple[list[JsonValue], list[JsonValue]]:
    system = [
        part
        for content in contents
        if content.get("role") == "system"
        for part in items(content.get("parts"))
        if isinstance(mapping(part).get("text"), str)
    ]
    others: list[JsonValue] = [dict(content) for content in contents if content.get("role") != "system"]
    # The API refuses a request without contents: a system message alone is sent as the user's.
    return (others, system) if others or not system else ([{"role": "user", "parts": system}], [])


def _instruction(value: JsonValue) -> list[JsonValue]:
    if isinstance(value, str) and value:
        return [{"text": value}]
    return items(mapping(value).get("parts"))


def _safety(setting: Mapping[str, JsonValue]) -> JsonValue:
    threshold = setting.get("threshold") or setting.get("probability") or ""
    return {"category": setting.get("category"), "threshold": threshold}


def _tooling(config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    tools = _tools(config.get("tools"))
    wanted = _tool_config(config)
    if mapping(mapping(wanted).get("functionCallingConfig")).get("mode") == "NONE":
        tools = [kept for tool in tools if (kept := _without_functions(mapping(tool)))]
    return {**({"toolConfig": wanted} if wanted else {}), **({"tools": tools} if tools else {})}


def _tools(tools: JsonValue) -> list[JsonValue]:
    if is_openai_tools(tools):
        return [{"functionDeclarations": [_declaration(function) for function in tool_functions(tools)]}]
    listed = tools if isinstance(tools, list) else [tools] if isinstance(tools, dict) else []
    return [_native_tool(mapping(tool)) for tool in listed]


def _declaration(function: Mapping[str, JsonValue]) -> JsonValue:
    described = given(function, "name", "description")
    parameters = function.get("parameters")
    return {**described, **({"parameters": _schema(parameters)} if parameters else {})}


def _native_tool(tool: Mapping[str, JsonValue]) -> JsonValue:
    spelled = {"google_search": "googleSearch", "code_execution": "codeExecution"}
    spelled["google_search_retrieval"] = "googleSearchRetrieval"
    found = dict(tool)
    for old, new in spelled.items():
        if found.get(old) and not found.get(new):
            found[new] = found[old]
    if declarations := items(found.get("functionDeclarations")):
        found["functionDeclarations"] = [
            {
                **mapping(item),
                **({"parameters": _schema(mapping(item)["parameters"])} if mapping(item).get("parameters") else {}),
            }
            for item in declarations
        ]
    return found


def _schema(schema: JsonValue) -> JsonValue:
    """Return a JSON Schema in Gemini's form: types in capitals, without the keywords that it refuses."""
    if not isinstance(schema, dict):
        return schema
    found: dict[str, JsonValue] = {}
    for key, value in schema.items():
        if key in _NO_SCHEMA:
            continue
        if key == "type" and isinstance(value, str):
            found[key] = value.upper()
        elif key == "properties" and isinstance(value, dict):
            found[key] = {name: _schema(inner) for name, inner in value.items()}
        else:
            found[key] = _schema(value) if key == "items" else value
    return found


def _tool_config(config: Mapping[str, JsonValue]) -> JsonValue:
    calling = mapping(mapping(config.get("toolConfig")).get("functionCallingConfig"))
    old = mapping(mapping(config.get("tool_config")).get("function_calling_config"))
    if old and not calling:
        calling = {"mode": old.get("mode"), "allowedFunctionNames": old.get("allowed_function_names")}
    if calling:
        mode = calling.get("mode")
        found = {**calling, "mode": mode.upper() if isinstance(mode, str) else None}
        return {"functionCallingConfig": {key: value for key, value in found.items() if value}}
    chosen = chosen_tool(config.get("tool_choice"))
    if chosen is None:
        return config.get("tool_choice") if isinstance(config.get("tool_choice"), dict) else None
    modes = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
    if chosen in modes:
        return {"functionCallingConfig": {"mode": modes[chosen]}}
    return {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [chosen.removeprefix("tool:")]}}


def _without_functions(tool: Mapping[str, JsonValue]) -> JsonValue:
    kept = {key: value for key, value in tool.items() if key not in ("functionDeclarations", "function_declarations")}
    return kept or None


def _armor(armor: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    names = {"promptTemplate": "prompt_template_name", "responseTemplate": "response_template_name"}
    found = {new: armor[old] for old, new in names.items() if armor.get(old)}
    return {"model_armor_config": found} if found else {}


def _images_of(variables: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return the images among the vars, by their text in the prompt."""
    found: dict[str, JsonValue] = {}
    for value in variables.values():
        if not isinstance(value, str) or len(value) < _SHORTEST_IMAGE:
            continue
        url = _DATA_URL.fullmatch(value)
        data = url[2] if url else value
        kind = next((name for start, name in _IMAGES.items() if data.startswith(start)), None)
        if kind:
            found[value] = {"inlineData": {"mimeType": url[1] if url else kind, "data": data}}
    return found


def _with_images(content: JsonValue, images: Mapping[str, JsonValue]) -> JsonValue:
    """Return the content; lines that are an image's data become image parts."""
    if not images:
        return content
    parts: list[JsonValue] = []
    for part in items(mapping(content).get("parts")):
        text = mapping(part).get("text")
        parts += _image_parts(text, images) if isinstance(text, str) else [part]
    return {**mapping(content), "parts": parts}


def _image_parts(text: str, images: Mapping[str, JsonValue]) -> list[JsonValue]:
    if not any(line.strip() in images for line in text.split("\n")):
        return [{"text": text}]
    parts: list[JsonValue] = []
    block: list[str] = []
    for line in text.split("\n"):
        if line.strip() not in images:
            block.append(line)
            continue
        if joined := "\n".join(block):
            parts.append({"text": joined})
        block = []
        parts.append(images[line.strip()])
    joined = "\n".join(block)
    return [*parts, {"text": joined}] if joined else parts


def _output(parts: list[JsonValue]) -> JsonValue:
    """Return the joined text if all parts are text, else the parts."""
    if all("text" in mapping(part) for part in parts):
        return "".join(str(mapping(part).get("text") or "") for part in parts)
    return parts


def _joined(before: JsonValue, output: JsonValue) -> JsonValue:
    if before is None:
        return output
    if isinstance(before, str) and isinstance(output, str):
        return before + output
    both: list[list[JsonValue]] = [part if isinstance(part, list) else [{"text": part}] for part in (before, output)]
    return [item for part in both for item in part]


def _why_none(chunk: Mapping[str, JsonValue]) -> str | None:
    """Return why a reply has no candidates; None for a part of a stream that only counts tokens."""
    feedback = mapping(chunk.get("promptFeedback"))
    reason = feedback.get("blockReason")
    if reason:
        return str(feedback.get("blockReasonMessage") or f"Response blocked: {reason}{_flagged(feedback)}")
    if chunk.get("usageMetadata") or feedback:
        return None
    raise MalformedReply("it has no candidates")


def _why_blocked(candidate: Mapping[str, JsonValue]) -> str:
    return f"Response was blocked with finish reason: {candidate.get('finishReason')}{_flagged(candidate)}"


def _flagged(rated: Mapping[str, JsonValue]) -> str:
    ratings = [mapping(rating) for rating in items(rated.get("safetyRatings"))]
    bad = [f"{r.get('category')}: {r.get('probability')}" for r in ratings if r.get("probability") != "NEGLIGIBLE"]
    return f" (Safety ratings: {', '.join(bad)})" if bad else ""


def _usage(chunk: Mapping[str, JsonValue]) -> tuple[TokenUsage, TokenUsage]:
    """Return the tokens as promptfoo counts them, and as they are billed: thinking counts as output."""
    usage = mapping(chunk.get("usageMetadata"))
    prompt = count(usage.get("promptTokenCount")) + count(usage.get("toolUsePromptTokenCount"))
    completion, thoughts = count(usage.get("candidatesTokenCount")), count(usage.get("thoughtsTokenCount"))
    cached = min(count(usage.get("cachedContentTokenCount")), prompt)
    total = count(usage.get("totalTokenCount")) or prompt + completion + thoughts
    return TokenUsage(total, prompt, completion, cached, 1), TokenUsage(total, prompt, completion + thoughts, cached, 1)


def _reason(value: JsonValue, output: JsonValue) -> str | None:
    calls = isinstance(output, list) and any("functionCall" in mapping(part) for part in output)
    return "tool_calls" if calls and value == "STOP" else finish_reason(value)


def _guardrails(
    chunks: list[Mapping[str, JsonValue]], candidate: Mapping[str, JsonValue]
) -> Mapping[str, JsonValue] | None:
    feedback = [mapping(chunk.get("promptFeedback")).get("safetyRatings") for chunk in chunks]
    asked = next((items(rated) for rated in reversed(feedback) if rated), None)
    ratings = candidate.get("safetyRatings")
    if asked is None and not ratings:
        return None
    flagged_input = any(mapping(rating).get("probability") != "NEGLIGIBLE" for rating in asked or ())
    flagged_output = any(mapping(rating).get("probability") != "NEGLIGIBLE" for rating in items(ratings))
    return {
        "flaggedInput": flagged_input,
        "flaggedOutput": flagged_output,
        "flagged": flagged_input or flagged_output,
    }


def _grounding(chunks: list[Mapping[str, JsonValue]]) -> dict[str, JsonValue]:
    candidates = [mapping(item) for chunk in chunks for item in items(chunk.get("candidates"))[:1]]
    found: dict[str, JsonValue] = {}
    for name in ("groundingChunks", "groundingSupports", "webSearchQueries"):
        if flat := [item for candidate in candidates for item in items(candidate.get(name))]:
            found[name] = flat
    metas = [candidate["groundingMetadata"] for candidate in candidates if candidate.get("groundingMetadata")]
    return {**found, "groundingMetadata": metas[-1]} if metas else found
