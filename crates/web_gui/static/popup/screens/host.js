// One host: what runs, what can be run, what ran.

import { uuid } from "../api.js";
import { button, h, notice } from "../dom.js";
import { actionSection } from "./actions.js";
import { ConfirmScreen } from "./confirm.js";
import { signedIn } from "./sign_in.js";
import { taskSection } from "./tasks.js";
import { ids, kindOf, needsOwnTab, openOwnTab } from "../target.js";

/** @typedef {import("../element.js").SelfServicePopup} SelfServicePopup */

/** @param {SelfServicePopup} popup @param {HostView} view @param {Asked} asked @param {string} [handler] */
export function hostScreen(popup, view, asked, handler) {
  const { host } = view;
  const service = view.services.find((one) => one.selected) ?? view.services[0];
  const others = view.services.filter((one) => one !== service);
  const again = { ...asked, host: host.name };
  const target = (/** @type {Service} */ of, /** @type {Action} */ action) => ({
    host,
    environments: host.environments,
    service: of,
    action,
  });
  // The same action may belong to several services: the asked one's is meant.
  const wanted =
    handler &&
    [...(service ? [service] : []), ...others]
      .flatMap((one) => one.actions.map((action) => ({ one, action })))
      .find(({ action }) => String(action.handler_id) === handler && action.can_run && !action.paused && !needsOwnTab(popup, action));
  if (wanted) {
    const retryOf = popup.getAttribute("retry-of") || null;
    const kind = kindOf(popup.getAttribute("kind"));
    new ConfirmScreen(popup, { ...target(wanted.one, wanted.action), kind, retryOf }, () => void popup.open(again));
    return;
  }
  const groups = host.hostgroups.length ? `host groups: ${host.hostgroups.join(", ")}` : "";
  popup.show({
    name: "host",
    title: host.name,
    environments: host.environments,
    sub: [host.address, groups].filter(Boolean).join(" · "),
    footer: [...signedIn(popup), button("All hosts", () => void popup.open({ environment: "", host: "", service: "" }), "link")],
    body: [
      view.managers.sentence ? notice("warning", view.managers.sentence) : null,
      view.notice ? notice("plain", view.notice) : null,
      taskSection(popup, "Running now", view.running),
      service
        ? actionSection(popup, host, service, (action) => act(popup, target(service, action), again))
        : h("p", { class: "nothing" }, "No service is assigned to this host, so there is nothing to run."),
      others.length
        ? h(
            "section",
            {},
            h("h2", {}, "Other services on this host"),
            h(
              "div",
              { class: "chips" },
              ...others.map((other) => button(other.name, () => void popup.open({ ...again, service: other.name }))),
            ),
          )
        : null,
      taskSection(popup, "Recently on this host", view.recent),
    ],
  });
}

/**
 * One click runs what is read only and needs nothing; all else is confirmed first.
 * @param {SelfServicePopup} popup @param {Target} target @param {Asked} asked
 */
function act(popup, target, asked) {
  const { action } = target;
  if (needsOwnTab(popup, action)) openOwnTab(popup, target, asked.environment);
  else if (action.confirmation === "none" && !action.parameters.length && !action.reason_required) {
    void popup.attempt(
      async () => {
        const answer = await popup.api.post("/tasks", {
          ...ids(target),
          parameters: {},
          reason: null,
          nonce: null,
          typed_host: null,
          request_key: uuid(),
        });
        popup.started(answer);
      },
      () => void popup.open(asked),
    );
  } else new ConfirmScreen(popup, target, () => void popup.open(asked));
}
