// The log view: new lines as they come, earlier ones on demand, searched and filtered where they are.
(() => {
  "use strict";
  const log = document.getElementById("log");
  if (!log) return;
  const MOST_LINES = 5000;
  const LEVELS = ["debug", "info", "warning", "error"];
  const search = document.getElementById("log-search");
  const level = document.getElementById("log-level");
  const wrap = document.getElementById("log-wrap");
  const follow = document.getElementById("log-follow");

  const element = (tag, name, text) => {
    const made = document.createElement(tag);
    made.className = name;
    made.textContent = text;
    return made;
  };
  const titled = (made, text) => { made.title = text; return made; };
  const row = (line) => {
    const made = element("div", `line ${line.level}`, "");
    made.id = `L${line.number}`;
    const number = element("a", "line-number", line.number);
    number.href = `#L${line.number}`;
    number.setAttribute("aria-label", `Line ${line.number}`);
    made.append(number, titled(element("span", "line-time", line.time), line.at), element("span", "line-level", line.level),
      element("span", "line-text", line.text));
    return made;
  };
  const isShown = (line) => {
    const found = LEVELS.findIndex((each) => line.classList.contains(each)) >= LEVELS.indexOf(level.value);
    return found && line.textContent.toLowerCase().includes(search.value.toLowerCase());
  };
  const filter = () => { for (const line of log.children) if (line.id) line.hidden = !isShown(line); };
  const numberOf = (line) => Number(line?.id.slice(1) || 0);
  const first = () => log.querySelector(".line");
  const last = () => [...log.querySelectorAll(".line")].at(-1);
  const toEnd = () => { if (follow.checked) log.scrollTop = log.scrollHeight; };

  search.addEventListener("input", filter);
  level.addEventListener("change", filter);
  wrap.addEventListener("change", () => log.classList.toggle("wrap", wrap.checked));
  follow.addEventListener("change", () => { toEnd(); if (follow.checked) connect(); });
  log.addEventListener("wheel", (event) => { if (event.deltaY < 0) follow.checked = false; }, { passive: true });

  const earlier = document.createElement("button");
  earlier.type = "button";
  earlier.className = "btn btn-sm earlier";
  earlier.textContent = "Load earlier lines";
  document.querySelector("[data-earlier]")?.replaceWith(earlier);  // of the same height: nothing moves
  const offer = () => { if (numberOf(first()) > 1) log.prepend(earlier); else earlier.remove(); };
  earlier.addEventListener("click", async () => {
    const before = numberOf(first());
    const answer = await fetch(`${log.dataset.logEarlier}?before=${before}`);
    if (!answer.ok) { earlier.textContent = "This did not work; try again"; return; }
    const lines = (await answer.json()).map(row);
    const height = log.scrollHeight;
    earlier.after(...lines);
    offer();
    filter();
    log.scrollTop += log.scrollHeight - height;
  });

  let source = null;
  let seen = numberOf(last());
  const waiting = [];
  const flush = () => {
    document.querySelector("[data-log-empty]")?.remove();
    const lines = waiting.splice(0).filter((line) => line.number > seen).map((line) => { seen = line.number; return row(line); });
    for (const line of lines) line.hidden = !isShown(line);
    log.append(...lines);
    while (log.children.length > MOST_LINES) first().remove();
    offer();
    toEnd();
  };
  const isOver = () => ["completed", "failed", "cancelled", "skipped", "quarantined"].some(
    (each) => document.getElementById("run")?.dataset.state === each);
  const connect = () => {
    if (source || document.hidden || isOver()) return;
    source = new EventSource(`${log.dataset.logLive}?after=${seen}`);
    source.addEventListener("error", () => { if (source?.readyState === EventSource.CLOSED) source = null; });  // below again
    source.addEventListener("line", (event) => {
      if (!waiting.length) setTimeout(flush, 100);
      waiting.push(JSON.parse(event.data));
    });
  };
  const disconnect = () => { source?.close(); source = null; };
  document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
  addEventListener("pagehide", disconnect);
  setInterval(() => { if (source && isOver()) setTimeout(disconnect, 3000); else connect(); }, 3000);

  offer();
  connect();
  if (location.hash.startsWith("#L")) { follow.checked = false; document.getElementById(location.hash.slice(1))?.scrollIntoView(); }
  else toEnd();
})();
