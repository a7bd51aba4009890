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

  prepareTheme();

  for (const node of document.querySelectorAll("time[datetime]")) node.textContent = new Date(node.dateTime).toLocaleString();
})();
