// Who is there.

import { Problem } from "../api.js";
import { h, notice } from "../dom.js";

/** @typedef {import("../element.js").SelfServicePopup} SelfServicePopup */

/** @param {SelfServicePopup} popup @param {() => void} again */
export function signInScreen(popup, again) {
  const name = h("input", {
    id: "name",
    autocomplete: "username",
    autocapitalize: "none",
    spellcheck: "false",
    maxlength: 200,
    required: true,
  });
  const password = h("input", { id: "password", type: "password", autocomplete: "current-password", maxlength: 1000, required: true });
  const send = h("button", { class: "primary" }, "Sign in");
  const answer = h("div", {});
  /** @param {SubmitEvent} event */
  const submit = async (event) => {
    event.preventDefault();
    send.disabled = true;
    try {
      popup.session = await popup.api.post("/session", { name: name.value, password: password.value });
      popup.api.csrfToken = popup.session?.csrf_token ?? "";
      again();
    } catch (error) {
      answer.replaceChildren(notice("critical", error instanceof Problem ? error.message : String(error)));
      send.disabled = false;
      password.value = "";
      password.focus();
    }
  };
  popup.show({
    name: "signin",
    title: "Sign in",
    sub: "to see the actions that you may use",
    focus: name,
    body: [
      h(
        "form",
        { submit },
        answer,
        h("label", { for: "name" }, "Name"),
        name,
        h("label", { for: "password" }, "Password"),
        password,
        h("div", { class: "row end" }, send),
      ),
    ],
  });
}

/** @param {SelfServicePopup} popup @returns {(Node|string)[]} */
export function signedIn(popup) {
  if (!popup.session) return [];
  const signOut = async () => {
    await popup.attempt(
      async () => {
        await popup.api.delete("/session");
        signInScreen(popup, () => void popup.start());
      },
      () => void popup.start(),
    );
  };
  return [
    `Signed in as ${popup.session.user.display_name || popup.session.user.name}`,
    h("button", { type: "button", class: "link", click: () => void signOut() }, "Sign out"),
  ];
}
