// The agent's log: it keeps 10,000 lines and draws the last 500, more when asked for.

import { byId, el, plural } from "./dom.js";
import { Follower } from "./follow.js";
import { clock } from "./text.js";

const KEPT = 10_000, PAGE = 500, DRAW_MS = 100;
const LEVELS = ["debug", "info", "warning", "error"];
const LONGEST = 4000; // characters of a line that are drawn

const box = byId("log"), list = byId("lines"), count = byId("terminal-count"), level = byId("level");
const clear = byId("clear"), cleared = byId("cleared");
const follower = new Follower(box, list, byId("log-newest"));
const earlier = el("button", { type: "button", class: "quiet more", on: { click: showEarlier } });
const undo = el("button", { type: "button", class: "quiet", on: { click: bringBack } }, "Undo");

let lines = [];
let fresh = [];
let removed = [];
let page = PAGE;
let timer = 0;

/** Add a line: a message `log`. */
export function addLine(line) {
  fresh.push(line);
  // Many lines at once are drawn once.
  timer ||= setTimeout(drawFresh, DRAW_MS);
}

const isShown = line => LEVELS.indexOf(line.level) >= LEVELS.indexOf(level.value);

function lineNode({ at, level: kind, component, text }) {
  const shown = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
  return el("div", { class: `line ${kind}` }, el("time", {}, clock(at, "2-digit")), " ", el("b", {}, kind), " ", el("i", {}, component), " ", el("span", {}, shown));
}

function keep(more) {
  lines.push(...more.slice(-KEPT));
  if (lines.length > KEPT) lines = lines.slice(-KEPT);
}

function drawFresh() {
  timer = 0;
  const more = fresh.slice(-KEPT);
  fresh = [];
  keep(more);
  if (follower.isFollowing) page = PAGE;
  list.append(...more.filter(isShown).slice(-page).map(lineNode));
  trim();
}

function drawAll() {
  list.replaceChildren(earlier, ...lines.filter(isShown).slice(-page).map(lineNode));
  trim();
}

/** Take the oldest drawn lines away, and say what there is. */
function trim() {
  const matching = lines.filter(isShown).length;
  if (earlier.parentNode !== list) list.prepend(earlier);
  while (list.childElementCount - 1 > Math.min(page, matching)) earlier.nextSibling.remove();
  const hidden = matching - (list.childElementCount - 1);
  earlier.hidden = hidden === 0;
  earlier.textContent = `Show ${plural(Math.min(PAGE, hidden), "earlier line")} of ${hidden.toLocaleString("en")}`;
  count.textContent = matching === lines.length ? plural(matching, "line") : `${matching.toLocaleString("en")} of ${plural(lines.length, "line")}`;
  follower.follow();
}

function showEarlier() {
  const height = box.scrollHeight, matching = lines.filter(isShown), drawn = list.childElementCount - 1;
  page = drawn + PAGE;
  follower.isFollowing = false;
  earlier.after(...matching.slice(-page, matching.length - drawn).map(lineNode));
  trim();
  box.scrollTop += box.scrollHeight - height;
  if (earlier.hidden) box.focus({ preventScroll: true });
}

level.addEventListener("change", () => {
  page = PAGE;
  follower.isFollowing = true;
  drawAll();
});

clear.addEventListener("click", () => {
  keep(fresh);
  fresh = [];
  // Nothing to clear keeps what the last click can bring back.
  if (!lines.length) return;
  removed = lines;
  lines = [];
  drawAll();
  cleared.replaceChildren(`${plural(removed.length, "line")} cleared. `, undo);
  undo.focus();
});

function bringBack() {
  lines = [...removed, ...lines].slice(-KEPT);
  removed = [];
  drawAll();
  cleared.replaceChildren();
  clear.focus();
}

drawAll();
