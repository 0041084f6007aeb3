// Hosts to choose from: several that match, or everything there is to see.

import { Problem } from "../api.js";
import { badges, button, h } from "../dom.js";
import { signedIn } from "./sign_in.js";

/** @typedef {import("../element.js").SelfServicePopup} SelfServicePopup */

/** @param {SelfServicePopup} popup @param {HostBrief[]} hosts @param {Asked} asked */
function hostRows(popup, hosts, asked) {
  return hosts.map((host) =>
    h(
      "li",
      {},
      h(
        "button",
        { type: "button", class: "hostrow", click: () => void popup.open({ ...asked, host: host.name }) },
        h("b", {}, host.name),
        badges(host.environments),
        h("span", { class: "dim" }, [host.address, ...host.hostgroups].filter(Boolean).join(" · ")),
      ),
    ),
  );
}

/** @param {SelfServicePopup} popup @param {MatchesView} view @param {Asked} asked */
export function matchesScreen(popup, view, asked) {
  popup.show({
    name: "matches",
    title: "Which host?",
    sub: `${view.hosts.length} hosts match “${view.asked}”`,
    footer: signedIn(popup),
    body: [h("ul", { class: "hosts" }, ...hostRows(popup, view.hosts, asked))],
  });
}

/** @param {SelfServicePopup} popup @param {BrowseView} view */
export function browseScreen(popup, view) {
  const nowhere = { environment: "", host: "", service: "" };
  const list = h("ul", { class: "hosts" });
  const more = button("More hosts", () => void load(true));
  const nothing = h("p", { class: "nothing" });
  const search = h("input", {
    id: "search",
    type: "search",
    autocomplete: "off",
    spellcheck: "false",
    maxlength: 200,
    placeholder: "Name, alias or address",
    input: () => waitThenLoad(),
  });
  let next = view.next;
  let turn = 0;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  let timer;
  const waitThenLoad = () => {
    clearTimeout(timer);
    timer = setTimeout(() => void load(false), 200);
  };
  /** @param {HostBrief[]} hosts @param {boolean} append */
  const fill = (hosts, append) => {
    const rows = hostRows(popup, hosts, nowhere);
    if (append) list.append(...rows);
    else list.replaceChildren(...rows);
    more.hidden = !next;
    nothing.hidden = list.childElementCount > 0;
    nothing.textContent = search.value
      ? `No host that you may see matches “${search.value}”.`
      : "Nothing is assigned to you yet. A person who keeps the rights can grant you an environment and a host group.";
  };
  /** @param {boolean} append */
  const load = async (append) => {
    turn += 1;
    const asked = turn;
    try {
      const page = await popup.api.get("/hosts", { query: search.value, after: append && next ? next : "" });
      if (asked !== turn) return;
      next = page.next;
      fill(page.hosts, append);
      popup.announce(`${list.childElementCount} hosts`);
    } catch (error) {
      if (error instanceof Problem) popup.problem(error, () => void popup.open(nowhere));
    }
  };
  fill(view.hosts, false);
  popup.show({
    name: "browse",
    title: "Hosts",
    sub: "Choose a host to see its actions",
    focus: search,
    footer: signedIn(popup),
    leave: () => clearTimeout(timer),
    body: [
      h(
        "form",
        {
          role: "search",
          submit: (/** @type {Event} */ event) => {
            event.preventDefault();
            void load(false);
          },
        },
        h("label", { for: "search" }, "Search hosts"),
        search,
      ),
      list,
      nothing,
      more,
    ],
  });
}
