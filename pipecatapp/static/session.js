// The login: a key once, then a cookie that scripts cannot read.

import { byId } from "./dom.js";

const post = (path, body) => fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

const form = byId("login-form"), key = byId("key"), problem = byId("login-problem");

/** Log in where that is needed; whether a key is needed at all. An error means that nobody answers. */
export async function openSession() {
  const response = await fetch("api/session", { cache: "no-store" });
  if (!response.ok) throw new Error(`api/session answered ${response.status}`);
  const { needs_key: needsKey, session } = await response.json();
  if (session === null) {
    if (needsKey) await askForKey();
    else await logIn("");
  }
  byId("logout").hidden = !needsKey;
}

/** Log in; the problem as text, empty for none. */
async function logIn(given) {
  const response = await post("login", { key: given });
  if (response.ok) return "";
  if (response.status === 401) return "This key is not valid.";
  return `The agent answered ${response.status}.`;
}

/** Show the form until a key was right. */
function askForKey() {
  show(true);
  return new Promise(done => {
    form.onsubmit = async event => {
      event.preventDefault();
      problem.textContent = "";
      problem.textContent = await logIn(key.value).catch(() => "The agent does not answer.");
      if (problem.textContent) { key.select(); key.focus(); return; }
      key.value = "";
      show(false);
      byId("words").focus();
      done();
    };
  });
}

function show(isNeeded) {
  byId("login").hidden = !isNeeded;
  byId("app").hidden = isNeeded;
  document.querySelector(".skip").hidden = isNeeded;
  if (isNeeded) key.focus();
}

byId("logout").addEventListener("click", async () => {
  await post("logout", {}).catch(() => null);
  location.reload();
});
