// One turn of the conversation: what a person said, the calls of tools, the answer.

import { el } from "./dom.js";
import { GrowingText, showLong } from "./long_text.js";
import { clock, linked } from "./text.js";
import { ToolRow } from "./tool_row.js";

const ENDINGS = { cancelled: "Stopped.", failed: "No answer: this request failed.", lost: "The connection was lost during this answer." };
const DECISIONS = {
  approved: "You approved",
  denied: "You denied",
  expired: "Nobody approved in time:",
  cancelled: "No longer asked:",
};

export class Turn {
  #said = el("div", { class: "said" });
  #steps = el("div", { class: "steps" });
  #answer = el("div", { class: "text", dir: "auto" });
  #reply = el("div", { class: "reply", hidden: true }, el("span", { class: "unseen" }, "Agent: "), this.#answer);
  #ending = el("p", { class: "ending", hidden: true });
  #growing = null;
  #calls = new Map();
  #asked = new Map();
  #changed;
  isOver = false;

  /** changed: is called after the turn has grown. */
  constructor(id, changed) {
    this.id = id;
    this.#changed = changed;
    this.node = el("article", { class: "turn" }, this.#said, this.#steps, this.#reply, this.#ending);
  }

  /** Show a person's words. */
  say(text, at, source) {
    if (this.#said.hasChildNodes()) return;
    const words = el("div", { class: "text", dir: "auto" });
    showLong(words, text);
    this.#said.append(el("span", { class: "unseen" }, "You: "), words, el("time", { datetime: new Date(at * 1000).toISOString() }, source === "voice" ? `spoken, ${clock(at)}` : clock(at)));
  }

  /** The turn runs, for the first time or, after a connection that was lost, again. */
  open() {
    this.isOver = false;
    this.#say("");
  }

  /** Add a part of the answer. */
  add(part) {
    if (!this.#growing) {
      this.open();
      this.#growing = new GrowingText(this.#answer, this.#changed);
      this.#reply.hidden = false;
      this.#reply.classList.add("growing");
    }
    this.#growing.add(part);
  }

  /** The turn is over: the whole answer replaces its parts. */
  end(text, outcome) {
    this.isOver = true;
    this.#growing = null;
    this.#reply.classList.remove("growing");
    this.#reply.hidden = text === "";
    showLong(this.#answer, text, linked);
    this.#say(ENDINGS[outcome] ?? "");
    for (const row of this.#calls.values()) row.abandon();
    this.#changed();
  }

  /** The connection is gone: what comes back of this turn is only in the history. */
  lose() {
    if (!this.isOver) this.end(this.#growing?.text ?? "", "lost");
  }

  /** Say why the turn failed. */
  fail(text) {
    this.#steps.append(el("p", { class: "fault", dir: "auto" }, text));
    this.#changed();
  }

  startTool(message) {
    this.#row(message).start(message);
    this.#changed();
  }

  endTool(message) {
    this.#row(message).end(message);
    this.#changed();
  }

  askApproval({ id, tool }) {
    if (this.#asked.has(id)) return;
    const text = el("span", {}, "Asks for your approval:"), node = el("p", { class: "asked" }, text, " ", el("b", {}, tool));
    this.#asked.set(id, { text, node });
    this.#steps.append(node);
    this.#changed();
  }

  endApproval({ id, outcome }) {
    const asked = this.#asked.get(id);
    if (!asked) return;
    asked.text.textContent = DECISIONS[outcome];
    asked.node.classList.add(outcome);
    this.#changed();
  }

  #row({ call, tool }) {
    if (!this.#calls.has(call)) {
      const row = new ToolRow(tool);
      this.#calls.set(call, row);
      this.#steps.append(row.node);
    }
    return this.#calls.get(call);
  }

  #say(ending) {
    this.#ending.textContent = ending;
    this.#ending.hidden = ending === "";
  }
}
