// Draws the page, keeps it right when its size or theme changes, and follows a run that is still going on.

const drawings = { curve: drawCurve, tree: drawTree, matrix: drawMatrix };
const drawn = new Set();

// The matrix is drawn when it comes near: a reader of the answers does not wait for it.
const near = new IntersectionObserver(entries => {
  for (const { isIntersecting, target } of entries) if (isIntersecting && !drawn.has(target.id)) { drawn.add(target.id); drawings[target.id](target); }
}, { rootMargin: "300px" });

function redraw(names = Object.keys(drawings)) {
  for (const name of names) if (drawn.has(name)) drawings[name](document.getElementById(name));
}

function prepareHeader() {
  prepareTheme();
  for (const node of document.querySelectorAll("time[datetime]")) node.textContent = new Date(node.dateTime).toLocaleString();
}

// A change of theme changes what canvases must show; their legend is one too.
function refreshMatrix() {
  if (!drawn.has("matrix")) return;
  matrix.area = null;
  drawMatrix(document.getElementById("matrix"));
}
addEventListener("themechange", refreshMatrix);

// --- following a run

const PARTS = ["glance", "change", "gate", "failing", "cost"];

function take(page) {
  for (const name of PARTS) {
    const old = document.getElementById(name), fresh = page.getElementById(name);
    if (old && fresh && old.outerHTML !== fresh.outerHTML) old.replaceWith(fresh);
  }
  document.querySelector("header").replaceWith(page.querySelector("header"));
  for (const name of ["overview", "evidence"]) document.getElementById(name).textContent = page.getElementById(name).textContent;
  document.title = page.title;
  prepareHeader();
  readModel();
  redraw();
}

const pause = seconds => new Promise(done => setTimeout(done, seconds * 1000));
const visible = () => document.hidden ? new Promise(done => document.addEventListener("visibilitychange", done, { once: true })) : null;

// The next question waits thirty times as long as the page took to make: following costs the run little.
async function follow(version) {
  for (let took = 0; model.phase !== "finished"; await pause(Math.max(1, 30 * took)), await visible()) {
    let answer = null;
    try { answer = await fetch(`?after=${version}`, { cache: "no-store" }); } catch { return ended(); }
    if (answer.status === 204) continue;
    if (!answer.ok) return ended();
    took = Number(/dur=(\d+)/.exec(answer.headers.get("Server-Timing") ?? "")?.[1] ?? 0) / 1000;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    version = page.querySelector("meta[name=version]").content;
    take(page);
  }
}

function ended() {
  const note = document.getElementById("unfinished");
  if (note) note.textContent = "The run no longer answers: this is its last known state. The report file is complete.";
}

// --- begin

readModel();
prepareHeader();
for (const name of ["curve", "tree"]) { drawn.add(name); redraw([name]); }
near.observe(document.getElementById("matrix"));
addEventListener("hashchange", route);
addEventListener("beforeprint", () => { for (const name of Object.keys(drawings)) { drawn.add(name); redraw([name]); } });
matchMedia("(prefers-color-scheme:dark)").addEventListener("change", refreshMatrix);
let width = innerWidth;
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; redraw(["curve", "matrix"]); } });
route();
const version = document.querySelector("meta[name=version]");
if (version) follow(version.content);
