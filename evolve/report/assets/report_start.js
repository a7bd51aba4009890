// The page: filters, the two views, pages of results, links, themes, printing and keys.

const LIST_PAGE = 100, MATRIX_CELLS = 200;
const section = document.getElementById("results");
const count = el("p", { class: "count", role: "status", "aria-live": "polite" });
const thead = el("thead", {}), tbody = el("tbody", {}), caption = el("caption", { class: "unseen" });
const empty = el("p", { class: "empty", hidden: true }, "No result matches these filters.");
const table = el("table", { on: { keydown: move } }, caption, thead, tbody);
const box = el("div", { class: "rows", tabindex: "0", role: "region", "aria-label": "Results" }, table, empty);
const back = el("button", { type: "button", on: { click: () => turn(page - 1) } }, "Previous");
const next = el("button", { type: "button", on: { click: () => turn(page + 1) } }, "Next");
const place = el("span", {});
const pager = el("nav", { class: "pager", "aria-label": "Pages of results" }, back, place, next);
let view = tests.size < rows.length ? "matrix" : "list";

function turn(to) {
  page = to;
  draw();
  section.scrollIntoView();
  section.focus({ preventScroll: true });
}

// One item of a page is a result in the list, and a test in the matrix.
let items = [], slice = [], pageColumns = [], matched = new Set();
const drawn = new Map();
const isMatrix = () => view === "matrix";
const itemOf = row => isMatrix() ? row.members : row;
const pageSize = () => isMatrix() ? Math.max(10, Math.min(100, Math.floor(MATRIX_CELLS / columnTotals.size))) : LIST_PAGE;
const nodesOf = item => isMatrix() ? matrixRow(item, pageColumns, matched) : listRow(item);

function draw() {
  items = isMatrix() ? [...new Set(shown.map(row => row.members))] : shown;
  matched = new Set(shown);
  const size = pageSize(), pages = Math.max(1, Math.ceil(items.length / size));
  slice = items.slice(page * size, page * size + size);
  pageColumns = isMatrix() ? columnsOf(slice) : [];
  thead.replaceChildren(isMatrix() ? matrixHead(pageColumns) : listHead());
  caption.textContent = isMatrix() ? "Tests by provider and prompt; each cell opens to its prompt, output and assertions" : "Results; each opens to its prompt, output and assertions";
  table.className = isMatrix() ? `matrix${isWhole ? " whole" : ""}` : "list";
  drawn.clear();
  for (const item of slice) drawn.set(item, nodesOf(item));
  tbody.replaceChildren(...[...drawn.values()].flat());
  mark(tbody);
  reachable(tbody);
  const inTests = isMatrix() ? ` in ${plural(items.length, "test")}` : "";
  count.textContent = (shown.length === rows.length ? plural(rows.length, "result") : `${shown.length.toLocaleString("en")} of ${plural(rows.length, "result")}`) + inTests;
  empty.hidden = shown.length > 0;
  table.hidden = shown.length === 0;
  pager.hidden = pages === 1;
  place.textContent = `Page ${page + 1} of ${pages}`;
  back.disabled = page === 0;
  next.disabled = page + 1 >= pages;
}

function flip(row) {
  const wasOpen = opened.has(row), item = itemOf(row), old = drawn.get(item);
  if (wasOpen) opened.delete(row); else opened.add(row);
  const fresh = nodesOf(item);
  old[0].before(...fresh);
  for (const node of old) node.remove();
  drawn.set(item, fresh);
  for (const node of fresh) {
    mark(node);
    reachable(node);
  }
  document.querySelector(`#row-${row.index} [aria-expanded]`).focus({ preventScroll: true });
  if (!wasOpen) history.replaceState(null, "", link(row));
}

function viewButtons() {
  const choose = name => el("button", { type: "button", "data-view": name.toLowerCase(), "aria-pressed": String(view === name.toLowerCase()), on: { click: event => {
    view = name.toLowerCase();
    for (const other of event.currentTarget.parentElement.querySelectorAll("[data-view]")) other.setAttribute("aria-pressed", String(other.dataset.view === view));
    whole.hidden = !isMatrix();
    page = 0;
    draw();
  } } }, name);
  return el("fieldset", { class: "states" }, el("legend", {}, "View"), choose("Matrix"), choose("List"), whole);
}
const whole = el("button", { type: "button", "aria-pressed": "false", hidden: !isMatrix(), on: { click: event => {
  isWhole = !isWhole;
  event.currentTarget.setAttribute("aria-pressed", String(isWhole));
  draw();
} } }, "Whole outputs");

function stateButtons() {
  const tally = [0, 0, 0];
  for (const row of rows) tally[row.status]++;
  return el("fieldset", { class: "states" }, el("legend", {}, "Result"), [1, 0, 2].map(code =>
    el("button", { type: "button", "aria-pressed": "false", class: WORDS[code], "data-state": WORDS[code], disabled: tally[code] === 0, on: { click: event => {
      const on = !filters.states.delete(code);
      if (on) filters.states.add(code);
      event.currentTarget.setAttribute("aria-pressed", String(on));
      apply();
    } } }, `${MARKS[code]} ${WORDS[code]} ${tally[code].toLocaleString("en")}`)));
}

const selects = {};
function select(name, label, groups) {
  const options = groups.map(([title, entries]) => title
    ? el("optgroup", { label: title }, entries.map(([value, shownAs]) => el("option", { value }, shownAs)))
    : entries.map(([value, shownAs]) => el("option", { value }, shownAs)));
  selects[name] = el("select", { on: { change: event => { filters[name] = event.target.value; apply(); } } }, options);
  return el("label", {}, label, selects[name]);
}

function tallied(namesOf) {
  const found = new Map();
  for (const row of rows) for (const name of new Set(namesOf(row))) found.set(name, (found.get(name) || 0) + 1);
  return [...found].sort((a, b) => a[0].localeCompare(b[0], "en", { numeric: true }));
}
const entries = (found, shownAs = name => name) => found.map(([name, n]) => [name, `${firstLine(shownAs(name), 60)} (${n})`]);

function metadataGroups() {
  const keys = new Map();
  for (const [pair, n] of tallied(row => pairs(row.metadata).map(entry => JSON.stringify(entry)))) {
    const [key] = JSON.parse(pair);
    if (!keys.has(key)) keys.set(key, []);
    keys.get(key).push([pair, n]);
  }
  return [...keys].filter(([, values]) => values.length <= 300).map(([key, values]) => [key, entries(values, pair => `${key} = ${JSON.parse(pair)[1]}`)]);
}

const search = el("input", { type: "search", placeholder: "id, text, reason …", autocomplete: "off", spellcheck: "false" });
let timer = 0;
search.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(() => { filters.words = search.value; apply(); }, 120);
});

function clear() {
  Object.assign(filters, { words: "", provider: "", column: "", suite: "", metadata: "", metric: "", type: "", stop: "", differ: "" });
  filters.states.clear();
  search.value = "";
  for (const [name, node] of Object.entries(selects)) if (name !== "sort") node.value = "";
  for (const node of bar.querySelectorAll("[data-state]")) node.setAttribute("aria-pressed", "false");
}

function filterBar() {
  const columns = tallied(row => [column(row)]), metadata = metadataGroups();
  const metrics = tallied(row => [...row.assertions.map(check => text(check[2])).filter(Boolean), ...Object.keys(row.named_scores)]);
  const types = tallied(row => row.assertions.map(check => text(check[1])));
  const providers = tallied(row => [text(row.provider)]), stops = tallied(row => row.output < 0 ? [] : [text(row.stop_reason) || "not reported"]);
  const suites = tallied(row => [data.suites[row.suite]]);
  return el("div", { class: "filters", role: "search", "aria-label": "Filter the results" },
    viewButtons(), stateButtons(), el("label", { class: "search" }, "Search", search),
    suites.length > 1 && select("suite", "Suite", [["", [["", "all"]]], ["", entries(suites)]]),
    providers.length > 1 && providers.length < columns.length && select("provider", "Provider", [["", [["", "all"]]], ["", entries(providers)]]),
    columns.length > 1 && select("column", "Provider and prompt", [["", [["", "all"]]], ["", entries(columns)]]),
    metadata.length > 0 && select("metadata", "Metadata", [["", [["", "all"]]], ...metadata]),
    metrics.length > 0 && select("metric", "Metric", [["", [["", "all"]]], ["", entries(metrics)]]),
    types.length > 1 && select("type", "Assertion", [["", [["", "all"]]], ["", entries(types)]]),
    stops.length > 1 && select("stop", "Stop reason", [["", [["", "all"]]], ["", entries(stops)]]),
    tests.size < rows.length && select("differ", "Tests", [["", [["", "all"], ["outcome", "with different outcomes"], ["output", "with different outputs"]]]]),
    select("sort", "Order", [["", Object.entries(ORDERS).map(([name, [label]]) => [name, label])]]),
    el("button", { type: "button", on: { click: () => { clear(); apply(); } } }, "Clear"));
}

const bar = filterBar();
section.append(bar, count, box, pager, spoken);
section.hidden = false;

// Names in the tables above filter the results.
for (const node of document.querySelectorAll("[data-key]")) {
  const { key, value } = node.dataset;
  const name = key === "column" || key === "metric" || key === "type" ? key : "metadata";
  const wanted = name === "metadata" ? JSON.stringify([key, value]) : value;
  if (!selects[name] || ![...selects[name].options].some(option => option.value === wanted)) continue;
  node.replaceWith(el("button", { type: "button", class: "name", title: "Show these results", on: { click: () => {
    clear();
    filters[name] = selects[name].value = wanted;
    apply();
    section.scrollIntoView();
    section.focus({ preventScroll: true });
  } } }, node.textContent));
}

// --- links to a row

function follow() {
  let name = "";
  try { name = decodeURIComponent(location.hash.slice(1)); } catch { return; }
  const row = ids.get(name);
  if (!row) return;
  if (!shown.includes(row)) { clear(); apply(); }
  page = Math.floor(items.indexOf(itemOf(row)) / pageSize());
  opened.add(row);
  draw();
  const node = document.getElementById(`row-${row.index}`);
  node.scrollIntoView({ block: "start" });
  scrollBy(0, -bar.offsetHeight - 8);
  node.querySelector("[aria-expanded]").focus({ preventScroll: true });
}

// --- theme, times, printing, keys

prepareTheme();

for (const node of document.querySelectorAll("time[datetime]")) node.textContent = new Date(node.dateTime).toLocaleString();

addEventListener("beforeprint", () => {
  document.getElementById("print")?.remove();
  const failures = rows.filter(row => row.status !== 2);
  document.getElementById("main").append(el("section", { id: "print" }, el("h2", {}, failures.length ? `${plural(failures.length, "failure")} in full` : "No failures"),
    failures.map(row => el("article", {}, el("h3", {}, state(row.status), ` ${title(row)}`), detail(row, false)))));
});
addEventListener("afterprint", () => document.getElementById("print")?.remove());
addEventListener("keydown", event => {
  if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) {
    event.preventDefault();
    search.focus();
  }
});

apply();
addEventListener("hashchange", follow);
follow();
