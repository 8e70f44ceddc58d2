// Runs before the theme's own scripts: one choice of light or dark for console and admin, and the key that stops.
(() => {
  "use strict";
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") localStorage.setItem("adminTheme", JSON.stringify(chosen));
  addEventListener("pagehide", () => {
    const here = JSON.parse(localStorage.getItem("adminTheme") ?? '"auto"');
    if (here === "light" || here === "dark") localStorage.setItem("theme", here);
  });

  // The theme calls every scrolling part by the same name, and its palette is no dialog to a screen reader.
  addEventListener("load", () => {
    document.querySelector("#side [aria-current]")?.scrollIntoView({ block: "nearest" });
    const palette = document.querySelector('[x-data="searchCommand()"]');
    if (palette !== null) {
      palette.setAttribute("role", "dialog");
      palette.setAttribute("aria-modal", "true");
      palette.setAttribute("aria-label", "Find a list or an object");
      // The theme gives the field the focus after 20 ms, whether it can be seen by then or not.
      const seen = () => palette.style.display !== "none" && palette.querySelector("input").focus();
      new MutationObserver(seen).observe(palette, { attributeFilter: ["style"] });
    }
    for (const region of document.querySelectorAll(".simplebar-content-wrapper")) {
      const group = region.closest("fieldset[aria-labelledby]");
      if (group !== null) {
        region.removeAttribute("aria-label");
        region.setAttribute("aria-labelledby", group.getAttribute("aria-labelledby"));
      } else {
        region.setAttribute("aria-label", palette?.contains(region) ? "Found" : "Rows");
      }
    }
  });

  addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const stop = document.querySelector("a[data-stop]");
    if (event.shiftKey && stop !== null) {
      event.preventDefault();
      location.assign(stop.href);
      return;
    }
    for (const open of document.querySelectorAll("details.ask[open]")) {
      open.open = false;
      open.querySelector("summary").focus();
    }
  });
})();
