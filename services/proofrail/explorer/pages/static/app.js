// What the pages do beyond links and forms: copying, keys, ages, a dropped file, and following /events.
(() => {
  "use strict";
  const body = document.body;
  const root = body.dataset.root || "";
  const $ = (selector) => document.querySelector(selector);

  // --- said once, for eyes and screen readers ---
  let toastTimer;
  const say = (text) => {
    const toast = $("#toast");
    toast.textContent = text;
    clearTimeout(toastTimer);
    toastTimer = setTimeout(() => { toast.textContent = ""; }, 2500);
  };

  const copy = async (button) => {
    const text = button.dataset.copy;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without a secure context there is no clipboard: the old way still works there.
      const area = document.createElement("textarea");
      area.value = text;
      area.className = "vh";
      body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      button.focus();
      if (!done) return say("The browser does not let this page copy");
    }
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 1500);
    say("Copied");
  };

  const help = () => { const dialog = $("#help"); if (!dialog.open) dialog.showModal(); };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy], [data-help], time[data-ago]");
    if (!button) return;
    if (button.matches("time")) turn(); else if (button.dataset.copy !== undefined) copy(button); else help();
  });

  // --- keys ---
  const step = (by) => {
    const links = [...document.querySelectorAll(".rowlink, .fall details > summary")].filter((one) => one.getClientRects().length);
    if (!links.length) return;
    const now = links.indexOf(document.activeElement);
    links[now < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, now + by))].focus();
  };
  const places = { o: "/", r: "/runs", a: "/allocations", d: "/dead-letters" };
  let going = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if ($("#help").open) return;
    if (going && Date.now() - going < 1500 && places[event.key]) {
      location.assign(root + places[event.key]);
      return;
    }
    going = event.key === "g" ? Date.now() : 0;
    if (event.key === "/") { event.preventDefault(); $("#find").select(); $("#find").focus(); }
    else if (event.key === "?") help();
    else if (event.key === "t") turn();
    else if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "n") $("#older")?.click();
    else if (event.key === "p") $("#newer")?.click();
  });

  // --- a filter that is not set is not in the address ---
  document.addEventListener("htmx:configRequest", ({ detail }) => {
    if (detail.verb === "get") for (const [name, value] of Object.entries(detail.parameters)) if (value === "") delete detail.parameters[name];
  });

  // --- the same address twice is one step back ---
  document.addEventListener("htmx:beforeHistoryUpdate", ({ detail }) => {
    if (detail.history.path === location.pathname + location.search) detail.history.type = "replace";
  });

  // --- ages, in the words of the server (words.py, ago) ---
  const age = (time) => {
    const ms = Date.now() - Date.parse(time.dateTime);
    if (ms < 1000) return "just now";
    const [size, unit] = [[86400000, "d"], [3600000, "h"], [60000, "min"], [1000, "s"]].find(([size]) => ms >= size);
    return `${Math.floor(ms / size)} ${unit} ago`;
  };
  // Who has no pointer to rest on a time gets it by a key, or by a tap on any.
  let exact = false;
  const tick = () => { for (const time of document.querySelectorAll("time[data-ago]")) { const text = exact ? time.title : age(time); if (time.textContent !== text) time.textContent = text; } };
  const turn = () => { exact = !exact; tick(); };
  setInterval(tick, 1000);
  document.addEventListener("htmx:afterSwap", tick);

  // --- a file, dropped anywhere ---
  let depth = 0;
  const holds = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  addEventListener("dragenter", (event) => { if (holds(event)) { depth += 1; body.classList.add("dragging"); } });
  addEventListener("dragleave", (event) => { if (holds(event) && (depth -= 1) <= 0) { depth = 0; body.classList.remove("dragging"); } });
  addEventListener("dragover", (event) => { if (holds(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (!holds(event)) return;
    event.preventDefault();
    depth = 0;
    body.classList.remove("dragging");
    const form = $("#dropped");
    form.elements.file.files = event.dataTransfer.files;
    if (form.elements.file.files.length) form.submit();
  });

  // --- a span that a link names: opened along its path, as far as it is here ---
  const reveal = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.matches("tr")) target.querySelector("details")?.setAttribute("open", "");
  };
  addEventListener("hashchange", reveal);
  reveal();

  // --- what is replaced because it changed: what somebody opened stays open, and the focus where it was ---
  const named = (one) => `${one.closest("[id]")?.id} ${one.dataset.copy ?? one.textContent}`;
  const opened = () => [...document.querySelectorAll("main details:not([id])")];
  let kept;
  document.addEventListener("htmx:beforeSwap", ({ target }) => {
    const focus = document.activeElement;
    kept = target.matches("[data-live]") && {
      open: opened().filter((one) => one.open).map((one) => named(one.firstElementChild)),
      focus: focus.closest("main") && !focus.id && named(focus),
    };
  });
  document.addEventListener("htmx:afterSwap", () => {
    if (!kept) return;
    for (const one of opened()) if (kept.open.includes(named(one.firstElementChild))) one.open = true;
    if (kept.focus && document.activeElement === body) {
      [...document.querySelectorAll("main a, main button, main summary, main [tabindex]")].find((one) => named(one) === kept.focus)?.focus({ preventScroll: true });
    }
  });

  // --- live: the feed marks what is stale, and at most once in 500 ms it is asked for again ---
  if (!body.dataset.feed) return;
  const stale = new Set();
  let timer = 0;
  let feed;
  const word = (state, text) => {
    const live = $("#live");
    if (live.dataset.state === state) return;
    live.dataset.state = state;
    live.querySelector("[data-live-word]").textContent = text;
  };
  // Text that somebody is selecting stays where it is.
  const held = (region) => { const now = getSelection(); return !now.isCollapsed && now.rangeCount > 0 && now.getRangeAt(0).intersectsNode(region); };
  const flush = () => {
    timer = 0;
    if ([...document.querySelectorAll("[data-live]")].some(held)) { timer = setTimeout(flush, 500); return; }
    const reload = stale.has("reload");
    for (const region of document.querySelectorAll("[data-live]")) {
      const key = region.dataset.key;
      const wanted = region.dataset.live.split(" ");
      if (reload || wanted.some((kind) => stale.has(key === undefined ? kind : `${kind}\n${key}`))) htmx.trigger(region, "stale");
    }
    stale.clear();
  };
  const mark = (kind, key) => {
    stale.add(kind);
    if (key !== undefined) stale.add(`${kind}\n${key}`);
    timer ||= setTimeout(flush, 500);
  };
  const open = () => {
    if (feed) return;
    feed = new EventSource(body.dataset.feed);
    let lost = false;
    feed.onopen = () => { word("on", "Live"); if (lost) mark("reload"); lost = false; };
    feed.onerror = () => { lost = true; word("off", "Not live: reconnecting"); if (feed.readyState === EventSource.CLOSED) { feed = undefined; setTimeout(open, 5000); } };
    for (const kind of ["pipeline", "run", "allocation", "dead-letter", "reload"]) {
      feed.addEventListener(kind, (event) => {
        let key;
        try { key = JSON.parse(event.data).key ?? undefined; } catch { /* only the kind matters then */ }
        mark(kind, key);
      });
    }
  };
  // The banner is replaced often: what is new in it is read out, once.
  const troubles = () => [...document.querySelectorAll("#banner .troubles .strong")].map((one) => one.textContent);
  let known = troubles();
  document.addEventListener("htmx:afterSettle", () => {
    const now = troubles();
    const fresh = now.filter((text) => !known.includes(text));
    if (fresh.length) $("#heard").textContent = fresh.join(". ");
    known = now;
  });
  // A browser keeps few connections to a host: a tab that nobody sees gives its own back.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { feed?.close(); feed = undefined; word("", "Paused"); } else { open(); mark("reload"); }
  });
  if (!document.hidden) open();
})();
