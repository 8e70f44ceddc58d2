// Ages that tick, the live connection and its fallback, the stop dialog, and the keys. Every page works without it.
(() => {
  "use strict";

  const TICK_MS = 1000;
  const POLL_MS = 2000;
  const FRESH_MS = 8000;
  const STALE_MS = 5000;
  const byId = (id) => document.getElementById(id);

  // The server's clock is the one the ages are of.
  const skew = Number(document.body.dataset.now) * 1000 - Date.now();
  const now = () => Date.now() + (Math.abs(skew) > 3000 ? skew : 0);

  const spanWords = (s) => {
    if (s < 60) return `${s} s`;
    if (s < 600) return `${Math.floor(s / 60)} min ${s % 60} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
    return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
  };
  const clock = (ms) => new Date(ms).toISOString().slice(11, 19) + "Z";

  const tick = () => {
    for (const el of document.querySelectorAll("time.age")) {
      const at = Number(el.dataset.at);
      const seconds = Math.max(0, Math.floor((now() - at) / 1000));
      const stale = el.dataset.bound !== "" && seconds > Number(el.dataset.bound);
      const text = stale ? `stale since ${clock(at)}, ${spanWords(seconds)}` : spanWords(seconds);
      if (el.textContent !== text) el.textContent = text;
      el.classList.toggle("stale", stale);
      if (stale && !el.closest(".soft")) el.closest(".tile, .panel, .counters, tr")?.classList.add("is-stale");
    }
  };

  const tickLeft = () => {
    for (const el of document.querySelectorAll("time.left")) {
      const seconds = Math.floor((Number(el.dataset.at) - now()) / 1000);
      const text = seconds >= 0 ? spanWords(seconds) : `over for ${spanWords(-seconds)}`;
      if (el.textContent !== text) el.textContent = text;
    }
  };

  // Connection: the socket if it is up, else polling, and in words which of the two.
  const live = byId("live");
  const link = byId("link");
  let socketOpen = false;
  let socketAt = 0;
  let pollAt = 0;
  let signedOut = false;

  // A connection that works may still carry numbers that are not new.
  const shown = (state, text) => {
    const { live: isLive, at } = byId("status").dataset;
    if (isLive !== "1") return ["stale", `${text}, but stored numbers`];
    if (now() - Number(at) > STALE_MS) return ["stale", `${text}, but stale since ${clock(Number(at))}`];
    return [state, text];
  };

  const showLink = () => {
    if (!link) return;
    const heard = Math.max(socketAt, pollAt);
    let state = "stale";
    let text = heard ? `stale since ${clock(heard)}` : "connecting";
    if (signedOut) text = "signed out: reload to sign in";
    else if (socketOpen && Date.now() - socketAt < FRESH_MS) [state, text] = shown("live", "live");
    else if (Date.now() - pollAt < FRESH_MS) [state, text] = shown("polling", "polling every 2 s");
    else if (!heard) state = "wait";
    if (link.dataset.state !== state || link.textContent !== text) {
      link.dataset.state = state;
      link.textContent = text;
    }
  };

  const poll = () => {
    if (!live || signedOut) return;
    if (!(socketOpen && Date.now() - socketAt < FRESH_MS)) htmx.trigger(live, "console:poll");
    showLink();
  };

  // A piece that is swapped while it is being pressed or marked would swallow the click or the selection.
  let pressing = false;
  const isBusy = () => {
    const chosen = window.getSelection();
    return pressing || (chosen && !chosen.isCollapsed && byId("main")?.contains(chosen.anchorNode));
  };
  document.addEventListener("pointerdown", () => { pressing = true; });
  for (const name of ["pointerup", "pointercancel"]) {
    document.addEventListener(name, () => setTimeout(() => { pressing = false; }, 50));
  }

  // Swapping replaces elements; whoever sits on one by keyboard, or has scrolled a table, stays where they are.
  let held = null;
  const hold = () => {
    const active = document.activeElement;
    held = {
      id: active && active !== document.body ? active.id : "",
      value: active && active.id === "q" ? active.value : null,
      scrolls: [...document.querySelectorAll("section[id] .scroll")].map(
        (el) => [el.closest("section").id, el.scrollTop, el.scrollLeft]),
    };
  };
  const release = () => {
    if (!held) return;
    for (const [id, top, left] of held.scrolls) {
      const el = document.querySelector(`#${id} .scroll`);
      if (el) { el.scrollTop = top; el.scrollLeft = left; }
    }
    const again = held.id && byId(held.id);
    if (again && again !== document.activeElement) again.focus({ preventScroll: true });
    if (again && held.value !== null) again.value = held.value;
    held = null;
    tick();
  };

  document.body.addEventListener("htmx:wsOpen", () => { socketOpen = true; socketAt = Date.now(); showLink(); });
  for (const name of ["htmx:wsClose", "htmx:wsError"]) {
    document.body.addEventListener(name, () => { socketOpen = false; poll(); });
  }
  document.body.addEventListener("htmx:wsBeforeMessage", (event) => {
    socketAt = Date.now();
    if (isBusy()) event.preventDefault();
    else hold();
    showLink();
  });
  document.body.addEventListener("htmx:wsAfterMessage", release);
  document.body.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt !== live && isBusy()) event.preventDefault();
  });
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.xhr.responseURL.includes("/admin/login/")) {
      signedOut = true;
      event.detail.shouldSwap = false;
    } else if (isBusy()) {
      event.detail.shouldSwap = false;
    } else {
      hold();
    }
  });
  document.body.addEventListener("htmx:afterSettle", release);
  document.body.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.elt === live && event.detail.successful && !signedOut) pollAt = Date.now();
    release();
    showLink();
  });

  // The stop: one chord or one press opens the question, Enter answers it.
  const dialog = byId("kill-dialog");
  const kill = byId("kill");
  const openKill = (event) => {
    if (!dialog) return false;
    event.preventDefault();
    if (!dialog.open) dialog.showModal();
    byId("kill-confirm").focus();
    return true;
  };
  kill?.addEventListener("click", openKill);
  dialog?.querySelector("[data-closes]").addEventListener("click", () => dialog.close());

  const GO = { m: "/", o: "/orders/", f: "/fills/", p: "/positions/", r: "/risk/", s: "/switches/", a: "/approvals/", e: "/events/" };
  let wentG = 0;
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && event.shiftKey) {
      if (!openKill(event) && kill) location.href = kill.href;
      return;
    }
    if (event.target.closest("input, textarea, select, dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/" && byId("q")) {
      event.preventDefault();
      byId("q").focus();
    } else if (event.key === "g") {
      wentG = Date.now();
    } else if (Date.now() - wentG < 1000 && GO[event.key]) {
      location.href = GO[event.key];
    }
  });

  // Theme: what the system says, until somebody chooses.
  const theme = byId("theme");
  if (theme) {
    const isDark = () => (document.documentElement.dataset.theme
      || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
    const label = () => { theme.textContent = isDark() ? "☀ Light" : "☾ Dark"; };
    theme.hidden = false;
    label();
    theme.addEventListener("click", () => {
      const next = isDark() ? "light" : "dark";
      document.documentElement.dataset.theme = next;
      localStorage.setItem("theme", next);
      label();
    });
  }

  tick();
  setInterval(tick, TICK_MS);
  setInterval(tickLeft, TICK_MS);
  if (live) {
    showLink();
    setInterval(poll, POLL_MS);
    setInterval(showLink, TICK_MS);
  }
})();
