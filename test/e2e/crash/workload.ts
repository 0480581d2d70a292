import { type Attributes, ConnectionLost, failsWith, type NfsClient, NfsError, Stable, Status, type Timestamp, Type } from "../../support/nfs-client.ts";
import type { SeededRandom } from "../../support/seeded-random.ts";
import { type AttributeOperation, type ModelNode, type NameOperation, type Operation, TreeModel } from "./tree-model.ts";

/**
 * Two clients at work on one tree, every step told to the model. Steps under way at the same time never touch the same name or
 * the same bytes, so that their order need not be known.
 */

/** The server did what the model does not allow. */
export class Violation extends Error {
  override readonly name = "Violation";
}

const filesMax = 36;
const directoriesMax = 7;
const fileBytesMax = 1_200_000;
const traceLinesMax = 4000;

const weights = {
  create: 10, writeSmall: 34, writeLarge: 7, truncate: 6, attributes: 6, commit: 14, read: 12, rename: 9, link: 3, unlink: 6,
  mkdir: 3, rmdir: 2, renameDirectory: 2, symlink: 1,
} as const; // prettier-ignore
type Step = keyof typeof weights;

/** Null, or which attribute is not as it must be. */
export function wrongAttributes(node: ModelNode, found: Attributes, size: number | null): string | null {
  const type = { file: Type.regular, directory: Type.directory, symlink: Type.symlink }[node.kind];
  if (found.type !== type) return `type ${found.type}, not ${type}`;
  if (found.fileid !== node.fileid) return `fileid ${found.fileid}, not ${node.fileid}`;
  if (node.mode !== null && found.mode !== node.mode) return `mode ${found.mode.toString(8)}, not ${node.mode.toString(8)}`;
  const links = node.kind === "directory" ? 2 + node.subdirectories : node.links;
  if (found.links !== links) return `${found.links} links, not ${links}`;
  if (size !== null && found.size !== size) return `size ${found.size}, not ${size}`;
  const mtime = node.kind === "file" ? node.mtime : null;
  if (mtime !== null && (found.mtime.sec !== mtime.sec || found.mtime.nsec !== mtime.nsec)) {
    return `mtime ${found.mtime.sec}.${found.mtime.nsec}, not ${mtime.sec}.${mtime.nsec}`;
  }
  return null;
}

/** Written data: random bytes without a zero, so that a zero is always a hole. */
const pattern = ((): Buffer => {
  const bytes = Buffer.allocUnsafe(4 << 20);
  let x = 0x2545f491;
  for (let i = 0; i < bytes.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    bytes[i] = 1 + ((x >>> 0) % 255);
  }
  return bytes;
})();

export class Workload {
  readonly model = new TreeModel();
  readonly random: SeededRandom;
  readonly clients: readonly NfsClient[];
  /** Operations that were sent and not (yet) answered. */
  readonly underWay = new Set<Operation>();
  /** Write verifier of the running server; null until it has told one. */
  verifier: string | null = null;
  private readonly pastVerifiers = new Set<string>();
  private readonly locks = new Map<string, number>();
  private readonly trace: string[] = [];
  private names = 0;
  completed = 0;

  constructor(random: SeededRandom, clients: readonly NfsClient[]) {
    this.random = random;
    this.clients = clients;
  }

  /** Keeps `depth` steps a client under way until `enough` says so or the server goes away. */
  async run(depth: number, enough: () => boolean): Promise<void> {
    const loops: Promise<void>[] = [];
    let failed = false;
    const loop = async (client: NfsClient): Promise<void> => {
      try {
        while (!failed && !enough()) await this.step(client);
      } catch (error) {
        if (error instanceof ConnectionLost) return;
        failed = true;
        throw error;
      }
    };
    for (const client of this.clients) for (let i = 0; i < depth; i++) loops.push(loop(client));
    const results = await Promise.allSettled(loops);
    this.locks.clear();
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  /** The last lines of what was done, those that mention `about` only. */
  history(about?: string): string[] {
    return about === undefined ? this.trace : this.trace.filter((line) => line.includes(about));
  }

  note(line: string): void {
    this.trace.push(line);
    if (this.trace.length > traceLinesMax) this.trace.splice(0, traceLinesMax / 2);
  }

  /** The server was restarted: its verifier must differ from all before. */
  restarted(): void {
    if (this.verifier !== null) this.pastVerifiers.add(this.verifier);
    this.verifier = null;
  }

  seeVerifier(verifier: string): void {
    if (this.verifier === verifier) return;
    if (this.verifier !== null) throw new Violation(`write verifier changed from ${this.verifier} to ${verifier} without a restart`);
    if (this.pastVerifiers.has(verifier)) throw new Violation(`write verifier ${verifier} is that of an earlier start`);
    this.verifier = verifier;
  }

  // Locks: shared holders count up, the one exclusive holder is -1.

  private lock(keys: readonly string[]): boolean {
    for (const key of keys) {
      const held = this.locks.get(key.slice(1)) ?? 0;
      if (key.startsWith("!") ? held !== 0 : held < 0) return false;
    }
    for (const key of keys) this.locks.set(key.slice(1), key.startsWith("!") ? -1 : (this.locks.get(key.slice(1)) ?? 0) + 1);
    return true;
  }

  private unlock(keys: readonly string[]): void {
    for (const key of keys) {
      const held = this.locks.get(key.slice(1)) ?? 0;
      if (held <= 1) this.locks.delete(key.slice(1));
      else this.locks.set(key.slice(1), held - 1);
    }
  }

  /** Runs `body` with the locks held; they stay held when the connection is lost, for nobody knows the outcome then. */
  private async locked(keys: readonly string[], body: () => Promise<void>): Promise<boolean> {
    if (new Set(keys.map((key) => key.slice(1))).size !== keys.length || !this.lock(keys)) return false;
    await body();
    this.unlock(keys);
    this.completed++;
    return true;
  }

  /** A change of names: JUKEBOX is asked again, any other refusal is the server's mistake, silence leaves it under way. */
  private async change(op: Operation, call: () => Promise<void>): Promise<void> {
    this.underWay.add(op);
    const line = this.describe(op);
    this.note(`> ${line}`);
    for (let again = 0; ; again++) {
      try {
        await call();
        break;
      } catch (error) {
        if (error instanceof ConnectionLost) this.note(`? ${line}`);
        if (!(error instanceof NfsError)) throw error;
        if (error.status === Status.jukebox && again < 1000) continue;
        throw new Violation(`${line}: ${error.message}`);
      }
    }
    this.note(`< ${line}`);
    this.underWay.delete(op);
    if (op.kind !== "attributes") this.model.apply(op);
  }

  private describe(op: Operation): string {
    switch (op.kind) {
      case "attributes":
        return `setattr #${op.node.serial} mode=${op.mode} mtime=${op.mtime?.sec} size=${op.size}`;
      case "rename":
        return `rename #${op.node.serial} #${op.from.serial}/${op.fromName} to #${op.to.serial}/${op.toName} over #${op.over?.serial ?? "-"}`;
      default:
        return `${op.kind} ${op.node.kind} #${op.node.serial} as #${op.directory.serial}/${op.name}`;
    }
  }

  private files(): ModelNode[] {
    return this.model.all().filter((node) => node.kind === "file");
  }

  private directories(): ModelNode[] {
    return this.model.all().filter((node) => node.kind === "directory");
  }

  private newName(): string {
    return `n${++this.names}${this.random.chance(0.1) ? "é".repeat(this.random.between(1, 100)) : ""}`;
  }

  /** A name that exists: of a file (or symlink) or of a directory. */
  private someName(directories: boolean): { directory: ModelNode; name: string; node: ModelNode } | null {
    const found = [];
    for (const directory of this.directories()) {
      for (const [name, node] of directory.entries) {
        if ((node.kind === "directory") === directories) found.push({ directory, name, node });
      }
    }
    return found.length === 0 ? null : this.random.pick(found);
  }

  private async step(client: NfsClient): Promise<void> {
    for (let tries = 0; tries < 50; tries++) {
      if (await this.attempt(client, this.random.weighted(weights))) return;
    }
    // Everything is locked by other steps: let one of them end.
    await client.null();
  }

  private async attempt(client: NfsClient, step: Step): Promise<boolean> {
    switch (step) {
      case "create":
        return this.create(client);
      case "writeSmall":
        return this.write(client, this.random.between(1, 9000));
      case "writeLarge":
        return this.write(client, this.random.between(100_000, 600_000));
      case "truncate":
        return this.truncate(client);
      case "attributes":
        return this.setAttributes(client);
      case "commit":
        return this.commit(client);
      case "read":
        return this.read(client);
      case "rename":
        return this.rename(client);
      case "link":
        return this.link(client);
      case "unlink":
        return this.unlink(client);
      case "mkdir":
        return this.make(client, "directory");
      case "symlink":
        return this.make(client, "symlink");
      case "rmdir":
        return this.rmdir(client);
      case "renameDirectory":
        return this.renameDirectory(client);
    }
  }

  private create(client: NfsClient): Promise<boolean> {
    if (this.files().length >= filesMax) return Promise.resolve(false);
    const directory = this.random.pick(this.directories());
    const name = this.newName();
    const how = this.random.pick(["unchecked", "guarded", "exclusive"] as const);
    const mode = this.random.pick([0o644, 0o600, 0o755]);
    const node = this.model.node("file", how === "exclusive" ? null : mode);
    const verifier = this.random.bytes(8);
    return this.locked([`+d${directory.serial}`, `!e${directory.serial}/${name}`], async () => {
      const op: NameOperation = { kind: "make", directory, name, node };
      await this.change(op, async () => {
        const made = how === "exclusive" ? await client.createExclusive(directory.handle, name, verifier) : await client.create(directory.handle, name, { mode }, how === "guarded");
        node.handle = made.handle;
        node.fileid = made.attributes.fileid;
      });
      // What follows is a change of its own: the file is known by now, so keep others off it.
      if (how === "exclusive" && this.lock([`!f${node.serial}`])) {
        await this.attributesChange(client, { kind: "attributes", node, mode, mtime: null, size: null });
        this.unlock([`!f${node.serial}`]);
      }
    });
  }

  private make(client: NfsClient, kind: "directory" | "symlink"): Promise<boolean> {
    if (kind === "directory" && this.directories().length >= directoriesMax) return Promise.resolve(false);
    if (kind === "symlink" && this.model.all().length >= filesMax + directoriesMax + 4) return Promise.resolve(false);
    const directory = this.random.pick(this.directories());
    const name = this.newName();
    const node = this.model.node(kind, kind === "directory" ? this.random.pick([0o755, 0o700]) : null);
    node.target = `../${"x".repeat(this.random.between(1, 300))}/${node.serial}`;
    return this.locked([`+d${directory.serial}`, `!e${directory.serial}/${name}`], () =>
      this.change({ kind: "make", directory, name, node }, async () => {
        const made = kind === "directory" ? await client.mkdir(directory.handle, name, { mode: node.mode ?? 0o755 }) : await client.symlink(directory.handle, name, node.target);
        node.handle = made.handle;
        node.fileid = made.attributes.fileid;
      }),
    );
  }

  private write(client: NfsClient, length: number): Promise<boolean> {
    const files = this.files();
    if (files.length === 0) return Promise.resolve(false);
    const node = this.random.pick(files);
    const size = node.content.size;
    const offset = this.writeOffset(size, length);
    if (offset + length > fileBytesMax || !node.content.free(offset, length)) return Promise.resolve(false);
    const start = this.random.below(pattern.length - length);
    const data = pattern.subarray(start, start + length);
    const stable = this.random.chance(0.25) ? this.random.pick([Stable.dataSync, Stable.fileSync]) : Stable.unstable;
    return this.locked([`+f${node.serial}`], async () => {
      const pending = node.content.begin(offset, data);
      const line = `write #${node.serial} ${offset}+${length} stable=${stable}`;
      this.note(`> ${line}`);
      node.mtime = null;
      const result = await this.patiently(line, () => client.write(node.handle, offset, data, stable));
      if (result.written !== length) throw new Violation(`${line}: only ${result.written} bytes taken`);
      this.seeVerifier(result.verifier);
      this.note(`< ${line} got ${result.committed}`);
      node.content.acknowledge(pending, result.committed !== Stable.unstable);
      this.seenMtime(node, result.wcc.after?.mtime, result.committed !== Stable.dataSync);
    });
  }

  private writeOffset(size: number, length: number): number {
    switch (this.random.below(5)) {
      case 0:
        return size;
      case 1:
        return size + this.random.below(20_000);
      case 2:
        return Math.max(0, size - this.random.below(length + 1));
      default:
        return this.random.below(size + 1);
    }
  }

  /** A change of content: its outcome is kept in the file's model. */
  private async patiently<T>(line: string, call: () => Promise<T>): Promise<T> {
    for (let again = 0; ; again++) {
      try {
        return await call();
      } catch (error) {
        if (error instanceof ConnectionLost) this.note(`? ${line}`);
        if (!(error instanceof NfsError)) throw error;
        if (error.status !== Status.jukebox || again >= 1000) throw new Violation(`${line}: ${error.message}`);
      }
    }
  }

  /** Once nothing of a file is pending or under way, the latest mtime told is held against the server. */
  private seenMtime(node: ModelNode, mtime: Timestamp | undefined, stable: boolean): void {
    if (mtime !== undefined) node.sawMtime(mtime);
    if (stable && node.content.pending.length === 0 && this.locks.get(`f${node.serial}`) === 1) node.mtime ??= node.serverMtime;
  }

  private truncate(client: NfsClient): Promise<boolean> {
    const files = this.files();
    if (files.length === 0) return Promise.resolve(false);
    const node = this.random.pick(files);
    const size = node.content.size;
    const wanted = this.random.pick([0, size, this.random.below(size + 1), Math.max(0, size - this.random.below(5000)), Math.min(fileBytesMax, size + this.random.below(30_000))]);
    return this.locked([`!f${node.serial}`], () => this.attributesChange(client, { kind: "attributes", node, mode: null, mtime: null, size: wanted }));
  }

  private setAttributes(client: NfsClient): Promise<boolean> {
    const nodes = this.model.all().filter((node) => node.kind !== "symlink" && node !== this.model.root);
    if (nodes.length === 0) return Promise.resolve(false);
    const node = this.random.pick(nodes);
    const mtime = node.kind === "file" && this.random.chance(0.7) ? { sec: this.random.below(1_500_000_000), nsec: this.random.below(1_000_000_000) } : null;
    const mode = mtime === null || this.random.chance(0.3) ? this.random.pick(node.kind === "file" ? [0o640, 0o666, 0o711] : [0o755, 0o777, 0o711]) : null;
    return this.locked([`!f${node.serial}`], () => this.attributesChange(client, { kind: "attributes", node, mode, mtime, size: null }));
  }

  private async attributesChange(client: NfsClient, op: AttributeOperation): Promise<void> {
    const { node, mode, mtime, size } = op;
    await this.change(op, async () => {
      const wanted = { ...(mode === null ? {} : { mode }), ...(mtime === null ? {} : { mtime }), ...(size === null ? {} : { size }) };
      const wcc = await client.setattr(node.handle, wanted);
      if (mode !== null) node.mode = mode;
      if (size !== null) {
        node.content.truncated(size);
        node.mtime = wcc.after?.mtime ?? null;
        node.serverMtime = node.mtime;
      }
      if (mtime !== null) {
        node.mtime = mtime;
        node.serverMtime = null;
      }
    });
  }

  private commit(client: NfsClient): Promise<boolean> {
    const files = this.files();
    if (files.length === 0) return Promise.resolve(false);
    const unstable = files.filter((file) => file.content.pending.length > 0);
    const node = this.random.pick(unstable.length > 0 ? unstable : files);
    return this.locked([`+f${node.serial}`], () => this.commitNow(client, node));
  }

  async commitNow(client: NfsClient, node: ModelNode): Promise<void> {
    const covered = node.content.coveredByCommit();
    const line = `commit #${node.serial} of ${covered.length} writes`;
    this.note(`> ${line}`);
    const result = await this.patiently(line, () => client.commit(node.handle));
    this.seeVerifier(result.verifier);
    this.note(`< ${line}`);
    node.content.committed(covered);
    this.seenMtime(node, result.wcc.after?.mtime, true);
  }

  private read(client: NfsClient): Promise<boolean> {
    const files = this.files().filter((file) => file.content.size > 0);
    if (files.length === 0) return Promise.resolve(false);
    const node = this.random.pick(files);
    const offset = this.random.below(node.content.size);
    const length = Math.min(node.content.size - offset, this.random.chance(0.3) ? 300_000 : this.random.between(1, 10_000));
    if (!node.content.free(offset, length)) return Promise.resolve(false);
    // Writers must stay off the range meanwhile; reads are few, so they keep off the file.
    return this.locked([`!f${node.serial}`], async () => {
      const { data } = await this.patiently(`read #${node.serial}`, () => client.read(node.handle, offset, length));
      const wanted = node.content.currentRange(offset, length);
      const wrong = wrongAttributes(node, await client.getattr(node.handle), node.content.size);
      if (wrong !== null) throw new Violation(`read #${node.serial}: ${wrong}`);
      if (data.equals(wanted)) return;
      let at = 0;
      while (at < wanted.length && at < data.length && wanted[at] === data[at]) at++;
      throw new Violation(`read #${node.serial} ${offset}+${length}: differs at ${offset + at} (${data.length} bytes of ${wanted.length}): ${data.subarray(at, at + 8).toString("hex")}, not ${wanted.subarray(at, at + 8).toString("hex")}`);
    });
  }

  private rename(client: NfsClient): Promise<boolean> {
    const source = this.someName(false);
    if (source === null) return Promise.resolve(false);
    const existing = this.random.chance(0.5) ? this.someName(false) : null;
    const to = existing?.directory ?? this.random.pick(this.directories());
    const toName = existing?.name ?? this.newName();
    const over = existing?.node ?? null;
    const { directory: from, name: fromName, node } = source;
    const keys = [`!e${from.serial}/${fromName}`, `!e${to.serial}/${toName}`, `+d${from.serial}`];
    if (to !== from) keys.push(`+d${to.serial}`);
    if (over !== null) keys.push(`!f${over.serial}`);
    return this.locked(keys, async () => {
      await this.change({ kind: "rename", from, fromName, to, toName, node, over }, async () => {
        await client.rename(from.handle, fromName, to.handle, toName);
      });
    });
  }

  private link(client: NfsClient): Promise<boolean> {
    const source = this.someName(false);
    if (source === null || source.node.kind !== "file" || source.node.links > 4) return Promise.resolve(false);
    const directory = this.random.pick(this.directories());
    const name = this.newName();
    const { node } = source;
    return this.locked([`+f${node.serial}`, `+d${directory.serial}`, `!e${directory.serial}/${name}`], () =>
      this.change({ kind: "link", directory, name, node }, async () => {
        await client.link(node.handle, directory.handle, name);
      }),
    );
  }

  private unlink(client: NfsClient): Promise<boolean> {
    const victim = this.someName(false);
    if (victim === null) return Promise.resolve(false);
    const { directory, name, node } = victim;
    return this.locked([`!f${node.serial}`, `+d${directory.serial}`, `!e${directory.serial}/${name}`], async () => {
      await this.change({ kind: "remove", directory, name, node }, async () => {
        await client.remove(directory.handle, name);
      });
      if (node.links === 0) await failsWith(Status.stale, client.getattr(node.handle));
    });
  }

  private rmdir(client: NfsClient): Promise<boolean> {
    const victim = this.someName(true);
    if (victim === null) return Promise.resolve(false);
    const { directory, name, node } = victim;
    return this.locked([`!d${node.serial}`, `!f${node.serial}`, `+d${directory.serial}`, `!e${directory.serial}/${name}`], async () => {
      if (node.entries.size > 0) return failsWith(Status.notEmpty, client.rmdir(directory.handle, name));
      await this.change({ kind: "remove", directory, name, node }, async () => {
        await client.rmdir(directory.handle, name);
      });
    });
  }

  private renameDirectory(client: NfsClient): Promise<boolean> {
    const source = this.someName(true);
    if (source === null) return Promise.resolve(false);
    const { directory: from, name: fromName, node } = source;
    const to = this.random.pick(this.directories());
    if (node.contains(to)) return Promise.resolve(false);
    const toName = this.newName();
    // One at a time: two moves at once could make a loop, which a server must refuse.
    const keys = ["!tree", `!e${from.serial}/${fromName}`, `!e${to.serial}/${toName}`, `+d${from.serial}`];
    if (to !== from) keys.push(`+d${to.serial}`);
    return this.locked(keys, () =>
      this.change({ kind: "rename", from, fromName, to, toName, node, over: null }, async () => {
        await client.rename(from.handle, fromName, to.handle, toName);
      }),
    );
  }
}
