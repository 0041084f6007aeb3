// The confirmation.

import { isAway, Problem, uuid, whenBack } from "../api.js";
import { button, h, notice } from "../dom.js";
import { duration, short } from "../format.js";
import { experience } from "./actions.js";
import { parameterField, textField } from "./fields.js";
import { ids } from "../target.js";
import { titled } from "../words.js";

/** @typedef {import("../element.js").SelfServicePopup} SelfServicePopup */

/** What the screen says of each kind: above the command, and on the button. */
const KINDS = {
  run: { heading: "This runs", note: "", press: "Run on" },
  check: {
    heading: "This checks",
    note: "With --check a plugin looks whether it could do its work, and changes nothing. One that does not know --check refuses it.",
    press: "Check on",
  },
  help: { heading: "This asks the plugin what it is", note: "", press: "Ask on" },
};

/** The exact command, the parameters it follows, and what must be typed before it may run. */
export class ConfirmScreen {
  /** @type {Plan|null} */
  #plan = null;
  #requestKey = uuid();
  #turn = 0;
  #sending = false;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  /** Ends the wait for an answer. */
  #giveUp = () => {};
  /** @type {Map<string, Field>} */
  #fields = new Map();
  /**
   * Secrets stand in no command: they are sent with the task alone.
   * @type {Map<string, Field>}
   */
  #secrets = new Map();

  /**
   * @param {SelfServicePopup} popup @param {Target} target @param {() => void} back
   * @param {ConfirmScreen} [before] what was typed there stays
   */
  constructor(popup, target, back, before) {
    this.popup = popup;
    this.target = target;
    this.back = back;
    const { action, host, service } = target;
    const kind = target.kind ?? "run";
    const { heading, note, press } = KINDS[kind];
    const limit = action.max_running === null ? "" : `at most ${action.max_running} at once`;
    this.command = h("pre", { class: "command", tabindex: 0, "aria-label": "Command" }, "…");
    this.answer = h("div", {});
    this.typed =
      action.confirmation === "typed"
        ? textField("typed", `Dangerous: type the host name ${host.name} to confirm`, { spellcheck: "false", autocomplete: "off" })
        : null;
    this.reason = textField("reason", action.reason_required ? "Reason (required)" : "Reason (optional, recorded)", { maxlength: 1000 });
    this.run = h("button", { class: "primary", disabled: true }, `${press} ${host.name}`);
    for (const parameter of kind === "help" ? [] : action.parameters)
      (parameter.type === "secret" ? this.#secrets : this.#fields).set(parameter.name, parameterField(parameter));
    const fields = [...this.#fields.values(), ...this.#secrets.values(), this.typed, this.reason].flatMap((field) => field ?? []);
    const form = h(
      "form",
      {
        novalidate: true,
        submit: (/** @type {Event} */ event) => this.#submitted(event),
        input: (/** @type {Event} */ event) => this.#typedSomething(event),
      },
      this.answer,
      h("h2", {}, heading),
      this.command,
      note ? h("p", { class: "dim facts" }, note) : null,
      ...fields.map((field) => field.element),
      h("div", { class: "row" }, button("Back", back), kind === "run" ? h("span", { class: "pair" }, button("Check", () => this.#check()), this.run) : this.run),
    );
    popup.show({
      name: "confirm",
      title: titled(action.name, kind),
      environments: target.environments,
      sub: [host.name, service.name, target.retryOf ? `retry of ${short(target.retryOf)}` : ""].filter(Boolean).join(" · "),
      back,
      focus: fields[0] && fields[0] !== this.reason ? fields[0].input : this.run,
      leave: () => {
        clearTimeout(this.#timer);
        this.#giveUp();
      },
      footer: [[`Time-out ${duration(action.timeout_seconds)}`, limit, "recorded in the audit log"].filter(Boolean).join(" · ")],
      body: [
        h("div", { class: "dim" }, action.description ? h("p", {}, action.description) : null, h("p", { class: "experience" }, ...experience(action))),
        form,
      ],
    });
    if (before) this.#take(before);
    void this.#replan();
  }

  /** @param {ConfirmScreen} before */
  #take(before) {
    for (const [name, field] of before.#fields) this.#fields.get(name)?.set(field.value());
    for (const [name, field] of before.#secrets) this.#secrets.get(name)?.set(field.value());
    this.reason.set(before.reason.value());
  }

  /** The same as a check: its own command is shown, and confirmed. */
  #check() {
    const again = () => new ConfirmScreen(this.popup, this.target, this.back, check);
    const check = new ConfirmScreen(this.popup, { ...this.target, kind: "check", retryOf: null }, again, this);
  }

  /** @param {Event} event */
  #typedSomething(event) {
    for (const secret of this.#secrets.values()) if (secret.input === event.target) secret.complain("");
    const isParameter = [...this.#fields.values()].some((field) => field.input === event.target);
    if (isParameter) {
      this.#plan = null;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => void this.#replan(), 250);
    }
    this.#allow();
  }

  /** Asks the server for the command that the present values give, and for the nonce that stands for exactly it. */
  async #replan() {
    this.#turn += 1;
    this.#giveUp();
    const turn = this.#turn;
    this.command.classList.add("stale");
    try {
      const plan = await this.popup.api.post("/plans", { ...ids(this.target), parameters: this.#values() });
      if (turn !== this.#turn) return;
      this.#plan = plan;
      this.#requestKey = uuid();
      this.command.textContent = plan.command;
      this.command.classList.remove("stale");
      this.#complain({});
    } catch (error) {
      if (turn === this.#turn) this.#planFailed(error);
    }
    this.#allow();
    if (document.activeElement === document.body || document.activeElement === this.popup) this.#focusFirst();
  }

  #focusFirst() {
    const root = this.popup.shadowRoot;
    if (root && (!root.activeElement || root.activeElement.tagName === "H1") && !this.run.disabled) this.run.focus();
  }

  /** @param {unknown} error */
  #planFailed(error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 401) this.popup.problem(error, () => new ConfirmScreen(this.popup, this.target, this.back));
    else if (Object.keys(error.errors).length) {
      this.command.textContent = "Shown as soon as the values below are allowed.";
      this.#complain(error.errors);
    } else if (isAway(error)) {
      this.answer.replaceChildren(notice("warning", `${error.message} What you typed stays, and the page goes on by itself.`));
      this.#giveUp = whenBack(this.popup.api, () => void this.#replan());
    } else
      this.answer.replaceChildren(
        notice(
          "critical",
          error.message,
          button("Try again", () => void this.#replan()),
        ),
      );
  }

  /** @param {Record<string, string>} errors by parameter; all others are fine */
  #complain(errors) {
    this.answer.replaceChildren();
    const fields = new Map([...this.#fields, ...this.#secrets]);
    for (const [name, field] of fields) field.complain(errors[name] ?? "");
    for (const [name, sentence] of Object.entries(errors))
      if (!fields.has(name)) this.answer.append(notice("critical", `${name}: ${sentence}`));
  }

  #values() {
    return valuesOf(this.#fields);
  }

  /** Whether every secret that must be typed was. */
  #secretsTyped() {
    const { parameters } = this.target.action;
    return parameters.every(({ name, required }) => !required || this.#secrets.get(name)?.value() !== "");
  }

  #allow() {
    const typed = !this.typed || this.typed.value().trim() === this.target.host.name;
    const reason = !this.target.action.reason_required || this.reason.value().trim() !== "";
    this.run.disabled = !this.#plan || !typed || !reason || !this.#secretsTyped() || this.#sending;
  }

  /** @param {Event} event */
  #submitted(event) {
    event.preventDefault();
    if (!this.run.disabled) void this.#send();
  }

  async #send() {
    this.#sending = true;
    this.#giveUp();
    this.#allow();
    this.answer.replaceChildren();
    try {
      const answer = await this.popup.api.post("/tasks", {
        ...ids(this.target),
        parameters: this.#values(),
        secrets: valuesOf(this.#secrets),
        reason: this.reason.value().trim() || null,
        nonce: this.#plan?.nonce ?? null,
        typed_host: this.typed ? this.typed.value().trim() : null,
        retry_of: this.target.retryOf ?? null,
        request_key: this.#requestKey,
      });
      this.popup.started(answer);
    } catch (error) {
      this.#sending = false;
      this.#refused(error);
      this.#allow();
    }
  }

  /**
   * After "no answer" the same key is sent again, so the run can't start twice; after a refusal a new plan is made.
   * @param {unknown} error
   */
  #refused(error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 401) {
      this.popup.problem(error, () => new ConfirmScreen(this.popup, this.target, this.back));
      return;
    }
    if (isAway(error)) {
      this.#unanswered(error);
      return;
    }
    this.#complain(error.errors);
    const { taskId } = error;
    this.answer.prepend(
      notice("critical", error.message, taskId ? button("Watch that run", () => void this.popup.openTask(taskId)) : null),
    );
    const names = Object.keys(error.errors);
    // The confirmation was not used, and the command stays what it is.
    if (names.length && names.every((name) => this.#secrets.has(name))) return;
    if (error.status === 409 || error.status === 400) {
      this.#plan = null;
      if (!names.length) void this.#replanQuietly();
    }
  }

  /**
   * Nobody knows whether it was started. The same key may be sent again, so everything stays as it is.
   * @param {Problem} error
   */
  #unanswered(error) {
    const again = `Press “${this.run.textContent}” again: it starts once, even if the first press arrived.`;
    // Of a database that is away the answer speaks to programs, of keys.
    const why = error.status === 503 ? "The database does not answer." : error.message;
    this.answer.replaceChildren(notice("warning", `${why} Nothing that you typed is lost. ${again}`));
    this.#giveUp = whenBack(this.popup.api, () => this.answer.replaceChildren(notice("plain", `There is an answer again. ${again}`)));
  }

  /** Renews the command below a message that should stay. */
  async #replanQuietly() {
    const message = [...this.answer.childNodes];
    await this.#replan();
    this.answer.prepend(...message);
  }
}

/** @param {Map<string, Field>} fields */
function valuesOf(fields) {
  return Object.fromEntries([...fields].map(([name, field]) => [name, field.value()]));
}
