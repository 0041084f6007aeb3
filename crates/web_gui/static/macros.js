// Completes the names of macros in arguments: after `$HO` it offers $HOSTNAME$ and the like, with where each value comes
// from. What macros there are the page says (#known-macros); parameters are those of the form.

/** @typedef {{name: string, origin: string}} Offered */

/** Custom variables have names of their own, so the completion stops behind the prefix. */
const PREFIXES = [
  { name: "_HOST", origin: "a variable of the host; go on with its name" },
  { name: "_SERVICE", origin: "a variable of the service; go on with its name" },
];

/** @param {string} name */
const isPrefix = (name) => PREFIXES.some((prefix) => prefix.name === name);

/** @param {HTMLFormElement} form @returns {Offered[]} */
function offered(form) {
  const known = /** @type {HTMLDataListElement|null} */ (document.getElementById("known-macros"));
  const options = [...(known?.options ?? [])].map((option) => ({ name: option.value, origin: option.label }));
  const rows = /** @type {NodeListOf<HTMLLIElement>} */ (form.querySelectorAll("li:has([name=parameter_name])"));
  const parameters = [...rows].flatMap((row) => {
    const name = /** @type {HTMLInputElement} */ (row.querySelector("[name=parameter_name]")).value.trim();
    const secret = row.querySelector("[value=secret]:checked");
    return name && !secret ? [{ name: `_PARAM${name.toUpperCase()}`, origin: `parameter '${name}' of the run` }] : [];
  });
  return [...parameters, ...options, ...PREFIXES];
}

/** @param {string} text */
const dollars = (text) => text.split("$").length - 1;

/**
 * The name that is being typed: where its dollar sign stands, and how far it goes.
 * @param {HTMLTextAreaElement} area
 */
function openName(area) {
  const caret = area.selectionStart;
  const before = area.value.slice(0, caret);
  // An even number of them has opened and closed; $$ is a dollar sign.
  if (caret !== area.selectionEnd || dollars(before) % 2 === 0) return null;
  const from = before.lastIndexOf("$");
  const typed = before.slice(from + 1);
  if (/[^A-Za-z0-9_]/.test(typed)) return null;
  const rest = area.value.slice(caret);
  const closed = /^[A-Za-z0-9_]*\$/.exec(rest)?.[0] ?? "";
  const ownEnd = closed && dollars(rest.slice(closed.length)) % 2 === 0;
  return { from, to: caret + (ownEnd ? closed.length : 0), typed: typed.toUpperCase() };
}

/** @param {HTMLFormElement} form */
export function completeMacros(form) {
  const list = document.createElement("ul");
  list.id = "macro-list";
  list.className = "completion";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Macros");
  const status = document.createElement("p");
  status.className = "hidden";
  status.setAttribute("role", "status");
  form.append(status);
  /** @type {HTMLTextAreaElement|null} */
  let area = null;
  /** @type {Offered[]} */
  let shown = [];
  let active = 0;

  const close = () => {
    area?.removeAttribute("aria-activedescendant");
    area?.removeAttribute("aria-controls");
    area = null;
    list.remove();
    status.textContent = "";
  };

  const mark = () => {
    [...list.children].forEach((option, at) => option.setAttribute("aria-selected", String(at === active)));
    area?.setAttribute("aria-activedescendant", `macro-${active}`);
    list.children[active]?.scrollIntoView({ block: "nearest" });
  };

  const accept = () => {
    const [field, macro] = [area, shown[active]];
    const name = field && openName(field);
    if (!field || !macro || !name) return close();
    const text = isPrefix(macro.name) ? `$${macro.name}` : `$${macro.name}$`;
    field.setRangeText(text, name.from, name.to, "end");
    close();
  };

  /** @param {HTMLTextAreaElement} field */
  const open = (field) => {
    const name = openName(field);
    shown = name ? offered(form).filter((macro) => macro.name.startsWith(name.typed)) : [];
    if (!shown.length) return close();
    const options = shown.map((macro, at) => {
      const option = document.createElement("li");
      option.id = `macro-${at}`;
      option.setAttribute("role", "option");
      const code = document.createElement("code");
      code.textContent = isPrefix(macro.name) ? `$${macro.name}…$` : `$${macro.name}$`;
      const origin = document.createElement("span");
      origin.className = "dim";
      origin.textContent = macro.origin;
      option.append(code, " ", origin);
      // The field keeps the focus.
      option.addEventListener("mousedown", (event) => {
        event.preventDefault();
        active = at;
        accept();
      });
      return option;
    });
    if (area !== field) close();
    area = field;
    list.replaceChildren(...options);
    field.closest("li.row")?.append(list);
    field.setAttribute("aria-controls", list.id);
    active = 0;
    mark();
    status.textContent = `${shown.length === 1 ? "1 macro" : `${shown.length} macros`}: arrow keys choose, Enter takes one, Escape closes the list`;
  };

  const field = (/** @type {Event} */ event) =>
    event.target instanceof HTMLTextAreaElement && event.target.name === "arguments" ? event.target : null;
  for (const one of form.querySelectorAll("textarea[name=arguments]")) one.setAttribute("aria-autocomplete", "list");
  form.addEventListener("focusin", (event) => field(event)?.setAttribute("aria-autocomplete", "list"));
  form.addEventListener("input", (event) => {
    const typed = field(event);
    if (typed) open(typed);
  });
  form.addEventListener("focusout", close);
  form.addEventListener("keydown", (event) => {
    if (!area || field(event) !== area) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) active = (active + step + shown.length) % shown.length;
    else if (event.key === "Enter") accept();
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    if (step) mark();
  });
}
