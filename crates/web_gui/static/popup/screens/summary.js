// A run in a few lines of text, for the incident's notes.

import { BASE } from "../base.js";
import { duration } from "../format.js";
import { plain } from "../log/painter.js";
import { detailOf, titled, wordOf } from "../words.js";

/**
 * Times are those of UTC: whoever reads the notes may sit elsewhere.
 * @param {string|null} iso
 */
function utc(iso) {
  return iso ? `${iso.slice(0, 19).replace("T", " ")} UTC` : "";
}

/** @param {Task} task */
export function summaryOf(task) {
  const { started_at, finished_at } = task;
  const took = started_at && finished_at ? `took ${duration((Date.parse(finished_at) - Date.parse(started_at)) / 1000)}` : "";
  const environments = task.environments.map((environment) => environment.name).join(", ");
  const lines = [
    `${titled(task.handler.name, task.kind)} on ${task.host.name} (${[task.service.name, environments].filter(Boolean).join(", ")})`,
    [wordOf(task).word, task.state === "finished" ? detailOf(task) : "", took].filter(Boolean).join(" · "),
    task.summary ? `Output: ${task.summary}` : "",
    `Asked for by ${task.requester}, ${utc(task.created_at)}${task.reason ? `: ${task.reason}` : ""}`,
    started_at && task.result !== "rejected" ? `Ran from ${utc(started_at)}${finished_at ? ` to ${utc(finished_at)}` : ""}${task.manager ? ` on ${task.manager}` : ""}` : "",
    `Command: ${task.command}`,
    new URL(`${BASE}${task.page_url}`, location.href).href,
  ];
  return lines.filter(Boolean).map((line) => plain(line.replaceAll("\n", " "))).join("\n");
}
