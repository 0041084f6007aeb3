// Makes lists in forms comfortable: rows are added, taken away and moved. Without this script a form has empty rows and a
// button for more of them, and says the same to the server.

import { completeMacros } from "./macros.js";

/**
 * @param {string} text
 * @param {string} label
 * @param {() => void} act
 */
function button(text, label, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "quiet small";
  made.textContent = text;
  made.setAttribute("aria-label", label);
  made.addEventListener("click", act);
  return made;
}

/** @param {HTMLElement} element the first field in it */
function focusIn(element) {
  /** @type {HTMLElement|null} */ (element.querySelector("input, textarea, select"))?.focus();
}

/** @param {HTMLFieldSetElement} list */
function comfort(list) {
  const item = list.dataset.rows ?? "Row";
  const rows = /** @type {HTMLOListElement} */ (list.querySelector("ol"));
  const pattern = /** @type {HTMLLIElement|null} */ (rows.lastElementChild);
  if (!pattern) return;
  const blank = /** @type {HTMLLIElement} */ (pattern.cloneNode(true));
  const status = document.createElement("p");
  status.className = "hidden";
  status.setAttribute("role", "status");

  /** @param {HTMLLIElement} row */
  const move = (row, step = -1) => {
    const other = step < 0 ? row.previousElementSibling : row.nextElementSibling;
    if (!other) return;
    if (step < 0) rows.insertBefore(row, other);
    else rows.insertBefore(other, row);
    status.textContent = `${item} moved to place ${[...rows.children].indexOf(row) + 1}`;
  };

  /** @param {HTMLLIElement} row */
  const remove = (row) => {
    const next = /** @type {HTMLElement|null} */ (row.nextElementSibling ?? row.previousElementSibling);
    row.remove();
    status.textContent = `${item} taken away`;
    if (next) focusIn(next);
    else add.focus();
  };

  /** @param {HTMLLIElement} row */
  const equip = (row) => {
    const tools = document.createElement("div");
    tools.className = "tools";
    if (list.hasAttribute("data-ordered")) {
      const up = button("↑", `Move this ${item} up`, () => {
        move(row);
        up.focus();
      });
      const down = button("↓", `Move this ${item} down`, () => {
        move(row, 1);
        down.focus();
      });
      tools.append(up, down);
    }
    tools.append(button("Remove", `Remove this ${item}`, () => remove(row)));
    row.append(tools);
  };

  const add = button(`Add ${item.toLowerCase()}`, `Add ${item.toLowerCase()}`, () => {
    const row = /** @type {HTMLLIElement} */ (blank.cloneNode(true));
    equip(row);
    rows.append(row);
    focusIn(row);
  });
  for (const row of /** @type {NodeListOf<HTMLLIElement>} */ (rows.querySelectorAll("li"))) {
    if (row.hasAttribute("data-spare")) row.remove();
    else equip(row);
  }
  rows.after(add, status);
}

for (const list of /** @type {NodeListOf<HTMLFieldSetElement>} */ (document.querySelectorAll("fieldset[data-rows]"))) comfort(list);
for (const more of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-more]"))) more.hidden = true;

const editor = /** @type {HTMLFormElement|null} */ (document.querySelector("form.editor:has(#known-macros)"));
if (editor) completeMacros(editor);
