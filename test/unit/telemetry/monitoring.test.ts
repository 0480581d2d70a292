import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { nfsRequests } from "#nfs/watched.ts";
import { smbRequests } from "#smb/watched.ts";
import { declarationOf, declared, type MetricName } from "#telemetry/metrics/index.ts";
import { dashboardPages } from "../../../scripts/lib/dashboards/index.ts";
import { temporary } from "../../support/temporary.ts";

/** What ships for Grafana and Prometheus speaks of metrics that there are, by labels that they have. */

const folder = join(import.meta.dir, "../../../docs/monitoring");
const alertsFile = join(folder, "alerts.yaml");
const names = new Set(Object.keys(declared));

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string };
}
interface Groups {
  readonly groups: readonly { readonly name: string; readonly rules: readonly Alert[] }[];
}
interface PanelJson {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number };
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string; readonly datasource: { readonly uid: string } }[];
  readonly fieldConfig?: { readonly defaults: { readonly unit: string } };
}
interface DashboardJson {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly PanelJson[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly type: string; readonly query: string | { readonly query: string } }[] };
}

const alerts = (parse(readFileSync(alertsFile, "utf8")) as Groups).groups.flatMap(({ rules }) => rules);
const dashboards = Object.entries(dashboardPages()).map(([name, text]) => ({ name, dashboard: JSON.parse(text) as DashboardJson }));
const queries = dashboards.flatMap(({ name, dashboard }) => dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr, legendFormat }) => ({ at: `${name}: ${title}`, expr, legend: legendFormat }))));

/** The declared metric a series is of; null: there is none. */
function metricOf(series: string): MetricName | null {
  if (names.has(series)) return declarationOf(series as MetricName).type === "histogram" ? null : (series as MetricName);
  const base = series.replace(/_(?:bucket|sum|count)$/, "");
  return names.has(base) && declarationOf(base as MetricName).type === "histogram" ? (base as MetricName) : null;
}

/** What an expression says that is not so, in words. */
function wrongIn(expr: string): readonly string[] {
  const wrong: string[] = [];
  const known = new Set(["instance", "job"]);
  for (const [, series = "", , selectors = ""] of expr.matchAll(/\b(dittofs_[a-z0-9_]+)(\{([^}]*)\})?/g)) {
    const metric = metricOf(series);
    if (metric === null) {
      wrong.push(`there is no series ${series}`);
      continue;
    }
    const labels: readonly string[] = [...declarationOf(metric).labels, ...(series.endsWith("_bucket") ? ["le"] : [])];
    for (const label of labels) known.add(label);
    for (const [, label = ""] of selectors.matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)/g)) if (label !== "instance" && !labels.includes(label)) wrong.push(`${series} has no label ${label}`);
  }
  for (const [, list = ""] of expr.matchAll(/\b(?:by|on|without|ignoring)\s*\(([^)]*)\)/g)) for (const label of list.split(",").map((each) => each.trim())) if (!known.has(label)) wrong.push(`nothing here has the label ${label}`);
  return wrong;
}

/** Every status, procedure and command there is. */
const words = new Set(
  [nfsRequests, smbRequests].flatMap(({ operations, statuses, statusName }) => [...operations, ...operations.flatMap((_, operation) => statuses.map((status) => statusName(operation, status)))]),
);

/** Labels an expression's results have, as far as its outermost sum says. */
function resultLabels(expr: string): ReadonlySet<string> {
  const grouped = [...expr.matchAll(/\bby\s*\(([^)]*)\)/g)].map(([, list = ""]) => list.split(",").map((each) => each.trim()));
  if (grouped.length > 0) return new Set(grouped.flat());
  const all = [...expr.matchAll(/\b(dittofs_[a-z0-9_]+)/g)].flatMap(([, series = ""]) => declarationOf(metricOf(series) as MetricName).labels);
  return new Set(["instance", ...all]);
}

test("statuses, procedures and commands that queries name are those the protocols have", () => {
  const named = [...queries, ...alerts].filter(({ expr }) => /dittofs_(?:nfs|smb)_/.test(expr)).flatMap(({ expr }) => [...expr.matchAll(/\b(?:status|procedure|command)(?:=~|!~|!=|=)"([^"]*)"/g)].flatMap(([, list = ""]) => list.split("|")));
  expect(named).toContain("NFS3ERR_IO");
  expect(named.filter((word) => !words.has(word))).toEqual([]);
});

test("metrics are declared once", async () => {
  const parts = join(import.meta.dir, "../../../src/telemetry/metrics/declared");
  const all = await Promise.all(readdirSync(parts).map(async (file) => Object.values((await import(join(parts, file))) as Record<string, object>).flatMap((table) => Object.keys(table))));
  const twice = all.flat().filter((name, i, list) => list.indexOf(name) !== i);
  expect(twice).toEqual([]);
  expect(new Set(all.flat())).toEqual(names);
});

test("the reading of expressions finds what is wrong", () => {
  expect(wrongIn("rate(dittofs_nothing_total[5m])")).toEqual(["there is no series dittofs_nothing_total"]);
  expect(wrongIn('dittofs_share_served{client="x"}')).toEqual(["dittofs_share_served has no label client"]);
  expect(wrongIn("sum by (client) (dittofs_share_served)")).toEqual(["nothing here has the label client"]);
  expect(wrongIn("dittofs_log_sync_duration_seconds")).toEqual(["there is no series dittofs_log_sync_duration_seconds"]);
  expect(wrongIn('sum by (share, le) (rate(dittofs_log_sync_duration_seconds_bucket{le!="1", share=~"a|b"}[5m]))')).toEqual([]);
});

describe("the alert rules", () => {
  test("speak of metrics and labels that there are", () => {
    expect(alerts.flatMap(({ alert, expr }) => wrongIn(expr).map((wrong) => `${alert}: ${wrong}`))).toEqual([]);
  });

  test("say what is the matter, by labels that their results have, and docs/operations.md says what to do", () => {
    const operations = readFileSync(join(import.meta.dir, "../../../docs/operations.md"), "utf8");
    for (const { alert, expr, labels, annotations } of alerts) {
      expect(alert).toMatch(/^Dittofs[A-Z][A-Za-z]+$/);
      expect(["critical", "warning"]).toContain(labels.severity);
      const said = `${annotations.summary} ${annotations.description}`;
      const has = resultLabels(expr);
      expect([alert, [...said.matchAll(/\$labels\.([a-z_]+)/g)].map(([, label]) => label).filter((label) => !has.has(label as string))]).toEqual([alert, []]);
      expect(operations).toContain(`| \`${alert}\` |`);
    }
    const described = [...operations.matchAll(/^\| `(Dittofs[A-Za-z]+)` \|/gm)].map(([, name]) => name as string);
    expect(described.toSorted()).toEqual(alerts.map(({ alert }) => alert).toSorted());
  });
});

describe("the dashboards", () => {
  test("are what ./scripts/docs writes", () => {
    for (const [name, text] of Object.entries(dashboardPages())) expect([name, readFileSync(join(folder, name), "utf8") === text]).toEqual([name, true]);
    expect(readdirSync(folder).filter((name) => name.endsWith(".json")).toSorted()).toEqual(Object.keys(dashboardPages()).toSorted());
  });

  test("speak of metrics and labels that there are, in queries and legends", () => {
    expect(queries.flatMap(({ at, expr }) => wrongIn(expr).map((wrong) => `${at}: ${wrong}`))).toEqual([]);
    const unknown = queries.flatMap(({ at, expr, legend }) => [...legend.matchAll(/\{\{([a-z_]+)\}\}/g)].filter(([, label]) => !resultLabels(expr).has(label as string)).map(([, label]) => `${at}: no ${label}`));
    expect(unknown).toEqual([]);
  });

  test("can be imported anywhere: the data source is a variable, and every panel has a unit, a place of its own and words", () => {
    expect(new Set(dashboards.map(({ dashboard }) => dashboard.uid)).size).toBe(dashboards.length);
    for (const { name, dashboard } of dashboards) {
      const variables = dashboard.templating.list;
      expect(variables[0]).toMatchObject({ name: "datasource", type: "datasource", query: "prometheus" });
      for (const { query } of variables.slice(1)) expect(wrongIn(typeof query === "string" ? query : query.query)).toEqual([]);
      const taken = new Set<string>();
      for (const panel of dashboard.panels) {
        const { x, y, w, h } = panel.gridPos;
        expect([name, panel.title, x + w <= 24]).toEqual([name, panel.title, true]);
        for (let i = x; i < x + w; i++) {
          for (let j = y; j < y + h; j++) {
            expect([name, panel.title, taken.has(`${i} ${j}`)]).toEqual([name, panel.title, false]);
            taken.add(`${i} ${j}`);
          }
        }
        if (panel.type === "row") continue;
        expect([panel.datasource?.uid, ...(panel.targets ?? []).map(({ datasource }) => datasource.uid)].every((uid) => uid === "${datasource}")).toBe(true);
        expect([name, panel.title, (panel.fieldConfig?.defaults.unit ?? "") !== "", (panel.description ?? "") !== ""]).toEqual([name, panel.title, true, true]);
      }
    }
  });

  test("units are those of what is shown", () => {
    const wrong = dashboards.flatMap(({ name, dashboard }) =>
      dashboard.panels.flatMap(({ title, targets = [], fieldConfig }) => {
        const unit = fieldConfig?.defaults.unit;
        const right = targets.every(({ expr }) => {
          const bytes = /_bytes(?:_total)?\b/.test(expr);
          const seconds = /_seconds(?:_bucket)?\b/.test(expr);
          const risen = /\brate\(/.test(expr);
          if (expr.includes(" / ") && unit !== "short") return unit === "percentunit";
          if (expr.includes("_ratio")) return unit === "percentunit";
          if (bytes) return unit === (risen ? "binBps" : "bytes");
          if (seconds) return unit === "s";
          return risen ? unit === "ops" || unit === "short" : unit === "short" || unit === "ops";
        });
        return right ? [] : [`${name}: ${title}: ${unit}`];
      }),
    );
    expect(wrong).toEqual([]);
  });
});

/** A server that is well, for two hours. */
const wellSeries: Readonly<Record<string, string>> = {
  dittofs_build_info: "1x120",
  'dittofs_share_served{share="/s"}': "1x120",
  'dittofs_store_reachable{share="/s",store="b",kind="block"}': "1x120",
  'dittofs_nfs_requests_total{procedure="READ",share="/s",status="NFS3_OK"}': "0+6000x120",
  'dittofs_nfs_requests_total{procedure="READ",share="/s",status="NFS3ERR_IO"}': "0x120",
  'dittofs_nfs_requests_total{procedure="READ",share="/s",status="NFS3ERR_JUKEBOX"}': "0+60x120",
  'dittofs_smb_requests_total{command="READ",share="/s",status="STATUS_SUCCESS"}': "0+6000x120",
  'dittofs_smb_requests_total{command="READ",share="/s",status="STATUS_UNEXPECTED_IO_ERROR"}': "0x120",
  dittofs_process_start_time_seconds: "1x120",
  'dittofs_api_requests_total{method="GET",route="/api/v1/shares",status="200"}': "0+600x120",
  'dittofs_api_requests_total{method="GET",route="/api/v1/shares",status="500"}': "0x120",
  'dittofs_authentication_failures_total{mechanism="ntlm"}': "0x120",
  'dittofs_connections_refused_total{protocol="nfs"}': "0x120",
  'dittofs_event_loop_lag_seconds_bucket{le="0.001"}': "0+600x120",
  'dittofs_event_loop_lag_seconds_bucket{le="1"}': "0+600x120",
  'dittofs_event_loop_lag_seconds_bucket{le="+Inf"}': "0+600x120",
  dittofs_process_open_files: "50x120",
  dittofs_process_open_files_max: "1000x120",
  'dittofs_upload_backlog_age_seconds{share="/s"}': "10x120",
  'dittofs_log_full_ratio{share="/s"}': "0.2x120",
  'dittofs_writes_turned_away_total{share="/s",reason="backlog"}': "0x120",
  'dittofs_flushes_total{share="/s",result="failed"}': "0x120",
  'dittofs_history_lag_seconds{share="/s"}': "1x120",
  'dittofs_history_ready{share="/s"}': "1x120",
  'dittofs_gc_runs_total{share="/s",result="failed"}': "0x120",
  'dittofs_gc_runs_total{share="/s",result="done"}': "0+0.1x120",
  'dittofs_damaged_objects{share="/s"}': "0x120",
  'dittofs_damage_found_total{share="/s"}': "0x120",
  'dittofs_scrub_damaged{share="/s"}': "0x120",
  'dittofs_scrub_last_damaged{share="/s"}': "0x120",
  'dittofs_disk_cache_damaged_copies_total{share="/s"}': "0x120",
  'dittofs_jobs_ended_total{kind="gc",state="failed"}': "0x120",
  dittofs_data_directory_free_bytes: "50x120",
  dittofs_data_directory_size_bytes: "100x120",
  'dittofs_blockstore_free_bytes{share="/s",store="b"}': "50x120",
  'dittofs_blockstore_size_bytes{share="/s",store="b"}': "100x120",
  'dittofs_blockstore_requests_total{share="/s",store="b",operation="get",result="ok"}': "0+600x120",
  'dittofs_blockstore_requests_total{share="/s",store="b",operation="get",result="unavailable"}': "0x120",
  'dittofs_blockstore_throttled_total{share="/s",store="b"}': "0x120",
  'dittofs_s3_requests_total{share="/s",store="b",action="GetObject",result="ok"}': "0+600x120",
  'dittofs_log_sync_duration_seconds_bucket{share="/s",le="0.005"}': "0+600x120",
  'dittofs_log_sync_duration_seconds_bucket{share="/s",le="5"}': "0+600x120",
  'dittofs_log_sync_duration_seconds_bucket{share="/s",le="+Inf"}': "0+600x120",
  'dittofs_metadata_commit_duration_seconds_bucket{share="/s",store="m",type="sqlite",le="0.005"}': "0+600x120",
  'dittofs_metadata_commit_duration_seconds_bucket{share="/s",store="m",type="sqlite",le="5"}': "0+600x120",
  'dittofs_metadata_commit_duration_seconds_bucket{share="/s",store="m",type="sqlite",le="+Inf"}': "0+600x120",
  'dittofs_spans_dropped_total{reason="full"}': "100x120",
  'dittofs_spans_dropped_total{reason="refused"}': "0x120",
};

/** What is other where an alert is to fire. */
const illSeries: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  DittofsDown: {},
  DittofsShareNotServed: { 'dittofs_share_served{share="/s"}': "0x120" },
  DittofsStoreUnreachable: { 'dittofs_store_reachable{share="/s",store="b",kind="block"}': "0x120" },
  DittofsClientErrors: { 'dittofs_nfs_requests_total{procedure="READ",share="/s",status="NFS3ERR_IO"}': "0+100x120" },
  DittofsSmbClientErrors: { 'dittofs_smb_requests_total{command="READ",share="/s",status="STATUS_UNEXPECTED_IO_ERROR"}': "0+100x120" },
  DittofsClientsToldToComeBack: { 'dittofs_nfs_requests_total{procedure="READ",share="/s",status="NFS3ERR_JUKEBOX"}': "0+600x120" },
  DittofsRestarting: { dittofs_process_start_time_seconds: "0x60 0+600x60" },
  DittofsApiErrors: { 'dittofs_api_requests_total{method="GET",route="/api/v1/shares",status="500"}': "0+60x120" },
  DittofsLoginFailures: { 'dittofs_authentication_failures_total{mechanism="ntlm"}': "0+120x120" },
  DittofsConnectionsRefused: { 'dittofs_connections_refused_total{protocol="nfs"}': "0+6x120" },
  DittofsEventLoopLag: { 'dittofs_event_loop_lag_seconds_bucket{le="0.001"}': "0+500x120" },
  DittofsOpenFilesNearlyExhausted: { dittofs_process_open_files: "900x120" },
  DittofsUploadBacklogOld: { 'dittofs_upload_backlog_age_seconds{share="/s"}': "0+60x120" },
  DittofsLogNearlyFull: { 'dittofs_log_full_ratio{share="/s"}': "0.9x120" },
  DittofsWritesTurnedAway: { 'dittofs_writes_turned_away_total{share="/s",reason="backlog"}': "0+5x120" },
  DittofsFlushFailing: { 'dittofs_flushes_total{share="/s",result="failed"}': "0+5x120" },
  DittofsHistoryLagging: { 'dittofs_history_lag_seconds{share="/s"}': "0+60x120" },
  DittofsHistoryNotReady: { 'dittofs_history_ready{share="/s"}': "0x120" },
  DittofsGarbageNotCollected: { 'dittofs_gc_runs_total{share="/s",result="failed"}': "0+0.1x120", 'dittofs_gc_runs_total{share="/s",result="done"}': "7x120" },
  DittofsDamageFound: { 'dittofs_damaged_objects{share="/s"}': "1x120" },
  DittofsScrubFoundDamage: { 'dittofs_scrub_last_damaged{share="/s"}': "1x120" },
  DittofsDiskCacheDamaged: { 'dittofs_disk_cache_damaged_copies_total{share="/s"}': "0+1x120" },
  DittofsJobFailed: { 'dittofs_jobs_ended_total{kind="gc",state="failed"}': "0x80 1x40" },
  DittofsDiskNearlyFull: { dittofs_data_directory_free_bytes: "5x120" },
  DittofsBlockStoreNearlyFull: { 'dittofs_blockstore_free_bytes{share="/s",store="b"}': "5x120" },
  DittofsBlockStoreErrors: { 'dittofs_blockstore_requests_total{share="/s",store="b",operation="get",result="unavailable"}': "0+60x120" },
  DittofsBlockStoreThrottled: { 'dittofs_blockstore_throttled_total{share="/s",store="b"}': "0+100x120" },
  DittofsSlowDisk: { 'dittofs_log_sync_duration_seconds_bucket{share="/s",le="0.005"}': "0+100x120" },
  DittofsMetadataSlow: { 'dittofs_metadata_commit_duration_seconds_bucket{share="/s",store="m",type="sqlite",le="0.005"}': "0+100x120" },
  DittofsSpansDropped: { 'dittofs_spans_dropped_total{reason="full"}': "0+60x120" },
};

const promtool = Bun.which("promtool");
if (promtool === null) console.log("PromQL is not parsed: skipped, needs promtool of Debian's package prometheus");

// Skips where promtool is not installed: the reason is printed.
describe.skipIf(promtool === null)("promtool", () => {
  let directory = "";
  beforeAll(() => void (directory = temporary("monitoring")));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const check = async (path: string): Promise<string> => {
    const { exited, stdout, stderr } = Bun.spawn([promtool as string, "check", "rules", path], { stdout: "pipe", stderr: "pipe" });
    const said = (await new Response(stdout).text()) + (await new Response(stderr).text());
    return (await exited) === 0 ? "" : said;
  };

  test("reads the alert rules", async () => {
    expect(await check(alertsFile)).toBe("");
  });

  test("has each alert fire where it should, and none where all is well", async () => {
    const path = join(directory, "tests.yaml");
    const well = { interval: "1m", input_series: inputs(wellSeries), promql_expr_test: [{ expr: "count(ALERTS)", eval_time: "2h", exp_samples: [] }] };
    const firing = alerts.map(({ alert }) => ({
      interval: "1m",
      input_series: inputs({ ...wellSeries, ...(illSeries[alert] ?? {}) }).filter(({ series }) => alert !== "DittofsDown" || !series.startsWith("dittofs_build_info")),
      promql_expr_test: [{ expr: `count by (alertname) (ALERTS{alertname="${alert}", alertstate="firing"})`, eval_time: "2h", exp_samples: [{ labels: `{alertname="${alert}"}`, value: 1 }] }],
    }));
    await Bun.write(path, JSON.stringify({ rule_files: [alertsFile], evaluation_interval: "1m", tests: [well, ...firing] }));
    const { exited, stdout, stderr } = Bun.spawn([promtool as string, "test", "rules", path], { stdout: "pipe", stderr: "pipe" });
    const said = (await new Response(stdout).text()) + (await new Response(stderr).text());
    expect([await exited, said.includes("SUCCESS") ? "" : said]).toEqual([0, ""]);
  }, 60_000);

  test("one of two servers that is gone is named", async () => {
    const path = join(directory, "one-gone.yaml");
    const of = (instance: string, values: string) => ({ series: `dittofs_build_info{job="dittofs",instance="${instance}",version="1"}`, values });
    const firing = { expr: 'count by (instance) (ALERTS{alertname="DittofsDown", alertstate="firing"})', eval_time: "40m", exp_samples: [{ labels: '{instance="b"}', value: 1 }] };
    await Bun.write(path, JSON.stringify({ rule_files: [alertsFile], evaluation_interval: "1m", tests: [{ interval: "1m", input_series: [of("a", "1x120"), of("b", "1x10 _x110")], promql_expr_test: [firing] }] }));
    const { exited, stdout, stderr } = Bun.spawn([promtool as string, "test", "rules", path], { stdout: "pipe", stderr: "pipe" });
    const said = (await new Response(stdout).text()) + (await new Response(stderr).text());
    expect([await exited, said.includes("SUCCESS") ? "" : said]).toEqual([0, ""]);
  }, 60_000);

  test("reads the queries of the dashboards", async () => {
    const rules = queries.map(({ expr }, i) => ({ record: `dashboards:query_${i}`, expr: expr.replaceAll("$__rate_interval", "5m").replaceAll(/\$(?:instance|share)/g, ".*") }));
    const path = join(directory, "queries.yaml");
    await Bun.write(path, JSON.stringify({ groups: [{ name: "dashboards", rules }] }));
    expect(await check(path)).toBe("");
  });
});

/** Values by the minute, as promtool takes them. */
function inputs(series: Readonly<Record<string, string>>): readonly { readonly series: string; readonly values: string }[] {
  return Object.entries(series).map(([name, values]) => {
    const bare = name.replace(/\}$/, "");
    return { series: `${bare}${bare.includes("{") ? "," : "{"}instance="a"}`, values };
  });
}
