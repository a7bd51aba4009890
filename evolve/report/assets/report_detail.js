// All of one result: facts, assertions, output, variables and the prompt as it was sent.

function facts(row, interactive) {
  const found = [["Id", row.anchor], ["Provider", text(row.provider)], ["Prompt", firstLine(text(row.prompt_label), 80)], ["Score", score(row.score)]];
  if (text(row.stop_reason)) found.push(["Stop reason", text(row.stop_reason)]);
  if (data.suites.length > 1) found.push(["Suite", data.suites[row.suite]]);
  found.push(["Latency", row.cached ? "answer from the store" : time(row.latency_ms)]);
  if (row.tokens) found.push(["Tokens", `${row.tokens[0]} in (${row.tokens[2]} cached), ${row.tokens[1]} out`]);
  if (row.cost !== null) found.push(["Cost", dollars(row.cost)]);
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
      panel("Output", row.output < 0 ? "" : text(row.output), row.output < 0 ? "no answer" : "empty", interactive && row.output >= 0 && copyButton(() => text(row.output), "output")),
      variables.length > 0 && el("div", { class: "panel" }, el("h3", {}, "Variables"), el("div", { class: "vars" }, el("table", {}, el("tbody", {},
        variables.map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, scrollable("div", value, `Variable ${name}`))))))))),
    el("div", { class: "panel" }, headed("Prompt as sent", interactive && prompt(row) && copyButton(() => prompt(row), "prompt")), prompt(row) ? messages(prompt(row)) : "not rendered")));
  return box;
}

const headed = (title, ...buttons) => el("div", { class: "headed" }, el("h3", {}, title), buttons);
const panel = (title, value, missing, ...buttons) => el("div", { class: "panel" }, headed(title, buttons), value ? scrollable("pre", pretty(value), title) : missing);

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
