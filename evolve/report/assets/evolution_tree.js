// The tree of candidates: each below the first of its parents, with its status, mean and gain.

const MANY = 40;
let treeView = "";

function drawTree(section) {
  const box = section.querySelector(".drawing");
  const accepted = withParents(model.candidates.filter(one => ["accepted", "best"].includes(one.status) || roles(one).length));
  const views = [["all", "all", new Set(model.candidates.keys())], ["accepted", "accepted", accepted], ["line", "the winner's line", withParents([...model.line].map(at => model.candidates[at]))]]
    .filter(([name, , shown]) => name !== "line" || shown.size);
  const wanted = treeView || (model.candidates.length > MANY ? "accepted" : "all");
  const buttons = views.map(([name, label, shown]) => el("button", { type: "button", "aria-pressed": String(name === wanted), on: { click: () => {
    treeView = name;
    drawTree(section);
    section.querySelector(`[data-view=${name}]`).focus();
  } }, "data-view": name }, `${label} ${shown.size}`));
  const shown = (views.find(([name]) => name === wanted) || views[0])[2];
  const scroll = box.querySelector(".tree")?.scrollTop ?? 0;
  const tree = table("Tree of candidates", ["Candidate", "Status", "Train mean", "Over its parent", "Cases"], [...treeRows(shown)], 2);
  tree.classList.add("tree");
  tree.classList.toggle("deep", Boolean(tree.querySelector(".guides i:nth-child(9)")));
  box.replaceChildren(el("div", { class: "choices", role: "group", "aria-label": "Which candidates" }, buttons), tree);
  tree.scrollTop = scroll;
}

function withParents(found) {
  const shown = new Set(), waiting = found.map(one => one.index);
  while (waiting.length) {
    const at = waiting.pop();
    if (!shown.has(at)) { shown.add(at); waiting.push(...model.candidates[at].parents.slice(0, 1)); }
  }
  return shown;
}

function* treeRows(shown) {
  const below = one => one.children.filter(at => shown.has(at) && model.candidates[at].parents[0] === one.index);
  const walk = function* (at, rails, isLast) {
    const one = model.candidates[at];
    yield treeRow(one, rails, isLast);
    const children = below(one);
    for (const [place, child] of children.entries()) yield* walk(child, isLast === null ? [] : [...rails, !isLast], place === children.length - 1);
  };
  for (const one of model.candidates) if (shown.has(one.index) && !one.parents.some(parent => parent < one.index)) yield* walk(one.index, [], null);
}

function treeRow(one, rails, isLast) {
  const parent = one.parents.length ? model.candidates[one.parents[0]] : null;
  const guides = isLast === null ? [] : [...rails.map(on => el("i", { class: on ? "rail" : "blank" })), el("i", { class: isLast ? "elbow" : "tee" })];
  const [cases, , , mean] = one.means.train ?? [0, 0, 0, null];
  const gain = parent?.means.train && mean !== null ? gainOver(one, parent) : null;
  const more = one.parents.slice(1).map(at => [" with ", named(model.candidates[at])]);
  return el("tr", { class: model.line.has(one.index) ? "line" : null },
    el("th", { scope: "row" }, el("div", { class: "branch" }, el("span", { class: "guides", "aria-hidden": "true" }, guides),
      el("span", { class: "who" }, named(one), " ", el("b", {}, one.operator), more, " ", tags(one), el("small", {}, firstLine(one.note, 120), parent && el("span", { class: "unseen" }, `, made from ${parent.id}`))))),
    el("td", {}, status(one)),
    el("td", { class: "num" }, mean === null ? "–" : [meter(mean), el("span", { class: "value" }, percent(mean))]),
    el("td", { class: `num ${gain === null ? "" : gain > 0 ? "pass" : gain < 0 ? "fail" : ""}` }, gain === null ? "–" : `${gain > 0 ? "+" : gain < 0 ? "−" : "±"}${Math.abs(gain * 100).toFixed(1)}`),
    el("td", { class: "num" }, cases || "–"));
}

// On the train cases that both answered: a candidate that left early is not compared on the others.
function gainOver(one, parent) {
  let cases = 0, sum = 0;
  for (const task of model.tasks) {
    if (task.split !== "train" || one.row[task.index] === "." || parent.row[task.index] === ".") continue;
    cases++;
    sum += (one.row[task.index] === "p") - (parent.row[task.index] === "p");
  }
  return cases ? sum / cases : null;
}

const meter = mean => el("svg:svg", { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" }, el("svg:rect", { class: "now", width: 100 * mean, height: 10 }));
