// The words for states and results.

import { ago, duration, timeOfDay } from "./format.js";

export const WORDS = { ok: "OK", warning: "WARNING", critical: "CRITICAL", unknown: "UNKNOWN", none: "" };
export const MARKS = { ok: "✓", warning: "!", critical: "✕", unknown: "?", none: "–", running: "●", queued: "○" };

/** @type {Record<string, string>} */
const RESULTS = {
  failed: "failed",
  timed_out: "timed out",
  cancelled: "Cancelled",
  lost: "outcome unknown",
  expired: "Expired",
  rejected: "Rejected",
};

/** What stands before an action's name where its plugin is asked for something else than to act. */
const KINDS = { run: "", check: "Check: ", help: "Help: " };

/** @param {string} name @param {Kind} kind */
export function titled(name, kind) {
  return `${KINDS[kind]}${name}`;
}

/**
 * The word and tone of a state pill: the severity first. Without a severity (cancelled by a person, never started) the result's own word stands
 * alone, without alarm.
 * @param {TaskBrief} task
 * @returns {{tone: keyof typeof MARKS, word: string}}
 */
export function wordOf(task) {
  if (task.state !== "finished") return { tone: task.state, word: task.state === "running" ? "Running" : "Queued" };
  const severity = task.severity ?? "unknown";
  return { tone: severity, word: WORDS[severity] || (RESULTS[task.result ?? ""] ?? "Finished") };
}

/**
 * What stands beside the word: "timed out after 120 s", "exit 2".
 * @param {Task} task
 */
export function detailOf(task) {
  if (task.result === "cancelled") {
    const by = task.cancel_requested_by ? `by ${task.cancel_requested_by}` : "";
    return task.started_at ? by : `${by} before it started`.trim();
  }
  if (task.result_text) return task.result_text;
  if (task.exit_code !== null) return `exit ${task.exit_code}`;
  const word = RESULTS[task.result ?? ""];
  return task.severity && task.severity !== "none" && word ? word.toLowerCase() : "";
}

/**
 * What a result that needs explaining means for the person in front of it.
 * @param {Task} task
 */
export function storyOf(task) {
  if (task.late) return "It counted as lost, because its manager was not heard of. Then the manager came back and delivered this, its real result.";
  switch (task.result) {
    case "lost":
      return "Nobody can say whether it did its work, because what ran it is gone. Look at the host before you run it again.";
    case "timed_out":
      return `It took longer than the ${task.timeout_seconds} s that it may take, so it was ended. What it had done by then stays done.`;
    case "cancelled":
      return task.started_at ? "It was ended on request. What it had done by then stays done." : "It was never started, so nothing was done.";
    case "expired":
      return "It waited in the queue for as long as it may. It was never started, so nothing was done.";
    case "rejected":
      return "It was looked at again just before its start, and refused. It was never started, so nothing was done.";
    default:
      return "";
  }
}

/**
 * When it ran and where, in small print. A rejected task was taken, but never ran.
 * @param {Task} task
 */
export function factsOf(task) {
  const { started_at, finished_at } = task;
  const ran = started_at && finished_at && task.result !== "rejected";
  const times = ran
    ? [`${timeOfDay(started_at)} to ${timeOfDay(finished_at)}`, `took ${duration((Date.parse(finished_at) - Date.parse(started_at)) / 1000)}`]
    : [];
  return [...times, task.manager ? `manager ${task.manager}` : ""].filter(Boolean).join(" · ");
}

/** @param {string} name @param {Pause} pause */
export function pauseSentence(name, pause) {
  return `${name} was paused by ${pause.by}, ${ago(pause.at)}: ${pause.reason}`;
}
