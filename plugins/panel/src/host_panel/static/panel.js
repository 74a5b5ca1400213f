// The panel's own behaviour. Pages are complete without it; actions need it, for it asks before it acts.
(() => {
  "use strict";
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

  // Times: relative ones go on counting.
  const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const relative = (instant, now) => {
    const distance = (instant - now) / 1000;
    const size = Math.abs(distance);
    if (size < 1) return "now";
    const [seconds, word] = UNITS.find(([seconds]) => size >= seconds);
    const number = `${Math.floor(size / seconds)} ${word}`;
    return distance > 0 ? `in ${number}` : `${number} ago`;
  };
  const tick = () => {
    if (document.hidden) return;
    for (const time of $$("time[data-when]")) {
      const text = relative(Date.parse(time.dateTime), Date.now());
      if (time.textContent !== text) time.textContent = text;
    }
  };
  setInterval(tick, 1000);

  // Dialogs.
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) document.getElementById(opener.dataset.opens)?.showModal();
    const closer = event.target.closest("[data-closes-toast]");
    if (closer) closer.closest("[data-toast]").remove();
    const chooser = event.target.closest("[data-closes]");
    if (chooser) chooser.closest("dialog")?.close();
    for (const menu of $$("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const text = form.dataset.confirm;
    if (text === undefined || form.dataset.confirmed) return;
    event.preventDefault();
    const dialog = $("#confirm");
    $("#confirm-title").textContent = form.dataset.confirmTitle;
    $("#confirm-text").textContent = text;
    const go = $("#confirm-go");
    go.textContent = form.dataset.confirmGo;
    go.className = form.dataset.confirmDanger === undefined ? "btn btn-primary" : "btn btn-danger";
    dialog.returnValue = "";
    dialog.onclose = () => {
      if (dialog.returnValue !== "go") return;
      form.dataset.confirmed = "yes";
      form.requestSubmit(event.submitter);
      delete form.dataset.confirmed;
    };
    dialog.showModal();
    $("#confirm-keep").focus();
  });

  // Keys.
  let prefix = null;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    if ($("dialog[open]")) return;
    if (prefix) {
      prefix = null;
      const link = $(`[data-go="${CSS.escape(event.key)}"]`);
      if (link) { event.preventDefault(); link.click(); }
      return;
    }
    if (event.key === "g") { prefix = "g"; setTimeout(() => { prefix = null; }, 1500); return; }
    if (event.key === "/") { event.preventDefault(); $("#search")?.focus(); return; }
    if (event.key === "?") { $("#keys")?.showModal(); return; }
    const button = $(`[data-key="${CSS.escape(event.key)}"]`);
    if (button) { event.preventDefault(); button.click(); }
  });

  // Live: the host says that something changed, and the regions that show it are fetched again.
  const state = $("[data-live-state]");
  const say = (word) => {
    if (!state) return;
    state.dataset.liveState = word;
    $("[data-live-word]").textContent = word;
  };
  const waiting = new Set();
  let timer = null;
  let source = null;
  const isBusy = () =>
    document.hidden || $("dialog[open]") || $("details.menu[open]") ||
    document.activeElement?.closest("[data-live] :is(input, select, textarea)") || String(getSelection()) !== "";
  const regions = () => $$("[data-live]").filter((region) => region.dataset.live.split(" ").some((each) => waiting.has(each)));
  const refresh = () => {
    timer = null;
    const found = regions();
    if (!found.length) { waiting.clear(); return; }
    if (isBusy()) { timer = setTimeout(refresh, 1000); return; }
    waiting.clear();
    for (const region of found) {
      const url = region.dataset.liveFrom || location.href;
      if (region.dataset.liveRows !== undefined && scrollY > 200) { notice(region, url); continue; }
      htmx.ajax("GET", url, { source: region, target: `#${region.id}`, select: `#${region.id}`, swap: "outerMorph" });
    }
  };
  const notice = (region, url) => {
    if ($(".news", region)) return;
    const bar = document.createElement("button");
    bar.type = "button";
    bar.className = "news btn btn-sm";
    bar.textContent = "There is news · show";
    bar.addEventListener("click", () => {
      bar.remove();
      htmx.ajax("GET", url, { source: region, target: `#${region.id}`, select: `#${region.id}`, swap: "outerMorph" });
    });
    region.prepend(bar);
  };
  const look = (subjects) => {
    for (const each of subjects) waiting.add(each);
    const pause = Math.max(...regions().map((region) => Number(region.dataset.livePause || 2)), 1);
    timer ??= setTimeout(refresh, pause * 1000);
  };
  const AGAIN_MS = 10000;

  // What could not be fetched stays as it was, and says so until it can be.
  let again = null;
  const failed = (ctx, why) => {
    const place = typeof ctx.target === "string" ? $(ctx.target) : ctx.target;
    if (!place) return;
    let told = $(":scope > .stale", place);
    if (!told) {
      told = document.createElement("p");
      told.className = "stale warning";
      told.setAttribute("role", "status");
      const since = document.createElement("time");
      since.dateTime = new Date().toISOString();
      since.dataset.when = "";
      since.textContent = "now";
      told.append("May be out of date. Fetching it again failed, first ", since, ": ", document.createElement("span"));
      place.prepend(told);
    }
    $("span", told).textContent = why;
    if (place.dataset.live === undefined) return;
    clearTimeout(again);
    again = setTimeout(() => look(place.dataset.live.split(" ")), AGAIN_MS / 2);
  };
  document.addEventListener("htmx:response:error", (event) => {
    if (event.detail.ctx.response.status === 401) return;  // on the way to the sign-in
    const page = new DOMParser().parseFromString(event.detail.ctx.text ?? "", "text/html");
    failed(event.detail.ctx, $(".problem strong", page)?.textContent ?? `The host answered ${event.detail.ctx.response.status}.`);
  });
  document.addEventListener("htmx:error", (event) => failed(event.detail.ctx, "The host does not answer."));

  const connect = () => {
    if (source || !state || document.hidden) return;
    source = new EventSource(`${document.body.dataset.liveUrl}?since=${document.body.dataset.liveSince}`);
    source.addEventListener("open", () => say("live"));
    source.addEventListener("error", () => {
      say("not live");
      if (source?.readyState !== EventSource.CLOSED) return;  // the browser tries again by itself
      source = null;
      setTimeout(connect, AGAIN_MS);
    });
    source.addEventListener("changed", (event) => look(event.data.split(" ")));
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { source?.close(); source = null; say("paused"); }
    else { connect(); look(["runs", "jobs", "schedules"]); tick(); }
  });
  addEventListener("pagehide", () => { source?.close(); source = null; });
  if ($("[data-live]")) connect();

  // An error page of something that is not available now tries again.
  const retry = $("[data-retry]");
  if (retry) setTimeout(() => location.reload(), Number(retry.dataset.retry) * 1000);
})();
