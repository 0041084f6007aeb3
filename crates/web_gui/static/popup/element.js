// The custom element: one frame, one screen in it at a time.

import { BASE } from "./base.js";
import { Api, Problem } from "./api.js";
import { badges, h, space } from "./dom.js";
import { clock } from "./format.js";
import { keysDialog } from "./keys.js";
import { hostScreen } from "./screens/host.js";
import { browseScreen, matchesScreen } from "./screens/hosts.js";
import { problemScreen } from "./screens/problem.js";
import { signInScreen } from "./screens/sign_in.js";
import { ATTACHED, TaskScreen } from "./screens/task.js";
import { STYLE } from "./style.js";
import { framedByOthers } from "./target.js";

export class SelfServicePopup extends HTMLElement {
  static observedAttributes = ["api-base", "environment", "host", "service", "task", "handler", "kind", "retry-of"];

  api = new Api("");
  /** @type {Session|null} */
  session = null;
  #root = this.attachShadow({ mode: "open" });
  #frame = h("div", { class: "popup" });
  #status = h("div", { class: "hidden", role: "status", "aria-live": "polite" });
  #keys = keysDialog();
  #shown = false;
  #restart = false;
  /** @type {Content|null} */
  #screen = null;
  /** @type {ReturnType<typeof setInterval>|undefined} */
  #ticker;
  /** A number per start or screen, so that an answer that comes too late changes nothing. */
  #turn = 0;

  constructor() {
    super();
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    this.#root.adoptedStyleSheets = [sheet];
    this.#root.append(this.#frame, this.#status, this.#keys);
  }

  connectedCallback() {
    this.#keyTarget().addEventListener("keydown", this.#pressed);
    this.#ticker = setInterval(() => this.#tick(), 1000);
    if (this.framed) this.#reportSize();
    this.#askRestart();
  }

  disconnectedCallback() {
    this.#keyTarget().removeEventListener("keydown", this.#pressed);
    clearInterval(this.#ticker);
    this.#screen?.leave?.();
    this.#screen = null;
  }

  attributeChangedCallback() {
    if (this.isConnected) this.#askRestart();
  }

  /** Several attributes that change together start the popup once. */
  #askRestart() {
    if (this.#restart) return;
    this.#restart = true;
    queueMicrotask(() => {
      this.#restart = false;
      if (this.isConnected) void this.start();
    });
  }

  get wide() {
    return this.hasAttribute("wide");
  }

  get framed() {
    return this.hasAttribute("page-title") && window.parent !== window;
  }

  /** A page of another origin around us may lay something over our buttons, so dangerous actions open in a tab of their own. */
  get foreign() {
    return this.hasAttribute("foreign-frame") || framedByOthers();
  }

  /** @returns {Asked} */
  get asked() {
    const [environment, host, service] = ["environment", "host", "service"].map((name) => this.getAttribute(name) ?? "");
    return { environment: environment ?? "", host: host ?? "", service: service ?? "" };
  }

  /** Begins anew with what the attributes ask for. */
  async start() {
    this.api = new Api(this.getAttribute("api-base") ?? BASE);
    const task = this.getAttribute("task");
    await this.attempt(
      async (current) => {
        this.session = /** @type {Session} */ (await this.api.get("/session"));
        this.api.csrfToken = this.session.csrf_token;
        if (!current()) return;
        if (task) await this.openTask(task);
        else await this.open(this.asked, this.getAttribute("handler") ?? "");
      },
      () => void this.start(),
    );
  }

  /**
   * Runs what leads to another screen. 401 shows the sign-in and then goes on; other problems get a screen with "Try again".
   * @param {(current: () => boolean) => Promise<void>} act
   * @param {() => void} again
   */
  async attempt(act, again) {
    if (!this.#screen) this.show({ name: "loading", title: "Self Service", body: [h("p", { class: "dim" }, "Loading…")] });
    this.#turn += 1;
    const turn = this.#turn;
    const current = () => turn === this.#turn && this.isConnected;
    try {
      await act(current);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (current()) this.problem(error, again);
    }
  }

  /** @param {Problem} problem @param {() => void} again */
  problem(problem, again) {
    if (problem.status === 401) signInScreen(this, again);
    else problemScreen(this, problem, again);
  }

  /**
   * Shows a host, several matches, or everything there is to browse.
   * @param {Asked} asked @param {string} [handler] the id of an action to confirm at once
   */
  async open(asked, handler) {
    await this.attempt(
      async (current) => {
        const view = /** @type {HostView|MatchesView|BrowseView} */ (await this.api.get("/popup", asked));
        if (!current()) return;
        if (view.kind === "matches") matchesScreen(this, view, asked);
        else if (view.kind === "browse") browseScreen(this, view);
        else hostScreen(this, view, asked, handler);
      },
      () => void this.open(asked, handler),
    );
  }

  /** @param {string} id */
  async openTask(id) {
    await this.attempt(
      async (current) => {
        const task = /** @type {Task} */ (await this.api.get(`/tasks/${encodeURIComponent(id)}`));
        if (current()) new TaskScreen(this, task, "");
      },
      () => void this.openTask(id),
    );
  }

  /**
   * The page of another task is left for that of the new one; everywhere else the run replaces the content.
   * @param {{task: Task, attached: boolean}} answer
   */
  started(answer) {
    if (this.wide) location.assign(`${BASE}${answer.task.page_url}`);
    else new TaskScreen(this, answer.task, answer.attached ? ATTACHED : "");
  }

  /**
   * Replaces the content of the popup.
   * @param {Content} screen
   */
  show(screen) {
    this.#turn += 1;
    this.#screen?.leave?.();
    this.#screen = screen;
    const heading = h("h1", { tabindex: -1 }, screen.title);
    const header = h("header", {}, heading, badges(screen.environments ?? []), screen.sub ? h("p", { class: "sub" }, screen.sub) : null);
    const footer = h(
      "footer",
      {},
      ...(screen.footer ?? []),
      screen.footer?.some((part) => part instanceof Element && part.matches(".space")) ? null : space(),
      h("button", { type: "button", class: "link", "aria-label": "Keys", click: () => this.#keys.showModal() }, "?", h("span", { class: "long" }, " keys")),
    );
    this.#frame.className = `popup screen-${screen.name}`;
    this.#frame.replaceChildren(
      ...(this.wide && screen.name === "task" ? [] : [header]),
      h("div", { class: "body" }, ...screen.body.filter((node) => node !== null)),
      footer,
    );
    this.setTitle(screen.title);
    this.#tick();
    if (this.#shown) (screen.focus ?? heading).focus();
    else if (screen.focus && !this.wide) screen.focus.focus();
    this.#shown = screen.name !== "loading" || this.#shown;
  }

  /**
   * Tells a screen reader.
   * @param {string} sentence
   */
  announce(sentence) {
    this.#status.textContent = sentence;
  }

  /** @param {string} text */
  setTitle(text) {
    if (this.hasAttribute("page-title")) document.title = `${text} · Self Service`;
  }

  /**
   * Tells the page that framed us; it holds nothing secret, and we can't know the origin of that page.
   * @param {object} message
   */
  tellParent(message) {
    if (this.framed) window.parent.postMessage({ source: "selfservice-popup", ...message }, "*");
  }

  #reportSize() {
    // A scrollbar that comes and goes with the frame's height would change the width, and by that the height again.
    if (this.framed) document.documentElement.style.scrollbarGutter = "stable";
    new ResizeObserver(() => this.tellParent({ type: "resize", height: Math.ceil(this.getBoundingClientRect().height) })).observe(this);
  }

  /** Elements with data-since show how long ago that was, each second. */
  #tick() {
    for (const element of /** @type {NodeListOf<HTMLElement>} */ (this.#root.querySelectorAll("[data-since]"))) {
      element.textContent = clock(this.api.secondsSince(element.dataset.since ?? ""));
    }
  }

  /** In our own page keys work wherever the focus is; in a foreign page only inside the popup. */
  #keyTarget() {
    return /** @type {HTMLElement} */ (this.hasAttribute("page-title") ? document.documentElement : this);
  }

  /** @param {KeyboardEvent} event */
  #pressed = (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || this.#keys.open) return;
    const origin = event.composedPath()[0];
    const typing = origin instanceof HTMLInputElement || origin instanceof HTMLTextAreaElement || origin instanceof HTMLSelectElement;
    if (event.key === "Escape") this.#escape();
    else if (typing) return;
    else if (event.key === "?") this.#keys.showModal();
    else if (event.key === "/") this.#press(this.#screen?.name === "task" ? ".find" : "[type=search]");
    else if (event.key === "f") this.#press(".follow");
    else return;
    event.preventDefault();
  };

  #escape() {
    if (this.#screen?.back) this.#screen.back();
    else this.tellParent({ type: "close" });
  }

  /** @param {string} selector */
  #press(selector) {
    const element = /** @type {HTMLElement|null} */ (this.#frame.querySelector(selector));
    element?.focus();
    if (element instanceof HTMLButtonElement) element.click();
  }
}
