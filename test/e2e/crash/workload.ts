import type { NfsClient } from "../../support/nfs-client.ts";
import { type Attributes, NfsError, Status, type Timestamp, Type } from "../../support/nfs-types.ts";
import { ConnectionLost } from "../../support/rpc-client.ts";
import type { SeededRandom } from "../../support/seeded-random.ts";
import { type AttributeOperation, type ModelNode, type Operation, TreeModel } from "./tree-model.ts";

/**
 * Two clients at work on one tree, every step told to the model. Steps under way at the same time never touch the same name or
 * the same bytes, so that their order need not be known.
 */

/** The server did what the model does not allow. */
export class Violation extends Error {
  override readonly name = "Violation";
}

const traceLinesMax = 4000;

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
  async run(depth: number, step: (workload: Workload, client: NfsClient) => Promise<void>, enough: () => boolean): Promise<void> {
    const loops: Promise<void>[] = [];
    let failed = false;
    const loop = async (client: NfsClient): Promise<void> => {
      try {
        while (!failed && !enough()) await step(this, client);
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

  /** A number for a name nobody had. */
  nextName(): number {
    return ++this.names;
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

  lock(keys: readonly string[]): boolean {
    for (const key of keys) {
      const held = this.locks.get(key.slice(1)) ?? 0;
      if (key.startsWith("!") ? held !== 0 : held < 0) return false;
    }
    for (const key of keys) this.locks.set(key.slice(1), key.startsWith("!") ? -1 : (this.locks.get(key.slice(1)) ?? 0) + 1);
    return true;
  }

  unlock(keys: readonly string[]): void {
    for (const key of keys) {
      const held = this.locks.get(key.slice(1)) ?? 0;
      if (held <= 1) this.locks.delete(key.slice(1));
      else this.locks.set(key.slice(1), held - 1);
    }
  }

  /** Runs `body` with the locks held; they stay held when the connection is lost, for nobody knows the outcome then. */
  async locked(keys: readonly string[], body: () => Promise<void>): Promise<boolean> {
    if (new Set(keys.map((key) => key.slice(1))).size !== keys.length || !this.lock(keys)) return false;
    await body();
    this.unlock(keys);
    this.completed++;
    return true;
  }

  /** A change of names: JUKEBOX is asked again, any other refusal is the server's mistake, silence leaves it under way. */
  async change(op: Operation, call: () => Promise<void>): Promise<void> {
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

  /** A change of content: its outcome is kept in the file's model. */
  async patiently<T>(line: string, call: () => Promise<T>): Promise<T> {
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
  seenMtime(node: ModelNode, mtime: Timestamp | undefined, stable: boolean): void {
    if (mtime !== undefined) node.sawMtime(mtime);
    if (stable && node.content.pending.length === 0 && this.locks.get(`f${node.serial}`) === 1) node.mtime ??= node.serverMtime;
  }

  async attributesChange(client: NfsClient, op: AttributeOperation): Promise<void> {
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
}
