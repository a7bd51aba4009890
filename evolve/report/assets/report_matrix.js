// The results as a matrix: a row for each test, a column for each provider and prompt, outputs in the cells.

const IN_CELL = 600;
let isWhole = false;

const bySuite = [...rows].sort((a, b) => a.order - b.order);
const columnTotals = new Map();
for (const row of bySuite) {
  const totals = columnTotals.get(column(row)) || { tests: 0, passed: 0, score: 0, cost: null };
  totals.tests++;
  totals.passed += row.status === 2;
  totals.score += row.score ?? 0;
  if (row.cost !== null) totals.cost = (totals.cost ?? 0) + row.cost;
  columnTotals.set(column(row), totals);
}

const isWantedColumn = row => (!filters.column || column(row) === filters.column) && (!filters.provider || text(row.provider) === filters.provider);

// The columns that these tests have, in the suite's order.
function columnsOf(groups) {
  const used = new Set(groups.flat().filter(isWantedColumn).map(column));
  return [...columnTotals.keys()].filter(name => used.has(name));
}

function matrixHead(columns) {
  return el("tr", {}, el("th", { scope: "col" }, "Test"), columns.map(name => {
    const { tests, passed, score, cost } = columnTotals.get(name);
    const parts = [`${passed.toLocaleString("en")} of ${tests.toLocaleString("en")} passed, ${percent(passed / tests)}`, `mean score ${(score / tests).toFixed(3)}`, cost && dollars(cost)];
    return el("th", { scope: "col" }, name, el("div", { class: "totals" }, parts.filter(Boolean).join(" · ")));
  }));
}

function matrixRow(group, columns, matched) {
  const cells = columns.map(name => group.filter(row => column(row) === name));
  const node = el("tr", { class: "test" },
    el("th", { scope: "row" }, text(group[0].title), data.suites.length > 1 && el("div", { class: "notes" }, data.suites[group[0].suite])),
    cells.map(found => found.length ? cell(found[0], matched.has(found[0])) : el("td", { class: "none" }, el("span", { "aria-label": "not run" }, "–"))));
  const details = cells.flat().filter(row => opened.has(row));
  return [node, ...details.map(row => detailRow(row, columns.length + 1, el("h3", { class: "which" }, `${text(row.title)} · ${column(row)}`)))];
}

function cell(row, isMatch) {
  const open = opened.has(row), output = row.output < 0 ? "" : text(row.output), reason = why(row);
  const shownOutput = isWhole ? output : excerpt(output, IN_CELL), shownReason = cutTo(reason, 400);
  const name = `${text(row.title)}, ${column(row)}`, stop = text(row.stop_reason);
  const figures = [score(row.score), row.cached ? "stored" : time(row.latency_ms), row.cost && dollars(row.cost), stop && stop !== "stop" && `stopped: ${stop}`];
  return el("td", { class: `cell${open ? " open" : ""}${isMatch ? "" : " other"}`, id: `row-${row.index}`, on: { click: event => { if (!String(getSelection()) && !event.target.closest("button")) flip(row); } } },
    el("div", { class: "head" }, state(row.status), el("span", { class: "figures" }, figures.filter(Boolean).join(" · ")),
      el("span", { class: "buttons" },
        el("button", { type: "button", class: "small expand", "aria-expanded": String(open), "aria-controls": open ? `detail-${row.index}` : null, "aria-label": `Details of ${name}`, on: { click: () => flip(row) } }, "Details"),
        output && copyButton(() => text(row.output), `output of ${name}`))),
    row.output >= 0 && el("div", { class: "out", "data-label": `Output of ${name}` }, shownOutput || el("span", { class: "notes" }, "(empty)")),
    reason && el("div", { class: "why" }, shownReason),
    isMatch && !open && foundIn(row, `${text(row.title)} ${shownOutput} ${shownReason}`));
}

// Arrow keys move between the cells.
const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
function move(event) {
  const from = event.target.closest("td.cell"), step = STEPS[event.key];
  if (!from || !step || event.ctrlKey || event.metaKey || event.altKey || event.target.closest(".out")) return;
  const lines = [...tbody.querySelectorAll("tr.test")];
  let line = lines.indexOf(from.parentElement), place = from.cellIndex, next = null;
  do {
    line += step[0];
    place += step[1];
    next = lines[line]?.cells[place];
  } while (next && !next.matches("td.cell") && next.tagName !== "TH");
  if (!next?.matches("td.cell")) return;
  event.preventDefault();
  next.querySelector(".expand").focus();
}
