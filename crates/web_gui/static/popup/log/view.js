// A log of any length in a document of few elements. Only rows around the place that is looked at exist: scrolling moves their window over the
// store, and the store over the log. Rows may have any height, so the browser's own scrolling, selecting and wrapping stay what they are.

import { h } from "../dom.js";
import { lineEnds } from "./part.js";
import { LogStore } from "./store.js";
import { RowWindow } from "./window.js";

/** @typedef {import("./rows.js").Part} Part */
/** @typedef {import("./source.js").LogSource} LogSource */

/** Output that is fetched at a time, in bytes. */
const PAGE_BYTES = 128 * 1024;
/** Rows are added when fewer pixels than this are left in a direction. */
const MARGIN_PX = 800;

export class LogView {
  following = true;
  /** Of the whole log, as far as is known. */
  bytes = 0;
  lines = 0;
  #store = new LogStore();
  #settling = false;
  #filling = false;
  /**
   * Where to go when the present fetch is done.
   * @type {{offset: number, place: "start"|"middle"}|null}
   */
  #wanted = null;
  #going = false;
  /** The bar was moved by hand and is left where it is until the rows are scrolled. */
  #placed = false;

  /** @param {LogSource} source @param {() => void} changed called when a count, the place or the following changes */
  constructor(source, changed) {
    this.source = source;
    this.changed = changed;
    this.note = h("p", { class: "dim empty" }, "No output yet.");
    this.rows = h("div", {
      class: "rows",
      tabindex: 0,
      role: "log",
      "aria-live": "off",
      "aria-label": "Output",
      scroll: () => this.#scrolled(),
      keydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
    });
    this.window = new RowWindow(this.#store, this.rows);
    this.place = h("input", {
      type: "range",
      class: "place",
      min: 0,
      "aria-label": "Place in the output",
      "aria-orientation": "vertical",
      hidden: true,
      input: () => {
        this.#placed = true;
        this.goTo(Number(this.place.value), "start");
      },
    });
    this.element = h("div", { class: "log" }, this.note, this.rows, this.place);
  }

  /**
   * Output from here on comes by `add`.
   * @param {number} offset
   */
  begin(offset) {
    this.#store.reset([], offset);
    this.bytes = offset;
  }

  /**
   * What has just come. While the reader looks elsewhere it is only counted.
   * @param {Part} part
   */
  add(part) {
    const { bytes } = part;
    this.bytes = Math.max(this.bytes, part.offset + bytes.length);
    this.lines = Math.max(this.lines, part.firstLine + countLines(bytes));
    this.note.hidden = true;
    if (!this.#going) this.#take(part);
    this.#settle();
  }

  /**
   * All of it has come.
   * @param {number} written so many bytes were written; retention may have removed them
   */
  finish(written) {
    if (this.#store.end >= this.bytes) this.#store.finish();
    else if (this.following) void this.#toEnd();
    this.note.textContent = written ? "Its output is not kept any more." : "It wrote no output.";
    this.#settle();
  }

  /** @param {boolean} following */
  follow(following) {
    this.following = following;
    this.#placed = false;
    if (following) void this.#toEnd();
    this.changed();
  }

  /** The line that stands at the top, counted from 1. */
  get line() {
    return (this.window.top?.line ?? 0) + 1;
  }

  /** The byte that the row at the top begins with. */
  get offset() {
    return this.window.top?.offset ?? 0;
  }

  /**
   * Shows the row that a byte stands in. While one fetch is under way only the last wish counts.
   * @param {number} offset @param {"start"|"middle"} place where in the view
   */
  goTo(offset, place) {
    this.following = false;
    this.#wanted = { offset: Math.min(Math.max(0, offset), Math.max(0, this.bytes - 1)), place };
    if (!this.#going) void this.#go();
    this.changed();
  }

  /** @param {Part} part */
  #take(part) {
    const { start, end, full } = this.#store;
    const attached = part.offset === end;
    if (attached && end > start) {
      if (this.following || !full) this.#store.append(part);
      if (this.following && full) this.window.trimStore();
    } else if (attached || this.following) this.#restart([part], part.offset);
  }

  async #go() {
    this.element.classList.add("going");
    await this.#moving(async () => {
      for (let wish = this.#wish(); wish; wish = this.#wish()) {
        if (!this.#store.holds(wish.offset)) {
          const from = Math.max(0, wish.offset - PAGE_BYTES / 2);
          this.#store.reset(await this.source.read(from, PAGE_BYTES), from);
        }
        this.window.showAround(wish.offset, wish.place);
      }
    });
    this.element.classList.remove("going");
    void this.#fill();
  }

  #wish() {
    const wish = this.#wanted;
    this.#wanted = null;
    return wish;
  }

  /** The end of the log, however far away it is. */
  async #toEnd() {
    if (this.#going) return;
    await this.#moving(async () => {
      while (this.following && this.#store.end < this.bytes) {
        const near = this.bytes - this.#store.end < PAGE_BYTES;
        const from = near ? this.#store.end : Math.max(0, this.bytes - PAGE_BYTES);
        const parts = await this.source.read(from, 2 * PAGE_BYTES);
        if (near) parts.forEach((part) => this.#store.append(part));
        else this.#restart(parts, from);
      }
    });
    this.#settle();
  }

  /**
   * Moves the store; meanwhile nothing else does.
   * @param {() => Promise<void>} move
   */
  async #moving(move) {
    this.#going = true;
    try {
      await move();
      this.#problem(null);
    } catch (error) {
      // Who follows goes on with the next part that comes, or with the end of the run.
      this.#wanted = null;
      this.#problem(error);
    } finally {
      this.#going = false;
    }
  }

  /** @param {Part[]} parts @param {number} offset */
  #restart(parts, offset) {
    this.#store.reset(parts, offset);
    this.window.clear();
    this.#problem(null);
  }

  /** @param {unknown} error null: all is well */
  #problem(error) {
    this.element.querySelector(".unread")?.remove();
    if (error === null) return;
    const why = error instanceof Error ? error.message : String(error);
    this.element.append(h("p", { class: "unread", role: "status" }, `This part of the output is not here: ${why}`));
  }

  /** New rows need a layout to be scrolled to, so many parts share one, before the next paint. */
  #settle() {
    if (this.#settling) return;
    this.#settling = true;
    requestAnimationFrame(() => {
      this.#settling = false;
      if (this.following) this.window.showEnd();
      else void this.#fill();
      this.window.refresh();
      this.#placeChanged();
    });
  }

  /** Keeps rows beyond both edges of what is seen, and few others. */
  async #fill() {
    if (this.#filling || this.#going || !this.rows.clientHeight) return;
    this.#filling = true;
    try {
      while (await this.#fillStart());
      while (await this.#fillEnd());
    } catch (error) {
      this.#problem(error);
    } finally {
      this.#filling = false;
    }
    this.#placeChanged();
  }

  /** @returns {Promise<boolean>} whether something was added that may not be enough */
  async #fillStart() {
    if (this.#going || this.window.margins.above > MARGIN_PX) return false;
    const { start } = this.#store;
    if (!this.window.isAtStart) {
      this.window.addBefore();
      return true;
    }
    if (start === 0 || !this.window.first) return false;
    const from = Math.max(0, start - PAGE_BYTES);
    const parts = await this.source.read(from, start - from);
    const { first } = this.window;
    if (this.#going || this.#store.start !== start || !first) return false;
    this.#store.prepend(parts, from);
    this.window.reattach(first.offset);
    this.#problem(null);
    return true;
  }

  /** @returns {Promise<boolean>} whether something was added that may not be enough */
  async #fillEnd() {
    if (this.#going || this.window.margins.below > MARGIN_PX) return false;
    const { end } = this.#store;
    if (!this.window.isAtEnd) {
      this.window.addAfter();
      return true;
    }
    if (end >= this.bytes || this.following) return false;
    const parts = await this.source.read(end, PAGE_BYTES);
    if (this.#going || this.#store.end !== end || !parts.length) return false;
    for (const part of parts) this.#store.append(part);
    this.window.trimStore();
    this.window.refresh();
    this.#problem(null);
    return true;
  }

  /** The browser's own scrollbar knows only the window, so a bar of ours stands in its place where that is not everything. */
  #placeChanged() {
    const { start, end } = this.#store;
    const whole = start === 0 && end >= this.bytes && this.window.isAtStart && this.window.isAtEnd;
    this.place.hidden = whole;
    this.element.classList.toggle("windowed", !whole);
    if (!whole) {
      this.place.max = String(this.bytes);
      this.place.step = String(Math.max(1, Math.ceil(this.bytes / 1000)));
      if (!this.#placed) this.place.value = String(this.following ? this.bytes : this.offset);
      this.place.setAttribute("aria-valuetext", `line ${this.line.toLocaleString("en-GB")} of ${this.lines.toLocaleString("en-GB")}`);
    }
    this.changed();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    if (event.key === "Home") this.goTo(0, "start");
    else if (event.key === "End") this.follow(true);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Scrolling up pauses, scrolling to the end follows again. */
  #scrolled() {
    if (!this.window.wasScrolled()) return;
    this.#placed = false;
    // Who follows may be a few rows behind, until the next paint.
    const isLast = this.following || (this.#store.end >= this.bytes && this.window.isAtEnd);
    this.following = isLast && this.window.margins.below <= 24;
    void this.#fill();
    this.#placeChanged();
  }
}

/** @param {Uint8Array} bytes of which the last line may have no end yet */
function countLines(bytes) {
  return lineEnds(bytes) + (bytes[bytes.length - 1] === 10 ? 0 : 1);
}
