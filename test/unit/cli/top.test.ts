import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { frame } from "#cli/commands/top/frame.ts";
import { count, latency, size, type Stats } from "#cli/commands/top/figures.ts";
import { begin, pressed, type State } from "#cli/commands/top/state.ts";
import { contract } from "#api/contract/index.ts";
import { FakeApi } from "./fake-api.ts";
import { cli } from "./support.ts";

const idle = { operations: 0, failures: 0, read_bytes: 0, written_bytes: 0, waiting: 0, latency_ms: null };
const busy = { ...idle, operations: 1234.5, read_bytes: 5 * 2 ** 20, latency_ms: { p50: 0.0042, p95: 12.3, p99: 12_345 } };
const client = (address: string, requests: number, user: string | null) => ({ id: `nfs-${requests}`, protocol: "nfs" as const, address, user, shares: ["/export"], requests, received_bytes: 100, sent_bytes: 0, requests_total: 5, connected_at: "2026-01-02T03:04:05.000Z" });
const stats: Stats = {
  at: "2026-01-02T03:04:05.000Z",
  interval_ms: 1000,
  total: busy,
  protocols: [{ protocol: "nfs", ...busy }, { protocol: "smb", ...idle }],
  procedures: [{ protocol: "nfs", name: "GETATTR", ...busy }],
  shares: [
    { name: "/export", ...busy, dirty_bytes: 1024, backlog_bytes: 3 * 2 ** 30, backlog_age_ms: 14_000, store_error: null },
    { name: "/broken", ...idle, dirty_bytes: 0, backlog_bytes: 0, backlog_age_ms: null, store_error: "the bucket is gone" },
  ],
  clients: [client("10.0.0.9", 300, "alice"), client("10.0.0.7", 700, null), client("10.0.0.8", 20, "bob\u001b[2J")],
  clients_total: 3,
  dirty_bytes: 1024,
  backlog_bytes: 3 * 2 ** 30,
};
const after = (...keys: readonly string[]): State => keys.reduce(pressed, begin);
const picture = { stats, server: "http://a:1", trouble: null, columns: 100, rows: 14, colours: false };
const firsts = (state: State, more = {}) => frame(state, { ...picture, ...more }).slice(6, 9).map((line) => line.split(" ")[0]);

test("numbers are short", () => {
  expect([0, 7, 7.25, 42, 999, 1000, 12_345, 1.5e6].map(count)).toEqual(["0", "7", "7.3", "42", "999", "1.0k", "12.3k", "1.5M"]);
  expect([0, 512, 1536, 200 * 2 ** 20].map(size)).toEqual(["-", "512B", "1.5K", "200M"]);
  expect([null, 0.0042, 0.5, 4.25, 312.4, 12_345].map(latency)).toEqual(["-", "0.004", "0.50", "4.3", "312", "12s"]);
});

describe("a frame", () => {
  test("has as many lines as the screen, none wider, and nothing that a client made up speaks to the terminal", () => {
    for (const [columns, rows] of [[100, 14], [40, 9], [20, 4], [300, 60], [1, 1]] as const) {
      const lines = frame(begin, { ...picture, columns, rows });
      expect(lines).toHaveLength(rows);
      for (const line of lines) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(columns);
      expect(lines.join("")).not.toContain("\u001b");
    }
  });

  test("is sorted by the column that is chosen, either way", () => {
    expect(firsts(begin)).toEqual(["10.0.0.7", "10.0.0.9", "10.0.0.8"]);
    expect(firsts(after("r"))).toEqual(["10.0.0.8", "10.0.0.9", "10.0.0.7"]);
    expect(firsts(after("<", "<", "<", "<"))).toEqual(["10.0.0.7", "10.0.0.8", "10.0.0.9"]);
    expect(firsts(after("\t"))).toEqual(["/export", "/broken", ""]);
    expect(firsts(after("\u001b[Z"))).toEqual(["GETATTR", "", ""]);
  });

  test("holds what the filter lets through, and what there is room for", () => {
    expect(firsts(after("/", "A", "l", "i", "x", "\u007f", "c", "\r"))).toEqual(["10.0.0.9", "", ""]);
    expect(firsts(after("/", "q", "\r"))).toEqual(["nothing", "", ""]);
    expect(after("/", "q", "\r").done).toBe(false);
    expect(firsts(after("/", "a", "\u001b"))).toHaveLength(3);
    expect(firsts(after("j"), { rows: 9 })[0]).toBe("10.0.0.9");
    expect(firsts(after("j", "j", "j", "j", "j"), { rows: 9 })[0]).toBe("10.0.0.9");
  });

  test("has colours where they are wanted, and marks what is wrong", () => {
    const lines = frame(after("2"), { ...picture, colours: true });
    expect(lines.find((line) => line.includes("/broken"))).toStartWith("\u001b[31m");
    expect(lines.find((line) => line.includes("/export "))).not.toContain("\u001b");
    expect(frame(begin, { ...picture, trouble: "no answer" })[1]).toBe("no answer");
  });
});

test("keys end it, anywhere", () => {
  for (const keys of [["q"], ["\u0003"], ["\u0004"], ["/", "a", "\u0003"]]) expect(after(...keys).done).toBe(true);
  expect(after("/", "q").done).toBe(false);
});

describe("the command", () => {
  const api = new FakeApi();
  afterAll(() => api.stop());
  beforeEach(() => api.clear());
  const environment = { DITTOFS_SERVER: api.url, DITTOFS_TOKEN: "t" };

  test("ends where the server's answer is no stream, or a refusal", async () => {
    api.on(contract.system.stats, stats);
    expect(await cli(["top"], { environment })).toMatchObject({ status: 7, err: expect.stringContaining("not what a DittoFS server says") });
    expect(await cli(["top"], { environment: { DITTOFS_SERVER: api.url } })).toMatchObject({ status: 4 });
  });
});
