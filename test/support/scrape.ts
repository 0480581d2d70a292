/** What a server's metrics say at one moment. */
export class Scrape {
  readonly text: string;
  private readonly values = new Map<string, number>();

  constructor(text: string) {
    this.text = text;
    for (const line of text.split("\n")) {
      if (line === "" || line.startsWith("#")) continue;
      const at = line.lastIndexOf(" ");
      this.values.set(line.slice(0, at), Number(line.slice(at + 1)));
    }
  }

  static async at(url: string): Promise<Scrape> {
    const response = await fetch(url);
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${url}: ${response.status} ${text}`);
    return new Scrape(text);
  }

  /** Of this name and these labels, in the order they are declared; 0 where there is none. */
  value(name: string, labels: Readonly<Record<string, string | number>> = {}): number {
    return this.values.get(series(name, labels)) ?? 0;
  }

  has(name: string, labels: Readonly<Record<string, string | number>> = {}): boolean {
    return this.values.has(series(name, labels));
  }

  /** Every label set of a name, with its value. */
  all(name: string): ReadonlyMap<string, number> {
    return new Map([...this.values].filter(([key]) => key === name || key.startsWith(`${name}{`)));
  }

  /** The sum over all label sets of a name. */
  sum(name: string): number {
    return [...this.all(name).values()].reduce((sum, value) => sum + value, 0);
  }

  get names(): ReadonlySet<string> {
    return new Set([...this.text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name as string));
  }
}

/** By how much each number rose from one moment to a later one. */
export function risen(before: Scrape, after: Scrape): (name: string, labels?: Readonly<Record<string, string | number>>) => number {
  return (name, labels = {}) => after.value(name, labels) - before.value(name, labels);
}

function series(name: string, labels: Readonly<Record<string, string | number>>): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return pairs.length === 0 ? name : `${name}{${pairs.join(",")}}`;
}
