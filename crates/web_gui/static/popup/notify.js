// A message of the browser for a person who looks elsewhere when a run ends, if they want one.

import { h } from "./dom.js";
import { framedByOthers } from "./target.js";

const REMEMBERED = "selfservice-notify";

/** Browsers show no messages for pages in frames of others, nor without a secure connection. */
function isPossible() {
  return "Notification" in window && window.isSecureContext && !framedByOthers() && Notification.permission !== "denied";
}

function isWanted() {
  try {
    return isPossible() && Notification.permission === "granted" && localStorage.getItem(REMEMBERED) === "yes";
  } catch {
    return false;
  }
}

/** @param {boolean} wanted */
function remember(wanted) {
  try {
    localStorage.setItem(REMEMBERED, wanted ? "yes" : "no");
  } catch {
    // Without storage there is no message either.
  }
}

/** A button that turns it on and off for this browser; null where it is not possible. */
export function notifyButton() {
  if (!isPossible()) return null;
  const toggle = h("button", { type: "button", class: "quiet", click: () => void press() }, "");
  const show = () => {
    toggle.setAttribute("aria-pressed", String(isWanted()));
    toggle.textContent = isWanted() ? "✓ Notify me" : "Notify me";
    toggle.hidden = !isPossible();
  };
  const press = async () => {
    const wanted = !isWanted();
    if (wanted && Notification.permission === "default") await Notification.requestPermission();
    remember(wanted);
    show();
  };
  show();
  return toggle;
}

/**
 * @param {string} id of the run, which gets one message @param {string} title @param {string} body
 */
export function notify(id, title, body) {
  if (!isWanted() || (!document.hidden && document.hasFocus())) return;
  const message = new Notification(title, { body, tag: id });
  message.onclick = () => window.focus();
}
