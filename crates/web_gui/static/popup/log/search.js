// The bar above a log: search, and a line to go to.

import { button, h } from "../dom.js";

/** @typedef {import("./source.js").LogSource} LogSource */
/** @typedef {import("./view.js").LogView} LogView */

const TYPING_MS = 250;
/** Lines that are remembered at most. */
const MOST = 10_000;

export class LogSearch {
  #text = "";
  /** @type {{offset: number, line: number}[]} */
  #matches = [];
  /** The match that is looked at; -1: none yet. */
  #at = -1;
  #complete = false;
  /** A number per search, so that an answer to an older one changes nothing. */
  #turn = 0;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;

  /** @param {LogSource} source @param {LogView} view @param {() => void} closed gives the focus back */
  constructor(source, view, closed) {
    this.source = source;
    this.view = view;
    this.closed = closed;
    this.input = h("input", {
      id: "find",
      type: "search",
      autocomplete: "off",
      spellcheck: "false",
      maxlength: 200,
      placeholder: "Search the output",
      input: () => this.#typed(),
    });
    this.line = h("input", { id: "line", inputmode: "numeric", autocomplete: "off", maxlength: 12 });
    this.count = h("span", { class: "dim", role: "status" });
    this.element = h(
      "form",
      { class: "finder", role: "search", hidden: true, submit: (/** @type {SubmitEvent} */ event) => this.#submitted(event) },
      h("label", { for: "find", class: "hidden" }, "Search the output"),
      this.input,
      button("↑", () => this.#step(-1), "quiet", "Previous match"),
      button("↓", () => this.#step(1), "quiet", "Next match"),
      this.count,
      h("span", { class: "space" }),
      h("label", {}, "Line ", this.line),
      // Enter in a field needs a button that sends the form.
      h("button", { class: "hidden", tabindex: -1, "aria-hidden": "true" }),
      button("✕", () => this.close(), "quiet", "Close the search"),
    );
    this.element.addEventListener("keydown", (event) => this.#key(event));
  }

  open() {
    this.element.hidden = false;
    this.input.focus();
    this.input.select();
  }

  close() {
    this.element.hidden = true;
    clearTimeout(this.#timer);
    this.#turn += 1;
    this.#text = "";
    this.input.value = "";
    this.view.window.mark("", null);
    this.#say("");
    this.closed();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key === "Escape") this.close();
    else if (event.key === "Enter" && event.shiftKey && event.target === this.input) this.#step(-1);
    else return;
    event.preventDefault();
  }

  #typed() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#search(), TYPING_MS);
  }

  /** @param {SubmitEvent} event */
  #submitted(event) {
    event.preventDefault();
    if (/** @type {ShadowRoot} */ (this.element.getRootNode()).activeElement === this.line) void this.#goToLine();
    else if (this.input.value !== this.#text) void this.#search();
    else this.#step(1);
  }

  async #goToLine() {
    const line = Number(this.line.value.replaceAll(/[\s,.']/g, ""));
    if (!Number.isSafeInteger(line) || line < 1) return this.#say("A line is a whole number from 1.");
    if (line > this.view.lines) return this.#say(`There are ${this.view.lines.toLocaleString("en-GB")} lines.`);
    try {
      this.view.goTo(await this.source.startOfLine(line - 1), "start");
      this.#say("");
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Looks through the log from its start, and goes to the first match from the present place on as soon as that is known. */
  async #search() {
    clearTimeout(this.#timer);
    this.#turn += 1;
    const turn = this.#turn;
    this.#text = this.input.value;
    this.#matches = [];
    this.#at = -1;
    this.#complete = !this.#text;
    this.view.window.mark(this.#text, null);
    const place = this.view.offset;
    try {
      for (let offset = 0; !this.#complete && this.#matches.length < MOST; ) {
        const part = await this.source.search(this.#text, offset);
        if (turn !== this.#turn) return;
        this.#remember(part.matches);
        this.#complete = part.complete;
        offset = part.next_offset;
        if (this.#at < 0) this.#show(this.#matches.findIndex((one) => one.offset >= place));
        this.#tell();
      }
      if (this.#at < 0 && this.#matches.length) this.#show(0);
      this.#tell();
    } catch (error) {
      if (turn === this.#turn) this.#failed(error);
    }
  }

  /**
   * Two stretches may both name the line at their border.
   * @param {{offset: number, line: number}[]} matches
   */
  #remember(matches) {
    const last = this.#matches[this.#matches.length - 1]?.line;
    this.#matches.push(...matches.filter((one) => one.line !== last));
  }

  /** @param {1|-1} by */
  #step(by) {
    const { length } = this.#matches;
    if (!length) return;
    this.#show((this.#at + by + length) % length);
    this.#tell();
  }

  /** @param {number} index */
  #show(index) {
    const match = this.#matches[index];
    if (!match) return;
    this.#at = index;
    this.view.window.mark(this.#text, match.offset);
    this.view.goTo(match.offset, "middle");
  }

  #tell() {
    if (!this.#text) return this.#say("");
    const { length } = this.#matches;
    const lines = length === 1 ? "line" : "lines";
    const count = length.toLocaleString("en-GB") + (this.#complete ? "" : length < MOST ? "…" : "+");
    if (!length) return this.#say(this.#complete ? "no line has it" : "searching…");
    this.#say(this.#at < 0 ? `${count} ${lines}` : `${(this.#at + 1).toLocaleString("en-GB")} of ${count} ${lines}`);
  }

  /** @param {unknown} error */
  #failed(error) {
    this.#say(error instanceof Error ? error.message : String(error));
  }

  /** @param {string} sentence */
  #say(sentence) {
    this.count.textContent = sentence;
  }
}
