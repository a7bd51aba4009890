// A tool's call in the conversation: one line, which opens to its arguments and its result.

import { el } from "./dom.js";
import { showLong } from "./long_text.js";
import { exact, pretty } from "./text.js";

const REASONS = {
  unknown_tool: "no such tool",
  bad_arguments: "wrong arguments",
  timeout: "took too long",
  not_configured: "not configured",
  refused: "refused by its rules",
  denied: "denied",
  expired: "nobody answered",
  failed: "failed",
};
const BRIEF = 80; // characters of the arguments on the line

/** Return arguments as a few words: their values alone. */
function brief(values) {
  const text = Object.values(values).map(value => typeof value === "string" ? value : JSON.stringify(value)).join(", ").replace(/\s+/g, " ");
  return text.length > BRIEF ? `${text.slice(0, BRIEF)}…` : text;
}

export class ToolRow {
  #outcome = el("span", { class: "outcome" }, "running");
  #body = el("div", { class: "tool-body" });
  #brief = el("span", { class: "brief", dir: "auto" });

  constructor(tool) {
    this.node = el("details", { class: "tool running" },
      el("summary", {}, el("span", { class: "icon", "aria-hidden": "true" }), el("span", { class: "unseen" }, "Tool "), el("b", {}, tool), " ", this.#brief, " ", this.#outcome),
      this.#body);
  }

  /** Show what the tool is called with; a message `tool_started`. */
  start({ arguments: given, risk }) {
    this.#brief.replaceChildren(...exact(brief(given)));
    const shown = el("pre", { class: "arguments", dir: "ltr" });
    showLong(shown, pretty(given), exact);
    this.#body.append(el("p", { class: "label" }, `Arguments, risk: ${risk}`), shown);
  }

  /** Show how it ended; a message `tool_ended`. */
  end({ is_error: isError, reason, text, seconds }) {
    this.#finish(isError ? "failed" : "done", isError ? REASONS[reason] ?? reason : `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`);
    if (!text) return;
    const shown = el("pre", { class: "result", dir: "auto" });
    showLong(shown, text);
    this.#body.append(el("p", { class: "label" }, isError ? "Why" : "Result"), shown);
  }

  /** Its turn is over; a call without an end will not get one. */
  abandon() {
    if (this.node.classList.contains("running")) this.#finish("failed", "ended with its turn");
  }

  #finish(kind, outcome) {
    this.node.className = `tool ${kind}`;
    this.#outcome.textContent = outcome;
  }
}
