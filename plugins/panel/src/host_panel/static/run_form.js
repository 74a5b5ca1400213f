// The form of a run: the question before it is submitted names the values.
(() => {
  "use strict";
  const MOST = 12;
  const LONGEST = 80;
  const OPTIONS = { not_before: "not before", expires_at: "expires", timeout: "time limit", priority: "priority" };

  const short = (text) => (text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);
  const value = (field) => {
    if (field.type === "checkbox") return field.checked ? "yes" : "no";
    if (field.dataset.secret !== undefined) return field.value ? "•••" : field.placeholder ? "as configured" : "none";
    if (field.tagName === "SELECT") return field.selectedOptions[0]?.textContent ?? "";
    return field.value === "" ? "nothing" : short(field.value.replace(/\s+/g, " "));
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.runForm === undefined) return;
    const fields = [...form.querySelectorAll("[data-parameter]")];
    const lines = fields.slice(0, MOST).map((field) => `${field.dataset.parameter}: ${value(field)}`);
    if (fields.length > MOST) lines.push(`and ${fields.length - MOST} more`);
    for (const [name, word] of Object.entries(OPTIONS)) {
      const entered = form.elements[name].value;
      if (entered) lines.push(`${word}: ${entered.replace("T", " ")}`);
    }
    const tenant = form.elements.tenant.value;
    if (tenant && tenant !== "default") lines.push(`tenant: ${short(tenant)}`);
    if (form.elements.hold.checked) lines.push("held until it is released");
    form.dataset.confirm = [form.dataset.name, ...lines].join("\n");
  }, true);
})();
