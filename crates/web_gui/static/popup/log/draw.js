// The elements of one row.

import { h } from "../dom.js";
import { timeOfDay } from "../format.js";

const MARKS = { stdout: null, stderr: "err", system: "sys" };

/**
 * @param {import("./rows.js").Row} row @param {string} needle is marked wherever it stands; empty: nothing is
 * @param {boolean} found whether it is the match that is looked at
 */
export function drawRow(row, needle, found) {
  const mark = MARKS[row.stream];
  const text = h("span", { class: "text" });
  for (const piece of row.pieces) {
    const parts = marked(piece.text, needle);
    if (piece.class) text.append(h("span", { class: piece.class }, ...parts));
    else text.append(...parts);
  }
  const look = ["line", mark, found ? "found" : null].filter(Boolean).join(" ");
  return h("div", { class: look }, h("time", {}, timeOfDay(row.at)), mark ? h("b", {}, mark) : null, text);
}

/** @param {string} text @param {string} needle @returns {(Node|string)[]} */
function marked(text, needle) {
  if (!needle) return [text];
  const [within, wanted] = [lower(text), lower(needle)];
  const parts = [];
  let from = 0;
  for (let at = within.indexOf(wanted); at >= 0; at = within.indexOf(wanted, from)) {
    parts.push(text.slice(from, at), h("mark", {}, text.slice(at, at + wanted.length)));
    from = at + wanted.length;
  }
  return [...parts, text.slice(from)];
}

/**
 * Letters as the server's search compares them, each as long as before.
 * @param {string} text
 */
function lower(text) {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
