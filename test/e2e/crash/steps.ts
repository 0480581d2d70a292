import type { NfsClient } from "../../support/nfs-client.ts";
import { failsWith, Stable, Status } from "../../support/nfs-types.ts";
import type { ModelNode, NameOperation } from "./tree-model.ts";
import { Violation, type Workload, wrongAttributes } from "./workload.ts";

/** What the two clients do: one step at a time, drawn by weight, left out when another step holds what it needs. */

const filesMax = 36;
const directoriesMax = 7;
const fileBytesMax = 1_200_000;
const weights = {
  create: 10, writeSmall: 34, writeLarge: 7, truncate: 6, attributes: 6, commit: 14, read: 12, rename: 9, link: 3, unlink: 6,
  mkdir: 3, rmdir: 2, renameDirectory: 2, symlink: 1,
} as const; // prettier-ignore
type Step = keyof typeof weights;

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

function allFiles(w: Workload): ModelNode[] {
  return w.model.all().filter((node) => node.kind === "file");
}

function allDirectories(w: Workload): ModelNode[] {
  return w.model.all().filter((node) => node.kind === "directory");
}

function newName(w: Workload): string {
  return `n${w.nextName()}${w.random.chance(0.1) ? "é".repeat(w.random.between(1, 100)) : ""}`;
}

/** A name that exists: of a file (or symlink) or of a directory. */
function someName(w: Workload, ofDirectories: boolean): { directory: ModelNode; name: string; node: ModelNode } | null {
  const found = [];
  for (const directory of allDirectories(w)) {
    for (const [name, node] of directory.entries) {
      if ((node.kind === "directory") === ofDirectories) found.push({ directory, name, node });
    }
  }
  return found.length === 0 ? null : w.random.pick(found);
}

export async function step(w: Workload, client: NfsClient): Promise<void> {
  for (let tries = 0; tries < 50; tries++) {
    if (await attempt(w, client, w.random.weighted(weights))) return;
  }
  // Everything is locked by other steps: let one of them end.
  await client.null();
}

async function attempt(w: Workload, client: NfsClient, step: Step): Promise<boolean> {
  switch (step) {
    case "create":
      return create(w, client);
    case "writeSmall":
      return write(w, client, w.random.between(1, 9000));
    case "writeLarge":
      return write(w, client, w.random.between(100_000, 600_000));
    case "truncate":
      return truncate(w, client);
    case "attributes":
      return setAttributes(w, client);
    case "commit":
      return commit(w, client);
    case "read":
      return read(w, client);
    case "rename":
      return rename(w, client);
    case "link":
      return link(w, client);
    case "unlink":
      return unlink(w, client);
    case "mkdir":
      return make(w, client, "directory");
    case "symlink":
      return make(w, client, "symlink");
    case "rmdir":
      return rmdir(w, client);
    case "renameDirectory":
      return renameDirectory(w, client);
  }
}

function create(w: Workload, client: NfsClient): Promise<boolean> {
  if (allFiles(w).length >= filesMax) return Promise.resolve(false);
  const directory = w.random.pick(allDirectories(w));
  const name = newName(w);
  const how = w.random.pick(["unchecked", "guarded", "exclusive"] as const);
  const mode = w.random.pick([0o644, 0o600, 0o755]);
  const node = w.model.node("file", how === "exclusive" ? null : mode);
  const verifier = w.random.bytes(8);
  return w.locked([`+d${directory.serial}`, `!e${directory.serial}/${name}`], async () => {
    const op: NameOperation = { kind: "make", directory, name, node };
    await w.change(op, async () => {
      const made = how === "exclusive" ? await client.createExclusive(directory.handle, name, verifier) : await client.create(directory.handle, name, { mode }, how === "guarded");
      node.handle = made.handle;
      node.fileid = made.attributes.fileid;
    });
    // What follows is a change of its own: the file is known by now, so keep others off it.
    if (how === "exclusive" && w.lock([`!f${node.serial}`])) {
      await w.attributesChange(client, { kind: "attributes", node, mode, mtime: null, size: null });
      w.unlock([`!f${node.serial}`]);
    }
  });
}

function make(w: Workload, client: NfsClient, kind: "directory" | "symlink"): Promise<boolean> {
  if (kind === "directory" && allDirectories(w).length >= directoriesMax) return Promise.resolve(false);
  if (kind === "symlink" && w.model.all().length >= filesMax + directoriesMax + 4) return Promise.resolve(false);
  const directory = w.random.pick(allDirectories(w));
  const name = newName(w);
  const node = w.model.node(kind, kind === "directory" ? w.random.pick([0o755, 0o700]) : null);
  node.target = `../${"x".repeat(w.random.between(1, 300))}/${node.serial}`;
  return w.locked([`+d${directory.serial}`, `!e${directory.serial}/${name}`], () =>
    w.change({ kind: "make", directory, name, node }, async () => {
      const made = kind === "directory" ? await client.mkdir(directory.handle, name, { mode: node.mode ?? 0o755 }) : await client.symlink(directory.handle, name, node.target);
      node.handle = made.handle;
      node.fileid = made.attributes.fileid;
    }),
  );
}

function write(w: Workload, client: NfsClient, length: number): Promise<boolean> {
  const files = allFiles(w);
  if (files.length === 0) return Promise.resolve(false);
  const node = w.random.pick(files);
  const size = node.content.size;
  const offset = writeOffset(w, size, length);
  if (offset + length > fileBytesMax || !node.content.free(offset, length)) return Promise.resolve(false);
  const start = w.random.below(pattern.length - length);
  const data = pattern.subarray(start, start + length);
  const stable = w.random.chance(0.25) ? w.random.pick([Stable.dataSync, Stable.fileSync]) : Stable.unstable;
  return w.locked([`+f${node.serial}`], async () => {
    const pending = node.content.begin(offset, data);
    const line = `write #${node.serial} ${offset}+${length} stable=${stable}`;
    w.note(`> ${line}`);
    node.mtime = null;
    const result = await w.patiently(line, () => client.write(node.handle, offset, data, stable));
    if (result.written !== length) throw new Violation(`${line}: only ${result.written} bytes taken`);
    w.seeVerifier(result.verifier);
    w.note(`< ${line} got ${result.committed}`);
    node.content.acknowledge(pending, result.committed !== Stable.unstable);
    w.seenMtime(node, result.wcc.after?.mtime, result.committed !== Stable.dataSync);
  });
}

function writeOffset(w: Workload, size: number, length: number): number {
  switch (w.random.below(5)) {
    case 0:
      return size;
    case 1:
      return size + w.random.below(20_000);
    case 2:
      return Math.max(0, size - w.random.below(length + 1));
    default:
      return w.random.below(size + 1);
  }
}

function truncate(w: Workload, client: NfsClient): Promise<boolean> {
  const files = allFiles(w);
  if (files.length === 0) return Promise.resolve(false);
  const node = w.random.pick(files);
  const size = node.content.size;
  const wanted = w.random.pick([0, size, w.random.below(size + 1), Math.max(0, size - w.random.below(5000)), Math.min(fileBytesMax, size + w.random.below(30_000))]);
  return w.locked([`!f${node.serial}`], () => w.attributesChange(client, { kind: "attributes", node, mode: null, mtime: null, size: wanted }));
}

function setAttributes(w: Workload, client: NfsClient): Promise<boolean> {
  const nodes = w.model.all().filter((node) => node.kind !== "symlink" && node !== w.model.root);
  if (nodes.length === 0) return Promise.resolve(false);
  const node = w.random.pick(nodes);
  const mtime = node.kind === "file" && w.random.chance(0.7) ? { sec: w.random.below(1_500_000_000), nsec: w.random.below(1_000_000_000) } : null;
  const mode = mtime === null || w.random.chance(0.3) ? w.random.pick(node.kind === "file" ? [0o640, 0o666, 0o711] : [0o755, 0o777, 0o711]) : null;
  return w.locked([`!f${node.serial}`], () => w.attributesChange(client, { kind: "attributes", node, mode, mtime, size: null }));
}

function commit(w: Workload, client: NfsClient): Promise<boolean> {
  const files = allFiles(w);
  if (files.length === 0) return Promise.resolve(false);
  const unstable = files.filter((file) => file.content.pending.length > 0);
  const node = w.random.pick(unstable.length > 0 ? unstable : files);
  return w.locked([`+f${node.serial}`], () => w.commitNow(client, node));
}

function read(w: Workload, client: NfsClient): Promise<boolean> {
  const files = allFiles(w).filter((file) => file.content.size > 0);
  if (files.length === 0) return Promise.resolve(false);
  const node = w.random.pick(files);
  const offset = w.random.below(node.content.size);
  const length = Math.min(node.content.size - offset, w.random.chance(0.3) ? 300_000 : w.random.between(1, 10_000));
  if (!node.content.free(offset, length)) return Promise.resolve(false);
  // Writers must stay off the range meanwhile; reads are few, so they keep off the file.
  return w.locked([`!f${node.serial}`], async () => {
    const { data } = await w.patiently(`read #${node.serial}`, () => client.read(node.handle, offset, length));
    const wanted = node.content.currentRange(offset, length);
    const wrong = wrongAttributes(node, await client.getattr(node.handle), node.content.size);
    if (wrong !== null) throw new Violation(`read #${node.serial}: ${wrong}`);
    if (data.equals(wanted)) return;
    let at = 0;
    while (at < wanted.length && at < data.length && wanted[at] === data[at]) at++;
    throw new Violation(`read #${node.serial} ${offset}+${length}: differs at ${offset + at} (${data.length} bytes of ${wanted.length}): ${data.subarray(at, at + 8).toString("hex")}, not ${wanted.subarray(at, at + 8).toString("hex")}`);
  });
}

function rename(w: Workload, client: NfsClient): Promise<boolean> {
  const source = someName(w, false);
  if (source === null) return Promise.resolve(false);
  const existing = w.random.chance(0.5) ? someName(w, false) : null;
  const to = existing?.directory ?? w.random.pick(allDirectories(w));
  const toName = existing?.name ?? newName(w);
  const over = existing?.node ?? null;
  const { directory: from, name: fromName, node } = source;
  const keys = [`!e${from.serial}/${fromName}`, `!e${to.serial}/${toName}`, `+d${from.serial}`];
  if (to !== from) keys.push(`+d${to.serial}`);
  if (over !== null) keys.push(`!f${over.serial}`);
  return w.locked(keys, async () => {
    await w.change({ kind: "rename", from, fromName, to, toName, node, over }, async () => {
      await client.rename(from.handle, fromName, to.handle, toName);
    });
  });
}

function link(w: Workload, client: NfsClient): Promise<boolean> {
  const source = someName(w, false);
  if (source === null || source.node.kind !== "file" || source.node.links > 4) return Promise.resolve(false);
  const directory = w.random.pick(allDirectories(w));
  const name = newName(w);
  const { node } = source;
  return w.locked([`+f${node.serial}`, `+d${directory.serial}`, `!e${directory.serial}/${name}`], () =>
    w.change({ kind: "link", directory, name, node }, async () => {
      await client.link(node.handle, directory.handle, name);
    }),
  );
}

function unlink(w: Workload, client: NfsClient): Promise<boolean> {
  const victim = someName(w, false);
  if (victim === null) return Promise.resolve(false);
  const { directory, name, node } = victim;
  return w.locked([`!f${node.serial}`, `+d${directory.serial}`, `!e${directory.serial}/${name}`], async () => {
    await w.change({ kind: "remove", directory, name, node }, async () => {
      await client.remove(directory.handle, name);
    });
    if (node.links === 0) await failsWith(Status.stale, client.getattr(node.handle));
  });
}

function rmdir(w: Workload, client: NfsClient): Promise<boolean> {
  const victim = someName(w, true);
  if (victim === null) return Promise.resolve(false);
  const { directory, name, node } = victim;
  return w.locked([`!d${node.serial}`, `!f${node.serial}`, `+d${directory.serial}`, `!e${directory.serial}/${name}`], async () => {
    if (node.entries.size > 0) return failsWith(Status.notEmpty, client.rmdir(directory.handle, name));
    await w.change({ kind: "remove", directory, name, node }, async () => {
      await client.rmdir(directory.handle, name);
    });
  });
}

function renameDirectory(w: Workload, client: NfsClient): Promise<boolean> {
  const source = someName(w, true);
  if (source === null) return Promise.resolve(false);
  const { directory: from, name: fromName, node } = source;
  const to = w.random.pick(allDirectories(w));
  if (node.contains(to)) return Promise.resolve(false);
  const toName = newName(w);
  // One at a time: two moves at once could make a loop, which a server must refuse.
  const keys = ["!tree", `!e${from.serial}/${fromName}`, `!e${to.serial}/${toName}`, `+d${from.serial}`];
  if (to !== from) keys.push(`+d${to.serial}`);
  return w.locked(keys, () =>
    w.change({ kind: "rename", from, fromName, to, toName, node, over: null }, async () => {
      await client.rename(from.handle, fromName, to.handle, toName);
    }),
  );
}
