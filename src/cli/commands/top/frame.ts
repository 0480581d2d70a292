import { fit, printable } from "../../table.ts";
import { type Activity, count, latency, size, type Stats } from "./figures.ts";
import { help, type State } from "./state.ts";
import { rowsOf, type View, views } from "./views.ts";

/** What a frame is drawn of. */
export interface Picture {
  /** Null: none came so far. */
  readonly stats: Stats | null;
  readonly server: string;
  /** Why there are no newer ones; null: they come. */
  readonly trouble: string | null;
  readonly columns: number;
  readonly rows: number;
  readonly colours: boolean;
}

const gap = "  ";
const paint = { bold: "1", dim: "2", reverse: "7", red: "31", cyan: "36" } as const;

/** The lines of the screen: as many as it has at most, none wider than it. */
export function frame(state: State, picture: Picture): readonly string[] {
  const { stats, columns, rows, colours } = picture;
  const coloured = (text: string, how: keyof typeof paint): string => (colours ? `\u001b[${paint[how]}m${text}\u001b[0m` : text);
  const cut = (text: string): string => fit(printable(text), columns, false);
  const head = [coloured(cut(title(state, picture)), "bold"), ...(picture.trouble === null ? [] : [coloured(cut(picture.trouble), "red")])];
  const foot = coloured(cut(state.typing ? `filter: ${state.filter}_  Enter keep  Esc clear` : help), "dim");
  if (stats === null) return [...head, foot].slice(0, rows);
  const tabs = cut(views.map(({ name }, i) => (i === state.view ? `[${name}]` : ` ${name} `)).join(" ") + (state.filter === "" ? "" : `  filter: ${state.filter}`));
  const above = [...head, ...summary(stats).map(cut), coloured(tabs, "cyan")];
  const room = Math.max(0, rows - above.length - 2);
  const view = views[state.view] as View<unknown>;
  const items = list(view, stats, state, room, columns, coloured);
  const below = Array.from({ length: Math.max(0, room + 1 - items.length) }, () => "");
  return [...above, ...items, ...below, foot].slice(0, rows);
}

function title({ paused }: State, { server, stats }: Picture): string {
  const when = stats === null ? "waiting for the first figures" : `${new Date(stats.at).toTimeString().slice(0, 8)}  over ${(stats.interval_ms / 1000).toFixed(1)} s`;
  return `dittofs top  ${server}  ${when}${paused ? "  paused" : ""}`;
}

function summary(stats: Stats): readonly string[] {
  const { total } = stats;
  const oldest = Math.max(...stats.shares.map((share) => share.backlog_age_ms ?? 0), 0);
  return [
    `ops ${count(total.operations)}/s  fail ${count(total.failures)}/s  ${latencies(total)}  waiting ${total.waiting}  clients ${stats.clients_total}`,
    `read ${amount(total.read_bytes)}/s  write ${amount(total.written_bytes)}/s  dirty ${amount(stats.dirty_bytes)}  backlog ${amount(stats.backlog_bytes)}${oldest > 0 ? ` (${Math.round(oldest / 1000)}s)` : ""}`,
    stats.protocols.map((each) => `${each.protocol} ${count(each.operations)}/s ${latencies(each)}`).join("   "),
  ];
}

/** In a sentence nothing is a number. */
function amount(bytes: number): string {
  return bytes === 0 ? "0" : size(bytes);
}

function latencies({ latency_ms }: Activity): string {
  return `p50 ${latency(latency_ms?.p50)} p95 ${latency(latency_ms?.p95)} p99 ${latency(latency_ms?.p99)} ms`;
}

/** Headings and rows, columns as wide as what is in them; what doesn't fit is left out on the right. */
function list<T>(view: View<T>, stats: Stats, state: State, room: number, columns: number, coloured: (text: string, how: keyof typeof paint) => string): readonly string[] {
  const sort = state.sorts[state.view] ?? { column: 0, reversed: false };
  const all = rowsOf(view, stats, sort, state.filter);
  const from = Math.min(state.scrolled, Math.max(0, all.length - room));
  const items = all.slice(from, from + room);
  const headings = view.columns.map(({ heading }, i) => (i === sort.column ? `${heading}${sort.reversed ? "^" : "v"}` : heading));
  const cells = items.map((item) => view.columns.map(({ cell }) => printable(cell(item))));
  const widths = headings.map((heading, i) => Math.min(40, Math.max(Bun.stringWidth(heading), ...cells.map((row) => Bun.stringWidth(row[i] ?? "")))));
  const isText = view.columns.map(({ by }) => items[0] !== undefined && typeof by(items[0]) === "string");
  const line = (row: readonly string[]): string => fit(row.map((cell, i) => aligned(cell, widths[i] ?? 0, isText[i] === true)).join(gap), columns, true);
  const rows = cells.map((row, i) => (view.isTroubled(items[i] as T) ? coloured(line(row), "red") : line(row)));
  const empty = all.length === 0 ? [state.filter === "" ? "nothing yet" : "nothing holds that"] : [];
  return [coloured(line(headings), "reverse"), ...rows, ...empty.slice(0, room)];
}

function aligned(cell: string, width: number, isText: boolean): string {
  const cut = fit(cell, width, isText);
  return isText ? cut : cut.padStart(width + cut.length - Bun.stringWidth(cut));
}
