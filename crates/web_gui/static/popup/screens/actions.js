// The actions of a service, with what they did before.

import { button, h, notice, webAddress } from "../dom.js";
import { duration } from "../format.js";
import { whyUrl } from "../target.js";
import { pauseSentence, WORDS } from "../words.js";

/** @typedef {import("../element.js").SelfServicePopup} SelfServicePopup */

/** @param {SelfServicePopup} popup @param {HostView["host"]} host @param {Service} service @param {(action: Action) => void} run */
export function actionSection(popup, host, service, run) {
  const cards = service.actions.map((action) =>
    actionCard(popup, action, whyUrl(host.name, service.name, action.name), () => run(action)),
  );
  const onlySeen = cards.length > 0 && service.actions.every((action) => !action.can_run);
  return h(
    "section",
    {},
    h("h2", {}, `${service.name} · actions`),
    onlySeen ? notice("plain", "You may see these actions, but not run them. A person who keeps the rights can grant that.") : null,
    cards.length
      ? h("ul", { class: "actions" }, ...cards)
      : h("p", { class: "nothing" }, "No action is assigned to this service, or none that you may see."),
  );
}

/** @param {SelfServicePopup} popup @param {Action} action @param {string} why @param {() => void} run */
function actionCard(popup, action, why, run) {
  const active = action.active_task;
  const runbook = webAddress(action.runbook_url);
  const look = action.risk === "read-only" ? "quiet" : "primary";
  const press = active
    ? button("Watch", () => void popup.openTask(active.id), "quiet", `Watch ${action.name}`)
    : action.paused
      ? h("span", { class: "pill warning" }, "Paused")
      : action.can_run
        ? button("Run", run, look, `Run ${action.name}`)
        : null;
  return h(
    "li",
    { class: "action" },
    h(
      "div",
      {},
      h("b", { class: "name" }, action.name),
      hasHelped(action) ? h("span", { class: "helped" }, "helped before") : null,
      action.risk === "dangerous" ? h("span", { class: "risk" }, "dangerous") : null,
      action.description ? h("p", { class: "dim" }, action.description) : null,
      h(
        "p",
        { class: "dim" },
        ...experience(action),
        runbook ? " · " : null,
        runbook ? h("a", { href: runbook, target: "_blank", rel: "noopener noreferrer" }, "Runbook") : null,
      ),
      active
        ? h(
            "p",
            { class: "now" },
            `${active.state === "running" ? "running" : "waiting"} now by ${active.requester} · `,
            h("span", { "data-since": active.started_at ?? active.created_at }),
            active.step ? ` · ${active.step}` : null,
          )
        : null,
      action.paused ? h("p", { class: "paused" }, `${pauseSentence(action.name, action.paused)}. Nothing new of it starts until it is resumed.`) : null,
      !action.can_run
        ? h(
            "p",
            { class: "dim" },
            "not yours to run · ",
            h("a", { href: why, target: "_blank", rel: "noopener", "aria-label": `Why may I not run ${action.name}?` }, "Why?"),
          )
        : null,
    ),
    press,
  );
}

/** @param {Severity[]} recent */
function dots(recent) {
  if (!recent.length) return null;
  const words = recent.map((severity) => WORDS[severity] || "cancelled").join(", ");
  const marks = recent.map((severity) => h("i", { class: severity in WORDS ? severity : "none" }));
  return h("span", { class: "dots", role: "img", "aria-label": `last results: ${words}` }, ...marks);
}

/**
 * Worth a try first: it helped the last time it ran here, and mostly before that.
 * @param {Action} action
 */
function hasHelped({ risk, recent }) {
  const helped = recent.filter((severity) => severity === "ok").length;
  return risk !== "read-only" && recent[recent.length - 1] === "ok" && helped * 2 > recent.length;
}

/**
 * What the last runs here did, as marks and in words.
 * @param {Action} action @returns {(Node|string|null)[]}
 */
export function experience(action) {
  return [dots(action.recent), inWords(action)];
}

/** @param {Action} action */
function inWords(action) {
  const { recent } = action;
  const helped = recent.filter((severity) => severity === "ok").length;
  const history =
    recent.length > 1
      ? `helped ${helped} of the last ${recent.length} times`
      : recent.length
        ? `${helped ? "helped" : "did not help"} the last time`
        : "not run here yet";
  const verb = action.risk === "read-only" ? "read only" : history;
  if (action.typical_seconds === null) return verb;
  const typical = duration(action.typical_seconds);
  return `${verb} · ${action.typical_seconds < 1 ? "" : "about "}${typical}`;
}
