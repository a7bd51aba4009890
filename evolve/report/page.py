"""What the HTML pages share: their frame, their templates, and the escaping that makes texts of a run harmless.

A page is one file that opens offline. Templates are in `templates/`, all of them escape what they are given; only
this module marks a text as markup, and only our own files, digests, and JSON that has no `<` in it.
Nothing is requested from anywhere, which the page's Content-Security-Policy also forbids.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evolve import __version__
from evolve.core.model.json_value import JsonValue
from evolve.core.text.counts import count
from evolve.core.text.visible import visible
from evolve.report.quantities import dollars, duration, milliseconds, percent

if TYPE_CHECKING:
    from jinja2 import Environment

_ASSETS = Path(__file__).with_name("assets")
_TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True, slots=True)
class Page:
    """One kind of page."""

    template: str
    """A file of `templates/` that extends `page.html`."""
    styles: tuple[str, ...]
    """Files of `assets/`; in this order they are one style sheet."""
    scripts: tuple[str, ...]
    """Files of `assets/`; in this order they are one script."""
    is_module: bool = False
    """The script is a JavaScript module."""
    escapes_controls: bool = False
    """Control characters are shown as escapes: for what was captured from programs."""

    def render(
        self, values: Mapping[str, Any], data: Mapping[str, JsonValue] | None = None, *, may_reload: bool = False
    ) -> Iterator[str]:
        """Return the page, part by part.

        Args:
            values: what the template shows; a name that it uses and that is missing is an error.
            data: what the script reads, by the id of the element that holds it.
            may_reload: the script may ask the page's own server for the next version.
        """
        from markupsafe import Markup

        style, script = _joined(self.styles, ""), _joined(self.scripts, "\n")
        frame = {
            "policy": Markup(policy(style, script) + ("; connect-src 'self'" if may_reload else "")),  # ours
            "style": Markup(style),
            "script": Markup(script),
            "is_module": self.is_module,
            "data": {name: Markup(embedded_json(value)) for name, value in (data or {}).items()},
            "version": __version__,
        }
        return _environment(self.escapes_controls).get_template(self.template).generate(frame | dict(values))


def embedded_json(value: JsonValue) -> str:
    """Return JSON for the inside of a script element: nothing in it can end the element or start a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def policy(style: str, script: str) -> str:
    """Return the content security policy of a page that runs this script and nothing else."""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _joined(names: tuple[str, ...], separator: str) -> str:
    return separator.join((_ASSETS / name).read_text("utf-8") for name in names)


@cache
def _environment(escapes_controls: bool) -> "Environment":
    # Imported and compiled when the first page is written: most commands write no page and must start fast.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    found = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
        finalize=_visible if escapes_controls else None,
    )
    found.globals.update(count=count, dollars=dollars, duration=duration, milliseconds=milliseconds, percent=percent)
    found.filters["grouped"] = "{:,}".format
    return found


def _visible(value: Any) -> Any:
    if type(value) is str:
        return visible(value)
    # Text that is markup already was made from texts that were escaped here, or is ours.
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
