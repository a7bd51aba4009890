"""Requests and errors of OpenAI's API, as the gateway checks them: what it does not know, it passes on.

The classes are the source of the OpenAPI document, too.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from evolve.core.model.json_value import JsonValue
from pipecatapp.wire.json_spans import NotAnObject, Span, replace_value, spans_of

_SHOWN_PROBLEMS: Final = 3
"""Problems of a request in one message; the rest are counted."""


class ApiError(Exception):
    """An answer that is an error, in OpenAI's shape."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        type: str = "invalid_request_error",  # noqa: A002  # the API's own word
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Describe an error.

        Args:
            status: of HTTP.
            message: for people; never any part of a prompt.
            code: for programs.
            type: the kind, as OpenAI names it.
            param: the key of the request that is wrong.
            headers: that the answer carries.
        """
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.type = type
        self.param = param
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        """Return the answer's JSON."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return json.dumps({"error": error}).encode()


class ErrorDetail(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(BaseModel):
    """The body of every error."""

    error: ErrorDetail


def _whole(value: Any) -> Any:
    """In JSON 1.0 and 1 are one number, so 1.0 is a whole one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# The bounds come first: only there pydantic shows them in the JSON Schema.
Whole = Annotated[int, BeforeValidator(_whole)]
FromMinusOne = Annotated[int, Field(ge=-1), BeforeValidator(_whole)]
FromZero = Annotated[int, Field(ge=0), BeforeValidator(_whole)]
FromOne = Annotated[int, Field(ge=1), BeforeValidator(_whole)]


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class ContentPart(_Open):
    """One part of a message: text, an image, audio, a file."""

    type: str


class FunctionCall(_Open):
    """The function that a model calls."""

    name: str
    arguments: str


class ChatToolCall(_Open):
    """One call of a tool by the model."""

    id: str | None = None
    type: str | None = None
    function: FunctionCall | None = None


class Message(_Open):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None
    name: str | None = None
    tool_calls: list[ChatToolCall] | None = None
    tool_call_id: str | None = None


class FunctionTool(_Open):
    """A function that the model may call, with the JSON Schema of its arguments."""

    name: Annotated[str, Field(min_length=1)]
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Tool(_Open):
    """A tool that the model may call."""

    type: Literal["function"]
    function: FunctionTool


class StreamOptions(_Open):
    """What a stream carries besides the answer."""

    include_usage: bool | None = None


class ResponseFormat(_Open):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: dict[str, Any] | None = None
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None


class ModelRequest(_Open):
    """What all requests have."""

    model: Annotated[str, Field(min_length=1, max_length=256)]
    user: str | None = None


class GeneratingRequest(ModelRequest):
    """What requests for a text have."""

    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: FromMinusOne | None = None
    temperature: Annotated[float, Field(ge=0, le=100)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: Whole | None = None
    stop: str | list[str] | None = None


class ChatRequest(GeneratingRequest):
    """The body of `POST /v1/chat/completions`."""

    messages: Annotated[list[Message], Field(min_length=1)]
    tools: list[Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    top_logprobs: FromZero | None = None
    n: FromOne | None = None


class CompletionRequest(GeneratingRequest):
    """The body of `POST /v1/completions`."""

    prompt: str | list[str] | list[Whole] | list[list[Whole]]
    logprobs: Whole | None = None
    n: FromOne | None = None


class EmbeddingRequest(ModelRequest):
    """The body of `POST /v1/embeddings`."""

    input: str | list[str] | list[Whole] | list[list[Whole]]
    encoding_format: Literal["float", "base64"] | None = None


class ModelCard(_Open):
    """One entry of the list of models."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    ready: bool
    """Whether an instance passes its checks now."""
    served_model: str | None = None
    """The model file that it serves, where it is known."""


class ModelList(BaseModel):
    """The body of `GET /v1/models`."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


class Generated(_Open):
    """The answer of the expert, as it sent it, but for `model`."""

    id: str | None = None
    object: str | None = None
    model: str


class ParsedRequest(NamedTuple):
    """A request that was checked, with the text that it came in."""

    text: str
    spans: tuple[Span, ...]
    value: Mapping[str, JsonValue]

    @property
    def model(self) -> str:
        """The model that it asks for."""
        return str(self.value["model"])

    @property
    def is_stream(self) -> bool:
        """Whether the answer is to be a stream."""
        return self.value.get("stream") is True

    @property
    def wants_usage(self) -> bool:
        """Whether a stream is to carry the count of tokens."""
        options = self.value.get("stream_options")
        return isinstance(options, dict) and options.get("include_usage") is True

    def bytes_for(self, model: str) -> bytes:
        """Return the body for an expert: the client's bytes, with another `model`."""
        return replace_value(self.text, self.spans, "model", model).encode()


def parse_request(body: bytes, schema: type[ModelRequest]) -> ParsedRequest:
    """Return a request that fits its schema.

    Raises:
        ApiError: 400, with all problems of the first few; never with the values of the request.
    """
    try:
        text = body.decode()
        spans = spans_of(text)
    except UnicodeDecodeError as exc:
        raise ApiError(400, f"the body is not UTF-8 at byte {exc.start}", code="invalid_json") from None
    except NotAnObject as exc:
        raise ApiError(400, f"the body must be one JSON object: {exc}", code="invalid_json") from None
    value = {span.key: span.value for span in spans}
    if len(value) < len(spans):
        twice = next(span.key for index, span in enumerate(spans) if span.key in [one.key for one in spans[:index]])
        name = twice if twice in schema.model_fields else "a key"
        raise ApiError(400, f"{name} occurs twice in the body", code="invalid_json", param=twice[:64])
    try:
        schema.model_validate(value)
    except ValidationError as exc:
        raise _of_validation(exc) from None
    return ParsedRequest(text, spans, value)


def _of_validation(exc: ValidationError) -> ApiError:
    # Each branch of a union reports on its own; what a reader can use is the first for each place.
    found = {param_of(error["loc"]): str(error["msg"]) for error in reversed(exc.errors(include_input=False))}
    shown = [f"{param}: {message}" for param, message in reversed(found.items())]
    more = f" (and {len(shown) - _SHOWN_PROBLEMS} more)" if len(shown) > _SHOWN_PROBLEMS else ""
    param = param_of(exc.errors(include_input=False)[0]["loc"])
    return ApiError(400, "; ".join(shown[:_SHOWN_PROBLEMS]) + more, code="invalid_value", param=param)


def param_of(place: Sequence[str | int]) -> str:
    """Return a place of a request as OpenAI writes it: `messages[0].role`."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.isidentifier():
            text += f".{part}" if text else part
    return text
