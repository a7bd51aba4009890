// The conversation: turns in the order in which they began, restored from the history after each connection.

import { announce, byId, el } from "./dom.js";
import { Follower } from "./follow.js";
import { Turn } from "./turn.js";

const KEPT = 200; // turns on the page; the agent's memory has the others
const SPOKEN = 1000; // characters of an answer that screen readers say by themselves

const list = byId("turns");
const follower = new Follower(byId("conversation"), list, byId("conversation-newest"));
const welcome = el("div", { class: "welcome" });
const dropped = el("p", { class: "dropped", hidden: true }, "Earlier turns are not shown.");
const turns = new Map();
let session = "";

list.append(welcome, dropped);

/** Return the turn with this id; one that is new comes last. */
function turnOf(id) {
  if (!turns.has(id)) {
    const turn = new Turn(id, () => follower.follow());
    turns.set(id, turn);
    list.append(turn.node);
    welcome.hidden = true;
    while (turns.size > KEPT) forget(turns.keys().next().value);
  }
  return turns.get(id);
}

function forget(id) {
  turns.get(id).node.remove();
  turns.delete(id);
  dropped.hidden = false;
}

/** Show a new connection's history: what is there stays, with its tools, unless it is another session's. */
export function restore(hello) {
  if (hello.session !== session) {
    for (const turn of turns.values()) turn.node.remove();
    turns.clear();
    dropped.hidden = true;
  }
  session = hello.session;
  const ids = new Set(hello.history.map(entry => entry.turn));
  dropped.hidden &&= ids.size <= KEPT;
  const kept = new Set([...ids].slice(-KEPT));
  for (const { turn, role, text, at } of hello.history) {
    if (!kept.has(turn)) continue;
    if (role === "user") turnOf(turn).say(text, at, "text");
    else turnOf(turn).end(text, "answered");
  }
  // The history has turns that are over: one without an answer was stopped before it came.
  const answered = new Set(hello.history.filter(entry => entry.role === "assistant").map(entry => entry.turn));
  for (const id of kept) if (!answered.has(id)) turnOf(id).end("", "cancelled");
  welcome.replaceChildren(
    el("p", { class: "greeting" }, "Hello. What can I do for you?"),
    hello.tools.length ? el("ul", {}, hello.tools.map(({ name, description }) => el("li", {}, el("b", {}, name), ` ${description}`))) : el("p", {}, "I have no tools here, so I can only talk."));
  welcome.hidden = turns.size > 0;
  if (welcome.hidden) follower.toEnd();
  else follower.toStart();
}

/** The connection is gone. */
export function loseTurns() {
  for (const turn of turns.values()) turn.lose();
}

export function startTurn({ turn, text, source }) {
  const started = turnOf(turn);
  started.open();
  started.say(text, Date.now() / 1000, source);
  follower.toEnd();
}

export function endTurn({ turn, text, outcome }) {
  turnOf(turn).end(text, outcome);
  announce(outcome === "answered" ? `Agent: ${text.slice(0, SPOKEN)}` : `The request was not answered: ${outcome}`);
}

export const addPart = ({ turn, text }) => turnOf(turn).add(text);
export const startTool = message => turnOf(message.turn).startTool(message);
export const endTool = message => turnOf(message.turn).endTool(message);
export const askApproval = message => turnOf(message.turn).askApproval(message);
export const endApproval = message => turnOf(message.turn).endApproval(message);
export const failTurn = ({ turn, text }) => turnOf(turn).fail(text);
