// A task and its output as they come.

import { Problem } from "./api.js";
import { partOf } from "./log/part.js";

export const POLL_MS = 2000;
export const HIDDEN_POLL_MS = 5000;
const CONNECT_MS = 5000;
const POLLS_BEFORE_STREAM = 5;
/** Who is so many bytes behind goes on near the end; what is left out is fetched when somebody looks there. */
const FAR_BEHIND_BYTES = 4 * 1024 * 1024;
/** So many bytes before the end a long log is begun with. */
const NEAR_BYTES = 256 * 1024;

/** @typedef {import("./api.js").Api} Api */

/**
 * Where to begin with a log that has so many bytes.
 * @param {number} bytes
 */
export function startOf(bytes) {
  return bytes > 2 * NEAR_BYTES ? bytes - NEAR_BYTES : 0;
}

/**
 * Follows one task: server-sent events while they work, asking every two seconds while they don't, and only the state while the page is hidden
 * (a browser keeps six connections per host). `next` is the byte that comes next; what was seen is cut off, so nothing is repeated, and nothing
 * is missing but what lies far behind.
 */
export class TaskStream {
  /**
   * `away`: the server answers, its database does not.
   * @type {"live"|"connecting"|"polling"|"lost"|"away"|"hidden"|"ended"}
   */
  mode = "connecting";
  #stopped = false;
  #finished = false;
  #polls = 0;
  /** @type {EventSource|null} */
  #source = null;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;

  /**
   * @param {Api} api @param {string} id @param {number} offset
   * @param {{task: (task: Task) => void, part: (part: import("./log/rows.js").Part) => void, end: () => void, mode: () => void,
   *   problem: (problem: Problem) => void}} on
   */
  constructor(api, id, offset, on) {
    this.api = api;
    this.path = `/tasks/${encodeURIComponent(id)}`;
    this.next = offset;
    this.on = on;
    this.visibility = () => this.#start();
    document.addEventListener("visibilitychange", this.visibility);
    this.#start();
  }

  stop() {
    this.#stopped = true;
    document.removeEventListener("visibilitychange", this.visibility);
    this.#close();
  }

  #start() {
    this.#close();
    if (this.#stopped) return;
    if (document.hidden) {
      this.#setMode("hidden");
      this.#later(() => this.#watchHidden(), HIDDEN_POLL_MS);
    } else this.#connect();
  }

  #connect() {
    if (this.mode !== "polling" && !this.#broken) this.#setMode("connecting");
    const source = new EventSource(this.api.url(`${this.path}/events`, { offset: this.next }));
    this.#source = source;
    this.#later(() => this.#fallBack(), CONNECT_MS);
    source.addEventListener("open", () => {
      clearTimeout(this.#timer);
      this.#setMode("live");
    });
    source.addEventListener("error", () => this.#fallBack());
    source.addEventListener("gone", () => this.on.problem(new Problem(404, { detail: "You may not see this run any more." })));
    source.addEventListener("away", () => this.#setMode("away"));
    source.addEventListener("task", (event) => {
      this.#setMode("live");
      const task = /** @type {Task} */ (JSON.parse(event.data));
      this.on.task(task);
      if (this.#catchUp(task) && this.#source === source) this.#start();
    });
    source.addEventListener("log", (event) => {
      this.#setMode("live");
      const chunk = /** @type {Chunk} */ (JSON.parse(event.data));
      // A hole: ask for the missing part, whose answer is the truth.
      if (chunk.offset > this.next) this.#fallBack();
      else this.#take(chunk);
    });
    source.addEventListener("end", () => this.#end());
  }

  #fallBack() {
    this.#close();
    this.#polls = 0;
    if (!this.#broken) this.#setMode("polling");
    void this.#poll();
  }

  get #broken() {
    return this.mode === "lost" || this.mode === "away";
  }

  async #poll() {
    try {
      const task = await this.api.get(this.path);
      this.#catchUp(task);
      const log = await this.api.get(`${this.path}/log`, { offset: this.next });
      if (this.#stopped || document.hidden) return;
      for (const chunk of log.chunks) this.#take(chunk);
      this.next = Math.max(this.next, log.next_offset);
      this.on.task(task);
      if (log.complete && task.state === "finished") this.#end();
      else this.#afterPoll(log.chunks.length > 0 && !log.complete);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** @param {boolean} more whether the answer was full, so that the next part should be fetched at once */
  #afterPoll(more) {
    const back = this.#broken;
    this.#setMode("polling");
    this.#polls += 1;
    if (back) this.#connect();
    else if (this.#polls >= POLLS_BEFORE_STREAM) this.#later(() => this.#connect(), POLL_MS);
    else this.#later(() => void this.#poll(), more ? 50 : POLL_MS);
  }

  async #watchHidden() {
    try {
      const task = await this.api.get(this.path);
      if (this.#stopped || !document.hidden) return;
      this.on.task(task);
      this.#finished = task.state === "finished";
    } catch {
      // Nobody looks; when the page is shown again, the connection is made anew and tells.
    }
    if (!this.#finished && !this.#stopped && document.hidden) this.#later(() => void this.#watchHidden(), HIDDEN_POLL_MS);
  }

  /** @param {unknown} error */
  #failed(error) {
    if (this.#stopped) return;
    const problem = error instanceof Problem ? error : new Problem(0, {});
    if ([401, 403, 404].includes(problem.status)) this.on.problem(problem);
    else {
      this.#setMode(problem.status === 503 ? "away" : "lost");
      this.#later(() => void this.#poll(), POLL_MS);
    }
  }

  /** @param {Chunk} chunk */
  #take(chunk) {
    if (chunk.next_offset <= this.next) return;
    this.on.part(partOf(chunk, this.next));
    this.next = chunk.next_offset;
  }

  /** @param {Task} task @returns {boolean} whether something was left out */
  #catchUp(task) {
    const far = task.output_bytes - this.next > FAR_BEHIND_BYTES;
    if (far) this.next = startOf(task.output_bytes);
    return far;
  }

  #end() {
    this.#setMode("ended");
    this.stop();
    this.on.end();
  }

  #close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  /** @param {() => void} act @param {number} after */
  #later(act, after) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(act, after);
  }

  /** @param {TaskStream["mode"]} mode */
  #setMode(mode) {
    if (this.mode === mode) return;
    this.mode = mode;
    this.on.mode();
  }
}

// ---------------------------------------------------------------------------------------------------------------- the element
