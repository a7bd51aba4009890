// What is shown: filters, the search, and the marks on what it found.

const filters = { states: new Set(), words: "", provider: "", column: "", suite: "", metadata: "", metric: "", type: "", stop: "", differ: "", sort: "failures" };
let shown = rows, page = 0;
const opened = new Set();

// What the search looks into, by the name that a note uses.
function fields(row) {
  const checks = row.assertions.flatMap(check => [1, 2, 3, 4].map(at => text(check[at])));
  return [
    ["id", row.anchor], ["description", text(row.description)], ["output", text(row.output)], ["prompt", prompt(row)],
    ["reason", `${text(row.reason)}\n${text(row.error)}`], ["variables", pairs(row.vars).flat().join("\n")],
    ["metadata", pairs(row.metadata).flat().join("\n")], ["assertions", checks.join("\n")],
  ];
}

function haystack(row) {
  return row.hay ??= fields(row).map(field => field[1]).join("\n").toLowerCase();
}

const searched = () => filters.words.toLowerCase().split(/\s+/).filter(Boolean);

const DIFFERENT = {
  outcome: row => row.members.some(other => other.status !== row.status),
  output: row => row.members.some(other => other.output !== row.output),
};

function matches(row, words) {
  if (filters.states.size && !filters.states.has(row.status)) return false;
  if (filters.provider && text(row.provider) !== filters.provider) return false;
  if (filters.column && column(row) !== filters.column) return false;
  if (filters.suite && data.suites[row.suite] !== filters.suite) return false;
  if (filters.metadata && !pairs(row.metadata).some(pair => JSON.stringify(pair) === filters.metadata)) return false;
  if (filters.metric && !row.assertions.some(check => text(check[2]) === filters.metric) && !(filters.metric in row.named_scores)) return false;
  if (filters.type && !row.assertions.some(check => text(check[1]) === filters.type)) return false;
  if (filters.stop && (text(row.stop_reason) || "not reported") !== filters.stop) return false;
  if (filters.differ && !DIFFERENT[filters.differ](row)) return false;
  return words.every(word => haystack(row).includes(word));
}

const ORDERS = {
  failures: ["failures first", (a, b) => a.index - b.index],
  suite: ["as in the suite", (a, b) => a.order - b.order],
  lowest: ["lowest score", (a, b) => (a.score ?? -1) - (b.score ?? -1) || a.index - b.index],
  slowest: ["slowest", (a, b) => b.latency_ms - a.latency_ms || a.index - b.index],
  dearest: ["highest cost", (a, b) => (b.cost ?? -1) - (a.cost ?? -1) || a.index - b.index],
};

function apply() {
  const words = searched();
  shown = rows.filter(row => matches(row, words)).sort(ORDERS[filters.sort][1]);
  page = 0;
  draw();
}

// --- marks

const pattern = words => new RegExp(words.map(word => word.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")).join("|"), "giu");

function mark(root) {
  const words = searched();
  if (!words.length) return;
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT), nodes = [];
  while (walker.nextNode()) if (!walker.currentNode.parentElement.closest("button.small, .state, .notes, mark")) nodes.push(walker.currentNode);
  const wanted = pattern(words);
  for (const node of nodes) markText(node, wanted);
}

function markText(node, wanted) {
  const value = node.data, parts = [];
  let from = 0;
  for (const { 0: found, index } of value.matchAll(wanted)) {
    parts.push(value.slice(from, index), el("mark", {}, found));
    from = index + found.length;
  }
  if (parts.length) node.replaceWith(...parts, value.slice(from));
}

// A long text from a little before the first word that was found.
function excerpt(value, length) {
  const words = searched(), at = words.length ? value.search(pattern(words)) : -1;
  const from = at > length * 0.6 ? at - Math.floor(length / 5) : 0;
  return (from ? "…" : "") + value.slice(from, from + length) + (value.length > from + length ? "…" : "");
}

// Where the search found what is not visible before a row is opened.
function foundIn(row, visible) {
  const words = searched().filter(word => !visible.toLowerCase().includes(word));
  const names = fields(row).filter(([, value]) => words.some(word => value.toLowerCase().includes(word))).map(([name]) => name);
  return names.length > 0 && el("div", { class: "notes" }, `found in: ${names.join(", ")}`);
}
