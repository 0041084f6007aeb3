// The popup as one custom element, <selfservice-popup>. It speaks the JSON API only, so the page /popup, the task page and Grafana's app plugin
// can hold the same component. Data from the server reaches the page as text nodes and whitelisted class names, never as markup.
//
// Attributes: api-base (prefix of /api/v1, default ""), environment, host, service (what is asked), task (a run to show), handler (an action to
// confirm at once), retry-of (the run that this action does again), theme (dark, light, auto; without it the page's), page-title (the component may set document.title and listen to the page's
// keys), wide (the page around it has the heading), foreign-frame (the server saw a foreign frame; the component looks for one by itself too).

/**
 * @typedef {"ok"|"warning"|"critical"|"unknown"|"none"} Severity
 * @typedef {{name: string, colour: string}} Environment
 * @typedef {{id: number, name: string}} Named
 * @typedef {{id: number, name: string, address: string, environments: Environment[], hostgroups: string[]}} HostBrief
 * @typedef {{name: string, label: string, type: "text"|"integer"|"choice"|"boolean", default: string|null, required: boolean,
 *   minimum: number|null, maximum: number|null, pattern: string|null, choices: string[]|null}} Parameter
 * @typedef {{id: string, handler: Named, host: Named, service: Named, state: "queued"|"running"|"finished", result: string|null,
 *   severity: Severity|null, requester: string, origin: string, created_at: string, started_at: string|null, finished_at: string|null,
 *   percent: number|null, step: string|null}} TaskBrief
 * @typedef {{name: string, state: "waiting"|"running"|"done"|"failed", note: string|null, started_at: string|null, seconds: number|null}} Step
 * @typedef {TaskBrief & {plugin: string, command: string, environments: Environment[], reason: string|null, exit_code: number|null,
 *   result_text: string|null, summary: string|null, timeout_seconds: number, steps: Step[], output_bytes: number, output_lines: number,
 *   cancel_requested_at: string|null, cancel_requested_by: string|null, manager: string|null, late: boolean, can_cancel: boolean,
 *   can_run: boolean, waiting_reason: string|null, retry_of: string|null, attempt: number, retried_as: string|null,
 *   repeat: "due"|"started"|null, page_url: string}} Task
 * @typedef {{handler_id: number, name: string, description: string, risk: "read-only"|"normal"|"dangerous",
 *   confirmation: "none"|"confirm"|"typed", can_run: boolean, reason_required: boolean, runbook_url: string|null, timeout_seconds: number,
 *   parameters: Parameter[], recent: Severity[], typical_seconds: number|null, active_task: TaskBrief|null, max_running: number|null,
 *   paused: Pause|null}} Action
 * @typedef {{at: string, by: string, reason: string}} Pause
 * @typedef {{id: number, name: string, description: string, selected: boolean, actions: Action[]}} Service
 * @typedef {{kind: "host", host: HostBrief & {description: string}, services: Service[], running: TaskBrief[], recent: TaskBrief[],
 *   managers: {alive: number, sentence: string|null}, notice: string|null}} HostView
 * @typedef {{kind: "matches", asked: string, hosts: HostBrief[]}} MatchesView
 * @typedef {{kind: "browse", hosts: HostBrief[], next: string|null}} BrowseView
 * @typedef {{nonce: string, command: string, confirmation: "none"|"confirm"|"typed", host: string, service: string, handler: string,
 *   environments: Environment[], timeout_seconds: number}} Plan
 * @typedef {{offset: number, next_offset: number, first_line: number, stream: "stdout"|"stderr"|"system", written_at: string,
 *   text?: string, base64?: string}} Chunk
 * @typedef {{user: {name: string, display_name: string}, identity: string, csrf_token: string}} Session
 * @typedef {{environment: string, host: string, service: string}} Asked
 * @typedef {{host: Named, environments: Environment[], service: Named, action: Action, retryOf?: string|null}} Target
 */

const POLL_MS = 2000;
const HIDDEN_POLL_MS = 5000;
const AWAY_MS = 3000;
const CONNECT_MS = 5000;
const POLLS_BEFORE_STREAM = 5;
const MAX_LINES = 5000;
const MAX_CHARACTERS = 4_000_000;
const MAX_LINE_CHARACTERS = 4000;
/** A manager that comes back may still deliver the result of a run that counts as lost; afterwards nobody waits for it any more. */
const LATE_MS = 3600_000;
const WHOLE_LOG_BYTES = 2 * 1024 * 1024;
const TAIL_BYTES = 1024 * 1024;

// ---------------------------------------------------------------------------------------------------------------- small helpers

/**
 * Makes an element; children become text nodes unless they are nodes, and null is left out.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string|number|boolean|null|undefined|((event: any) => void)>} [attributes] functions become listeners
 * @param {...(Node|string|null)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) if (child !== null) element.append(child);
  return element;
}

/** @param {number} seconds */
function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = parts[0] ? parts : parts.slice(1);
  return shown.map((part, index) => (index ? String(part).padStart(2, "0") : String(part))).join(":");
}

/** @param {number} seconds */
function duration(seconds) {
  if (seconds < 1) return "under 1 s";
  return seconds <= 120 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

/** @param {string} iso */
function timeOfDay(iso) {
  return new Date(iso).toLocaleTimeString("en-GB");
}

/** @param {string} iso */
function ago(iso) {
  const then = new Date(iso);
  const minutes = Math.floor((Date.now() - then.getTime()) / 60000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  const hour = then.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(then).setHours(0, 0, 0, 0)) / 86400000);
  return days === 0 ? hour : days === 1 ? `yesterday ${hour}` : `${days} d ago`;
}

/** Works without a secure context too, where `crypto.randomUUID` is missing. */
function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return [...bytes].map((byte, at) => ([4, 6, 8, 10].includes(at) ? "-" : "") + byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Only web addresses become links: a runbook could be `javascript:`.
 * @param {string|null} url
 */
function webAddress(url) {
  return url && /^https?:\/\//i.test(url) ? url : null;
}

const COLOURS = new Set(["red", "orange", "yellow", "green", "blue", "purple", "grey"]);

/** @param {Environment[]} environments */
function badges(environments) {
  const spans = environments.map((environment) =>
    h("span", { class: `environment ${COLOURS.has(environment.colour) ? environment.colour : "grey"}` }, environment.name),
  );
  return h("span", { class: "badges" }, ...spans);
}

// ---------------------------------------------------------------------------------------------------------------- the JSON API

/** What the API answered instead of what was asked for; `status` 0 means that no answer came. */
class Problem extends Error {
  /** @param {number} status @param {{title?: string, detail?: string, errors?: Record<string, string>, task_id?: string}} body */
  constructor(status, body) {
    super(body.detail || body.title || `The server answered ${status}.`);
    this.status = status;
    this.errors = body.errors ?? {};
    this.taskId = body.task_id ?? null;
  }
}

/**
 * Whether nobody can answer at the moment: the server or its database is away. That passes.
 * @param {unknown} error
 */
function isAway(error) {
  return error instanceof Problem && (error.status === 0 || error.status === 503);
}

/**
 * Asks now and then until somebody answers again, then acts once.
 * @param {Api} api @param {() => void} act
 * @returns {() => void} gives up
 */
function whenBack(api, act) {
  let waiting = true;
  const ask = async () => {
    const away = await api.get("/session").then(() => false, isAway);
    if (waiting && away) timer = setTimeout(() => void ask(), AWAY_MS);
    else if (waiting) act();
  };
  let timer = setTimeout(() => void ask(), AWAY_MS);
  return () => {
    waiting = false;
    clearTimeout(timer);
  };
}

class Api {
  /** @param {string} base */
  constructor(base) {
    this.root = `${base.replace(/\/$/, "")}/api/v1`;
    this.csrfToken = "";
    /** How far the server's clock is ahead of this one, in milliseconds. */
    this.skew = 0;
  }

  /** @param {string} path @param {Record<string, string|number>} [query] empty values are left out */
  get(path, query) {
    return this.#request("GET", this.url(path, query));
  }

  /** @param {string} path @param {object} body */
  post(path, body) {
    return this.#request("POST", this.url(path), body);
  }

  /** @param {string} path */
  delete(path) {
    return this.#request("DELETE", this.url(path));
  }

  /** @param {string} path @param {Record<string, string|number>} [query] */
  url(path, query) {
    const given = Object.entries(query ?? {}).filter(([, value]) => value !== "");
    const pairs = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
    return this.root + path + (given.length ? `?${pairs}` : "");
  }

  /** @param {string} method @param {string} url @param {object} [body] @returns {Promise<any>} */
  async #request(method, url, body) {
    /** @type {Record<string, string>} */
    const headers = { Accept: "application/json" };
    if (body) headers["Content-Type"] = "application/json";
    if (method !== "GET" && this.csrfToken) headers["X-CSRF-Token"] = this.csrfToken;
    /** @type {Response} */
    let response;
    /** @type {string} */
    let text;
    try {
      response = await fetch(url, {
        method,
        headers,
        body: body ? JSON.stringify(body) : null,
        credentials: "same-origin",
        // TypeScript of Debian 12 does not know this function yet.
        signal: /** @type {any} */ (AbortSignal).timeout(15000),
      });
      text = await response.text();
    } catch {
      throw new Problem(0, { detail: "The Self Service Manager does not answer. Is the network there?" });
    }
    this.#readClock(response.headers.get("Date"));
    const json = parseJson(text);
    if (!response.ok) throw new Problem(response.status, json ?? {});
    return json;
  }

  /** @param {string|null} date a difference of up to two seconds is only the rounding of the header */
  #readClock(date) {
    const skew = date ? Date.parse(date) - Date.now() : 0;
    this.skew = Math.abs(skew) > 2000 ? skew : 0;
  }

  /**
   * Seconds from a moment of the server until now.
   * @param {string} iso
   */
  secondsSince(iso) {
    return (Date.now() + this.skew - Date.parse(iso)) / 1000;
  }
}

/** @param {string} text @returns {any} null where it is no JSON, such as a proxy's own error page */
function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// ---------------------------------------------------------------------------------------------------------------- words for states

const WORDS = { ok: "OK", warning: "WARNING", critical: "CRITICAL", unknown: "UNKNOWN", none: "" };
const MARKS = { ok: "✓", warning: "!", critical: "✕", unknown: "?", none: "–", running: "●", queued: "○" };
/** @type {Record<string, string>} */
const RESULTS = {
  failed: "failed",
  timed_out: "timed out",
  cancelled: "Cancelled",
  lost: "outcome unknown",
  expired: "Expired",
  rejected: "Rejected",
};

/**
 * The word and tone of a state pill: the severity first. Without a severity (cancelled by a person, never started) the result's own word stands
 * alone, without alarm.
 * @param {TaskBrief} task
 * @returns {{tone: keyof typeof MARKS, word: string}}
 */
function wordOf(task) {
  if (task.state !== "finished") return { tone: task.state, word: task.state === "running" ? "Running" : "Queued" };
  const severity = task.severity ?? "unknown";
  return { tone: severity, word: WORDS[severity] || (RESULTS[task.result ?? ""] ?? "Finished") };
}

/**
 * What stands beside the word: "timed out after 120 s", "exit 2".
 * @param {Task} task
 */
function detailOf(task) {
  if (task.result === "cancelled") {
    const by = task.cancel_requested_by ? `by ${task.cancel_requested_by}` : "";
    return task.started_at ? by : `${by} before it started`.trim();
  }
  if (task.result_text) return task.result_text;
  if (task.exit_code !== null) return `exit ${task.exit_code}`;
  const word = RESULTS[task.result ?? ""];
  return task.severity && task.severity !== "none" && word ? word.toLowerCase() : "";
}

/**
 * What a result that needs explaining means for the person in front of it.
 * @param {Task} task
 */
function storyOf(task) {
  if (task.late) return "It counted as lost, because its manager was not heard of. Then the manager came back and delivered this, its real result.";
  switch (task.result) {
    case "lost":
      return "Nobody can say whether it did its work, because what ran it is gone. Look at the host before you run it again.";
    case "timed_out":
      return `It took longer than the ${task.timeout_seconds} s that it may take, so it was ended. What it had done by then stays done.`;
    case "cancelled":
      return task.started_at ? "It was ended on request. What it had done by then stays done." : "It was never started, so nothing was done.";
    case "expired":
      return "It waited in the queue for as long as it may. It was never started, so nothing was done.";
    case "rejected":
      return "It was looked at again just before its start, and refused. It was never started, so nothing was done.";
    default:
      return "";
  }
}

/**
 * When it ran and where, in small print. A rejected task was taken, but never ran.
 * @param {Task} task
 */
function factsOf(task) {
  const { started_at, finished_at } = task;
  const ran = started_at && finished_at && task.result !== "rejected";
  const times = ran
    ? [`${timeOfDay(started_at)} to ${timeOfDay(finished_at)}`, `took ${duration((Date.parse(finished_at) - Date.parse(started_at)) / 1000)}`]
    : [];
  return [...times, task.manager ? `manager ${task.manager}` : ""].filter(Boolean).join(" · ");
}

/** @param {string} name @param {Pause} pause */
function pauseSentence(name, pause) {
  return `${name} was paused by ${pause.by}, ${ago(pause.at)}: ${pause.reason}`;
}

// ---------------------------------------------------------------------------------------------------------------- output

// Bidirectional overrides and C1 controls can make a line look like another one: they are shown, not obeyed.
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;
const PARTIAL = /(?:\u001b(?:\[[0-9;:]{0,64})?|\r)$/;
const SGR = /\u001b\[([0-9;:]*)m/g;

/** @param {string} character */
function visible(character) {
  const code = character.charCodeAt(0).toString(16);
  return code.length > 2 ? `\\u${code.padStart(4, "0")}` : `\\x${code.padStart(2, "0")}`;
}

/** Cuts one stream's bytes into pieces of text with the classes that its colour codes ask for. All other escapes come out as visible text. */
class Painter {
  #decoder = new TextDecoder();
  #held = "";
  /** @type {{colour: string, styles: Set<string>}} */
  #pen = { colour: "", styles: new Set() };

  /** @param {Uint8Array} bytes @returns {{text: string, class: string}[]} */
  paint(bytes) {
    const text = this.#held + this.#decoder.decode(bytes, { stream: true });
    const partial = PARTIAL.exec(text);
    this.#held = partial?.[0] ?? "";
    return this.#pieces(partial ? text.slice(0, partial.index) : text);
  }

  /** What was held back as the start of a code that never went on. */
  finish() {
    const rest = this.#held + this.#decoder.decode();
    this.#held = "";
    return this.#pieces(rest);
  }

  /** @param {string} text */
  #pieces(text) {
    const pieces = [];
    let from = 0;
    for (const code of text.matchAll(SGR)) {
      pieces.push(this.#piece(text.slice(from, code.index)));
      this.#apply((code[1] ?? "").split(/[;:]/).map(Number));
      from = (code.index ?? 0) + (code[0] ?? "").length;
    }
    pieces.push(this.#piece(text.slice(from)));
    return pieces.filter((piece) => piece.text);
  }

  /** @param {string} text */
  #piece(text) {
    const shown = text.replaceAll("\r\n", "\n").replace(UNSAFE, visible);
    return { text: shown, class: [...this.#pen.styles, this.#pen.colour].filter(Boolean).join(" ") };
  }

  /** @param {number[]} codes */
  #apply(codes) {
    for (let at = 0; at < codes.length; at += 1) {
      const code = codes[at] ?? 0;
      if (code === 38 || code === 48) {
        const indexed = codes[at + 1] === 5;
        const colour = codes[at + 2] ?? 16;
        if (code === 38 && indexed && colour < 16) this.#pen.colour = `colour-${colour % 8}`;
        at += indexed ? 2 : 4;
      } else this.#applyOne(code);
    }
  }

  /** @param {number} code */
  #applyOne(code) {
    const { styles } = this.#pen;
    if (code === 0) this.#pen = { colour: "", styles: new Set() };
    else if (code === 1) styles.add("bold");
    else if (code === 2) styles.add("faint");
    else if (code === 3) styles.add("italic");
    else if (code === 4) styles.add("underline");
    else if (code === 22) ["bold", "faint"].forEach((name) => styles.delete(name));
    else if (code === 23) styles.delete("italic");
    else if (code === 24) styles.delete("underline");
    else if (code === 39) this.#pen.colour = "";
    else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) this.#pen.colour = `colour-${code % 10}`;
  }
}

/** @typedef {{painter: Painter, open: {text: HTMLElement, length: number}|null}} LogStream one of stdout, stderr, system and its unfinished line */

/** The last lines of a log, each with its time; bounded, so that a flood can't fill the browser's memory. */
class LogView {
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

/** @param {Chunk} chunk */
function bytesOf(chunk) {
  if (chunk.base64 === undefined) return new TextEncoder().encode(chunk.text ?? "");
  return Uint8Array.from(atob(chunk.base64), (character) => character.charCodeAt(0));
}

/**
 * Follows one task: server-sent events while they work, asking every two seconds while they don't, and only the state while the page is hidden
 * (a browser keeps six connections per host). `next` is the byte that comes next; what was seen is cut off, so nothing is missing or repeated.
 */
class TaskStream {
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
   * @param {{task: (task: Task) => void, chunk: (chunk: Chunk, bytes: Uint8Array) => void, end: () => void, mode: () => void,
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
    source.addEventListener("task", (event) => this.on.task(JSON.parse(event.data)));
    source.addEventListener("log", (event) => {
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
    const bytes = bytesOf(chunk);
    this.on.chunk(chunk, chunk.offset < this.next ? bytes.subarray(this.next - chunk.offset) : bytes);
    this.next = chunk.next_offset;
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

/**
 * What a screen hands to the frame around it.
 * @typedef {{title: string, environments?: Environment[], sub?: string, body: (Node|null)[], footer?: (Node|string|null)[],
 *   back?: (() => void)|null, focus?: HTMLElement|null, leave?: () => void, name: string}} Content
 */

export class SelfServicePopup extends HTMLElement {
  static observedAttributes = ["api-base", "environment", "host", "service", "task", "handler", "retry-of"];

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
    this.api = new Api(this.getAttribute("api-base") ?? "");
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
    if (this.wide) location.assign(answer.task.page_url);
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
      h("button", { type: "button", class: "link", click: () => this.#keys.showModal() }, "? keys"),
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
    else if (event.key === "/") this.#press("[type=search]");
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

function keysDialog() {
  const keys = [
    ["?", "these keys"],
    ["Escape", "back, or close"],
    ["/", "search"],
    ["f", "follow or pause the output"],
    ["Tab, Enter", "move and press"],
  ];
  const rows = keys.flatMap(([key, meaning]) => [h("dt", {}, h("kbd", {}, key ?? "")), h("dd", {}, meaning ?? "")]);
  const close = h("button", { class: "quiet" }, "Close");
  return h("dialog", { "aria-label": "Keys" }, h("form", { method: "dialog" }, h("h2", {}, "Keys"), h("dl", {}, ...rows), close));
}

// ---------------------------------------------------------------------------------------------------------------- the screens

/** @param {string} tone @param {string} sentence @param {...(Node|null)} more */
function notice(tone, sentence, ...more) {
  return h("div", { class: `notice ${tone}`, role: tone === "critical" ? "alert" : "status" }, h("p", {}, sentence), ...more);
}

/** What follows it in the footer stands at its right end. */
function space() {
  return h("span", { class: "space" });
}

/** @param {string} text @param {() => void} act @param {string} [look] @param {string} [label] */
function button(text, act, look = "quiet", label) {
  return h("button", { type: "button", class: look, click: act, "aria-label": label ?? null }, text);
}

/** @param {SelfServicePopup} popup @param {() => void} again */
function signInScreen(popup, again) {
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

/** @param {SelfServicePopup} popup @param {Problem} problem @param {() => void} again */
function problemScreen(popup, problem, again) {
  const titles = /** @type {Record<number, string>} */ ({
    0: "No connection",
    403: "Not permitted",
    404: "Not found",
    409: "Not now",
    429: "Too many requests",
    503: "The database is away",
  });
  const permanent = problem.status === 403 || problem.status === 404;
  const away = isAway(problem);
  const hint =
    problem.status === 404
      ? "Ask the people who keep the rights, or look at what you may see."
      : away
        ? "This page goes on by itself as soon as there is an answer."
        : null;
  popup.show({
    name: "problem",
    title: titles[problem.status] ?? "Something went wrong",
    leave: away ? whenBack(popup.api, again) : () => {},
    body: [
      notice(permanent || away ? "warning" : "critical", problem.message),
      hint ? h("p", { class: "dim" }, hint) : null,
      h(
        "div",
        { class: "row" },
        button("All hosts", () => void popup.open({ environment: "", host: "", service: "" })),
        button("Try again", again, permanent ? "quiet" : "primary"),
      ),
    ],
  });
}

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
function matchesScreen(popup, view, asked) {
  popup.show({
    name: "matches",
    title: "Which host?",
    sub: `${view.hosts.length} hosts match “${view.asked}”`,
    footer: signedIn(popup),
    body: [h("ul", { class: "hosts" }, ...hostRows(popup, view.hosts, asked))],
  });
}

/** @param {SelfServicePopup} popup @param {BrowseView} view */
function browseScreen(popup, view) {
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

/** @param {SelfServicePopup} popup @returns {(Node|string)[]} */
function signedIn(popup) {
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

/** @param {SelfServicePopup} popup @param {HostView} view @param {Asked} asked @param {string} [handler] */
function hostScreen(popup, view, asked, handler) {
  const { host } = view;
  const service = view.services.find((one) => one.selected) ?? view.services[0];
  const others = view.services.filter((one) => one !== service);
  const again = { ...asked, host: host.name };
  const target = (/** @type {Service} */ of, /** @type {Action} */ action) => ({
    host,
    environments: host.environments,
    service: of,
    action,
  });
  const wanted =
    handler &&
    view.services
      .flatMap((one) => one.actions.map((action) => ({ one, action })))
      .find(({ action }) => String(action.handler_id) === handler && action.can_run && !action.paused && !needsOwnTab(popup, action));
  if (wanted) {
    const retryOf = popup.getAttribute("retry-of") || null;
    new ConfirmScreen(popup, { ...target(wanted.one, wanted.action), retryOf }, () => void popup.open(again));
    return;
  }
  const groups = host.hostgroups.length ? `host groups: ${host.hostgroups.join(", ")}` : "";
  popup.show({
    name: "host",
    title: host.name,
    environments: host.environments,
    sub: [host.address, groups].filter(Boolean).join(" · "),
    footer: [...signedIn(popup), button("All hosts", () => void popup.open({ environment: "", host: "", service: "" }), "link")],
    body: [
      view.managers.sentence ? notice("warning", view.managers.sentence) : null,
      view.notice ? notice("plain", view.notice) : null,
      taskSection(popup, "Running now", view.running),
      service
        ? actionSection(popup, service, (action) => act(popup, target(service, action), again))
        : h("p", { class: "nothing" }, "No service is assigned to this host, so there is nothing to run."),
      others.length
        ? h(
            "section",
            {},
            h("h2", {}, "Other services on this host"),
            h(
              "div",
              { class: "chips" },
              ...others.map((other) => button(other.name, () => void popup.open({ ...again, service: other.name }))),
            ),
          )
        : null,
      taskSection(popup, "Recently on this host", view.recent),
    ],
  });
}

/** @param {SelfServicePopup} popup @param {Service} service @param {(action: Action) => void} run */
function actionSection(popup, service, run) {
  const cards = service.actions.map((action) => actionCard(popup, action, () => run(action)));
  return h(
    "section",
    {},
    h("h2", {}, `${service.name} · actions`),
    cards.length
      ? h("ul", { class: "actions" }, ...cards)
      : h("p", { class: "nothing" }, "No action is assigned to this service, or none that you may see."),
  );
}

/** @param {SelfServicePopup} popup @param {Action} action @param {() => void} run */
function actionCard(popup, action, run) {
  const active = action.active_task;
  const runbook = webAddress(action.runbook_url);
  const look = action.risk === "read-only" ? "quiet" : "primary";
  const press = active
    ? button("Watch", () => void popup.openTask(active.id), "quiet", `Watch ${action.name}`)
    : action.paused
      ? h("span", { class: "pill warning" }, "Paused")
      : action.can_run
        ? button("Run", run, look, `Run ${action.name}`)
        : null;
  return h(
    "li",
    { class: "action" },
    h(
      "div",
      {},
      h("b", { class: "name" }, action.name),
      action.risk === "dangerous" ? h("span", { class: "risk" }, "dangerous") : null,
      action.description ? h("p", { class: "dim" }, action.description) : null,
      h(
        "p",
        { class: "dim" },
        dots(action.recent),
        experience(action),
        runbook ? " · " : null,
        runbook ? h("a", { href: runbook, target: "_blank", rel: "noopener noreferrer" }, "Runbook") : null,
      ),
      active
        ? h(
            "p",
            { class: "now" },
            `${active.state === "running" ? "running" : "waiting"} now by ${active.requester} · `,
            h("span", { "data-since": active.started_at ?? active.created_at }),
            active.step ? ` · ${active.step}` : null,
          )
        : null,
      action.paused ? h("p", { class: "paused" }, `${pauseSentence(action.name, action.paused)}. Nothing new of it starts until it is resumed.`) : null,
      !action.can_run ? h("p", { class: "dim" }, "You may see this action, but not run it.") : null,
    ),
    press,
  );
}

/** @param {Severity[]} recent */
function dots(recent) {
  if (!recent.length) return null;
  const words = recent.map((severity) => WORDS[severity] || "cancelled").join(", ");
  const marks = recent.map((severity) => h("i", { class: severity in WORDS ? severity : "none" }));
  return h("span", { class: "dots", role: "img", "aria-label": `last results: ${words}` }, ...marks);
}

/** @param {Action} action */
function experience(action) {
  const { recent } = action;
  const helped = recent.filter((severity) => severity === "ok").length;
  const history =
    recent.length > 1
      ? `helped ${helped} of the last ${recent.length} times`
      : recent.length
        ? `${helped ? "helped" : "did not help"} the last time`
        : "not run here yet";
  const verb = action.risk === "read-only" ? "read only" : history;
  if (action.typical_seconds === null) return verb;
  const typical = duration(action.typical_seconds);
  return `${verb} · ${action.typical_seconds < 1 ? "" : "about "}${typical}`;
}

/** @param {SelfServicePopup} popup @param {string} title @param {TaskBrief[]} tasks */
function taskSection(popup, title, tasks) {
  if (!tasks.length) return null;
  const rows = tasks.map((task) => {
    const { tone, word } = wordOf(task);
    const what = h(
      "span",
      {},
      button(task.handler.name, () => void popup.openTask(task.id), "link", `${task.handler.name}, ${word}`),
      h("span", { class: "dim" }, ` ${task.service.name}`),
    );
    const since =
      task.state === "finished"
        ? ago(task.finished_at ?? task.created_at)
        : h("span", { "data-since": task.started_at ?? task.created_at });
    return h("li", {}, h("b", { class: `tone ${tone}` }, word), what, h("span", { class: "dim when" }, `${task.requester} · `, since));
  });
  return h("section", {}, h("h2", {}, title), h("ul", { class: "tasks" }, ...rows));
}

/** Whether the outermost page is of another origin; the browser refuses to tell where it is. */
function framedByOthers() {
  try {
    return window.top?.location.origin !== location.origin;
  } catch {
    return true;
  }
}

/** @param {SelfServicePopup} popup @param {Action} action */
function needsOwnTab(popup, action) {
  return action.confirmation === "typed" && popup.foreign;
}

/**
 * The task page shows one run only, so its actions open in the popup page.
 * @param {SelfServicePopup} popup @param {Target} target @param {string} environment
 */
function openOwnTab(popup, { action, host, service, retryOf }, environment) {
  const query = new URLSearchParams({ environment, host: host.name, service: service.name, handler: String(action.handler_id) });
  if (retryOf) query.set("retry_of", retryOf);
  window.open(`${popup.wide ? "/popup" : location.pathname}?${query}`, "_blank", "noopener");
}

/**
 * One click runs what is read only and needs nothing; all else is confirmed first.
 * @param {SelfServicePopup} popup @param {Target} target @param {Asked} asked
 */
function act(popup, target, asked) {
  const { action } = target;
  if (needsOwnTab(popup, action)) openOwnTab(popup, target, asked.environment);
  else if (action.confirmation === "none" && !action.parameters.length && !action.reason_required) {
    void popup.attempt(
      async () => {
        const answer = await popup.api.post("/tasks", {
          ...ids(target),
          parameters: {},
          reason: null,
          nonce: null,
          typed_host: null,
          request_key: uuid(),
        });
        popup.started(answer);
      },
      () => void popup.open(asked),
    );
  } else new ConfirmScreen(popup, target, () => void popup.open(asked));
}

const ATTACHED = "This action was running here already: you see that run, a second one was not started.";

/**
 * Enough of a task's id to tell runs apart.
 * @param {string} id
 */
function short(id) {
  return `${id.slice(0, 13)}…`;
}

/** @param {Target} target */
function ids(target) {
  return { host_id: target.host.id, service_id: target.service.id, handler_id: target.action.handler_id };
}

/** The exact command, the parameters it follows, and what must be typed before it may run. */
class ConfirmScreen {
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

  /** @param {SelfServicePopup} popup @param {Target} target @param {() => void} back */
  constructor(popup, target, back) {
    this.popup = popup;
    this.target = target;
    this.back = back;
    const { action, host, service } = target;
    const limit = action.max_running === null ? "" : `at most ${action.max_running} at once`;
    this.command = h("pre", { class: "command", tabindex: 0, "aria-label": "Command" }, "…");
    this.answer = h("div", {});
    this.typed =
      action.confirmation === "typed"
        ? textField("typed", `Dangerous: type the host name ${host.name} to confirm`, { spellcheck: "false", autocomplete: "off" })
        : null;
    this.reason = textField("reason", action.reason_required ? "Reason (required)" : "Reason (optional, recorded)", { maxlength: 1000 });
    this.run = h("button", { class: "primary", disabled: true }, `Run on ${host.name}`);
    for (const parameter of action.parameters) this.#fields.set(parameter.name, parameterField(parameter));
    const fields = [...this.#fields.values(), this.typed, this.reason].flatMap((field) => field ?? []);
    const form = h(
      "form",
      {
        novalidate: true,
        submit: (/** @type {Event} */ event) => this.#submitted(event),
        input: (/** @type {Event} */ event) => this.#typedSomething(event),
      },
      this.answer,
      h("h2", {}, "This runs"),
      this.command,
      ...fields.map((field) => field.element),
      h("div", { class: "row" }, button("Back", back), this.run),
    );
    popup.show({
      name: "confirm",
      title: action.name,
      environments: target.environments,
      sub: [host.name, service.name, target.retryOf ? `retry of ${short(target.retryOf)}` : ""].filter(Boolean).join(" · "),
      back,
      focus: fields[0] && fields[0] !== this.reason ? fields[0].input : this.run,
      leave: () => {
        clearTimeout(this.#timer);
        this.#giveUp();
      },
      footer: [[`Time-out ${duration(action.timeout_seconds)}`, limit, "recorded in the audit log"].filter(Boolean).join(" · ")],
      body: [action.description ? h("p", { class: "dim" }, action.description) : null, form],
    });
    void this.#replan();
  }

  /** @param {Event} event */
  #typedSomething(event) {
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
    for (const [name, field] of this.#fields) field.complain(errors[name] ?? "");
    for (const [name, sentence] of Object.entries(errors))
      if (!this.#fields.has(name)) this.answer.append(notice("critical", `${name}: ${sentence}`));
  }

  #values() {
    return Object.fromEntries([...this.#fields].map(([name, field]) => [name, field.value()]));
  }

  #allow() {
    const typed = !this.typed || this.typed.value().trim() === this.target.host.name;
    const reason = !this.target.action.reason_required || this.reason.value().trim() !== "";
    this.run.disabled = !this.#plan || !typed || !reason || this.#sending;
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
    if (error.status === 409 || error.status === 400) {
      this.#plan = null;
      if (!Object.keys(error.errors).length) void this.#replanQuietly();
    }
  }

  /**
   * Nobody knows whether it was started. The same key may be sent again, so everything stays as it is.
   * @param {Problem} error
   */
  #unanswered(error) {
    const again = `Press “${this.run.textContent}” again: it starts once, even if the first press arrived.`;
    this.answer.replaceChildren(notice("warning", `${error.message} Nothing that you typed is lost. ${again}`));
    this.#giveUp = whenBack(this.popup.api, () => this.answer.replaceChildren(notice("plain", `There is an answer again. ${again}`)));
  }

  /** Renews the command below a message that should stay. */
  async #replanQuietly() {
    const message = [...this.answer.childNodes];
    await this.#replan();
    this.answer.prepend(...message);
  }
}

/**
 * A labelled input with a place for what is wrong with it.
 * @typedef {{element: HTMLElement, input: HTMLInputElement|HTMLSelectElement, value: () => string, complain: (sentence: string) => void}} Field
 */

/** @param {string} id @param {string} label @param {Record<string, string|number|boolean|null>} attributes @returns {Field} */
function textField(id, label, attributes) {
  const input = h("input", { id, ...attributes });
  return field(id, label, input, () => input.value);
}

/** @param {string} id @param {string} label @param {HTMLInputElement|HTMLSelectElement} input @param {() => string} value @returns {Field} */
function field(id, label, input, value) {
  const wrong = h("p", { class: "wrong", id: `${id}-wrong`, hidden: true });
  const tick = input.type === "checkbox";
  const labelled = tick ? [h("label", { class: "tick" }, input, label)] : [h("label", { for: id }, label), input];
  const complain = (/** @type {string} */ sentence) => {
    wrong.textContent = sentence;
    wrong.hidden = !sentence;
    input.toggleAttribute("aria-invalid", false);
    if (sentence) input.setAttribute("aria-invalid", "true");
    if (sentence) input.setAttribute("aria-describedby", wrong.id);
    else input.removeAttribute("aria-describedby");
  };
  return { element: h("div", { class: "field" }, ...labelled, wrong), input, value, complain };
}

/** @param {Parameter} parameter @returns {Field} */
function parameterField(parameter) {
  const id = `parameter-${parameter.name}`;
  const label = parameter.label || parameter.name;
  if (parameter.type === "boolean") {
    const input = h("input", { id, type: "checkbox" });
    input.checked = parameter.default === "true";
    return field(id, label, input, () => String(input.checked));
  }
  if (parameter.type === "choice") {
    const choices = [...(parameter.required && parameter.default !== null ? [] : [""]), ...(parameter.choices ?? [])];
    const input = h("select", { id }, ...choices.map((choice) => h("option", { value: choice }, choice)));
    input.value = parameter.default ?? "";
    return field(id, label, input, () => input.value);
  }
  const { minimum, maximum } = parameter;
  const range =
    minimum !== null && maximum !== null
      ? ` (${minimum} to ${maximum})`
      : minimum !== null
        ? ` (at least ${minimum})`
        : maximum !== null
          ? ` (at most ${maximum})`
          : "";
  const made = textField(id, label + range + (parameter.required ? "" : " (optional)"), {
    autocomplete: "off",
    spellcheck: "false",
    inputmode: parameter.type === "integer" ? "numeric" : null,
  });
  made.input.value = parameter.default ?? "";
  return made;
}

/** A run, from the queue to its result. */
class TaskScreen {
  #cancelling = false;
  #announced = "";
  #receivedEnd = false;
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
    this.log = new LogView(() => this.#logChanged());
    this.after = h("div", { class: "row after" });
    this.count = h("span", {});
    this.connection = h("span", { class: "connection" });
    this.follow = button("Pause", () => this.log.follow(!this.log.following), "link follow");
    this.facts = h("p", { class: "dim facts" });
    if (remark) this.notices.append(notice("plain", remark));
    popup.show({
      name: "task",
      title: task.handler.name,
      environments: task.environments,
      sub: `${task.host.name} · ${task.service.name} · by ${task.requester} · ${short(task.id)}`,
      body: [this.notices, this.head, this.waiting, this.story, this.bar, this.steps, this.log.element, this.facts, this.after],
      footer: [
        this.count,
        this.follow,
        this.connection,
        space(),
        h("a", { href: popup.api.url(`/tasks/${task.id}/log/raw`), download: `task-${task.id}.log` }, "Raw"),
        this.#copyButton(),
      ],
      back: popup.wide ? null : () => this.#back(),
      leave: () => {
        this.#left = true;
        clearTimeout(this.#later);
        this.stream.stop();
      },
    });
    const offset = task.output_bytes > WHOLE_LOG_BYTES ? task.output_bytes - TAIL_BYTES : 0;
    if (offset) this.log.remark("The output is long: its last part is shown here, all of it is in Raw.");
    this.stream = this.#followFrom(offset);
    this.#update(task);
    this.#logChanged();
    this.#connectionChanged();
  }

  /** @param {number} offset */
  #followFrom(offset) {
    const { popup, task } = this;
    return new TaskStream(popup.api, task.id, offset, {
      task: (fresh) => this.#update(fresh),
      chunk: (chunk, bytes) => this.log.add(chunk, bytes),
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
    if (this.popup.wide) return h("a", { href: `/tasks/${encodeURIComponent(id)}` }, short(id));
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
      this.#update(answer.task);
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
      ...(finished && task.can_run ? [button("Run again", () => this.#runAgain())] : []),
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
          const target = { host: view.host, environments: view.host.environments, service, action, retryOf: task.id };
          if (needsOwnTab(popup, action)) openOwnTab(popup, target, "");
          else new ConfirmScreen(popup, target, () => void popup.openTask(task.id));
        } else throw new Problem(404, { detail: "This action is no longer assigned to the service, or you may not run it any more." });
      },
      () => void popup.openTask(task.id),
    );
  }

  #ended() {
    this.#receivedEnd = true;
    this.log.finish(this.log.lines === 0);
    this.#logChanged();
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
        this.#receivedEnd = false;
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
    this.#announced = sentence;
    this.popup.announce(sentence);
    this.popup.setTitle(`${word} · ${task.handler.name} · ${task.host.name}`);
  }

  #logChanged() {
    const { lines, following } = this.log;
    const counted = `${lines} ${lines === 1 ? "line" : "lines"}`;
    this.count.textContent = this.#receivedEnd ? counted : `${following ? "Following" : "Paused"} · ${counted}`;
    this.follow.textContent = following ? "Pause" : "Follow";
    this.follow.hidden = this.#receivedEnd;
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

  #copyButton() {
    const copy = button(
      "Copy link",
      async () => {
        const link = new URL(this.task.page_url, location.href).href;
        copy.textContent = (await copied(link)) ? "Copied" : "Copy failed";
        setTimeout(() => (copy.textContent = "Copy link"), 2000);
      },
      "link",
    );
    return copy;
  }
}

/**
 * The clipboard needs a secure context and, inside a frame, a permission; the older way is the second try.
 * @param {string} text
 */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h("textarea", { "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

// ---------------------------------------------------------------------------------------------------------------- the look

// The colours are those of app.css; the component carries its own copy because it also lives in pages that are not ours.
const STYLE = `
:host{display:block;color:var(--text);font:14px/1.45 Inter,system-ui,"Segoe UI",sans-serif;container-type:inline-size;
--card:light-dark(#fff,#181b1f);--raise:light-dark(#f1f2f4,#22252b);--line:light-dark(#dfe1e5,#2c3039);--edge:light-dark(#868d99,#6b7280);
--text:light-dark(#24292e,#d8d9e4);--dim:light-dark(#5c6470,#9aa0ad);--primary:light-dark(#2f66cf,#3d71d9);--log:light-dark(#fafafa,#0b0c0e);
--ok:light-dark(#17703f,#6ccf8e);--ok-back:light-dark(#e2f4e9,#12301f);--warning:light-dark(#8f4f00,#fbad37);--warning-back:light-dark(#fdf0d9,#38290f);
--critical:light-dark(#c4162a,#ff6b81);--critical-back:light-dark(#fce4e7,#3d1620);--running:light-dark(#1b58c9,#6e9fff);--running-back:light-dark(#e5edfd,#16233f);
--purple:light-dark(#7a3db8,#c79bf2);--purple-back:light-dark(#f2e8fb,#2c1b3f);--cyan:light-dark(#0b6b7a,#5ccfe0)}
:host([theme=dark]){color-scheme:dark}:host([theme=light]){color-scheme:light}:host([theme=auto]){color-scheme:light dark}
:host([hidden]),[hidden]{display:none!important}
*{box-sizing:border-box}
.popup{background:var(--card);overflow-wrap:anywhere}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
header{padding:12px 16px;border-bottom:1px solid var(--line);display:grid;grid-template-columns:minmax(0,1fr) auto;gap:2px 8px;align-items:start}
h1{font-size:16px;line-height:1.4;margin:0;font-weight:600;outline-offset:2px}
.sub{margin:0;color:var(--dim);font-size:12px;grid-column:1/-1}
.badges{display:flex;gap:4px;flex-wrap:wrap;justify-content:flex-end;align-items:start}
.environment{font-size:11px;font-weight:600;letter-spacing:.04em;text-transform:uppercase;border-radius:4px;padding:2px 8px;background:var(--raise);color:var(--dim)}
.environment.red{background:var(--critical-back);color:var(--critical)}.environment.orange,.environment.yellow{background:var(--warning-back);color:var(--warning)}
.environment.green{background:var(--ok-back);color:var(--ok)}.environment.blue{background:var(--running-back);color:var(--running)}.environment.purple{background:var(--purple-back);color:var(--purple)}
.body{padding:12px 16px;display:flex;flex-direction:column;gap:14px}.body>div:empty{display:none}
h2{font-size:12px;color:var(--dim);font-weight:600;margin:0 0 8px}
p{margin:0}.dim{color:var(--dim)}
ul,ol{list-style:none;margin:0;padding:0}
.action{display:grid;grid-template-columns:minmax(0,1fr) auto;gap:12px;padding:10px 12px;border:1px solid var(--line);border-radius:6px;background:var(--raise);align-items:center}
.action+.action{margin-top:8px}.action .dim,.action .now{font-size:12px}.name{font-weight:600}.now{color:var(--running)}.action .paused{font-size:12px;color:var(--warning);margin-top:4px}.action .pill{font-size:12px;padding:2px 10px}
.risk{margin-left:8px;font-size:11px;font-weight:600;color:var(--critical)}
.dots{display:inline-flex;gap:3px;margin-right:6px;vertical-align:middle}.dots i{width:8px;height:8px;border-radius:2px;background:var(--edge)}
.dots .ok{background:var(--ok)}.dots .warning{background:var(--warning);border-radius:50%}.dots .critical{background:var(--critical);clip-path:polygon(50% 0,100% 100%,0 100%)}
button{font:inherit;font-weight:500;border:1px solid transparent;border-radius:4px;padding:6px 14px;cursor:pointer;min-height:34px}
button.primary{background:var(--primary);color:#fff}button.quiet{background:transparent;color:var(--text);border-color:var(--edge)}button.danger{background:transparent;color:var(--critical);border-color:var(--critical)}
button.link,a{background:none;border:0;padding:2px 0;min-height:0;color:var(--text);font-weight:400;text-decoration:underline;text-decoration-color:var(--edge);text-underline-offset:3px}
button.primary:hover{filter:brightness(1.1)}button.quiet:hover,.hostrow:hover{background:var(--raise)}button.danger:hover{background:var(--critical-back)}
button:disabled{opacity:.5;cursor:not-allowed;filter:none}
:focus-visible{outline:2px solid var(--running);outline-offset:2px}h1:focus-visible{outline:none}
.row{display:flex;justify-content:space-between;gap:8px;align-items:center;flex-wrap:wrap}.row.end{justify-content:flex-end}
.chips{display:flex;flex-wrap:wrap;gap:6px}.chips button{padding:3px 10px;min-height:28px;font-size:13px}
.tasks{font-size:12px}.tasks li{display:grid;align-items:baseline;grid-template-columns:68px minmax(0,1fr) auto;gap:10px;padding:3px 0}.tasks .when{text-align:right}
.tone.ok{color:var(--ok)}.tone.warning{color:var(--warning)}.tone.critical{color:var(--critical)}.tone.unknown{color:var(--purple)}.tone.running,.tone.queued{color:var(--running)}.tone.none{color:var(--dim)}.tone{font-weight:500}
.hosts li+li{margin-top:6px}.hostrow{display:grid;grid-template-columns:minmax(0,1fr) auto;gap:0 8px;width:100%;text-align:left;padding:8px 12px;background:transparent;border-color:var(--line);border-radius:6px;color:var(--text)}
.hostrow b{font-weight:600}.hostrow .dim{font-size:12px;font-weight:400;grid-column:1/-1}
.nothing{color:var(--dim);padding:12px 0}
.notice{padding:8px 12px;border-left:3px solid var(--edge);background:var(--raise);border-radius:0 4px 4px 0;font-size:13px}.notice+.notice{margin-top:8px}.notice button{margin-top:8px}
.notice.warning{border-color:var(--warning);background:var(--warning-back)}.notice.critical{border-color:var(--critical);background:var(--critical-back)}
label{display:block;font-size:12px;color:var(--dim);margin-bottom:4px}
input,select{width:100%;min-height:36px;font:inherit;padding:6px 10px;border-radius:4px;border:1px solid var(--edge);background:var(--log);color:var(--text)}
input::placeholder{color:var(--dim);opacity:1}input[type=checkbox]{width:16px;min-height:16px;height:16px;margin:0 8px 0 0;vertical-align:-3px}
label.tick{font-size:14px;color:var(--text)}[aria-invalid]{border-color:var(--critical)}.wrong{color:var(--critical);font-size:12px;margin-top:4px}
form>*+*{margin-top:12px}form>div:empty{display:none}form>div:empty+*{margin-top:0}form>label+input{margin-top:0}form>h2+*{margin-top:0}
pre,.log,kbd{font-family:"Roboto Mono",ui-monospace,Consolas,monospace;font-size:12px}
.command{margin:0;padding:10px 12px;background:var(--log);border:1px solid var(--line);border-radius:6px;white-space:pre-wrap;max-height:220px;overflow:auto}.command.stale{color:var(--dim)}
.pill{display:inline-block;font-weight:600;padding:4px 12px;border-radius:14px;font-size:13px;background:var(--raise);color:var(--text);font-variant-numeric:tabular-nums}
.pill.ok{background:var(--ok-back);color:var(--ok)}.pill.warning{background:var(--warning-back);color:var(--warning)}.pill.critical{background:var(--critical-back);color:var(--critical)}
.pill.unknown{background:var(--purple-back);color:var(--purple)}.pill.running,.pill.queued{background:var(--running-back);color:var(--running)}
.head>.dim{font-size:13px}.asking{display:flex;gap:8px;align-items:center;flex-wrap:wrap}
.bar{height:4px;background:var(--line);border-radius:2px;overflow:hidden}.bar i{display:block;height:100%;width:0;background:var(--running);transition:width .3s}
.steps{font-size:13px}.steps li{padding:2px 0;color:var(--dim)}.steps b{font-weight:500}.steps .done b,.steps .running b,.steps .failed b{color:var(--text)}
.mark{display:inline-block;width:20px}.running .mark{color:var(--running)}.done .mark{color:var(--ok)}.failed .mark{color:var(--critical)}
.log{background:var(--log);border:1px solid var(--line);border-radius:6px;padding:8px 0;height:230px;overflow:auto;line-height:1.6;overscroll-behavior:contain}
.line,.remark,.empty{padding:0 12px;white-space:pre-wrap;overflow-wrap:anywhere}.line{display:flex;gap:8px;border-left:3px solid transparent;padding-left:9px}
.line time{color:var(--dim);flex:none;user-select:none}.line b{flex:none;font-weight:600;user-select:none}.line .text{min-width:0;flex:1}
.line.err{border-color:var(--warning)}.line.err,.line.err b{color:var(--warning)}.line.sys{border-color:var(--running)}.line.sys,.line.sys b{color:var(--running)}.line.sys .text{font-style:italic}
.bold{font-weight:700}.faint{opacity:.75}.italic{font-style:italic}.underline{text-decoration:underline}
.colour-0{color:var(--dim)}.colour-1{color:var(--critical)}.colour-2{color:var(--ok)}.colour-3{color:var(--warning)}.colour-4{color:var(--running)}.colour-5{color:var(--purple)}.colour-6{color:var(--cyan)}.colour-7{color:var(--text)}
.facts,.chain{font-size:12px}.chain button.link{font-size:12px}.notice+.chain{margin-top:8px}.facts:empty,.after:empty{display:none}
footer{padding:10px 16px;border-top:1px solid var(--line);display:flex;flex-wrap:wrap;gap:4px 12px;align-items:center;font-size:12px;color:var(--dim)}footer .space{flex:1}
footer button.link,footer a{font-size:12px;color:var(--dim)}footer button.link:hover,footer a:hover{color:var(--text)}.connection.lost{color:var(--warning);font-weight:600;flex-basis:100%;order:-1}
dialog{border:1px solid var(--line);border-radius:8px;background:var(--card);color:var(--text);padding:16px 20px;max-width:min(360px,90vw)}dialog::backdrop{background:rgb(0 0 0/.5)}
dialog h2{font-size:14px;color:var(--text)}dl{display:grid;grid-template-columns:auto 1fr;gap:6px 16px;margin:0 0 16px}dd{margin:0}kbd{background:var(--raise);border:1px solid var(--line);border-radius:4px;padding:1px 6px}
@container (min-width:700px){.log{height:min(60vh,520px)}}
@container (max-width:420px){header,.body,footer{padding-left:12px;padding-right:12px}.tasks li{grid-template-columns:68px minmax(0,1fr)}.tasks .when{grid-column:2;text-align:left}}
@media (prefers-reduced-motion:reduce){.bar i{transition:none}}
`;

if (!customElements.get("selfservice-popup")) customElements.define("selfservice-popup", SelfServicePopup);
