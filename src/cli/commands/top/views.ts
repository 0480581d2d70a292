import { count, latency, size, type Activity, type Stats } from "./figures.ts";

/** A column of a view: what it shows, and by what it sorts, the largest or (a text) the first in front. */
export interface Column<T> {
  readonly heading: string;
  readonly cell: (item: T) => string;
  readonly by: (item: T) => number | string;
}

export interface View<T> {
  readonly name: string;
  readonly items: (stats: Stats) => readonly T[];
  readonly columns: readonly Column<T>[];
  /** By which it is sorted unless told. */
  readonly sortedBy: number;
  /** What stands out: something is wrong with it. */
  readonly isTroubled: (item: T) => boolean;
}

type Client = Stats["clients"][number];
type Share = Stats["shares"][number];
type Procedure = Stats["procedures"][number];

const text = <T>(heading: string, of: (item: T) => string): Column<T> => ({ heading, cell: of, by: of });
const number = <T>(heading: string, of: (item: T) => number, shown: (value: number) => string): Column<T> => ({ heading, cell: (item) => shown(of(item)), by: of });

function activity<T extends Activity>(): readonly Column<T>[] {
  const waited = (heading: string, of: "p50" | "p95" | "p99"): Column<T> => ({ heading, cell: (item) => latency(item.latency_ms?.[of]), by: (item) => item.latency_ms?.[of] ?? -1 });
  return [
    number("OPS/S", (item) => item.operations, count),
    number("FAIL/S", (item) => item.failures, count),
    waited("P50 MS", "p50"),
    waited("P95 MS", "p95"),
    waited("P99 MS", "p99"),
    number("WAIT", (item) => item.waiting, count),
    number("READ/S", (item) => item.read_bytes, size),
    number("WRITE/S", (item) => item.written_bytes, size),
  ];
}

const clients: View<Client> = {
  name: "clients",
  items: ({ clients: items }) => items,
  columns: [
    text("CLIENT", (client) => client.address),
    text("PROTO", (client) => client.protocol),
    text("USER", (client) => client.user ?? "-"),
    text("SHARES", (client) => client.shares.join(",") || "-"),
    number("OPS/S", (client) => client.requests, count),
    number("IN/S", (client) => client.received_bytes, size),
    number("OUT/S", (client) => client.sent_bytes, size),
    number("REQUESTS", (client) => client.requests_total, count),
    text("ID", (client) => client.id),
  ],
  sortedBy: 4,
  isTroubled: () => false,
};

const shares: View<Share> = {
  name: "shares",
  items: ({ shares: items }) => items,
  columns: [
    text("SHARE", (share) => share.name || "(none)"),
    ...activity<Share>(),
    number("DIRTY", (share) => share.dirty_bytes, size),
    number("BACKLOG", (share) => share.backlog_bytes, size),
    { heading: "AGE", cell: (share) => (share.backlog_age_ms === null ? "-" : `${Math.round(share.backlog_age_ms / 1000)}s`), by: (share) => share.backlog_age_ms ?? -1 },
    text("STORE", (share) => share.store_error ?? "ok"),
  ],
  sortedBy: 1,
  isTroubled: (share) => share.store_error !== null,
};

const procedures: View<Procedure> = {
  name: "procedures",
  items: ({ procedures: items }) => items,
  columns: [text("PROCEDURE", (one) => one.name), text("PROTO", (one) => one.protocol), ...activity<Procedure>()],
  sortedBy: 2,
  isTroubled: () => false,
};

// biome-ignore lint: views of different items are shown the same way
export const views: readonly View<any>[] = [clients, shares, procedures];

/** Rows as they are shown: those that hold `filter` in some column, sorted. */
export function rowsOf<T>(view: View<T>, stats: Stats, sort: { readonly column: number; readonly reversed: boolean }, filter: string): readonly T[] {
  const wanted = filter.toLowerCase();
  const column = view.columns[sort.column] ?? (view.columns[0] as Column<T>);
  const found = view.items(stats).filter((item) => wanted === "" || view.columns.some(({ cell }) => cell(item).toLowerCase().includes(wanted)));
  const order = (a: T, b: T): number => {
    const [x, y] = [column.by(a), column.by(b)];
    if (typeof x === "number" && typeof y === "number") return y - x;
    return String(x) < String(y) ? -1 : String(x) > String(y) ? 1 : 0;
  };
  const first = (view.columns[0] as Column<T>).cell;
  return found.sort((a, b) => (sort.reversed ? order(b, a) : order(a, b)) || (first(a) < first(b) ? -1 : 1));
}
