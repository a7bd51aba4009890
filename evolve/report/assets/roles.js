"use strict";
// The page is complete without this: it opens what a link leads to, keeps the theme, and shows times as local ones.
(() => {
  function target() {
    try { return document.getElementById(decodeURIComponent(location.hash.slice(1))); } catch { return null; }
  }

  function follow() {
    const node = target();
    if (!node) return;
    if (node.tagName === "DETAILS") node.open = true;
    node.scrollIntoView();
    (node.querySelector("summary") || node).focus({ preventScroll: true });
  }
  addEventListener("hashchange", follow);
  // The same link once more changes no address, but its reader wants to get there again.
  document.addEventListener("click", event => {
    const link = event.target.closest("a[href^='#']");
    if (link && link.hash === location.hash) follow();
  });
  follow();

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

  for (const node of document.querySelectorAll("time[datetime]")) node.textContent = new Date(node.dateTime).toLocaleString();
})();
