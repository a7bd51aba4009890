// The page of an evolution: its data, and the dialog that shows a candidate or the evidence of a cell.
// Everything that a run produced is put in as text nodes: the page never parses it as HTML.

function el(name, attributes, ...children) {
  const svg = name.startsWith("svg:");
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", name.slice(4)) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value);
  }
  for (const child of children.flat(3)) if (child !== null && child !== undefined && child !== false && child !== "") node.append(child);
  return node;
}

const STATES = {
  p: { mark: "✓", word: "pass", kind: "pass" },
  f: { mark: "✗", word: "fail", kind: "fail" },
  h: { mark: "▲", word: "harmful", kind: "fail" },
  m: { mark: "±", word: "mixed", kind: "error" },
  ".": { mark: "·", word: "not asked", kind: "" },
};
const SPLITS = ["train", "val", "gate"];

const percent = value => {
  if (value === null) return "–";
  const tenths = value > 0 && value < 1 ? Math.min(Math.max(Math.round(value * 1000), 1), 999) : Math.round(value * 1000);
  return `${tenths / 10}%`;
};
const plural = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
const firstLine = (value, length) => {
  const line = value.replace(/\s+/g, " ").trim();
  return line.length > length ? line.slice(0, length - 1) + "…" : line;
};
const state = letter => el("span", { class: `state ${STATES[letter].kind}` }, el("span", { "aria-hidden": "true" }, STATES[letter].mark), ` ${STATES[letter].word}`);

// --- the data

let model = null, proof = null;

function readModel() {
  const data = JSON.parse(document.getElementById("overview").textContent);
  const tasks = data.tasks.map(([id, description, family, split, status, file], index) => ({ id, description, family, split, status, file, index }));
  const candidates = data.candidates.map(([id, parents, operator, note, status, spent, reasons, means, row], index) =>
    ({ id, parents, operator, note, status, spent, reasons, means, row, index, children: [] }));
  for (const one of candidates) for (const parent of one.parents) candidates[parent].children.push(one.index);
  model = { ...data, tasks, candidates, byId: new Map(candidates.map(one => [one.id, one])), taskById: new Map(tasks.map(task => [task.id, task])) };
  model.line = winnersLine();
  proof = null;
}

// The evidence is large: it is read when a reader first asks for some of it.
function evidence() {
  proof ??= JSON.parse(document.getElementById("evidence").textContent);
  return proof;
}
const text = number => evidence().texts[number];

function winnersLine() {
  const line = new Set();
  const waiting = model.winner < 0 ? [] : [model.winner];
  while (waiting.length) {
    const at = waiting.pop();
    if (line.has(at)) continue;
    line.add(at);
    waiting.push(...model.candidates[at].parents);
  }
  return line;
}

function roles(one) {
  const found = [];
  if (one.index === model.incumbent) found.push("current agent");
  if (one.index === model.winner) found.push(model.phase === "search" ? "best so far" : "winner");
  if (one.index === model.vote) found.push("lookup");
  return found;
}
const status = one => one.index === model.incumbent ? "start of the run" : one.index === model.vote ? "asks no model" : one.status === "best" ? "accepted as best" : one.status;
const tags = one => roles(one).map(role => el("span", { class: `tag ${role === "winner" || role === "best so far" ? "now" : role === "lookup" ? "vote" : "was"}` }, role));
const candidateLink = one => `#candidate/${encodeURIComponent(one.id)}`;
const caseLink = (one, task) => `#case/${encodeURIComponent(one.id)}/${encodeURIComponent(task.id)}`;
const nameOf = one => one.index === model.vote ? "lookup" : one.id;
const named = one => el("a", { href: candidateLink(one) }, nameOf(one));

// --- the dialog

const dialog = document.getElementById("dialog");
let depth = 0;

function route() {
  const [kind, ...names] = location.hash.slice(1).split("/");
  let parts = [];
  try { parts = names.map(decodeURIComponent); } catch { return; }
  const one = model.byId.get(parts[0]), task = model.taskById.get(parts[1]);
  if (kind === "candidate" && one) show(nameOf(one), tags(one), candidateBody(one));
  else if (kind === "case" && one && task) show(task.description || task.id, state(one.row[task.index]), caseBody(one, task));
  else if (dialog.open) dialog.close();
}

function show(title, marks, body) {
  depth = dialog.open ? depth + 1 : 0;
  const back = depth > 0 && el("button", { type: "button", on: { click: () => { depth -= 2; history.back(); } } }, "Back");
  dialog.replaceChildren(
    el("div", { class: "dialog-head" }, el("h2", { id: "dialog-title", tabindex: "-1" }, title, " ", marks), back,
      el("button", { type: "button", class: "close", on: { click: () => dialog.close() } }, "Close")),
    el("div", { class: "dialog-body", tabindex: "0", role: "region", "aria-label": "Details" }, body));
  if (!dialog.open) dialog.showModal();
  dialog.querySelector("#dialog-title").focus();
}

dialog.addEventListener("close", () => {
  depth = 0;
  if (/^#(candidate|case)\//.test(location.hash)) history.replaceState(null, "", location.href.split("#")[0]);
});
dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });

// --- a candidate

function candidateBody(one) {
  const list = (name, indices) => indices.length > 0 && el("div", {}, el("dt", {}, name), el("dd", {}, indices.map(at => [named(model.candidates[at]), " "])));
  return [
    el("p", { class: "lead" }, el("b", {}, one.operator), " ", one.note),
    el("dl", { class: "facts-list" },
      el("div", {}, el("dt", {}, "Status"), el("dd", {}, status(one))),
      list("Parents", one.parents), list("Children", one.children),
      el("div", {}, el("dt", {}, "Proposed after"), el("dd", {}, plural(one.spent, "answer")))),
    one.reasons.length > 0 && [el("h3", {}, "Decisions about it"), el("ul", { class: "reasons" }, one.reasons.map(reason => el("li", {}, reason)))],
    standings(one), changes(one), fullPrompt(one), rows(one),
  ];
}

function standings(one) {
  const splits = SPLITS.filter(split => one.means[split]);
  if (!splits.length) return el("p", { class: "hint" }, "This candidate has not answered any case.");
  const body = splits.map(split => {
    const [cases, passed, harmful, mean] = one.means[split], before = shared(one, model.candidates[model.incumbent], split);
    return el("tr", {}, el("th", { scope: "row" }, split), ...[cases, passed, harmful, percent(mean), before].map(value => el("td", { class: "num" }, value)));
  });
  return table("Results by split", ["Split", "Cases", "Right", "Harmful", "Mean", "Current agent, same cases"], body, 1);
}

// The incumbent's share of right answers on the cases that both answered.
function shared(one, other, split) {
  if (!other || other === one) return "–";
  let cases = 0, right = 0;
  for (const task of model.tasks) {
    if (task.split !== split || one.row[task.index] === "." || other.row[task.index] === ".") continue;
    cases++;
    if (other.row[task.index] === "p") right++;
  }
  return cases ? `${right} of ${cases}` : "–";
}

const table = (label, heads, body, numbers = heads.length) => el("div", { class: "table", tabindex: "0", role: "region", "aria-label": label }, el("table", {},
  el("caption", { class: "unseen" }, label),
  el("thead", {}, el("tr", {}, heads.map((head, at) => el("th", { scope: "col", class: at >= numbers ? "num" : null }, head)))), el("tbody", {}, body)));

function changes(one) {
  return evidence().changes[one.index].map(([id, lines], at) => el("details", { class: "groups", open: at === 0 },
    el("summary", {}, model.candidates[model.incumbent]?.id === id ? `Changed from ${id}, the current agent` : `Changed from ${id}`), diffBlock(lines, `Diff from ${id} to ${one.id}`)));
}

const KINDS = { " ": ["same", "span", " "], "+": ["added", "ins", "+"], "-": ["removed", "del", "−"], "@": ["gap", "span", "⋯"] };

function diffBlock(lines, label) {
  return el("div", { class: "diff", role: "region", tabindex: "0", "aria-label": label }, lines.length ? lines.map(([kind, ...pieces]) => {
    const [name, tag, sign] = KINDS[kind];
    const shown = pieces.map((piece, at) => piece && (at % 2 ? el("mark", {}, piece) : piece));
    return el("div", { class: name }, el("i", { "aria-hidden": "true" }, sign), el(tag, {}, shown.some(Boolean) ? shown : " "));
  }) : el("div", { class: "same" }, el("span", {}, "no line differs")));
}

const fullPrompt = one => text(evidence().prompts[one.index]) && el("details", { class: "groups" }, el("summary", {}, "The whole prompt"),
  el("pre", { tabindex: "0", role: "region", "aria-label": "The whole prompt" }, text(evidence().prompts[one.index])));

function rows(one) {
  const asked = model.tasks.filter(task => one.row[task.index] !== ".");
  const body = el("tbody", {});
  const kinds = [["all", () => true], ["wrong", task => one.row[task.index] !== "p"]];
  if (one.index !== model.incumbent) kinds.push(["won", task => better(one, task) > 0], ["lost", task => better(one, task) < 0]);
  const buttons = kinds.map(([name, keep], at) => el("button", { type: "button", "aria-pressed": String(at === 0), on: { click: event => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button === event.currentTarget));
    fill(keep);
  } } }, `${name} ${asked.filter(keep).length}`));
  const fill = keep => body.replaceChildren(...asked.filter(keep).map(task => caseRow(one, task)));
  fill(() => true);
  const shown = table("Its rows", ["Result", "Case", "Split", "Current agent"], []);
  shown.querySelector("tbody").replaceWith(body);
  return [el("h3", {}, "Its rows"), el("div", { class: "choices", role: "group", "aria-label": "Which rows" }, buttons), shown];
}

function better(one, task) {
  const before = model.candidates[model.incumbent]?.row[task.index] ?? ".", now = one.row[task.index];
  return before === "." || now === "." ? 0 : (now === "p") - (before === "p");
}

function caseRow(one, task) {
  const before = model.candidates[model.incumbent]?.row[task.index] ?? ".";
  return el("tr", {}, el("td", {}, state(one.row[task.index])),
    el("th", { scope: "row" }, el("a", { href: caseLink(one, task) }, task.description || task.id), el("small", {}, task.family)),
    el("td", {}, task.split), el("td", {}, one.index === model.incumbent ? "–" : state(before)));
}

// --- the evidence of one cell

function caseBody(one, task) {
  const [shown, accepted] = evidence().cases[task.index], flat = evidence().answers[one.index][task.index];
  const answers = [];
  for (let at = 0; flat && at < flat.length; at += 9) answers.push(answer(flat.slice(at, at + 9), flat.length > 9 ? `Repeat ${at / 9 + 1}` : ""));
  return [
    el("p", { class: "lead" }, "answered by ", named(one), " ", tags(one), " ", one.operator),
    el("dl", { class: "facts-list" }, [["Family", task.family], ["Split", task.split], ["Status", task.status], ["File", task.file], ["Right answer", text(accepted)]]
      .filter(([, value]) => value).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
    answers.length ? answers : el("p", { class: "hint" }, "This candidate was not asked this case."),
    el("h3", {}, "The case as the prompt shows it"), el("pre", { tabindex: "0", role: "region", "aria-label": "The case" }, text(shown) || "(not recorded)"),
    others(one, task),
  ];
}

function answer([output, reason, score, letter, free, prompt, cached, completion, seconds], title) {
  const cost = free ? "free: the answer was known before" : [prompt || completion ? `${prompt} tokens in (${cached} cached), ${completion} out` : "", seconds ? `${seconds} s` : ""].filter(Boolean).join(", ");
  return el("div", { class: "answer" }, el("h3", {}, title && `${title} · `, state(letter), ` · score ${score === null ? "–" : score}`),
    el("pre", { tabindex: "0", role: "region", "aria-label": "Output" }, text(output) || "(empty)"), text(reason) && el("p", {}, text(reason)), cost && el("p", { class: "hint" }, cost));
}

function others(one, task) {
  const asked = model.candidates.filter(other => other.row[task.index] !== ".");
  const right = asked.filter(other => other.row[task.index] === "p").length;
  const shown = [model.incumbent, model.winner, model.vote].filter((at, place, all) => at >= 0 && at !== one.index && all.indexOf(at) === place).map(at => model.candidates[at]);
  return [el("h3", {}, `${right} of ${plural(asked.length, "candidate")} answered it right`),
    el("ul", { class: "reasons" }, shown.map(other => el("li", {}, state(other.row[task.index]), " ", el("a", { href: caseLink(other, task) }, nameOf(other)), " ", tags(other))))];
}
