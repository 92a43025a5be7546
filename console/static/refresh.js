// Keeps a page with data-refresh up to date: fetches the same address and replaces <main>.
// Waits while somebody types, selects or looks elsewhere; pages work the same without it.
"use strict";
(() => {
  const main = () => document.getElementById("main");
  if (!main() || !main().dataset.refresh) return;
  const delay = Number(main().dataset.refresh) * 1000;

  const busy = () => {
    const active = document.activeElement;
    const typing = active && active.matches("input, textarea, select");
    return document.hidden || typing || !(getSelection()?.isCollapsed ?? true);
  };

  // CSRF tokens differ in every answer; they are no reason to redraw.
  const content = (element) => {
    const copy = element.cloneNode(true);
    for (const input of copy.querySelectorAll("input[name=csrf_token]")) input.removeAttribute("value");
    for (const details of copy.querySelectorAll("details")) details.removeAttribute("open");
    return copy.innerHTML;
  };

  const replace = (fresh) => {
    const old = main();
    for (const details of old.querySelectorAll("details[id][open]")) {
      fresh.querySelector("#" + CSS.escape(details.id))?.setAttribute("open", "");
    }
    const active = document.activeElement;
    const held = old.contains(active) ? active.id || active.getAttribute("href") : null;
    old.replaceWith(fresh);
    if (held) {
      (document.getElementById(held) || fresh.querySelector(`a[href="${CSS.escape(held)}"]`))?.focus({ preventScroll: true });
    }
  };

  const refresh = async () => {
    if (busy()) return;
    const response = await fetch(location.href, { credentials: "same-origin" });
    if (response.redirected) return location.reload(); // the session ended, or the debtor moved
    if (!response.ok) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.getElementById("main");
    if (fresh && !busy() && content(fresh) !== content(main())) replace(fresh);
  };

  const again = () => setTimeout(() => refresh().catch(() => {}).finally(again), delay);
  again();
})();
