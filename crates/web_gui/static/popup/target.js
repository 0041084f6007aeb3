// What an action is run on, and where it may be confirmed.

import { BASE } from "./base.js";

/** @typedef {import("./element.js").SelfServicePopup} SelfServicePopup */

/** Whether the outermost page is of another origin; the browser refuses to tell where it is. */
export function framedByOthers() {
  try {
    return window.top?.location.origin !== location.origin;
  } catch {
    return true;
  }
}

/** @param {SelfServicePopup} popup @param {Action} action */
export function needsOwnTab(popup, action) {
  return action.confirmation === "typed" && popup.foreign;
}

/**
 * The task page shows one run only, so its actions open in the popup page.
 * @param {SelfServicePopup} popup @param {Target} target @param {string} environment
 */
export function openOwnTab(popup, { action, host, service, kind, retryOf }, environment) {
  const query = new URLSearchParams({ environment, host: host.name, service: service.name, handler: String(action.handler_id) });
  if (kind && kind !== "run") query.set("kind", kind);
  if (retryOf) query.set("retry_of", retryOf);
  window.open(`${popup.wide ? `${BASE}/popup` : location.pathname}?${query}`, "_blank", "noopener");
}

/** @param {Target} target */
export function ids(target) {
  const { host, service, action, kind } = target;
  const what = { host_id: host.id, service_id: service.id, handler_id: action.handler_id };
  return kind && kind !== "run" ? { ...what, kind } : what;
}

/** @param {string|null} word @returns {Kind} */
export function kindOf(word) {
  return word === "check" || word === "help" ? word : "run";
}

/**
 * The page that tells why somebody may run an action here, or may not.
 * @param {string} host @param {string} service @param {string} handler
 */
export function whyUrl(host, service, handler) {
  return `${BASE}/rights?${new URLSearchParams({ host, service, handler })}`;
}
