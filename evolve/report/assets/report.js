// The page of a run: its data, and what all its parts draw with.
// Everything that a run produced is put in as text nodes: the page never parses it as HTML.

const WORDS = ["error", "fail", "pass"], MARKS = ["!", "✗", "✓"];
const data = JSON.parse(document.getElementById("data").textContent);
const texts = data.texts, text = n => n < 0 ? "" : texts[n];
const rows = data.rows.map((list, index) => {
  const row = { index };
  data.columns.forEach((name, at) => { row[name] = list[at]; });
  return row;
});

function el(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value);
  }
  for (const child of children.flat(3)) if (child !== null && child !== undefined && child !== false && child !== "") node.append(child);
  return node;
}

const pairs = flat => {
  const found = [];
  for (let at = 0; at < flat.length; at += 2) found.push([text(flat[at]), text(flat[at + 1])]);
  return found;
};
const prompt = row => row.prompt.map(text).join("");
const firstLine = (value, length) => {
  const line = value.trim().split("\n", 1)[0];
  return line.length > length ? line.slice(0, length) + "…" : line;
};
const column = row => text(row.column);
const score = value => value === null ? "–" : String(Math.round(value * 1000) / 1000);
const time = ms => ms < 10 ? `${Math.round(ms * 10) / 10} ms` : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
const dollars = value => value >= 0.1 || value === 0 ? `$${value.toFixed(2)}` : value < 0.0001 ? `$${Number(value.toPrecision(2))}` : `$${value.toFixed(4)}`;
const percent = share => `${Math.floor(share * 1000 + 1e-9) / 10}%`;
const plural = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
const state = code => el("span", { class: `state ${WORDS[code]}` }, el("span", { "aria-hidden": "true" }, MARKS[code]), ` ${WORDS[code]}`);
const title = row => text(row.description) || row.anchor;

function why(row) {
  if (text(row.error)) return text(row.error);
  return row.status === 2 ? "" : text(row.reason);
}

// Tests with several results are worth a matrix: a row for each test, a column for each provider and prompt.
const tests = new Map();
for (const row of rows) {
  const key = `${row.suite} ${row.test}`;
  if (!tests.has(key)) tests.set(key, []);
  tests.get(key).push(row);
}
for (const members of tests.values()) for (const row of members) row.members = members;

// --- copying

const spoken = el("p", { class: "unseen", role: "status", "aria-live": "polite" });

async function copy(value, button) {
  let done = true;
  try { await navigator.clipboard.writeText(value); } catch { done = copyBySelection(value); }
  spoken.textContent = done ? "Copied" : "Could not copy";
  const name = button.textContent;
  button.textContent = done ? "Copied" : "Failed";
  setTimeout(() => { button.textContent = name; }, 1200);
}

// Where the browser has no clipboard for files, or forbids it.
function copyBySelection(value) {
  const area = el("textarea", { class: "unseen" }), before = document.activeElement;
  area.value = value;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  before?.focus({ preventScroll: true });
  return done;
}

const copyButton = (value, what) => el("button", { type: "button", class: "small", "aria-label": `Copy ${what}`, on: { click: event => {
  event.stopPropagation();
  copy(value(), event.currentTarget);
} } }, "Copy");
