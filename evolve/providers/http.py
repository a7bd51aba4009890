"""Any HTTP service as a provider: `http` or `https` with `config.url`, or the URL itself as the id.

config: url, method, headers, body, queryParams, or a whole `request` as text; transformRequest, transformResponse and
validateStatus as JavaScript or files; auth. Strings are templates with the test's vars and `prompt`.
Without validateStatus, a status other than 2xx is a fault of the environment (promptfoo takes its body as the answer).
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlencode, urlsplit

from evolve.core.formats.json_text import json_or
from evolve.core.model.answers import Answer, Request, TokenUsage
from evolve.core.model.errors import CannotEvaluate, InputError, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import ProviderSpec
from evolve.core.text.secret_names import is_secret_name
from evolve.providers.answer_fields import answer_from, is_response
from evolve.providers.config import check_keys, has_templates, load_references, number_of, place_of, text_of, texts_of
from evolve.providers.context import ProviderContext
from evolve.providers.http_code import Code
from evolve.providers.http_raw import parse_raw_request
from evolve.system.http_client import HttpCall, HttpClient, HttpReply, check_status
from evolve.system.retry import Transient

_KEYS = frozenset(
    {
        "url",
        "method",
        "headers",
        "body",
        "queryParams",
        "request",
        "useHttps",
        "transformRequest",
        "transformResponse",
        "responseParser",
        "validateStatus",
        "auth",
        "tools",
        "tool_choice",
        "tokenEstimation",
    }
)
_REFUSED = {
    "multipart": "send JSON or text, or use a Python provider",
    "session": "use a Python provider",
    "sessionParser": "use a Python provider",
    "sessionSource": "use a Python provider",
    "stateful": "use a Python provider",
    "signatureAuth": "use a Python provider",
    "tls": "put a proxy in front, or use a Python provider",
    "transformToolsFormat": "write the tools in the service's own form",
}


class HttpService:
    """An HTTP service whose requests and replies the suite describes."""

    def __init__(self, spec: ProviderSpec, context: ProviderContext, url: str, client: HttpClient) -> None:
        self.id = spec.id
        self._spec = spec
        self._context = context
        self._client = client
        self._url = url
        self._method = (text_of(spec, "method", context) or ("GET" if "body" not in spec.config else "POST")).upper()
        self._headers = {name.lower(): value for name, value in texts_of(spec, "headers").items()}
        self._query = texts_of(spec, "queryParams")
        self._body = _body(load_references(spec.config.get("body"), spec, context), self._headers)
        raw = load_references(spec.config.get("request"), spec, context)
        self._raw = raw if isinstance(raw, str) else None
        self._auth = _auth(spec)
        parser = "transformResponse" if spec.config.get("transformResponse") else "responseParser"
        self._read = Code.of(spec, parser, ("json", "text", "context"), context)
        self._write = Code.of(spec, "transformRequest", ("prompt", "vars", "context"), context)
        self._allows = Code.of(spec, "validateStatus", ("status",), context)

    def identity(self, request: Request) -> JsonValue:
        """See `Provider.identity`."""
        call = self._call(request, self._write_request(request))
        shown: JsonValue = {name: value for name, value in call.headers.items() if not is_secret_name(name)}
        body = call.body.decode("utf-8", "replace") if call.body is not None else None
        code = self._spec.config.get("transformResponse") or self._spec.config.get("responseParser")
        return {
            "provider": "http",
            "call": [call.method, call.url, body],
            "headers": shown,
            "transform": [code, self._read.digest if self._read else None],
            "repeat": request.repeat,
        }

    async def answer(self, request: Request) -> Answer:
        """See `Provider.answer`."""
        call = self._call(request, self._write_request(request))
        return await self._client.call(call, self._accept)

    def _write_request(self, request: Request) -> JsonValue:
        if self._write is None:
            return request.prompt
        context: JsonValue = {"vars": dict(request.vars), "prompt": {"raw": request.raw_prompt, "label": request.label}}
        return self._write(request.prompt, dict(request.vars), context)

    def _call(self, request: Request, prompt: JsonValue) -> HttpCall:
        variables: dict[str, JsonValue] = {**request.vars, "prompt": prompt}
        for key in ("tools", "tool_choice"):
            if (value := request.config.get(key, self._spec.config.get(key))) is not None:
                variables[key] = value if isinstance(value, str) else json.dumps(value)
        call = self._raw_call(variables) if self._raw else self._plain_call(variables)
        return self._authorise(call, variables)

    def _plain_call(self, variables: Mapping[str, JsonValue]) -> HttpCall:
        render = self._render
        headers = {name: render(value, variables) for name, value in self._headers.items()}
        url = _with_query(render(self._url, variables), {k: render(v, variables) for k, v in self._query.items()})
        if self._method == "GET" or self._body is None:
            return HttpCall(self._method, url, headers)
        is_json = "json" in headers.get("content-type", "") or (
            "content-type" not in headers and not isinstance(self._body, str)
        )
        headers.setdefault("content-type", "application/json" if is_json else "application/x-www-form-urlencoded")
        body = self._json_body(variables) if is_json else self._text_body(variables)
        return HttpCall(self._method, url, headers, body.encode("utf-8", "replace"))

    def _json_body(self, variables: Mapping[str, JsonValue]) -> str:
        body = self._body
        prompt = variables["prompt"]
        if isinstance(prompt, dict):
            return json.dumps(
                {**(body if isinstance(body, dict) else {}), **prompt}, ensure_ascii=False, separators=(",", ":")
            )
        if isinstance(body, str):
            return self._fill_text(body, variables)
        filled = self._context.templates.render_value(body, variables) if has_templates(body) else body
        return json.dumps(_unpack(filled), ensure_ascii=False, separators=(",", ":"))

    def _fill_text(self, body: str, variables: Mapping[str, JsonValue]) -> str:
        """Return a body that is JSON only after rendering; if the plain rendering is not JSON, values are escaped."""
        text = self._render(body, variables)
        try:
            return json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
        except (ValueError, RecursionError):
            pass
        escaped = self._render(body, _escape(variables))
        try:
            json.loads(escaped)
        except (ValueError, RecursionError):
            return text
        return escaped

    def _text_body(self, variables: Mapping[str, JsonValue]) -> str:
        if not isinstance(self._body, str):
            message = f"provider {self.id!r}: body is a mapping or list, but content-type is not JSON"
            raise InputError(
                Problem(message, place_of(self._spec, "body"), "write the body as text, or send application/json")
            )
        return self._render(self._body, variables).strip()

    def _raw_call(self, variables: Mapping[str, JsonValue]) -> HttpCall:
        text = self._render(self._raw or "", _escape(variables))
        scheme = "https" if self._url.startswith("https") or self._spec.config.get("useHttps") else "http"
        return parse_raw_request(text, scheme)

    def _authorise(self, call: HttpCall, variables: Mapping[str, JsonValue]) -> HttpCall:
        auth = {key: self._render(value, variables) for key, value in self._auth.items()}
        kind, headers, url = auth.get("type"), dict(call.headers), call.url
        secret = auth.get("token") or auth.get("password") or auth.get("value") or ""
        if kind == "bearer":
            headers["authorization"] = f"Bearer {secret}"
        elif kind == "basic":
            pair = f"{auth.get('username', '')}:{secret}".encode()
            headers["authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        elif kind == "api_key" and auth.get("placement", "header") == "header":
            headers[auth.get("keyName", "x-api-key").lower()] = secret
        elif kind == "api_key":
            url = _with_query(url, {auth.get("keyName", "api_key"): secret})
        else:
            return call
        return replace(call, url=url, headers=headers, secrets=(secret,) if secret else ())

    def _render(self, text: str, variables: Mapping[str, JsonValue]) -> str:
        return self._context.templates.render(text, variables) if "{" in text else text

    def _accept(self, call: HttpCall, reply: HttpReply) -> Answer:
        if not (self._allows and _is_true(self._allows(reply.status))):
            check_status(call, reply)
            if self._allows:
                raise Transient(f"status {reply.status} does not satisfy validateStatus")
        text = reply.text
        data = _json_of(call, reply, text)
        metadata: dict[str, JsonValue] = {"http": {"status": reply.status, "statusText": reply.reason}}
        answer = self._output(reply, data, text)
        return replace(answer, metadata={**metadata, **answer.metadata}, raw=text if answer.raw is None else answer.raw)

    def _output(self, reply: HttpReply, data: JsonValue, text: str) -> Answer:
        output: JsonValue = data or text
        if self._read is not None:
            headers: JsonValue = {name.lower(): value for name, value in reply.headers.items()}
            response: JsonValue = {"status": reply.status, "statusText": reply.reason, "headers": headers, "data": text}
            output = self._read(data or None, text, {"response": response})
            if isinstance(output, dict) and is_response(output):
                return answer_from(output, reply.latency_ms)
            if output is None:
                raise CannotEvaluate(f"provider {self.id!r}: transformResponse found nothing in {text[:200]!r}")
        return Answer(output, latency_ms=reply.latency_ms, tokens=TokenUsage(requests=1))

    async def close(self) -> None:
        """See `Provider.close`."""
        await self._client.close()


def _json_of(call: HttpCall, reply: HttpReply, text: str) -> JsonValue:
    """Return the body as JSON, or None for other text; raises Transient for a body that breaks off inside JSON."""
    try:
        value: JsonValue = json.loads(text)
    except (ValueError, RecursionError) as exc:
        if reply.says_json and text.lstrip()[:1] in ("{", "["):
            begins = call.scrub(text[:80])
            raise Transient(f"the body is not complete JSON ({len(reply.body)} bytes, begins {begins!r})") from exc
        return None
    return value


def _is_true(value: JsonValue) -> bool:
    return bool(value)


def _body(body: JsonValue, headers: Mapping[str, str]) -> JsonValue:
    """Return the config's body; JSON text becomes a value, so that its templates are filled and escaped one by one."""
    if isinstance(body, str) and "json" in headers.get("content-type", "").lower():
        return json_or(body, body)
    return body


def _unpack(value: JsonValue) -> JsonValue:
    """Return the value with every string that holds a JSON mapping or list replaced by it, as in promptfoo."""
    if isinstance(value, dict):
        return {key: _unpack(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_unpack(item) for item in value]
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        inner = json_or(value, None)
        return inner if isinstance(inner, dict | list) else value
    return value


def _escape(variables: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return the variables with texts escaped for use inside JSON quotes."""
    return {key: json.dumps(value)[1:-1] if isinstance(value, str) else value for key, value in variables.items()}


def _with_query(url: str, query: Mapping[str, str]) -> str:
    if not query:
        return url
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(query)}"


def _auth(spec: ProviderSpec) -> dict[str, str]:
    auth = spec.config.get("auth")
    if auth is None:
        return {}
    kind = auth.get("type") if isinstance(auth, dict) else None
    if not isinstance(auth, dict) or kind not in ("bearer", "basic", "api_key"):
        message = f"provider {spec.id!r}: auth of type {kind!r} is not supported"
        raise InputError(Problem(message, place_of(spec, "auth"), "expected bearer, basic or api_key"))
    return {key: str(value) for key, value in auth.items()}


def open_provider(spec: ProviderSpec, context: ProviderContext) -> HttpService:
    """Return the service that the id or `config.url` names; raises InputError for a wrong config."""
    check_keys(spec, context, _KEYS, _REFUSED)
    config_url = spec.config.get("url")
    url = config_url if isinstance(config_url, str) and config_url else spec.id
    if spec.config.get("request") is None:
        if "//" not in url and not (url is config_url and "{{" in url):
            raise InputError(
                Problem(f"provider {spec.id!r} has no url", place_of(spec), "set config.url to http://...")
            )
        _check_body(spec)
    timeout = number_of(spec, "timeoutMs")
    policy = context.settings.retry_policy(
        deadline_s=None if timeout is None else timeout / 1000,
        max_retries=number_of(spec, "maxRetries"),
    )
    return HttpService(spec, context, url, HttpClient(policy, context.env))


def _check_body(spec: ProviderSpec) -> None:
    method = spec.config.get("method")
    if spec.config.get("body") in (None, "") and (
        not isinstance(method, str) or method.upper() not in ("GET", "HEAD", "DELETE")
    ):
        message = f"provider {spec.id!r} sends nothing: it has no body"
        raise InputError(Problem(message, place_of(spec), "set config.body, or method: GET"))
