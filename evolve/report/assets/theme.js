// The button that changes the colours; the choice holds for all pages. The event `themechange` follows each click.
function prepareTheme() {
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
    dispatchEvent(new Event("themechange"));
  });
}
