import { h } from "../dom.js";
import { timeOfDay } from "../format.js";
import { Painter } from "./painter.js";

const MAX_LINES = 5000;
const MAX_CHARACTERS = 4_000_000;
const MAX_LINE_CHARACTERS = 4000;

/** @typedef {{painter: Painter, open: {text: HTMLElement, length: number}|null}} LogStream one of stdout, stderr, system and its unfinished line */

/** The last lines of a log, each with its time; bounded, so that a flood can't fill the browser's memory. */
export class LogView {
  following = true;
  lines = 0;
  #characters = 0;
  /** @type {Map<string, LogStream>} */
  #streams = new Map();
  #scrolling = false;
  #settling = false;

  /** @param {() => void} changed called when the count or the following changes */
  constructor(changed) {
    this.changed = changed;
    this.element = h("div", {
      class: "log",
      tabindex: 0,
      role: "log",
      "aria-live": "off",
      "aria-label": "Output",
      scroll: () => this.#scrolled(),
    });
    this.element.append(h("p", { class: "dim empty" }, "No output yet."));
  }

  /** @param {Chunk} chunk @param {Uint8Array} bytes */
  add(chunk, bytes) {
    const stream = this.#streams.get(chunk.stream) ?? { painter: new Painter(), open: null };
    this.#streams.set(chunk.stream, stream);
    this.#write(chunk.stream, chunk.written_at, stream.painter.paint(bytes));
  }

  /** @param {string} sentence a remark of the popup itself */
  remark(sentence) {
    this.element.querySelector(".empty")?.remove();
    this.element.append(h("p", { class: "dim remark" }, sentence));
  }

  /** @param {boolean} empty whether nothing was written at all */
  finish(empty) {
    const now = new Date().toISOString();
    for (const [name, stream] of this.#streams) this.#write(name, now, stream.painter.finish());
    const note = this.element.querySelector(".empty");
    if (note && empty) note.textContent = "It wrote no output.";
  }

  /** @param {boolean} following */
  follow(following) {
    this.following = following;
    if (following) this.#toEnd();
    this.changed();
  }

  /** @param {string} name @param {string} at @param {{text: string, class: string}[]} pieces */
  #write(name, at, pieces) {
    const stream = this.#streams.get(name);
    if (!stream || !pieces.length) return;
    this.element.querySelector(".empty")?.remove();
    const fresh = document.createDocumentFragment();
    for (const piece of pieces) {
      piece.text.split("\n").forEach((part, index) => {
        if (index) this.#endLine(stream, name, at, fresh);
        for (let from = 0; from < part.length; from += MAX_LINE_CHARACTERS) {
          this.#put(stream, name, at, piece.class, part.slice(from, from + MAX_LINE_CHARACTERS), fresh);
        }
      });
    }
    this.element.append(fresh);
    this.#settle();
  }

  /** Trimming and scrolling need a layout, so many chunks share one, before the next paint. */
  #settle() {
    if (this.#settling) return;
    this.#settling = true;
    requestAnimationFrame(() => {
      this.#settling = false;
      this.#trim();
      if (this.following) this.#toEnd();
      this.changed();
    });
  }

  /** @param {LogStream} stream @param {string} name @param {string} at @param {DocumentFragment} fresh */
  #endLine(stream, name, at, fresh) {
    if (!stream.open) this.#openLine(stream, name, at, fresh);
    stream.open = null;
  }

  /** @param {LogStream} stream @param {string} name @param {string} at @param {string} style @param {string} text @param {DocumentFragment} fresh */
  #put(stream, name, at, style, text, fresh) {
    const full = stream.open && stream.open.length + text.length > MAX_LINE_CHARACTERS;
    const open = stream.open && !full ? stream.open : this.#openLine(stream, name, at, fresh);
    open.text.append(style ? h("span", { class: style }, text) : text);
    open.length += text.length;
    this.#characters += text.length;
  }

  /** @param {LogStream} stream @param {string} name @param {string} at @param {DocumentFragment} fresh */
  #openLine(stream, name, at, fresh) {
    const mark = name === "stderr" ? "err" : name === "system" ? "sys" : null;
    const text = h("span", { class: "text" });
    fresh.append(h("div", { class: `line ${mark ?? ""}` }, h("time", {}, timeOfDay(at)), mark ? h("b", {}, mark) : null, text));
    stream.open = { text, length: 0 };
    this.lines += 1;
    return stream.open;
  }

  #trim() {
    const lines = this.element.children;
    while (lines.length > 1 && (lines.length > MAX_LINES || this.#characters > MAX_CHARACTERS)) {
      const first = /** @type {Element} */ (lines[0]);
      this.#characters -= first.querySelector(".text")?.textContent?.length ?? 0;
      first.remove();
    }
  }

  #toEnd() {
    this.#scrolling = true;
    this.element.scrollTop = this.element.scrollHeight;
  }

  /** Scrolling up pauses, scrolling to the end follows again; our own scrolling decides nothing. */
  #scrolled() {
    const own = this.#scrolling;
    this.#scrolling = false;
    const { scrollTop, clientHeight, scrollHeight } = this.element;
    const atEnd = scrollTop + clientHeight >= scrollHeight - 24;
    if (own || atEnd === this.following) return;
    this.following = atEnd;
    this.changed();
  }
}
