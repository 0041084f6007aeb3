// Inputs with their labels and complaints.

import { h } from "../dom.js";

/** @param {string} id @param {string} label @param {Record<string, string|number|boolean|null>} attributes @returns {Field} */
export function textField(id, label, attributes) {
  const input = h("input", { id, ...attributes });
  return field(id, label, input, () => input.value);
}

/** @param {string} id @param {string} label @param {HTMLInputElement|HTMLSelectElement} input @param {() => string} value @returns {Field} */
function field(id, label, input, value) {
  const wrong = h("p", { class: "wrong", id: `${id}-wrong`, hidden: true });
  const tick = input.type === "checkbox";
  const labelled = tick ? [h("label", { class: "tick" }, input, label)] : [h("label", { for: id }, label), input];
  const complain = (/** @type {string} */ sentence) => {
    wrong.textContent = sentence;
    wrong.hidden = !sentence;
    input.toggleAttribute("aria-invalid", false);
    if (sentence) input.setAttribute("aria-invalid", "true");
    if (sentence) input.setAttribute("aria-describedby", wrong.id);
    else input.removeAttribute("aria-describedby");
  };
  const set = (/** @type {string} */ text) => {
    if (input instanceof HTMLInputElement && tick) input.checked = text === "true";
    else input.value = text;
  };
  return { element: h("div", { class: "field" }, ...labelled, wrong), input, value, set, complain };
}

/** @param {Parameter} parameter @returns {Field} */
export function parameterField(parameter) {
  const id = `parameter-${parameter.name}`;
  const label = parameter.label || parameter.name;
  if (parameter.type === "boolean") {
    const input = h("input", { id, type: "checkbox" });
    input.checked = parameter.default === "true";
    return field(id, label, input, () => String(input.checked));
  }
  if (parameter.type === "choice") {
    const choices = [...(parameter.required && parameter.default !== null ? [] : [""]), ...(parameter.choices ?? [])];
    const input = h("select", { id }, ...choices.map((choice) => h("option", { value: choice }, choice)));
    input.value = parameter.default ?? "";
    return field(id, label, input, () => input.value);
  }
  if (parameter.type === "secret") {
    const note = parameter.required ? "secret, typed for each run" : "secret, optional";
    return textField(id, `${label} (${note})`, { type: "password", autocomplete: "off", spellcheck: "false", maxlength: 1000 });
  }
  const { minimum, maximum } = parameter;
  const range =
    minimum !== null && maximum !== null
      ? ` (${minimum} to ${maximum})`
      : minimum !== null
        ? ` (at least ${minimum})`
        : maximum !== null
          ? ` (at most ${maximum})`
          : "";
  const made = textField(id, label + range + (parameter.required ? "" : " (optional)"), {
    autocomplete: "off",
    spellcheck: "false",
    inputmode: parameter.type === "integer" ? "numeric" : null,
  });
  made.input.value = parameter.default ?? "";
  return made;
}
