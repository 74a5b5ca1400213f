// The schedule form: shows the fields of the chosen kind, and fills in usual intervals.
(() => {
  "use strict";
  const form = document.getElementById("schedule-form");
  if (!form) return;
  const show = () => {
    const kind = form.querySelector('[name="kind"]:checked')?.value;
    for (const part of form.querySelectorAll(".kind")) part.hidden = !part.dataset.for.split(" ").includes(kind);
  };
  form.addEventListener("change", (event) => { if (event.target.name === "kind") show(); });
  form.addEventListener("click", (event) => {
    const preset = event.target.closest("[data-preset]")?.dataset.preset.split(" ");
    if (!preset) return;
    [form.elements.interval_number.value, form.elements.interval_unit.value] = preset;
    form.elements.interval_number.dispatchEvent(new Event("input", { bubbles: true }));
  });
  show();
})();
