// A log with everything that is done to it: search, follow, copy, download.

import { button, copyButton, h } from "../dom.js";
import { LogSearch } from "./search.js";
import { LogSource } from "./source.js";
import { LogView } from "./view.js";

/** The clipboard gets no more than this, in bytes; the file is for what is longer. */
const MOST_COPIED = 4 * 1024 * 1024;

export class LogPanel {
  #ended = false;

  /** @param {import("../api.js").Api} api @param {string} task */
  constructor(api, task) {
    const source = new LogSource(api, task);
    this.view = new LogView(source, () => this.#changed());
    this.search = new LogSearch(source, this.view, () => this.view.rows.focus());
    this.count = h("span", { class: "count" });
    this.follow = button("Pause", () => this.view.follow(!this.view.following), "link follow");
    const find = button("Search", () => (this.search.element.hidden ? this.search.open() : this.search.close()), "link find");
    const text = () => (this.view.bytes > MOST_COPIED ? null : source.text(this.view.bytes));
    const copy = copyButton("Copy", text, "Too long: take Raw", "Copy the output");
    this.body = [this.search.element, this.view.element];
    this.state = [this.count, this.follow];
    this.actions = [find, copy, h("a", { href: source.rawUrl, download: `task-${task}.log` }, "Raw")];
    this.#changed();
  }

  /**
   * Everything that the task wrote has come.
   * @param {number} written in bytes
   */
  finish(written) {
    this.#ended = true;
    this.view.finish(written);
    this.#changed();
  }

  #changed() {
    const { lines, following, line } = this.view;
    const counted = `${lines.toLocaleString("en-GB")} ${lines === 1 ? "line" : "lines"}`;
    const place = following ? counted : `line ${line.toLocaleString("en-GB")} of ${counted}`;
    this.count.textContent = this.#ended ? place : `${following ? "Following" : "Paused"} · ${place}`;
    this.follow.textContent = following ? "Pause" : "Follow";
    this.follow.hidden = this.#ended || !lines;
  }
}
