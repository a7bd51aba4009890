// The colours: the system's, light or dark. The choice is shared with Anneal's reports of the same origin.
// A script of its own that the page waits for: a module would run after the first paint, in the wrong colours.
{
  const KEY = "anneal-theme", THEMES = ["system", "light", "dark"];
  const root = document.documentElement;

  const stored = () => {
    try { return localStorage.getItem(KEY); } catch { return null; /* storage is switched off */ }
  };
  const store = name => {
    try { localStorage.setItem(KEY, name); } catch { /* the choice lasts as long as the page */ }
  };
  let now = THEMES.includes(stored()) ? stored() : "system";

  function apply(button) {
    if (now === "system") delete root.dataset.theme;
    else root.dataset.theme = now;
    if (button) button.textContent = `Theme: ${now}`;
  }

  apply(null);
  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    apply(button);
    button.hidden = false;
    button.addEventListener("click", () => {
      now = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
      apply(button);
      store(now);
    });
  });
}
