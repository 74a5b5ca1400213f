// Jobs: the list follows what is typed, and pausing asks for a reason.
(() => {
  "use strict";
  const PAUSE_MS = 250;

  for (const form of document.querySelectorAll("form[data-search-into]")) {
    const id = form.dataset.searchInto;
    let timer = null;
    let shown = null;
    const show = () => {
      const url = new URL(form.action);
      for (const [name, value] of new FormData(form)) if (value) url.searchParams.set(name, value);
      if (url.href === shown) return;
      shown = url.href;
      history.replaceState(history.state, "", url);
      htmx.ajax("GET", url.href, { source: form, target: `#${id}`, select: `#${id}`, swap: "outerMorph" });
    };
    form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(show, PAUSE_MS); });
    form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(timer); show(); });
  }

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-pauses]");
    if (!opener) return;
    const dialog = document.getElementById("pause");
    const form = dialog.querySelector("form");
    form.action = opener.dataset.pauses;
    form.elements.schedule.value = opener.dataset.schedule || "";
    form.elements.back.value = location.pathname.slice(document.body.dataset.liveUrl.length - "/live".length) + location.search;
    document.getElementById("pause-name").textContent = opener.dataset.name;
    dialog.showModal();
    form.elements.reason.focus();
  });
})();
