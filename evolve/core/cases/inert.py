"""Makes captured text inert: no template engine, loader or terminal interprets it when it reads a case.

Each mark that would be interpreted is wrapped in `{% raw %}...{% endraw %}`: Jinja2 and Nunjucks print it unchanged,
and loaders, which look for `{{ env.X }}`, `file://` or `$ref` without rendering anything, no longer find it. `#}` is
a mark too, because Nunjucks reports an error for one that ends no comment.
"""

import json
import re
from collections.abc import Callable

from evolve.core.formats.json_text import json_or
from evolve.core.model.json_value import JsonValue
from evolve.core.text.inert_text import clean_text

_LOADERS = "exec|package|langfuse|portkey|helicone|huggingface|vault"
"""Prefixes by which promptfoo runs a program or loads a prompt from a package or service."""

_ACTS = re.compile(rf"\{{[{{%#]|#\}}|\{{?file:(?=//)|\A\s*(?:{_LOADERS}):|\A\$ref\Z")
_WRAPPED = re.compile(rf"\{{% raw %\}}(\{{[{{%#]|#\}}|\{{?file:|\s*(?:{_LOADERS}):|\$ref)\{{% endraw %\}}")


def inert(text: str) -> str:
    """Return the text with every mark wrapped that a template engine or a loader would interpret.

    >>> inert("{{ env.HOME }}")
    '{% raw %}{{{% endraw %} env.HOME }}'
    """
    return _ACTS.sub(lambda mark: f"{{% raw %}}{mark[0]}{{% endraw %}}", text) if _may_act(text) else text


def plain(text: str) -> str:
    """Return the text that `inert` was given."""
    return _WRAPPED.sub(lambda mark: mark[1], text) if "{% raw %}" in text else text


def is_inert(text: str) -> bool:
    """Return whether nothing interprets the text when it is read from a case."""
    return inert(plain(text)) == text


def inert_value(value: JsonValue) -> JsonValue:
    """Return a JSON value with all its texts made inert, including keys."""
    return map_texts(value, inert)


def plain_value(value: JsonValue) -> JsonValue:
    """Return the value that `inert_value` was given."""
    return map_texts(value, plain)


def inert_prompt(text: str) -> str:
    """Return a prompt that renders as `text`; in chat messages each text is escaped, because each is rendered.

    The prompt has more than one line: a runner could take a single line for a file's name.
    """
    messages = json_or(text, None)
    if isinstance(messages, list | dict):
        return json.dumps(inert_value(messages), ensure_ascii=False, indent=2)
    return inert(text) + ("\n" if _is_one_line(text) else "")


def plain_prompt(text: str) -> str:
    """Return the prompt that is sent for one that `inert_prompt` made; chat messages as indented JSON."""
    messages = json_or(text, None)
    if isinstance(messages, list | dict):
        return json.dumps(plain_value(messages), ensure_ascii=False, indent=2)
    return plain(text[:-1] if text.endswith("\n") and _is_one_line(text) else text)


def as_sent(prompt: str) -> str:
    """Return a prompt in the form in which a case keeps it: chat messages as indented JSON, other text unchanged."""
    return plain_prompt(inert_prompt(prompt))


def is_inert_prompt(text: str) -> bool:
    """Return whether a prompt is inert: rendering it gives the captured text."""
    messages = json_or(text, None)
    if isinstance(messages, list | dict):
        return inert_value(plain_value(messages)) == messages
    return is_inert(text) or inert_prompt(plain_prompt(text)) == text


def clean(value: JsonValue) -> JsonValue:
    """Return the value without terminal escapes, control characters, invisible characters and lone surrogates."""
    return map_texts(value, clean_text)


def map_texts(value: JsonValue, change: Callable[[str], str]) -> JsonValue:
    """Return the value with each text in it changed, including keys."""
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
