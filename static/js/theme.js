// Before the first paint: "auto" follows the system, and styles know that scripts run.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  // Browsers give a clipboard to pages over HTTPS and of this machine only.
  if (navigator.clipboard) root.classList.add("can-copy");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const wanted = root.dataset.theme || "auto";
    const dark = wanted === "dark" || (wanted === "auto" && system.matches);
    root.dataset.bsTheme = dark ? "dark" : "light";
  };
  apply();
  system.addEventListener("change", apply);
  root.addEventListener("portal:theme", apply);
})();
