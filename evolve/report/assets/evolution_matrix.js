// The matrix of cases and candidates on one canvas: only what is in view is drawn, so that its size costs nothing.

const SIZES = [4, 5, 6, 8, 10, 12, 16, 20, 24];
const matrix = { size: 0, order: "proposed", all: false, at: null, rows: [], columns: [], height: 0 };

function drawMatrix(section) {
  const box = section.querySelector(".drawing");
  if (!model.tasks.length || !model.candidates.length) { box.replaceChildren(el("p", { class: "hint" }, "No case has been asked yet.")); return; }
  matrix.section = section;
  if (!matrix.area || !box.contains(matrix.area)) buildMatrix(box);
  layOut();
}

// Races take a sample of the cases: rows that no candidate answered are hidden until they are asked for.
const unasked = () => model.tasks.filter(task => model.candidates.every(one => one.row[task.index] === "."));

function buildMatrix(box) {
  const zoom = step => () => { matrix.size = SIZES[Math.min(SIZES.length - 1, Math.max(0, SIZES.indexOf(matrix.size) + step))]; layOut(); };
  const order = el("select", { on: { change: event => { matrix.order = event.target.value; layOut(); } } },
    el("option", { value: "proposed" }, "as proposed"), el("option", { value: "best" }, "best on train first"));
  matrix.canvas = el("canvas", { "aria-hidden": "true" });
  matrix.space = el("div", { class: "space" }, matrix.canvas);
  matrix.area = el("div", { class: "matrix", tabindex: "0", role: "application", "aria-label": "Matrix of cases and candidates. Arrow keys move, Enter opens the evidence." }, matrix.space);
  matrix.readout = el("p", { class: "readout", "aria-live": "polite" }, "Point at a cell, or move with the arrow keys; Enter opens it.");
  box.replaceChildren(el("div", { class: "choices" }, el("label", {}, "Candidates ", order),
    matrix.hidden = el("button", { type: "button", "aria-pressed": "false", on: { click: () => { matrix.all = !matrix.all; layOut(); } } }),
    el("span", { class: "zoom", role: "group", "aria-label": "Size of cells" }, el("button", { type: "button", "aria-label": "Smaller cells", on: { click: zoom(-1) } }, "−"), el("button", { type: "button", "aria-label": "Larger cells", on: { click: zoom(1) } }, "+"))),
    matrixLegend(), matrix.area, matrix.readout);
  matrix.area.addEventListener("scroll", () => requestAnimationFrame(paint), { passive: true });
  matrix.area.addEventListener("pointermove", event => point(cellAt(event)));
  matrix.area.addEventListener("click", event => { const at = cellAt(event); if (at) openCell(at); });
  matrix.area.addEventListener("keydown", moved);
  matrix.area.addEventListener("focus", () => point(matrix.at ?? { row: 0, column: 0 }));
}

function matrixLegend() {
  const icon = letter => {
    const canvas = el("canvas", { width: 32, height: 32, class: "icon", "aria-hidden": "true" }), pen = canvas.getContext("2d");
    pen.scale(2, 2);
    cell(pen, colours(), letter, 1, 1, 14);
    return canvas;
  };
  return el("p", { class: "legend" }, Object.entries(STATES).map(([letter, { word }]) => el("span", {}, icon(letter), word)));
}

// --- where things are

const gutter = () => matrix.section.clientWidth < 600 ? 112 : 230;
const head = () => matrix.size >= 12 ? 74 : 26;

function layOut() {
  const columns = model.candidates.map(one => one.index);
  const mean = at => model.candidates[at].means.train?.[3] ?? -1;
  const first = at => at === model.incumbent ? 0 : at === model.vote ? 1 : 2;
  matrix.columns = columns.sort((a, b) => first(a) - first(b) || (matrix.order === "best" ? mean(b) - mean(a) : 0) || a - b);
  const room = matrix.section.querySelector(".drawing").clientWidth - gutter() - 12;
  if (!matrix.size) matrix.size = SIZES.findLast(size => size <= 20 && size * columns.length <= room) ?? 5;
  matrix.rows = [];
  const nobody = new Set(unasked());
  matrix.hidden.hidden = !nobody.size || nobody.size === model.tasks.length;
  matrix.hidden.textContent = `show ${plural(nobody.size, "case")} that nobody was asked`;
  matrix.hidden.setAttribute("aria-pressed", String(matrix.all));
  let y = 0, before = null;
  for (const task of model.tasks) {
    if (nobody.has(task) && !matrix.all && !matrix.hidden.hidden) continue;
    if (before?.split !== task.split) y += 22;
    else if (before.family !== task.family) y += matrix.size > 5 ? 4 : 2;
    matrix.rows.push({ task, y });
    y += matrix.size;
    before = task;
  }
  matrix.height = y;
  if (matrix.at && !(matrix.rows[matrix.at.row] && matrix.at.column < columns.length)) matrix.at = null;
  const wide = gutter() + columns.length * matrix.size + 12;
  matrix.canvas.style.width = "0";
  matrix.space.style.width = `${wide}px`;
  matrix.area.style.width = `${wide + 18}px`;
  matrix.space.style.height = `${head() + y + 8}px`;
  requestAnimationFrame(paint);
}

const rowAt = y => {
  let low = 0, high = matrix.rows.length - 1;
  while (low < high) { const middle = (low + high + 1) >> 1; if (matrix.rows[middle].y <= y) low = middle; else high = middle - 1; }
  return low;
};

function cellAt(event) {
  const frame = matrix.area.getBoundingClientRect(), x = event.clientX - frame.left - 1 - gutter(), y = event.clientY - frame.top - 1 - head();
  if (x < 0 || y < 0) return null;
  const column = Math.floor((x + matrix.area.scrollLeft) / matrix.size), at = y + matrix.area.scrollTop, row = rowAt(at);
  return column < matrix.columns.length && at >= matrix.rows[row].y && at < matrix.rows[row].y + matrix.size ? { row, column } : null;
}

// --- what is drawn

function colours() {
  const style = getComputedStyle(document.documentElement), of = name => style.getPropertyValue(`--${name}`).trim();
  return { text: of("text"), dim: of("dim"), line: of("line"), card: of("card"), accent: of("accent"), p: of("cellpass"), f: of("cellfail"), h: of("cellharm"), m: of("cellmixed"), faint: of("line2") };
}

// A full square passes, a small dot fails, a triangle does harm, half a square is mixed: shapes, not only colours.
function cell(pen, colour, letter, x, y, size) {
  pen.fillStyle = colour[letter] ?? colour.line;
  const inner = size - (size > 5 ? 1 : 0.5);
  if (letter === "p") pen.fillRect(x, y, inner, inner);
  else if (letter === "f") { const dot = Math.max(2, Math.round(inner * 0.4)); pen.fillRect(x + (inner - dot) / 2, y + (inner - dot) / 2, dot, dot); }
  else if (letter === "m") pen.fillRect(x, y + inner / 2, inner, inner / 2);
  else if (letter === "h") { pen.beginPath(); pen.moveTo(x + inner / 2, y); pen.lineTo(x + inner, y + inner); pen.lineTo(x, y + inner); pen.fill(); }
  else if (size >= 8) { pen.fillStyle = colour.faint; pen.fillRect(x + inner / 2 - 0.5, y + inner / 2 - 0.5, 1, 1); }
}

function paint() {
  const { area, canvas, size } = matrix, width = area.clientWidth, height = area.clientHeight, ratio = devicePixelRatio || 1;
  if (!width || !height) return;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d"), colour = colours();
  pen.scale(ratio, ratio);
  pen.font = "12px system-ui, sans-serif";
  const left = gutter(), top = head(), dx = left - area.scrollLeft, dy = top - area.scrollTop;
  const firstColumn = Math.max(0, Math.floor(area.scrollLeft / size)), lastColumn = Math.min(matrix.columns.length, Math.ceil((area.scrollLeft + width - left) / size));
  const firstRow = rowAt(area.scrollTop), lastRow = Math.min(matrix.rows.length, rowAt(area.scrollTop + height - top) + 1);
  pen.save();
  pen.beginPath();
  pen.rect(left, top, width - left, height - top);
  pen.clip();
  for (let column = firstColumn; column < lastColumn; column++) {
    const { row } = model.candidates[matrix.columns[column]];
    for (let at = firstRow; at < lastRow; at++) cell(pen, colour, row[matrix.rows[at].task.index], dx + column * size, dy + matrix.rows[at].y, size);
  }
  frames(pen, colour, dx, dy);
  pen.restore();
  labels(pen, colour, firstRow, lastRow, top, dy, left, height);
  heads(pen, colour, firstColumn, lastColumn, left, dx, top, width);
}

function frames(pen, colour, dx, dy) {
  const winner = matrix.columns.indexOf(model.winner);
  pen.strokeStyle = colour.accent;
  pen.lineWidth = 1.5;
  if (winner >= 0) pen.strokeRect(dx + winner * matrix.size - 1.5, dy + 18, matrix.size + 2, matrix.height - 16);
  if (!matrix.at) return;
  pen.strokeStyle = colour.text;
  pen.lineWidth = 2;
  pen.strokeRect(dx + matrix.at.column * matrix.size - 2, dy + matrix.rows[matrix.at.row].y - 2, matrix.size + 3, matrix.size + 3);
}

function labels(pen, colour, firstRow, lastRow, top, dy, left, height) {
  pen.save();
  pen.beginPath();
  pen.rect(0, top, left, height - top);
  pen.clip();
  let before = firstRow ? matrix.rows[firstRow - 1].task : null, free = -100;
  for (let at = firstRow; at < lastRow; at++) {
    const { task, y } = matrix.rows[at];
    if (before?.split !== task.split) { pen.fillStyle = colour.text; pen.font = "bold 12px system-ui, sans-serif"; pen.fillText(task.split, 10, dy + y - 6); }
    pen.font = "12px system-ui, sans-serif";
    pen.fillStyle = colour.dim;
    const middle = dy + y + Math.min(matrix.size, 16) / 2 + 4;
    if ((before?.family !== task.family || before?.split !== task.split) && middle - free >= 12) { pen.fillText(fitted(pen, task.family || task.description, left - 20), 10, middle); free = middle; }
    before = task;
  }
  pen.restore();
}

function fitted(pen, name, width) {
  if (pen.measureText(name).width <= width) return name;
  let end = name.length;
  while (end > 1 && pen.measureText(name.slice(0, end) + "…").width > width) end--;
  return name.slice(0, end) + "…";
}

function heads(pen, colour, first, last, left, dx, top, width) {
  pen.save();
  pen.beginPath();
  pen.rect(left - 8, 0, width - left + 8, top);
  pen.clip();
  for (let column = first; column < last; column++) {
    const one = model.candidates[matrix.columns[column]], x = dx + column * matrix.size + matrix.size / 2;
    const letter = one.index === model.winner ? "W" : one.index === model.incumbent ? "I" : one.index === model.vote ? "L" : "";
    pen.fillStyle = letter === "W" ? colour.accent : letter ? colour.text : colour.dim;
    if (matrix.size >= 12) {
      pen.save();
      pen.translate(x + 4, top - 6);
      pen.rotate(-Math.PI / 2);
      pen.font = `${letter ? "bold " : ""}11px ui-monospace, monospace`;
      pen.fillText(fitted(pen, { W: "winner", I: "current", L: "lookup" }[letter] || one.id.slice(0, 8), top - 10), 0, 0);
      pen.restore();
    } else if (letter) {
      pen.font = "bold 11px system-ui, sans-serif";
      // The first two columns' letters lean apart: the columns are narrower than they are.
      pen.textAlign = { I: "end", L: "start", W: "center" }[letter];
      pen.fillText(letter, x + { I: 2, L: -1, W: 0 }[letter], top - 8);
      pen.textAlign = "start";
    } else if (["accepted", "best"].includes(one.status)) pen.fillRect(x - 0.5, top - 6, 1, 4);
  }
  pen.restore();
}

// --- pointing at a cell

function point(at) {
  if (!at || !matrix.rows[at.row]) return;
  matrix.at = at;
  const { task } = matrix.rows[at.row], one = model.candidates[matrix.columns[at.column]];
  matrix.readout.replaceChildren(state(one.row[task.index]), ` · ${task.family ? `${task.family}: ` : ""}${firstLine(task.description || task.id, 70)} · `, named(one), ` ${one.operator} `, tags(one));
  requestAnimationFrame(paint);
}

function openCell({ row, column }) {
  const one = model.candidates[matrix.columns[column]], { task } = matrix.rows[row];
  point({ row, column });
  location.hash = caseLink(one, task);
}

function moved(event) {
  const at = matrix.at ?? { row: 0, column: 0 }, last = { row: matrix.rows.length - 1, column: matrix.columns.length - 1 };
  const to = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], PageUp: [-20, 0], PageDown: [20, 0], Home: [0, -last.column], End: [0, last.column] }[event.key];
  if (event.key === "Enter") openCell(at);
  if (!to || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const limited = (value, most) => Math.min(Math.max(value, 0), most);
  point({ row: limited(at.row + to[0], last.row), column: limited(at.column + to[1], last.column) });
  reveal();
}

function reveal() {
  const { area, size } = matrix, x = matrix.at.column * size, y = matrix.rows[matrix.at.row].y;
  const width = area.clientWidth - gutter() - size * 2, height = area.clientHeight - head() - size * 2;
  area.scrollLeft = Math.min(Math.max(area.scrollLeft, x - width), x);
  area.scrollTop = Math.min(Math.max(area.scrollTop, y - height), y);
}
