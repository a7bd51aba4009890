"use strict";
(() => {
  const PAGE = 100, WORDS = ["error", "fail", "pass"], MARKS = ["!", "✗", "✓"];
  const data = JSON.parse(document.getElementById("data").textContent);
  const texts = data.texts, text = n => n < 0 ? "" : texts[n];
  const rows = data.rows.map((list, index) => {
    const row = { index };
    data.columns.forEach((name, at) => { row[name] = list[at]; });
    return row;
  });

  // Everything that a run produced is put in as text nodes: the page never parses it as HTML.
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
  const column = row => `${text(row.provider)} · ${firstLine(text(row.prompt_label), 60)}`;
  const score = value => value === null ? "–" : String(Math.round(value * 1000) / 1000);
  const time = ms => ms < 10 ? `${Math.round(ms * 10) / 10} ms` : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
  const plural = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
  const state = code => el("span", { class: `state ${WORDS[code]}` }, el("span", { "aria-hidden": "true" }, MARKS[code]), ` ${WORDS[code]}`);

  function why(row) {
    if (text(row.error)) return text(row.error);
    return row.status === 2 ? "" : text(row.reason);
  }

  // --- filters

  const filters = { states: new Set(), words: "", column: "", metadata: "", metric: "", type: "", sort: "failures" };
  let shown = rows, page = 0;
  const opened = new Set();

  function haystack(row) {
    if (row.hay === undefined) {
      const parts = [row.anchor, text(row.description), text(row.output), prompt(row), text(row.reason), text(row.error)];
      for (const [name, value] of [...pairs(row.vars), ...pairs(row.metadata)]) parts.push(name, value);
      for (const check of row.assertions) parts.push(text(check[1]), text(check[2]), text(check[3]), text(check[4]));
      row.hay = parts.join("\n").toLowerCase();
    }
    return row.hay;
  }

  function matches(row, words) {
    if (filters.states.size && !filters.states.has(row.status)) return false;
    if (filters.column && column(row) !== filters.column) return false;
    if (filters.metadata && !pairs(row.metadata).some(pair => JSON.stringify(pair) === filters.metadata)) return false;
    if (filters.metric && !row.assertions.some(check => text(check[2]) === filters.metric) && !(filters.metric in row.named_scores)) return false;
    if (filters.type && !row.assertions.some(check => text(check[1]) === filters.type)) return false;
    return words.every(word => haystack(row).includes(word));
  }

  const ORDERS = {
    failures: ["failures first", (a, b) => a.index - b.index],
    suite: ["as in the suite", (a, b) => a.order - b.order],
    lowest: ["lowest score", (a, b) => (a.score ?? -1) - (b.score ?? -1) || a.index - b.index],
    slowest: ["slowest", (a, b) => b.latency_ms - a.latency_ms || a.index - b.index],
  };

  function apply() {
    const words = filters.words.toLowerCase().split(/\s+/).filter(Boolean);
    shown = rows.filter(row => matches(row, words)).sort(ORDERS[filters.sort][1]);
    page = 0;
    draw();
  }

  // --- one row

  const ids = new Map(rows.map(row => [row.anchor, row]));
  const link = row => "#" + encodeURIComponent(row.anchor);

  function tableRow(row) {
    const open = opened.has(row);
    const toggle = el("button", { type: "button", class: "toggle", "aria-expanded": String(open), "aria-controls": open ? `detail-${row.index}` : null },
      el("span", {}, text(row.description) || row.anchor));
    const node = el("tr", { class: open ? "row open" : "row", id: `row-${row.index}`, on: { click: event => { if (!String(getSelection())) flip(row, event); } } },
      el("td", {}, state(row.status)),
      el("td", {}, toggle, why(row) && el("div", { class: "why" }, firstLines(why(row)))),
      el("td", { class: "column" }, column(row)),
      el("td", { class: "num" }, score(row.score)),
      el("td", { class: "num time" }, row.cached ? "stored" : time(row.latency_ms)));
    return open ? [node, el("tr", { class: "detail", id: `detail-${row.index}` }, el("td", { colspan: columns() }, detail(row, true)))] : [node];
  }

  // A cell that spans columns which narrow pages hide would make new ones.
  const narrow = matchMedia("(max-width:640px)"), medium = matchMedia("(max-width:1000px)");
  const columns = () => 5 - medium.matches - narrow.matches;
  for (const query of [narrow, medium]) query.addEventListener("change", () => draw());

  const firstLines = value => value.length > 400 ? value.slice(0, 400) + "…" : value;

  function flip(row) {
    const wasOpen = opened.has(row);
    if (wasOpen) opened.delete(row); else opened.add(row);
    const node = document.getElementById(`row-${row.index}`);
    const old = document.getElementById(`detail-${row.index}`);
    const fresh = tableRow(row);
    if (old) old.remove();
    node.replaceWith(...fresh);
    if (!wasOpen) reachable(fresh[1]);
    fresh[0].querySelector(".toggle").focus({ preventScroll: true });
    if (!wasOpen) history.replaceState(null, "", link(row));
  }

  function facts(row, interactive) {
    const found = [["Id", row.anchor], ["Provider", text(row.provider)], ["Prompt", firstLine(text(row.prompt_label), 80)], ["Score", score(row.score)]];
    if (data.suites.length > 1) found.push(["Suite", data.suites[row.suite]]);
    found.push(["Latency", row.cached ? "answer from the store" : time(row.latency_ms)]);
    if (row.tokens) found.push(["Tokens", `${row.tokens[0]} in (${row.tokens[2]} cached), ${row.tokens[1]} out`]);
    if (row.cost !== null) found.push(["Cost", `$${row.cost}`]);
    for (const pair of pairs(row.metadata)) found.push(pair);
    return el("div", { class: "meta" }, found.map(([name, value]) => el("span", {}, `${name} `, el("b", {}, firstLine(value, 200)))),
      interactive && el("a", { href: link(row), on: { click: event => event.stopPropagation() } }, "Link to this result"));
  }

  const KINDS = { input: "Mistake in the input", environment: "Fault of the environment, says nothing about the prompt", evaluation: "Could not be evaluated" };

  function detail(row, interactive) {
    const box = el("div", {}, facts(row, interactive));
    if (text(row.error)) box.append(el("p", { class: "fault" }, `${KINDS[text(row.error_kind)] || "Error"}: ${text(row.error)}`));
    else if (row.status !== 2 && !row.assertions.some(check => check[0] !== 2 && text(check[4]) === text(row.reason)) && text(row.reason)) box.append(el("p", { class: "fault" }, text(row.reason)));
    if (row.assertions.length) box.append(checks(row));
    const variables = pairs(row.vars);
    box.append(el("div", { class: "panels" },
      el("div", {},
        panel("Output", row.output < 0 ? "" : text(row.output), row.output < 0 ? "no answer" : "empty"),
        variables.length > 0 && el("div", { class: "panel" }, el("h3", {}, "Variables"), el("div", { class: "vars" }, el("table", {}, el("tbody", {},
          variables.map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, scrollable("div", value, `Variable ${name}`))))))))),
      el("div", { class: "panel" }, el("h3", {}, "Prompt as sent"), prompt(row) ? messages(prompt(row)) : "not rendered")));
    return box;
  }

  const panel = (title, value, missing) => el("div", { class: "panel" }, el("h3", {}, title), value ? scrollable("pre", pretty(value), title) : missing);

  // Long texts scroll in their own box, which then must be reachable by keyboard; that is known when it is laid out.
  const scrollable = (name, value, label) => el(name, { "data-label": label }, value);
  function reachable(root) {
    const boxes = [...root.querySelectorAll("[data-label]")];
    for (const box of boxes.filter(node => node.scrollHeight > node.clientHeight + 1)) {
      box.tabIndex = 0;
      box.setAttribute("role", "group");
      box.setAttribute("aria-label", box.dataset.label);
    }
  }

  function pretty(value) {
    if (!/^\s*[[{]/.test(value) || value.length > 200000) return value;
    try { return JSON.stringify(JSON.parse(value), null, 2); } catch { return value; }
  }

  function messages(value) {
    let parsed = null;
    if (value.startsWith("[")) try { parsed = JSON.parse(value); } catch { /* plain text */ }
    if (!Array.isArray(parsed) || !parsed.length || !parsed.every(part => part && typeof part.role === "string")) return scrollable("pre", value, "Prompt");
    return parsed.map(part => [el("span", { class: "role" }, part.role), scrollable("pre", typeof part.content === "string" ? part.content : JSON.stringify(part.content, null, 2), part.role)]);
  }

  function checks(row) {
    const heads = ["Result", "Assertion", "Expected", "Got and why", "Score"];
    const body = row.assertions.map(([code, type, metric, expected, reason, value, weight, threshold, depth]) => {
      const notes = [text(metric) && `metric ${text(metric)}`, weight !== 1 && `weight ${weight}`, threshold !== null && `threshold ${threshold}`].filter(Boolean);
      const got = code !== 2 && row.output >= 0 && expected >= 0 && !text(reason).includes(firstLine(text(row.output), 40)) ? `got: ${firstLine(text(row.output), 160) || "(empty)"}` : "";
      return el("tr", {},
        el("td", { class: depth ? `d${Math.min(depth, 3)}` : null }, state(code)),
        el("td", {}, el("span", { class: "mono" }, text(type)), notes.length > 0 && el("div", { class: "notes" }, notes.join(", "))),
        el("td", {}, expected < 0 ? "–" : scrollable("pre", text(expected), "Expected")),
        el("td", {}, got && el("div", { class: "mono" }, got), el("div", { class: "why-text", "data-label": "Reason" }, code === 2 && text(reason) === "Assertion passed" ? "–" : text(reason))),
        el("td", { class: "num" }, score(value)));
    });
    return el("div", { class: "checks", tabindex: "0", role: "region", "aria-label": "Assertions" }, el("table", {},
      el("thead", {}, el("tr", {}, heads.map((head, at) => el("th", { scope: "col", class: at === 4 ? "num" : null }, head)))),
      el("tbody", {}, body)));
  }

  // --- the page

  const section = document.getElementById("results");
  const count = el("p", { class: "count", role: "status", "aria-live": "polite" });
  const tbody = el("tbody", {});
  const empty = el("p", { class: "empty", hidden: true }, "No result matches these filters.");
  const table = el("table", {}, el("caption", { class: "unseen" }, "Results; each opens to its prompt, output and assertions"),
    el("thead", {}, el("tr", {}, [["Result", "c-state"], ["Test", ""], ["Provider and prompt", "c-column"], ["Score", "c-score num"], ["Latency", "c-time num"]]
      .map(([name, kind]) => el("th", { scope: "col", class: kind }, name)))), tbody);
  const back = el("button", { type: "button", on: { click: () => turn(page - 1) } }, "Previous");
  const next = el("button", { type: "button", on: { click: () => turn(page + 1) } }, "Next");
  const place = el("span", {});
  const pager = el("nav", { class: "pager", "aria-label": "Pages of results" }, back, place, next);

  function turn(to) {
    page = to;
    draw();
    section.scrollIntoView();
    section.focus({ preventScroll: true });
  }

  function draw() {
    const pages = Math.max(1, Math.ceil(shown.length / PAGE));
    const slice = shown.slice(page * PAGE, page * PAGE + PAGE);
    tbody.replaceChildren(...slice.flatMap(tableRow));
    if (opened.size) reachable(tbody);
    count.textContent = shown.length === rows.length ? plural(rows.length, "result") : `${shown.length.toLocaleString("en")} of ${plural(rows.length, "result")}`;
    empty.hidden = shown.length > 0;
    table.hidden = shown.length === 0;
    pager.hidden = pages === 1;
    place.textContent = `Page ${page + 1} of ${pages}`;
    back.disabled = page === 0;
    next.disabled = page + 1 >= pages;
  }

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
    Object.assign(filters, { words: "", column: "", metadata: "", metric: "", type: "" });
    filters.states.clear();
    search.value = "";
    for (const [name, node] of Object.entries(selects)) if (name !== "sort") node.value = "";
    for (const node of bar.querySelectorAll("[aria-pressed]")) node.setAttribute("aria-pressed", "false");
  }

  function filterBar() {
    const columns = tallied(row => [column(row)]), metadata = metadataGroups();
    const metrics = tallied(row => [...row.assertions.map(check => text(check[2])).filter(Boolean), ...Object.keys(row.named_scores)]);
    const types = tallied(row => row.assertions.map(check => text(check[1])));
    return el("div", { class: "filters", role: "search", "aria-label": "Filter the results" },
      stateButtons(), el("label", { class: "search" }, "Search", search),
      columns.length > 1 && select("column", "Provider and prompt", [["", [["", "all"]]], ["", entries(columns)]]),
      metadata.length > 0 && select("metadata", "Metadata", [["", [["", "all"]]], ...metadata]),
      metrics.length > 0 && select("metric", "Metric", [["", [["", "all"]]], ["", entries(metrics)]]),
      types.length > 1 && select("type", "Assertion", [["", [["", "all"]]], ["", entries(types)]]),
      select("sort", "Order", [["", Object.entries(ORDERS).map(([name, [label]]) => [name, label])]]),
      el("button", { type: "button", on: { click: () => { clear(); apply(); } } }, "Clear"));
  }

  const bar = filterBar();
  section.append(bar, count, el("div", { class: "rows" }, table, empty), pager);
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
    page = Math.floor(shown.indexOf(row) / PAGE);
    opened.add(row);
    draw();
    const node = document.getElementById(`row-${row.index}`);
    node.scrollIntoView({ block: "start" });
    scrollBy(0, -bar.offsetHeight - 8);
    node.querySelector(".toggle").focus({ preventScroll: true });
  }

  // --- theme

  const themes = ["system", "light", "dark"], button = document.getElementById("theme");
  function theme(name) {
    if (name === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    button.textContent = `Theme: ${name}`;
    button.dataset.now = name;
  }
  let stored = "system";
  try { stored = localStorage.getItem("anneal-theme") || "system"; } catch { /* no storage for this file */ }
  theme(themes.includes(stored) ? stored : "system");
  button.hidden = false;
  button.addEventListener("click", () => {
    const name = themes[(themes.indexOf(button.dataset.now) + 1) % themes.length];
    theme(name);
    try { localStorage.setItem("anneal-theme", name); } catch { /* the choice lasts as long as the page */ }
  });

  // --- times, printing, keys

  for (const node of document.querySelectorAll("time[datetime]")) node.textContent = new Date(node.dateTime).toLocaleString();

  addEventListener("beforeprint", () => {
    document.getElementById("print")?.remove();
    const failures = rows.filter(row => row.status !== 2);
    document.getElementById("main").append(el("section", { id: "print" }, el("h2", {}, failures.length ? `${plural(failures.length, "failure")} in full` : "No failures"),
      failures.map(row => el("article", {}, el("h3", {}, state(row.status), ` ${text(row.description) || row.anchor}`), detail(row, false)))));
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
})();
