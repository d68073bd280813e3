// Light, dark or as the system has it. A classic script in the head: a module would run after the first
// paint, and the page would flash.
(() => {
  const names = ["auto", "light", "dark"];
  const root = document.documentElement;
  let now = "auto";
  // Storage may be forbidden; then the choice lasts as long as the page.
  try { now = localStorage.getItem("leasehold-theme") ?? "auto"; } catch {}
  if (!names.includes(now)) now = "auto";

  function show() {
    if (now === "auto") delete root.dataset.theme;
    else root.dataset.theme = now;
    const shown = document.getElementById("theme-now");
    if (shown) shown.textContent = now;
    dispatchEvent(new Event("themechange"));
  }

  show();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  addEventListener("DOMContentLoaded", () => {
    show();
    document.getElementById("theme")?.addEventListener("click", () => {
      now = names[(names.indexOf(now) + 1) % names.length];
      try { localStorage.setItem("leasehold-theme", now); } catch {}
      show();
    });
  });
})();
