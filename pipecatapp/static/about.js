// Who answers: the model with its measured accuracy, advice about it, and the tools it may use.

import { byId, el, plural } from "./dom.js";
import { withCode } from "./text.js";

const GOOD = 0.8, FAIR = 0.5; // shares of right choices
const KEY = "anneal-advice";
const RISKS = { read: "reads", write: "changes", danger: "asks first" };

let shownAdvice = "";

/** Show what a message `hello` says about the agent. */
export function showAgent({ agent, model, accuracy, advice, tools }) {
  byId("model-name").textContent = model;
  byId("model").title = `Agent ${agent}`;
  const chip = byId("accuracy");
  chip.textContent = accuracy === null ? "accuracy not measured" : `right tool in ${Math.round(accuracy * 100)} %`;
  chip.className = `chip ${accuracy === null ? "" : accuracy >= GOOD ? "good" : accuracy >= FAIR ? "fair" : "poor"}`;
  byId("model").hidden = false;
  showAdvice(advice);
  showTools(tools);
}

function showAdvice(advice) {
  shownAdvice = advice;
  byId("advice-text").replaceChildren(...withCode(advice));
  byId("advice").hidden = advice === "" || hiddenAdvice() === advice;
}

// Hidden until the advice is another one.
function hiddenAdvice() {
  try { return localStorage.getItem(KEY); } catch { return null; /* storage is switched off */ }
}

byId("advice-hide").addEventListener("click", () => {
  try { localStorage.setItem(KEY, shownAdvice); } catch { /* it comes again with the next page */ }
  byId("advice").hidden = true;
  byId("words").focus();
});

function showTools(tools) {
  byId("tools").hidden = tools.length === 0;
  byId("tools-title").textContent = plural(tools.length, "tool");
  byId("tools-list").replaceChildren(...tools.map(({ name, description, risk }) =>
    el("div", {}, el("dt", {}, name, " ", el("span", { class: `risk ${risk}` }, RISKS[risk])), el("dd", {}, description))));
}
