"""Text of a model, a tool or a log is text, whatever is in it."""

from dataclasses import replace

import pytest

from fixtures.app_pages import TURN, AppPage
from fixtures.page_server import HELLO, TOOLS, PageServer
from pipecatapp.core.ports import Risk
from pipecatapp.wire.agent_events import (
    ApprovalAsked,
    Entry,
    ErrorMessage,
    LogLevel,
    LogLine,
    Outcome,
    RowState,
    Source,
    StatusRow,
    StatusRows,
    TextPart,
    ToolEnded,
    ToolStarted,
    TurnEnded,
    TurnStarted,
)

EVIL = "<img src=x onerror=alert(1)></p><script>alert(1)</script><svg/onload=alert(1)>&lt;{{7*7}}${7*7}`x`"
MEGABYTE = 1_000_000


def test_markup_is_shown_as_it_is_everywhere(opened: AppPage, server: PageServer) -> None:
    server.hello = replace(
        HELLO,
        model=EVIL,
        advice=EVIL.replace("`", ""),
        tools=(replace(TOOLS[0], name=EVIL, description=EVIL),),
        history=(Entry("t-1", "user", EVIL, 1e9), Entry("t-1", "assistant", EVIL, 1e9)),
    )
    opened.page.reload()
    opened.wait_until_online()
    server.send(
        TurnStarted(TURN, EVIL, Source.TEXT),
        ToolStarted(TURN, "c-1", EVIL, {EVIL: EVIL}, Risk.READ),
        ToolEnded(TURN, "c-1", EVIL, True, "failed", EVIL, 1.0),
        ErrorMessage(TURN, "model_failed", EVIL),
        TextPart(TURN, EVIL),
        TurnEnded(TURN, Outcome.ANSWERED, EVIL),
        ErrorMessage("", "busy", EVIL),
        LogLine(1e9, LogLevel.ERROR, EVIL, EVIL),
        StatusRows((StatusRow(EVIL, RowState.FAILED, 1e9, EVIL, ""),)),
        ApprovalAsked(TURN, "a-1", EVIL, {EVIL: EVIL}, Risk.DANGER, 60.0),
    )
    opened.dialog.wait_for()
    opened.page.locator(".line").wait_for()
    content = opened.page.evaluate("document.body.textContent")
    assert content.count("<img src=x onerror=alert(1)>") >= 20
    # The page's own image is its logo; its only scripts are in its head.
    assert opened.page.locator("body img, body script, body iframe, body object").count() == 1
    assert opened.page.locator("[onerror], [onload], [style*=url]").count() == 0


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("see https://example.org/a?b=c#d, and (http://x.example/y).", ["https://example.org/a?b=c#d", "http://x.example/y"]),
        ("javascript:alert(1) data:text/html,x file:///etc/passwd //evil.example www.example.org", []),
        ("[click](javascript:alert(1)) <a href='https://evil.example/'>bank</a>", ["https://evil.example/"]),
        ("https:// http://[x https://\u202ehttps://a.example/", ["https://a.example/"]),
        ("https://a.example/\u202egpj.exe https://b.example/\u200bx", ["https://a.example/", "https://b.example/"]),
    ],
)  # fmt: skip
def test_only_web_addresses_become_links_and_each_shows_where_it_leads(
    opened: AppPage, server: PageServer, text: str, links: list[str]
) -> None:
    server.send(TurnStarted(TURN, "x", Source.TEXT), TurnEnded(TURN, Outcome.ANSWERED, text))
    opened.page.locator(".reply .text").wait_for()
    found = opened.page.locator(".reply a")
    assert [link.get_attribute("href") for link in found.all()] == links
    assert found.all_inner_texts() == links
    assert {link.get_attribute("rel") for link in found.all()} <= {"noopener noreferrer nofollow"}
    assert opened.page.locator(".reply .text").evaluate("node => node.textContent").startswith(text)


def test_text_of_another_direction_stays_in_its_place(opened: AppPage, server: PageServer) -> None:
    text = "\u202e\u2067\u2066 right to left \u0634\u0643\u0631\u0627 \u200f\u200b\ufeff"
    server.send(
        TurnStarted(TURN, text, Source.TEXT),
        ToolStarted(TURN, "c-1", "mcp", {"q": text}, Risk.READ),
        ToolEnded(TURN, "c-1", "mcp", False, "", text, 0.5),
        TurnEnded(TURN, Outcome.ANSWERED, text),
    )
    reply = opened.page.locator(".reply .text")
    reply.wait_for()
    assert reply.evaluate("node => getComputedStyle(node).unicodeBidi") == "plaintext"
    row = opened.page.locator(".tool summary")
    name, outcome = row.locator("b").bounding_box(), row.locator(".outcome").bounding_box()
    # The name is still before the arguments, and the outcome after them.
    assert name["x"] < row.locator(".brief").bounding_box()["x"] < outcome["x"]
    assert "U+202E" in row.inner_text()


def test_a_megabyte_is_shown_piece_by_piece(opened: AppPage, server: PageServer) -> None:
    text = "🐈" + "word " * (MEGABYTE // 5)
    parts = [TextPart(TURN, text[at : at + 50_000]) for at in range(0, len(text), 50_000)]
    server.send(TurnStarted(TURN, "x", Source.TEXT), *parts)
    opened.page.locator(".reply").wait_for()
    server.send(TurnEnded(TURN, Outcome.ANSWERED, text))
    more = opened.page.locator(".reply .more:visible")
    more.wait_for()
    shown = "node => node.textContent.length"
    assert opened.page.locator(".reply .text").evaluate(shown) < 30_000
    assert "980,002 characters are left" in more.inner_text()
    more.evaluate("node => { while (!node.hidden) node.click(); }")
    kept = opened.page.locator(".reply .text").evaluate(
        "node => { node.querySelector('button').remove(); return node.textContent; }"
    )
    assert kept == text


def test_a_word_without_end_does_not_widen_the_page(opened: AppPage, server: PageServer) -> None:
    opened.page.set_viewport_size({"width": 320, "height": 640})
    word = "W" * 5_000
    server.send(
        TurnStarted(TURN, word, Source.TEXT),
        ToolStarted(TURN, "c-1", word[:64], {"q": word}, Risk.READ),
        TurnEnded(TURN, Outcome.ANSWERED, word),
        LogLine(1e9, LogLevel.ERROR, word[:64], word),
        StatusRows((StatusRow(word[:64], RowState.FAILED, 1e9, word, "http://" + word[:200]),)),
    )
    opened.page.locator(".line").wait_for()
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 320


def test_the_policy_refuses_what_a_fault_would_let_in(browser: object, opened: AppPage) -> None:
    # Held against the policy itself: markup that is put into the page by force does not run.
    found = opened.page.evaluate(
        """async () => {
             window.ran = 0;
             const box = document.createElement("div");
             box.innerHTML = "<img src=x onerror='window.ran = 1'>";
             const refused = new Promise(done =>
               addEventListener("securitypolicyviolation", event => done(event.violatedDirective)));
             document.body.append(box);
             return [await refused, window.ran];
           }"""
    )
    assert found == ["script-src-attr", 0]
    opened.forget_complaints()
