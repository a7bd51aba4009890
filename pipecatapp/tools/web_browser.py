"""The tool `web_browser`: a page of the web as readable text."""

from urllib.parse import quote_plus

from pipecatapp.core.ports import Risk, ToolReason
from pipecatapp.tools.config import WebConfig
from pipecatapp.tools.context import ToolContext
from pipecatapp.tools.registry import Arguments, ToolProblem, text_of, tool
from pipecatapp.tools.threads import in_thread
from pipecatapp.tools.web_pages import Page, fetch_page

_SHORT = 200
"""Characters: where the main part of a page has fewer, the search for it found the wrong one."""


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
    text = await in_thread(lambda _: readable_text(page))
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


def readable_text(page: Page) -> str:
    """Return what a person would read on a page: of HTML the main part, with its links; of other types all."""
    if "html" not in page.content_type:
        return page.text
    from resiliparse.extract.html2text import extract_plain_text

    main = extract_plain_text(page.text, main_content=True, links=True)
    if len(main) >= _SHORT:
        return main
    return extract_plain_text(page.text, links=True) or main
