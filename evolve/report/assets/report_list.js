// The results as a list: one line each.

const ids = new Map(rows.map(row => [row.anchor, row]));
const link = row => "#" + encodeURIComponent(row.anchor);

function listRow(row) {
  const open = opened.has(row);
  const toggle = el("button", { type: "button", class: "toggle", "aria-expanded": String(open), "aria-controls": open ? `detail-${row.index}` : null },
    el("span", {}, title(row)));
  const node = el("tr", { class: open ? "row open" : "row", id: `row-${row.index}`, on: { click: () => { if (!String(getSelection())) flip(row); } } },
    el("td", {}, state(row.status)),
    el("td", {}, toggle, why(row) && el("div", { class: "why" }, cutTo(why(row), 400)), !open && foundIn(row, `${title(row)} ${column(row)} ${cutTo(why(row), 400)}`)),
    el("td", { class: "column" }, column(row)),
    el("td", { class: "num" }, score(row.score)),
    el("td", { class: "num time" }, row.cached ? "stored" : time(row.latency_ms)));
  return open ? [node, detailRow(row, listColumns())] : [node];
}

const detailRow = (row, columns, ...heading) => el("tr", { class: "detail", id: `detail-${row.index}` }, el("td", { colspan: columns }, el("div", {}, heading, detail(row, true))));

// A cell that spans columns which narrow pages hide would make new ones.
const narrow = matchMedia("(max-width:640px)"), medium = matchMedia("(max-width:1000px)");
const listColumns = () => 5 - medium.matches - narrow.matches;
for (const query of [narrow, medium]) query.addEventListener("change", () => draw());

const cutTo = (value, length) => value.length > length ? value.slice(0, length) + "…" : value;

const listHead = () => el("tr", {}, [["Result", "c-state"], ["Test", ""], ["Provider and prompt", "c-column"], ["Score", "c-score num"], ["Latency", "c-time num"]]
  .map(([name, kind]) => el("th", { scope: "col", class: kind }, name)));
