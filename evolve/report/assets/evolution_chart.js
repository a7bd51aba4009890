// The score curve: the mean on train cases over paid answers, with the line of the best.

function drawCurve(section) {
  const box = section.querySelector(".drawing");
  if (!model.curve.length) { box.replaceChildren(el("p", { class: "hint" }, "No candidate has a score on train cases yet.")); return; }
  const width = Math.max(260, box.clientWidth - 2), height = width < 600 ? 240 : 300;
  const frame = { left: 46, right: 16, top: 16, bottom: 40 };
  const last = Math.max(1, model.spent, ...model.curve.map(point => point[0]));
  const vote = model.vote < 0 ? null : model.candidates[model.vote].means.train?.[3] ?? null;
  const top = Math.min(1, Math.ceil(Math.max(0.1, vote ?? 0, ...model.curve.map(point => point[2])) * 10 + 0.5) / 10);
  const x = spent => frame.left + (width - frame.left - frame.right) * spent / last;
  const y = mean => height - frame.bottom - (height - frame.top - frame.bottom) * mean / top;
  const parts = [...gridLines(x, y, last, top, width, height, frame)];
  // The line's name is on the side that the best line leaves free.
  if (vote !== null) parts.push(...voteLine(y(vote), vote, width, frame, (bestPoints().at(-1)?.[2] ?? 0) >= vote));
  parts.push(bestLine(x, y, last));
  for (const point of drawnLast(model.curve)) parts.push(curveMark(point, x, y));
  parts.push(...ends(x, y));
  const label = `Score curve: ${plural(model.curve.length, "score")} of candidates; the best went from ${percent(bestPoints()[0]?.[2] ?? null)} to ${percent(bestPoints().at(-1)?.[2] ?? null)}`;
  box.replaceChildren(el("svg:svg", { class: "curve", width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": label }, parts), legend());
}

const bestPoints = () => model.curve.filter(point => point[3]);
// Marks that matter more lie on top.
const weight = ([, at, , best]) => (at === model.winner ? 4 : 0) + (best ? 2 : 0) + (model.candidates[at].status === "accepted" ? 1 : 0);
const drawnLast = points => [...points].sort((a, b) => weight(a) - weight(b));

function* gridLines(x, y, last, top, width, height, frame) {
  const step = top > 0.6 ? 0.2 : 0.1;
  for (let mean = 0; mean <= top + 1e-9; mean += step) {
    yield el("svg:line", { class: "grid", x1: frame.left, x2: width - frame.right, y1: y(mean), y2: y(mean) });
    yield el("svg:text", { x: frame.left - 8, y: y(mean) + 4, "text-anchor": "end" }, `${Math.round(mean * 100)}%`);
  }
  const rough = last / (width < 600 ? 3 : 6), unit = 10 ** Math.floor(Math.log10(rough)), every = Math.max(1, [1, 2, 5, 10].find(n => n * unit >= rough) * unit);
  for (let spent = 0; spent <= last; spent += every) yield el("svg:text", { x: x(spent), y: height - frame.bottom + 18, "text-anchor": "middle" }, Math.round(spent).toLocaleString("en"));
  yield el("svg:text", { x: (frame.left + width - frame.right) / 2, y: height - 4, "text-anchor": "middle", class: "axis" }, "paid answers");
}

function voteLine(at, mean, width, frame, below) {
  return [el("svg:line", { class: "voteline", x1: frame.left, x2: width - frame.right, y1: at, y2: at }),
    el("svg:text", { class: "votetext", x: width - frame.right, y: at + (below ? 16 : -6), "text-anchor": "end" }, `lookup ${percent(mean)}`)];
}

function bestLine(x, y, last) {
  const points = bestPoints();
  if (!points.length) return null;
  let path = `M${x(points[0][0])} ${y(points[0][2])}`;
  for (const [spent, , mean] of points.slice(1)) path += `H${x(spent)}V${y(mean)}`;
  return el("svg:path", { class: "best", d: `${path}H${x(last)}` });
}

function shapeOf(at, best) {
  const one = model.candidates[at];
  if (at === model.winner) return "winner";
  if (at === model.incumbent) return "was";
  return best ? "bestmark" : one.status === "dropped" ? "dropped" : one.status === "accepted" ? "accepted" : "scored";
}

// Shapes differ, not only colours.
function shape(kind, x, y) {
  const path = {
    winner: `M${x} ${y - 9}L${x + 9} ${y}L${x} ${y + 9}L${x - 9} ${y}Z`, bestmark: `M${x} ${y - 6}L${x + 6} ${y}L${x} ${y + 6}L${x - 6} ${y}Z`,
    was: `M${x - 6} ${y - 6}H${x + 6}V${y + 6}H${x - 6}Z`, dropped: `M${x - 4} ${y - 4}L${x + 4} ${y + 4}M${x + 4} ${y - 4}L${x - 4} ${y + 4}`,
  }[kind];
  return path ? el("svg:path", { class: `mark ${kind}`, d: path }) : el("svg:circle", { class: `mark ${kind}`, cx: x, cy: y, r: 4.5 });
}

function curveMark([spent, at, mean, best], x, y) {
  const one = model.candidates[at], kind = shapeOf(at, best);
  const name = `${nameOf(one)} ${one.operator}: ${percent(mean)} after ${plural(spent, "answer")}, ${status(one)}. ${firstLine(one.note, 80)}`;
  const isStop = ["winner", "was", "bestmark"].includes(kind);
  return el("svg:a", { href: candidateLink(one), "aria-label": name, tabindex: isStop ? null : "-1" }, el("svg:title", {}, name), shape(kind, x(spent), y(mean)));
}

function ends(x, y) {
  const points = bestPoints();
  return [points[0], points.length > 1 && points.at(-1)].filter(Boolean).map(([spent, , mean], at) =>
    el("svg:text", { class: "value", x: x(spent) - (at ? 0 : 4), y: y(mean) - 14, "text-anchor": at ? "middle" : "start" }, percent(mean)));
}

function legend() {
  const names = { was: "current agent", scored: "scored", accepted: "accepted", bestmark: "best of its time", winner: model.phase === "search" ? "best so far" : "winner", dropped: "dropped early" };
  const used = new Set(model.curve.map(([, at, , best]) => shapeOf(at, best)));
  return el("p", { class: "legend" }, Object.entries(names).filter(([kind]) => used.has(kind)).map(([kind, name]) =>
    el("span", {}, el("svg:svg", { width: 20, height: 20, "aria-hidden": "true" }, shape(kind, 10, 10)), name)));
}
