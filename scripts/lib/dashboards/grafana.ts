/** Grafana's names of the units that are used here. */
export const Unit = { bytes: "bytes", bytesPerSecond: "binBps", seconds: "s", perSecond: "ops", ratio: "percentunit", number: "short", sinceMs: "dateTimeFromNow" } as const;
export type Unit = (typeof Unit)[keyof typeof Unit];

export interface Query {
  readonly expr: string;
  /** With labels in braces: "{{share}}". */
  readonly legend: string;
}

/** From a value on, a colour; the first has none. */
export type Step = readonly [value: number | null, color: string];

export interface Panel {
  readonly type: "timeseries" | "stat" | "heatmap";
  readonly title: string;
  readonly description: string;
  readonly unit: Unit;
  readonly queries: readonly Query[];
  /** Of 24. */
  readonly width: number;
  readonly stacked?: boolean;
  readonly max?: number;
  readonly steps?: readonly Step[];
  /** Words for values, of a stat. */
  readonly words?: Readonly<Record<string, string>>;
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly rows: readonly Row[];
}

/** What every query selects by; the variables of every dashboard. */
export const ofInstance = 'instance=~"$instance"';
export const ofShare = `${ofInstance}, share=~"$share"`;

const columns = 24;
const heightOf = { timeseries: 8, stat: 4, heatmap: 8 } as const;
const source = { type: "prometheus", uid: "${datasource}" } as const;

/** A dashboard as Grafana imports it. */
export function grafanaJson({ uid, title, description, rows }: Dashboard): string {
  const panels: object[] = [];
  let id = 0;
  let y = 0;
  for (const row of rows) {
    panels.push({ id: ++id, type: "row", title: row.title, collapsed: false, gridPos: { h: 1, w: columns, x: 0, y }, panels: [] });
    y++;
    let x = 0;
    let height = 0;
    for (const panel of row.panels) {
      if (x + panel.width > columns) {
        y += height;
        x = height = 0;
      }
      panels.push(panelJson(++id, panel, x, y));
      x += panel.width;
      height = Math.max(height, heightOf[panel.type]);
    }
    y += height;
  }
  const dashboard = {
    uid,
    title,
    description,
    tags: ["dittofs"],
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: "30s",
    time: { from: "now-3h", to: "now" },
    timezone: "browser",
    links: [{ type: "dashboards", tags: ["dittofs"], title: "DittoFS", asDropdown: true, includeVars: true, keepTime: true }],
    templating: { list: [datasourceVariable, variable("instance", "Server", "label_values(dittofs_build_info, instance)"), variable("share", "Share", `label_values(dittofs_share_served{${ofInstance}}, share)`)] },
    annotations: { list: [] },
    panels,
  };
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}

const datasourceVariable = { name: "datasource", label: "Prometheus", type: "datasource", query: "prometheus", refresh: 1, hide: 0, includeAll: false, multi: false, options: [], current: {} };

function variable(name: string, label: string, query: string): object {
  return { name, label, type: "query", datasource: source, query: { query, refId: "A" }, definition: query, refresh: 2, sort: 1, hide: 0, includeAll: true, allValue: ".*", multi: true, options: [], current: { text: ["All"], value: ["$__all"] } };
}

function panelJson(id: number, panel: Panel, x: number, y: number): object {
  const { type, title, description, unit, queries, width, max } = panel;
  const isHeatmap = type === "heatmap";
  return {
    id,
    type,
    title,
    description,
    datasource: source,
    gridPos: { h: heightOf[type], w: width, x, y },
    targets: queries.map(({ expr, legend }, i) => ({ refId: String.fromCharCode(65 + i), datasource: source, expr, legendFormat: legend, range: true, ...(type === "stat" ? { instant: true, range: false } : {}), ...(isHeatmap ? { format: "heatmap" } : {}) })),
    fieldConfig: { defaults: { unit, ...(unit === Unit.sinceMs ? {} : { min: 0 }), ...(max === undefined ? {} : { max }), ...looks(panel) }, overrides: [] },
    options: optionsOf(type, unit),
  };
}

function looks({ type, stacked = false, steps, words }: Panel): object {
  const thresholds = steps === undefined ? {} : { thresholds: { mode: "absolute", steps: steps.map(([value, color]) => ({ value, color })) } };
  if (type === "heatmap") return {};
  if (type === "stat") {
    const mappings = words === undefined ? [] : [{ type: "value", options: Object.fromEntries(Object.entries(words).map(([value, text], index) => [value, { text, index }])) }];
    return { ...thresholds, mappings, color: { mode: steps === undefined ? "fixed" : "thresholds", ...(steps === undefined ? { fixedColor: "text" } : {}) } };
  }
  const drawn = { lineWidth: 1, fillOpacity: stacked ? 30 : 8, showPoints: "never", spanNulls: false, stacking: { mode: stacked ? "normal" : "none", group: "A" } };
  return { ...thresholds, custom: { ...drawn, thresholdsStyle: { mode: steps === undefined ? "off" : "line" } } };
}

function optionsOf(type: Panel["type"], unit: Unit): object {
  switch (type) {
    case "stat":
      return { reduceOptions: { calcs: ["lastNotNull"], fields: "", values: false }, colorMode: "background", graphMode: "none", textMode: "value_and_name", justifyMode: "auto", orientation: "auto" };
    case "heatmap":
      return { calculate: false, yAxis: { unit }, cellGap: 1, color: { mode: "scheme", scheme: "Oranges", steps: 64 }, tooltip: { mode: "single", showColorScale: true } };
    case "timeseries":
      return { legend: { displayMode: "table", placement: "bottom", calcs: ["mean", "max"], showLegend: true }, tooltip: { mode: "multi", sort: "desc" } };
  }
}
