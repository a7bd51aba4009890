// The question whether a dangerous call may run: one dialog at a time, with the exact call.

import { announce, byId } from "./dom.js";
import { exact, pretty } from "./text.js";

const ARMED_MS = 500; // a click meant for what was there before the dialog must not approve
const TICK_MS = 250;
const RISKS = {
  read: "It changes nothing.",
  write: "It changes something that can be changed back.",
  danger: "What it changes may not be changed back.",
};

const dialog = byId("approval"), approve = byId("approve"), deny = byId("deny");
const waiting = new Map(); // by id, the oldest first

let shown = null;
let send = () => false;
let ticking = 0, arming = 0;

/** Connect the dialog: `sender(type, fields)` sends a message, and is false where it cannot. */
export function prepareApprovals(sender) {
  send = sender;
}

/** Ask: a message `approval_asked`. */
export function ask(message) {
  waiting.set(message.id, { ...message, ends: performance.now() + message.expires_s * 1000 });
  if (!shown) showNext();
}

/** Take a question back: somebody answered it, or nobody did. */
export function endApproval(id) {
  waiting.delete(id);
  if (shown?.id === id) showNext();
}

/** Take all questions back: without a connection there is no answer. */
export function endAllApprovals() {
  waiting.clear();
  showNext();
}

function showNext() {
  clearInterval(ticking);
  clearTimeout(arming);
  shown = waiting.values().next().value ?? null;
  if (!shown) { dialog.close(); return; }
  const text = pretty(shown.arguments), nodes = exact(text);
  byId("approval-title").textContent = `Allow ${shown.tool}?`;
  byId("approval-why").textContent = `The agent wants to run this call. ${RISKS[shown.risk]}`;
  byId("approval-arguments").replaceChildren(...nodes);
  byId("approval-hidden").hidden = nodes.length === 1;
  byId("approval-left").max = shown.expires_s;
  deny.disabled = false;
  approve.disabled = true;
  arming = setTimeout(() => { approve.disabled = isOver(); }, ARMED_MS);
  ticking = setInterval(tick, TICK_MS);
  tick();
  if (!dialog.open) dialog.showModal();
  // On no button: Enter or space, meant for the message box, must decide nothing.
  byId("approval-title").focus();
  announce(`Approval needed for ${shown.tool}`);
}

const isOver = () => performance.now() >= shown.ends;

function tick() {
  const left = Math.max(0, Math.ceil((shown.ends - performance.now()) / 1000));
  byId("approval-left").value = left;
  byId("approval-time").textContent = isOver() ? "Expired: it counts as denied." : `Counts as denied in ${left} s`;
  if (isOver()) approve.disabled = true;
}

function decide(type) {
  const button = type === "approve" ? approve : deny;
  if (!shown || button.disabled || !send(type, { id: shown.id })) return;
  approve.disabled = deny.disabled = true;
  clearTimeout(arming);
}

approve.addEventListener("click", () => decide("approve"));
deny.addEventListener("click", () => decide("deny"));
dialog.addEventListener("cancel", event => {
  event.preventDefault();
  decide("deny");
});
// Chromium closes a dialog on the second Escape even where the first was prevented; it is open until the agent has answered.
dialog.addEventListener("close", () => { if (shown) dialog.showModal(); });
dialog.addEventListener("keydown", event => {
  if (event.key !== "Tab") return;
  const stops = [...dialog.querySelectorAll("pre, button:not(:disabled)")];
  const at = stops.indexOf(document.activeElement), last = stops.length - 1;
  if (event.shiftKey ? at > 0 : at < last) return;
  // At an end: round, not out to the browser's own buttons.
  event.preventDefault();
  stops[event.shiftKey ? last : 0].focus();
});
