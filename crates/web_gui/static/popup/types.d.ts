// What the JSON API sends and what screens hand to each other. Only the type checker reads this file; it is never served.

/** What a plugin is asked for. */
type Kind = "run" | "check" | "help";
type Severity = "ok" | "warning" | "critical" | "unknown" | "none";
type Environment = { name: string; colour: string };
type Named = { id: number; name: string };
type HostBrief = { id: number; name: string; address: string; environments: Environment[]; hostgroups: string[] };
type Parameter = {
  name: string;
  label: string;
  type: "text" | "integer" | "choice" | "boolean" | "secret";
  default: string | null;
  required: boolean;
  minimum: number | null;
  maximum: number | null;
  pattern: string | null;
  choices: string[] | null;
};
type TaskBrief = {
  id: string;
  handler: Named;
  host: Named;
  service: Named;
  kind: Kind;
  state: "queued" | "running" | "finished";
  result: string | null;
  severity: Severity | null;
  requester: string;
  origin: string;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  percent: number | null;
  step: string | null;
};
type Step = {
  name: string;
  state: "waiting" | "running" | "done" | "failed";
  note: string | null;
  started_at: string | null;
  seconds: number | null;
};
type Task = TaskBrief & {
  plugin: string;
  command: string;
  environments: Environment[];
  secret_parameters: string[];
  reason: string | null;
  exit_code: number | null;
  result_text: string | null;
  summary: string | null;
  timeout_seconds: number;
  steps: Step[];
  output_bytes: number;
  output_lines: number;
  cancel_requested_at: string | null;
  cancel_requested_by: string | null;
  manager: string | null;
  late: boolean;
  can_cancel: boolean;
  can_run: boolean;
  waiting_reason: string | null;
  retry_of: string | null;
  attempt: number;
  retried_as: string | null;
  repeat: "due" | "started" | null;
  page_url: string;
};
type Pause = { at: string; by: string; reason: string };
type Action = {
  handler_id: number;
  name: string;
  description: string;
  risk: "read-only" | "normal" | "dangerous";
  confirmation: "none" | "confirm" | "typed";
  can_run: boolean;
  reason_required: boolean;
  runbook_url: string | null;
  timeout_seconds: number;
  parameters: Parameter[];
  recent: Severity[];
  typical_seconds: number | null;
  active_task: TaskBrief | null;
  max_running: number | null;
  paused: Pause | null;
};
type Service = { id: number; name: string; description: string; selected: boolean; actions: Action[] };
type HostView = {
  kind: "host";
  host: HostBrief & { description: string };
  services: Service[];
  running: TaskBrief[];
  recent: TaskBrief[];
  managers: { alive: number; sentence: string | null };
  notice: string | null;
};
type MatchesView = { kind: "matches"; asked: string; hosts: HostBrief[] };
type BrowseView = { kind: "browse"; hosts: HostBrief[]; next: string | null };
type Plan = {
  nonce: string;
  command: string;
  confirmation: "none" | "confirm" | "typed";
  host: string;
  service: string;
  handler: string;
  environments: Environment[];
  timeout_seconds: number;
};
/** A stretch of output; it has either `text` or, where that is no UTF-8, `base64`. */
type Chunk = {
  offset: number;
  next_offset: number;
  /** Line ends before it. */
  first_line: number;
  stream: StreamName;
  written_at: string;
  text?: string;
  base64?: string;
};
type StreamName = "stdout" | "stderr" | "system";
type Session = { user: { name: string; display_name: string }; identity: string; csrf_token: string };
type Asked = { environment: string; host: string; service: string };
type Target = { host: Named; environments: Environment[]; service: Named; action: Action; kind?: Kind; retryOf?: string | null };

/** What a screen hands to the frame around it. */
type Content = {
  name: string;
  title: string;
  environments?: Environment[];
  sub?: string;
  body: (Node | null)[];
  footer?: (Node | string | null)[];
  back?: (() => void) | null;
  focus?: HTMLElement | null;
  leave?: () => void;
};
/** A labelled input with a place for what is wrong with it. */
type Field = {
  element: HTMLElement;
  input: HTMLInputElement | HTMLSelectElement;
  value: () => string;
  set: (text: string) => void;
  complain: (sentence: string) => void;
};
