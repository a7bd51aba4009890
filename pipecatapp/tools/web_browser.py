"""The tool `web_browser`: a page of the web as readable text."""

import sys
import tempfile
from pathlib import Path
from typing import Final
from urllib.parse import quote_plus

from pipecatapp.core.ports import Risk, ToolReason
from pipecatapp.tools.config import MIB, WebConfig
from pipecatapp.tools.context import ToolContext
from pipecatapp.tools.programs import run_program
from pipecatapp.tools.registry import Arguments, ToolProblem, text_of, tool
from pipecatapp.tools.web_pages import Page, fetch_page

_EXTRACTOR: Final = (sys.executable, "-I", str(Path(__file__).with_name("page_text.py")))
_MAX_TEXT: Final = 2 * MIB


@tool(
    "web_browser",
    {
        "properties": {
            "url": {"type": "string", "description": "Address of the page, http or https."},
            "query": {"type": "string", "description": "Words to search the web for, where no address is known."},
        },
        "minProperties": 1,
    },
    risk=Risk.READ,
    timeout_s=20,
)
async def web_browser(arguments: Arguments, context: ToolContext) -> str:
    """Look something up on the web: fetch a page and show its text."""
    page = await fetch_page(_url(arguments, context.config.web), context.config.web)
    text = await _readable_text(page) if "html" in page.content_type else page.text
    cut = "\n[the page is longer than what was read]" if page.is_cut else ""
    return f"{page.url}\n\n{text}{cut}"


def _url(arguments: Arguments, config: WebConfig) -> str:
    url, query = text_of(arguments, "url").strip(), text_of(arguments, "query").strip()
    if url and query:
        raise ToolProblem(ToolReason.BAD_ARGUMENTS, "expected either 'url' or 'query', got both")
    if query and not config.search_url:
        message = "no search page is configured: set tools.web_browser.search_url, or give a 'url'"
        raise ToolProblem(ToolReason.NOT_CONFIGURED, message)
    return config.search_url.replace("{query}", quote_plus(query)) if query else url


async def _readable_text(page: Page) -> str:
    with tempfile.TemporaryFile() as html:
        html.write(page.text.encode("utf-8", "replace"))
        html.seek(0)
        ended = await run_program(_EXTRACTOR, {}, _MAX_TEXT, stdin=html)
    # None: it wrote more than is shown anyway.
    if ended.code:
        raise ToolProblem(ToolReason.FAILED, "the text of this page cannot be extracted; try another page")
    return ended.output.decode("utf-8", "ignore")
