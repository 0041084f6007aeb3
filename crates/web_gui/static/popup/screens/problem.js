// What the API refused, or that nobody answers.

import { isAway, whenBack } from "../api.js";
import { button, h, notice } from "../dom.js";

/** @typedef {import("../api.js").Problem} Problem */
/** @typedef {import("../element.js").SelfServicePopup} SelfServicePopup */

/** @param {SelfServicePopup} popup @param {Problem} problem @param {() => void} again */
export function problemScreen(popup, problem, again) {
  const titles = /** @type {Record<number, string>} */ ({
    0: "No connection",
    403: "Not permitted",
    404: "Not found",
    409: "Not now",
    429: "Too many requests",
    503: "The database is away",
  });
  const permanent = problem.status === 403 || problem.status === 404;
  const away = isAway(problem);
  const hint =
    problem.status === 404
      ? "Ask the people who keep the rights, or look at what you may see."
      : away
        ? "This page goes on by itself as soon as there is an answer."
        : null;
  popup.show({
    name: "problem",
    title: titles[problem.status] ?? "Something went wrong",
    leave: away ? whenBack(popup.api, again) : () => {},
    body: [
      notice(permanent || away ? "warning" : "critical", problem.message),
      hint ? h("p", { class: "dim" }, hint) : null,
      h(
        "div",
        { class: "row" },
        button("All hosts", () => void popup.open({ environment: "", host: "", service: "" })),
        button("Try again", again, permanent ? "quiet" : "primary"),
      ),
    ],
  });
}
