"""Captured text made inert: no template engine, loader or terminal that meets it in a case acts on it.

What would act is wrapped, one mark at a time, in `{% raw %}...{% endraw %}`: Jinja2 and Nunjucks print it unchanged,
and loaders, which look for `{{ env.X }}`, `file://` or `$ref` without rendering anything, no longer find it. To
Nunjucks a `#}` that ends nothing is an error.
"""

import json
import re
from collections.abc import Callable

from evolve.core.formats.json_text import json_or
from evolve.core.model.json_value import JsonValue

_LOADERS = "exec|package|langfuse|portkey|helicone|huggingface|vault"
_ACTS = re.compile(rf"\{{[{{%#]|#\}}|\{{?file:(?=//)|\A\s*(?:{_LOADERS}):|\A\$ref\Z")
_WRAPPED = re.compile(rf"\{{% raw %\}}(\{{[{{%#]|#\}}|\{{?file:|\s*(?:{_LOADERS}):|\$ref)\{{% endraw %\}}")

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
)


def inert(text: str) -> str:
    """The text with every mark wrapped that a template engine or a loader would act on.

    >>> inert("{{ env.HOME }}")
    '{% raw %}{{{% endraw %} env.HOME }}'
    """
    return _ACTS.sub(lambda mark: f"{{% raw %}}{mark[0]}{{% endraw %}}", text) if _may_act(text) else text


def plain(text: str) -> str:
    """The text that `inert` was given."""
    return _WRAPPED.sub(lambda mark: mark[1], text) if "{% raw %}" in text else text


def is_inert(text: str) -> bool:
    """Whether nothing acts on the text as it stands in a case."""
    return inert(plain(text)) == text


def inert_value(value: JsonValue) -> JsonValue:
    """A JSON value with all its texts inert, keys included."""
    return map_texts(value, inert)


def plain_value(value: JsonValue) -> JsonValue:
    """The value that `inert_value` was given."""
    return map_texts(value, plain)


def inert_prompt(text: str) -> str:
    """A prompt that renders as `text`; chat messages are escaped text by text, for so they are rendered.

    It has more than one line: a single line may be taken for a file's name.
    """
    messages = json_or(text, None)
    if isinstance(messages, list | dict):
        return json.dumps(inert_value(messages), ensure_ascii=False, indent=2)
    return inert(text) + ("\n" if _is_one_line(text) else "")


def plain_prompt(text: str) -> str:
    """The prompt as it is sent, of one that `inert_prompt` made; chat messages as indented JSON."""
    messages = json_or(text, None)
    if isinstance(messages, list | dict):
        return json.dumps(plain_value(messages), ensure_ascii=False, indent=2)
    return plain(text[:-1] if text.endswith("\n") and _is_one_line(text) else text)


def as_sent(prompt: str) -> str:
    """A prompt in the one form in which a case keeps it: chat messages as indented JSON, other text as it is."""
    return plain_prompt(inert_prompt(prompt))


def is_inert_prompt(text: str) -> bool:
    """Whether a prompt renders as captured text does: nothing in it acts."""
    messages = json_or(text, None)
    if isinstance(messages, list | dict):
        return inert_value(plain_value(messages)) == messages
    return is_inert(text) or inert_prompt(plain_prompt(text)) == text


def clean(value: JsonValue) -> JsonValue:
    """The value without terminal escapes, control characters, invisible ones and halves of surrogate pairs."""
    return map_texts(value, clean_text)


def clean_text(text: str) -> str:
    """A text without what nobody sees; all line ends are alike."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSEEN.sub("", _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n"))


def map_texts(value: JsonValue, change: Callable[[str], str]) -> JsonValue:
    """The value with each text in it changed, keys included."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [map_texts(part, change) for part in value]
    if isinstance(value, dict):
        return {change(key): map_texts(part, change) for key, part in value.items()}
    return value


def _is_one_line(text: str) -> bool:
    return "\n" not in text.rstrip("\n")


def _may_act(text: str) -> bool:
    return "{" in text or "}" in text or ":" in text or "$" in text
