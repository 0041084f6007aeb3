// Runs in a short list.

import { button, h } from "../dom.js";
import { ago } from "../format.js";
import { titled, wordOf } from "../words.js";

/** @typedef {import("../element.js").SelfServicePopup} SelfServicePopup */

/** @param {SelfServicePopup} popup @param {string} title @param {TaskBrief[]} tasks */
export function taskSection(popup, title, tasks) {
  if (!tasks.length) return null;
  const rows = tasks.map((task) => {
    const { tone, word } = wordOf(task);
    const what = h(
      "span",
      {},
      button(titled(task.handler.name, task.kind), () => void popup.openTask(task.id), "link", `${titled(task.handler.name, task.kind)}, ${word}`),
      h("span", { class: "dim" }, ` ${task.service.name}`),
    );
    const since =
      task.state === "finished"
        ? ago(task.finished_at ?? task.created_at)
        : h("span", { "data-since": task.started_at ?? task.created_at });
    return h("li", {}, h("b", { class: `tone ${tone}` }, word), what, h("span", { class: "dim when" }, `${task.requester} · `, since));
  });
  return h("section", {}, h("h2", {}, title), h("ul", { class: "tasks" }, ...rows));
}
