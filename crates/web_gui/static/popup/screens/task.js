// A run, from the queue to its result.

import { BASE } from "../base.js";
import { isAway, Problem } from "../api.js";
import { button, copyButton, h, notice, space } from "../dom.js";
import { clock, duration, short } from "../format.js";
import { LogPanel } from "../log/panel.js";
import { notify, notifyButton } from "../notify.js";
import { ConfirmScreen } from "./confirm.js";
import { summaryOf } from "./summary.js";
import { HIDDEN_POLL_MS, POLL_MS, startOf, TaskStream } from "../stream.js";
import { needsOwnTab, openOwnTab } from "../target.js";
import { detailOf, factsOf, MARKS, pauseSentence, storyOf, titled, wordOf } from "../words.js";

/** @typedef {import("../element.js").SelfServicePopup} SelfServicePopup */

/** A manager that comes back may still deliver the result of a run that counts as lost; afterwards nobody waits for it any more. */
const LATE_MS = 3600_000;

export const ATTACHED = "This action was running here already: you see that run, a second one was not started.";

/** A run, from the queue to its result. */
export class TaskScreen {
  #cancelling = false;
  #announced = "";
  #left = false;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #later;

  /** @param {SelfServicePopup} popup @param {Task} task @param {string} remark */
  constructor(popup, task, remark) {
    this.popup = popup;
    this.task = task;
    this.notices = h("div", {});
    this.head = h("div", { class: "row head" });
    this.story = h("div", {});
    this.waiting = h("div", {});
    this.bar = h(
      "div",
      { class: "bar", role: "progressbar", "aria-label": "Progress", "aria-valuemin": 0, "aria-valuemax": 100 },
      h("i", {}),
    );
    this.steps = h("ol", { class: "steps", "aria-label": "Steps" });
    this.log = new LogPanel(popup.api, task.id);
    this.after = h("div", { class: "row after" });
    this.connection = h("span", { class: "connection" });
    this.facts = h("p", { class: "dim facts" });
    if (remark) this.notices.append(notice("plain", remark));
    popup.show({
      name: "task",
      title: titled(task.handler.name, task.kind),
      environments: task.environments,
      sub: `${task.host.name} · ${task.service.name} · by ${task.requester} · ${short(task.id)}`,
      body: [this.notices, this.head, this.waiting, this.story, this.bar, this.steps, ...this.log.body, this.facts, this.after],
      footer: [
        ...this.log.state,
        this.connection,
        space(),
        ...this.log.actions,
        copyButton("Copy link", () => new URL(`${BASE}${this.task.page_url}`, location.href).href),
      ],
      back: popup.wide ? null : () => this.#back(),
      leave: () => {
        this.#left = true;
        clearTimeout(this.#later);
        this.stream.stop();
      },
    });
    const offset = startOf(task.output_bytes);
    this.log.view.begin(offset);
    this.stream = this.#followFrom(offset);
    this.#update(task);
    this.#connectionChanged();
  }

  /** @param {number} offset */
  #followFrom(offset) {
    const { popup, task } = this;
    return new TaskStream(popup.api, task.id, offset, {
      task: (fresh) => this.#update(fresh),
      part: (part) => this.log.view.add(part),
      end: () => this.#ended(),
      mode: () => this.#connectionChanged(),
      problem: (problem) => popup.problem(problem, () => void popup.openTask(task.id)),
    });
  }

  #back() {
    void this.popup.open({ ...this.popup.asked, host: this.task.host.name, service: this.task.service.name });
  }

  /** @param {Task} task */
  #update(task) {
    this.task = task;
    this.#drawHead();
    this.#drawWaiting();
    this.#drawStory();
    this.#drawProgress();
    this.#drawAfter();
    this.#announce();
  }

  #drawWaiting() {
    const { task } = this;
    const sentence = task.state === "queued" && task.waiting_reason ? `Waiting: ${task.waiting_reason}.` : "";
    if (this.waiting.textContent === sentence) return;
    this.waiting.replaceChildren(...(sentence ? [notice("warning", sentence)] : []));
  }

  /** What the result means, and the runs before and after this one that did the same. */
  #drawStory() {
    const { task } = this;
    const key = [task.state, task.result, task.late, task.repeat, task.retried_as].join("|");
    if (this.story.dataset.key === key) return;
    this.story.dataset.key = key;
    const story = task.state === "finished" ? storyOf(task) : "";
    const repeated =
      task.repeat === "due"
        ? "The action can be repeated without harm, so it is being run again by itself."
        : task.repeat === "started"
          ? "The action can be repeated without harm, so it was run again by itself."
          : "";
    const told = [story, repeated].filter(Boolean).join(" ");
    this.story.replaceChildren(
      ...(told ? [notice(task.result === "lost" ? "warning" : "plain", told)] : []),
      ...(task.retry_of || task.retried_as ? [this.#chain()] : []),
    );
  }

  #chain() {
    const { task } = this;
    const attempt = task.attempt > 1 ? `Attempt ${task.attempt}, started by itself · ` : "";
    return h(
      "p",
      { class: "dim chain" },
      attempt,
      ...(task.retry_of ? ["Retry of ", this.#linkTo(task.retry_of)] : []),
      task.retry_of && task.retried_as ? " · " : null,
      ...(task.retried_as ? ["Retried as ", this.#linkTo(task.retried_as)] : []),
    );
  }

  /** @param {string} id */
  #linkTo(id) {
    if (this.popup.wide) return h("a", { href: `${BASE}/tasks/${encodeURIComponent(id)}` }, short(id));
    return button(short(id), () => void this.popup.openTask(id), "link");
  }

  #drawHead() {
    const { task } = this;
    const { tone, word } = wordOf(task);
    const detail = task.state === "finished" ? detailOf(task) : "";
    const since = task.state === "running" ? task.started_at : task.created_at;
    const pill = h(
      "span",
      { class: `pill ${tone}` },
      h("span", { "aria-hidden": "true" }, MARKS[tone]),
      ` ${word}`,
      detail ? ` · ${detail}` : null,
      task.state !== "finished" && since ? " · " : null,
      task.state !== "finished" && since ? h("span", { "data-since": since }, clock(this.popup.api.secondsSince(since))) : null,
    );
    const side = task.state === "finished" ? null : this.#cancelControl();
    // The buttons keep the focus where nothing but the time has changed.
    const key = [pill.className, word, detail, task.cancel_requested_at, task.can_cancel, this.#cancelling].join("|");
    if (this.head.dataset.key === key) return;
    const focused = this.head.contains(this.popup.shadowRoot?.activeElement ?? null);
    this.head.dataset.key = key;
    this.head.replaceChildren(pill, ...(side ? [side] : []));
    if (focused) this.head.querySelector("button")?.focus();
  }

  #cancelControl() {
    const { task } = this;
    if (task.cancel_requested_at) return h("span", { class: "dim" }, `Cancelling, asked by ${task.cancel_requested_by ?? "somebody"}…`);
    if (!task.can_cancel) return null;
    if (!this.#cancelling) return button("Cancel", () => this.#askCancel(true), "danger");
    return h(
      "span",
      { class: "asking", role: "group", "aria-label": "Cancel this run?" },
      "End this run?",
      button("End it", () => void this.#cancel(), "danger"),
      button("Let it run", () => this.#askCancel(false)),
    );
  }

  /** @param {boolean} asking */
  #askCancel(asking) {
    this.#cancelling = asking;
    this.#drawHead();
  }

  async #cancel() {
    this.#cancelling = false;
    try {
      const answer = await this.popup.api.post(`/tasks/${encodeURIComponent(this.task.id)}/cancel`, {});
      // It was given before the end of the run, of which the stream may have told already.
      if (this.task.state !== "finished") this.#update(answer.task);
    } catch (error) {
      this.notices.replaceChildren(notice(isAway(error) ? "warning" : "critical", error instanceof Problem ? error.message : String(error)));
      this.#drawHead();
    }
  }

  #drawProgress() {
    const { task } = this;
    const percent = task.state === "running" ? task.percent : null;
    this.bar.hidden = percent === null;
    this.bar.setAttribute("aria-valuenow", String(percent ?? 0));
    /** @type {HTMLElement} */ (this.bar.firstElementChild).style.width = `${Math.min(100, Math.max(0, percent ?? 0))}%`;
    const marks = { waiting: "○", running: "●", done: "✓", failed: "✕", stopped: "–" };
    this.steps.hidden = !task.steps.length;
    this.steps.replaceChildren(
      ...task.steps.map((step) => {
        // A run that was lost or cancelled leaves a step in the middle: nothing runs any more.
        const state = step.state === "running" && task.state === "finished" ? "stopped" : step.state;
        const more = [step.seconds === null ? "" : duration(step.seconds), step.note ?? ""].filter(Boolean).join(" · ");
        return h(
          "li",
          { class: state, "aria-current": state === "running" ? "step" : null },
          h("span", { class: "mark", "aria-hidden": "true" }, marks[state]),
          h("span", { class: "hidden" }, `${state}: `),
          h("b", {}, step.name),
          more ? ` ${more}` : null,
        );
      }),
    );
  }

  #drawAfter() {
    const { task } = this;
    const finished = task.state === "finished";
    const key = `${finished} ${task.can_run}`;
    this.facts.textContent = finished ? factsOf(task) : "";
    if (this.after.dataset.key === key) return;
    this.after.dataset.key = key;
    this.after.replaceChildren(
      ...(this.popup.wide ? [] : [button("Back to actions", () => this.#back())]),
      h(
        "span",
        { class: "asking" },
        finished ? copyButton("Copy summary", () => summaryOf(this.task), "", undefined, "quiet") : notifyButton(),
        finished && task.can_run ? button("Run again", () => this.#runAgain()) : null,
      ),
    );
  }

  /** Opens the confirmation with the action as it is today; rights and command may have changed since. */
  #runAgain() {
    const { task, popup } = this;
    const asked = { environment: "", host: task.host.name, service: task.service.name };
    void popup.attempt(
      async () => {
        const view = /** @type {HostView} */ (await popup.api.get("/popup", asked));
        const service = view.kind === "host" ? view.services.find((one) => one.id === task.service.id) : undefined;
        const action = service?.actions.find((one) => one.handler_id === task.handler.id && one.can_run);
        if (action?.paused) this.notices.replaceChildren(notice("warning", `${pauseSentence(action.name, action.paused)}.`));
        else if (service && action) {
          const target = { host: view.host, environments: view.host.environments, service, action, kind: task.kind, retryOf: task.id };
          if (needsOwnTab(popup, action)) openOwnTab(popup, target, "");
          else new ConfirmScreen(popup, target, () => void popup.openTask(task.id));
        } else throw new Problem(404, { detail: "This action is no longer assigned to the service, or you may not run it any more." });
      },
      () => void popup.openTask(task.id),
    );
  }

  #ended() {
    this.log.finish(this.task.output_bytes);
    this.#watchLost();
  }

  /** A lost run may be run again by itself, and its manager may come back with the real result. */
  #watchLost() {
    const { task } = this;
    const since = Date.now() + this.popup.api.skew - Date.parse(task.finished_at ?? task.created_at);
    if (task.result !== "lost" || since > LATE_MS || this.#left) return;
    this.#later = setTimeout(() => void this.#lookAgain(), task.repeat === "due" ? POLL_MS : HIDDEN_POLL_MS);
  }

  async #lookAgain() {
    try {
      const fresh = document.hidden ? this.task : await this.popup.api.get(`/tasks/${encodeURIComponent(this.task.id)}`);
      if (this.#left) return;
      if (fresh.result === "lost") this.#update(fresh);
      else {
        this.stream = this.#followFrom(this.stream.next);
        return;
      }
    } catch {
      // The next look tells.
    }
    this.#watchLost();
  }

  #announce() {
    const { task } = this;
    const { word } = wordOf(task);
    const step = task.steps.find((one) => one.state === "running")?.name ?? "";
    const sentence =
      task.state === "finished"
        ? `${[word, detailOf(task)].filter(Boolean).join(", ")}: ${task.handler.name} on ${task.host.name}`
        : [word, step].filter(Boolean).join(": ");
    if (sentence === this.#announced) return;
    // A run that had ended before it was opened is no news.
    if (this.#announced && task.state === "finished") notify(task.id, `${word}: ${task.handler.name} on ${task.host.name}`, detailOf(task));
    this.#announced = sentence;
    this.popup.announce(sentence);
    this.popup.setTitle(`${word} · ${task.handler.name} · ${task.host.name}`);
  }

  #connectionChanged() {
    // The first call comes from inside the stream's own constructor.
    const mode = this.stream?.mode ?? "connecting";
    const words = {
      live: "",
      ended: "",
      hidden: "",
      connecting: "connecting…",
      polling: "asking every 2 s",
      lost: "The connection is lost. The run goes on, and so does this page as soon as there is an answer.",
      away: "The database is away. The run goes on, and so does this page as soon as it is back.",
    };
    this.connection.textContent = words[mode];
    const broken = mode === "lost" || mode === "away";
    this.connection.classList.toggle("lost", broken);
    if (broken) this.popup.announce(words[mode]);
  }
}
