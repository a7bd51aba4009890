// The table of services: a row for each component, sorted by a click on a header.

import { byId, el } from "./dom.js";
import { ago, agoElement, link, webAddress } from "./text.js";

// The order is how much a person should care, the worst first.
const STATES = { failed: "✕", warning: "!", starting: "…", unknown: "?", asleep: "z", ok: "✓" };
const ORDER = Object.keys(STATES);
const AGO_MS = 10_000;

const body = byId("rows"), count = byId("status-count"), empty = byId("no-rows");
const heads = [...document.querySelectorAll(".status th[data-key]")];

let rows = [];
let key = "state", isUp = true;

const byName = (a, b) => a.component.localeCompare(b.component, "en", { numeric: true });
const COMPARE = {
  component: byName,
  state: (a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state),
  since: (a, b) => a.since - b.since,
};

function compare(a, b) {
  // What has no time is last in both directions.
  if (key === "since" && (a.since === null || b.since === null)) return (a.since === null) - (b.since === null) || byName(a, b);
  return (isUp ? 1 : -1) * COMPARE[key](a, b) || byName(a, b);
}

function rowNode(row) {
  const address = row.link && webAddress(row.link);
  return el("tr", { "data-component": row.component },
    el("th", { scope: "row" }, address ? link(address, row.component) : row.component, row.detail && el("p", { class: "detail", dir: "auto" }, row.detail)),
    el("td", {}, el("span", { class: `badge ${row.state}` }, el("span", { class: "icon", "aria-hidden": "true" }, STATES[row.state]), row.state)),
    el("td", { class: "since" }, row.since === null ? el("span", { class: "dim" }, "unknown") : agoElement(row.since)));
}

function draw() {
  // The link that has the focus keeps it: rows come again every few seconds.
  const focused = body.contains(document.activeElement) ? document.activeElement.closest("tr").dataset.component : null;
  body.replaceChildren(...rows.toSorted(compare).map(rowNode));
  if (focused !== null) [...body.rows].find(row => row.dataset.component === focused)?.querySelector("a")?.focus({ preventScroll: true });
  for (const head of heads) {
    if (head.dataset.key === key) head.setAttribute("aria-sort", isUp ? "ascending" : "descending");
    else head.removeAttribute("aria-sort");
  }
}

/** Show rows of a message `status` instead of those before. */
export function showRows(fresh) {
  if (JSON.stringify(fresh) === JSON.stringify(rows)) return;
  rows = fresh;
  draw();
  empty.hidden = rows.length > 0;
  count.textContent = rows.length ? `${rows.filter(row => row.state === "ok").length} of ${rows.length} ok` : "";
}

for (const head of heads) head.querySelector("button").addEventListener("click", () => {
  isUp = head.dataset.key === key ? !isUp : true;
  key = head.dataset.key;
  draw();
});

setInterval(() => {
  for (const time of body.querySelectorAll("time")) time.textContent = ago(Date.parse(time.dateTime) / 1000);
}, AGO_MS);
