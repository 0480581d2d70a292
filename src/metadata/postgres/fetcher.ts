import type { Clock } from "#base/clock.ts";
import type { FileId, PackId } from "#model/ids.ts";
import { foldingMax } from "#model/metadata-store.ts";
import { nameOfBytes, type Row, toDirent, toExtent, toInode, toPack } from "./decode.ts";
import { names as nameArray } from "./encode.ts";
import type { Reader } from "./readers.ts";
import type { Need } from "./need.ts";
import type { Value } from "./sessions.ts";
import { statements } from "./statements.ts";
import type { Counts } from "./pins.ts";
import type { View } from "./view.ts";

/** Rows of a kind that one query asks for. */
const wantedMax = 1000;
/** Extents that one query brings of a range. */
const extentsMax = 4096;
/** How long a look at a whole table may take. */
export const scanMsMax = 3_600_000;
/** An end that is before everything PostgreSQL could take for one behind. */
const endMax = Number.MAX_SAFE_INTEGER;

type What = Need["what"];
type Of<W extends What> = Extract<Need, { what: W }>;

interface Wanted<N extends Need> {
  readonly key: string;
  readonly need: N;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

function keyOf(need: Need): string {
  switch (need.what) {
    case "name":
      return `name ${need.parent} ${need.name}`;
    case "folding":
      return `folding ${need.parent} ${need.key}`;
    case "extents":
    case "sum":
      return `${need.what} ${need.file} ${need.from} ${need.to}`;
    case "usage":
      return "usage";
    default:
      return `${need.what} ${need.id}`;
  }
}

const integers = (values: readonly number[]): string => `{${values.join(",")}}`;

/** Brings rows into the view: what is asked for in one turn of the event loop, by sets and by reads, is one query a kind. */
export class Fetcher {
  private readonly view: View;
  private readonly reader: Reader;
  private readonly share: number;
  private readonly clock: Clock;
  private readonly under = new Map<string, Promise<void>>();
  private wanted: Wanted<Need>[] = [];

  constructor(view: View, reader: Reader, share: number, clock: Clock) {
    this.view = view;
    this.reader = reader;
    this.share = share;
    this.clock = clock;
  }

  /** Resolves when the view was told. */
  fetch(need: Need): Promise<void> {
    const key = keyOf(need);
    const under = this.under.get(key);
    if (under !== undefined) return under;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.under.set(key, promise);
    if (this.wanted.length === 0) this.clock.atTurnEnd(this.turn);
    this.wanted.push({ key, need, resolve, reject });
    return promise;
  }

  private readonly turn = (): void => {
    const groups = new Map<What, Wanted<Need>[]>();
    for (const one of this.wanted) {
      const group = groups.get(one.need.what);
      if (group === undefined) groups.set(one.need.what, [one]);
      else group.push(one);
    }
    this.wanted = [];
    for (const [what, group] of groups) {
      for (let i = 0; i < group.length; i += wantedMax) void this.run(what, group.slice(i, i + wantedMax));
    }
  };

  private async run(what: What, wanted: readonly Wanted<Need>[]): Promise<void> {
    try {
      await this.bring(what, wanted.map((one) => one.need));
    } catch (error) {
      for (const one of wanted) {
        this.under.delete(one.key);
        one.reject(error);
      }
      return;
    }
    for (const one of wanted) {
      this.under.delete(one.key);
      one.resolve();
    }
  }

  private bring(what: What, needs: readonly Need[]): Promise<unknown> {
    switch (what) {
      case "inode":
        return this.inodes(needs as Of<"inode">[]);
      case "name":
        return this.names(needs as Of<"name">[]);
      case "folding":
        return this.foldings(needs as Of<"folding">[]);
      case "pack":
        return this.packs(needs as Of<"pack">[]);
      case "entries":
        return this.entries(needs as Of<"entries">[]);
      case "extents":
        return this.extents(needs as Of<"extents">[]);
      case "sum":
        return Promise.all((needs as Of<"sum">[]).map((need) => this.sum(need)));
      case "referred":
        return Promise.all((needs as Of<"referred">[]).map(({ id }) => this.count(statements.referred, [id], (counts, [bytes]) => counts.referred.set(id, bytes as number))));
      case "usage":
        return this.count(statements.usage, [], (counts, [inodes, bytes]) => (counts.usage = { inodes: inodes as number, bytes: bytes as number }));
    }
  }

  private readonly trim = (): void => this.view.trim();

  /** Asks, and hands the rows to `admit` while nothing they might be too old for was let go. */
  async query<T>(statement: string, values: readonly Value[], admit: (rows: readonly Row[]) => T, reader = this.reader, serverMsMax?: number): Promise<T> {
    const fetching = this.view.pins.fetchBegins();
    try {
      const rows = await reader.rows(statement, [this.share, ...values], serverMsMax);
      this.view.swell();
      this.clock.atTurnEnd(this.trim);
      return admit(rows);
    } finally {
      this.view.pins.fetchEnds(fetching);
    }
  }

  private inodes(needs: readonly Of<"inode">[]): Promise<void> {
    return this.query(statements.inodes, [integers(needs.map((n) => n.id))], (rows) => {
      for (const row of rows) this.view.admitInode(row[0] as FileId, toInode(row, 0));
      for (const { id } of needs) this.view.admitInode(id, null);
    });
  }

  private names(needs: readonly Of<"name">[]): Promise<void> {
    const values = [integers(needs.map((n) => n.parent)), nameArray(needs.map((n) => n.name))];
    return this.query(statements.names, values, (rows) => {
      for (const row of rows) {
        const { parent, name } = needs[(row[0] as number) - 1] as Of<"name">;
        this.view.names.admitDirent(parent, name, toDirent(parent, name, row, 1));
        const child = toInode(row, 3);
        if (child !== null) this.view.admitInode(child.id, child);
      }
      for (const { parent, name } of needs) this.view.names.admitDirent(parent, name, null);
    });
  }

  private foldings(needs: readonly Of<"folding">[]): Promise<void> {
    const values = [integers(needs.map((n) => n.parent)), nameArray(needs.map((n) => n.key)), foldingMax];
    return this.query(statements.foldings, values, (rows) => {
      const found = new Array<number>(needs.length).fill(0);
      for (const row of rows) {
        const n = (row[0] as number) - 1;
        const { parent } = needs[n] as Of<"folding">;
        const name = nameOfBytes(row[1]);
        found[n] = (found[n] as number) + 1;
        this.view.names.admitDirent(parent, name, toDirent(parent, name, row, 2));
        const child = toInode(row, 4);
        if (child !== null) this.view.admitInode(child.id, child);
      }
      needs.forEach(({ parent, key }, n) => this.view.names.admitFolding(parent, key, (found[n] as number) >= foldingMax));
    });
  }

  private packs(needs: readonly Of<"pack">[]): Promise<void> {
    return this.query(statements.packs, [integers(needs.map((n) => n.id))], (rows) => {
      for (const row of rows) this.view.admitPack(row[0] as PackId, toPack(row));
      for (const { id } of needs) this.view.admitPack(id, null);
    });
  }

  /** An entry that was found may be one that a batch on its way takes away: so none of the directories may have such. */
  private async entries(needs: readonly Of<"entries">[]): Promise<void> {
    while (needs.some(({ id }) => (this.view.names.all.get(id)?.pinned.size ?? 0) > 0)) await this.view.pins.nextRelease();
    await this.query(statements.entries, [integers(needs.map((n) => n.id))], (rows) => {
      const occupied = new Set<number>();
      for (const row of rows) {
        const parent = row[0] as FileId;
        const name = nameOfBytes(row[1]);
        occupied.add(parent);
        this.view.names.admitDirent(parent, name, toDirent(parent, name, row, 2));
      }
      for (const { id } of needs) if (!occupied.has(id)) this.view.names.admitEmpty(id);
    });
  }

  private extents(needs: readonly Of<"extents">[]): Promise<void> {
    const ends = needs.map((n) => Math.min(n.to, endMax));
    const values = [integers(needs.map((n) => n.file)), integers(needs.map((n) => n.from)), integers(ends), extentsMax];
    return this.query(statements.extents, values, (rows) => {
      let i = 0;
      for (let n = 0; n < needs.length; n++) {
        const { file, from, to } = needs[n] as Of<"extents">;
        const found = [];
        while (i < rows.length && (rows[i]?.[0] as number) === n + 1) found.push(toExtent(rows[i++] as Row, 1));
        const last = found.at(-1);
        const upTo = found.length < extentsMax || last === undefined ? to : Math.min(to, last.offset + last.length);
        this.view.admitExtents(file, from, Math.max(from, upTo), found);
      }
    });
  }

  /** Counted by the database while nothing is on its way there. */
  private async count(statement: string, values: readonly Value[], note: (counts: Counts, row: Row) => void): Promise<void> {
    while (!this.view.pins.quiet) await this.view.pins.nextRelease();
    const counts = this.view.pins.count();
    await this.query(statement, values, ([row]) => note(counts, row as Row), this.reader, scanMsMax);
  }

  /** Added up by the database, over rows that nothing on its way changes. */
  private async sum({ file, from, to }: Of<"sum">): Promise<void> {
    while ((this.view.files.get(file)?.pins ?? 0) > 0) await this.view.pins.nextRelease();
    const version = this.view.files.get(file)?.version ?? 0;
    await this.query(statements.sum, [file, from, to], (rows) => {
      const view = this.view.fileView(file);
      if (view.version === version) view.sum = { from, to, version, bytes: rows.map(([pack, bytes]) => ({ pack: pack as PackId, bytes: bytes as number })) };
      this.view.letGo(view);
    });
  }
}
