import { type Metric, Registry } from "prom-client";
import type { Logger } from "../logger.ts";
import type { Declaration } from "./declaration.ts";
import { declarationOf, type MetricName } from "./declared.ts";
import type { Counter, Histogram, HistogramSample, Metrics, Registration, Sample } from "./metrics.ts";
import { type Series, SeriesTable, seriesMax } from "./series.ts";

type Read = () => Iterable<Sample | HistogramSample>;

/** A line of the exposition, as prom-client prints it. */
interface Line {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** One declared metric: what is counted of it, and who is asked for more of it at a scrape. */
class Source {
  readonly name: MetricName;
  readonly help: string;
  readonly type: Declaration["type"];
  readonly aggregator = "sum";
  readonly counted: SeriesTable;
  private readonly declaration: Declaration;
  private readonly reads = new Set<Read>();
  private readonly logger: Logger;
  private complained = false;

  constructor(name: MetricName, logger: Logger) {
    this.name = name;
    this.declaration = declarationOf(name);
    this.help = this.declaration.help;
    this.type = this.declaration.type;
    this.logger = logger;
    this.counted = new SeriesTable(this.declaration, seriesMax);
  }

  collect(read: Read): Registration {
    this.reads.add(read);
    return { end: () => void this.reads.delete(read) };
  }

  /** What prom-client asks for at a scrape. */
  async get(): Promise<{ readonly name: string; readonly help: string; readonly type: string; readonly values: readonly Line[]; readonly aggregator: string }> {
    const { name, help, type, aggregator } = this;
    return { name, help, type, values: this.lines(), aggregator };
  }

  private lines(): readonly Line[] {
    const table = this.reads.size === 0 ? this.counted : this.gathered();
    const lines: Line[] = [];
    for (const series of table.all()) this.write(series, lines);
    return lines;
  }

  private gathered(): SeriesTable {
    const table = new SeriesTable(this.declaration, Number.POSITIVE_INFINITY);
    for (const series of this.counted.all()) table.addSample(this.type === "histogram" ? { labels: series.labels, buckets: series.buckets, count: series.count, sum: series.value } : series);
    for (const read of this.reads) {
      try {
        for (const sample of read()) table.addSample(sample);
      } catch (error) {
        // One part that can't tell must not hide what all the others can.
        if (!this.complained) this.logger.error({ metric: this.name, error }, "a metric can't be read; the others are");
        this.complained = true;
      }
    }
    return table;
  }

  private write(series: Series, lines: Line[]): void {
    const labels: Record<string, string> = {};
    this.declaration.labels.forEach((label, i) => {
      labels[label] = series.labels[i] ?? "";
    });
    if (this.type !== "histogram") {
      lines.push({ labels, value: series.value });
      return;
    }
    let below = 0;
    (this.declaration.buckets ?? []).forEach((bound, i) => {
      below += series.buckets[i] ?? 0;
      lines.push({ metricName: `${this.name}_bucket`, labels: { ...labels, le: bound }, value: below });
    });
    lines.push({ metricName: `${this.name}_bucket`, labels: { ...labels, le: "+Inf" }, value: series.count });
    lines.push({ metricName: `${this.name}_sum`, labels, value: series.value }, { metricName: `${this.name}_count`, labels, value: series.count });
  }
}

/** Metrics that somebody scrapes. Those nobody registered for are not in what is printed. */
export class MetricsRegistry implements Metrics {
  readonly contentType: string = Registry.PROMETHEUS_CONTENT_TYPE;
  private readonly registry = new Registry();
  private readonly sources = new Map<MetricName, Source>();
  private readonly logger: Logger;

  constructor(logger: Logger) {
    this.logger = logger;
  }

  counter(name: MetricName): Counter {
    const { counted } = this.source(name);
    return { add: (by, ...labels) => counted.add(by, labels) };
  }

  histogram(name: MetricName): Histogram {
    const { counted } = this.source(name);
    return { observe: (value, ...labels) => counted.observe(value, labels) };
  }

  collect(name: MetricName, read: Read): Registration {
    return this.source(name).collect(read);
  }

  /** Everything, in Prometheus's text format. */
  async text(): Promise<string> {
    return await this.registry.metrics();
  }

  private source(name: MetricName): Source {
    let source = this.sources.get(name);
    if (source === undefined) {
      source = new Source(name, this.logger);
      this.sources.set(name, source);
      // prom-client prints whatever has `get`.
      this.registry.registerMetric(source as unknown as Metric);
    }
    return source;
  }
}
