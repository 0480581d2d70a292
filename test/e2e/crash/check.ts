import type { NfsClient } from "../../support/nfs-client.ts";
import { type DirectoryEntry, failsWith, Status, Type } from "../../support/nfs-types.ts";
import { type AttributeOperation, judge, type ModelNode, type Seen, type TreeModel } from "./tree-model.ts";
import { Violation, type Workload, wrongAttributes } from "./workload.ts";

/** After a crash (or a quiet end): is everything there that must be, and nothing else? */

const violationsMax = 12;

class Findings {
  readonly lines: string[] = [];
  add(line: string): void {
    if (this.lines.length < violationsMax) this.lines.push(line);
  }
}

type Observed = Map<bigint, Map<string, DirectoryEntry>>;

/** Walks the whole tree below a directory; every directory's entries by its fileid. */
async function walk(client: NfsClient, model: TreeModel, findings: Findings): Promise<Observed> {
  const observed: Observed = new Map();
  let level = [{ fileid: model.root.fileid, handle: model.root.handle }];
  while (level.length > 0) {
    const next: typeof level = [];
    for (const directory of level) {
      const entries = new Map<string, DirectoryEntry>();
      if (observed.has(directory.fileid)) findings.add(`directory ${directory.fileid} is in the tree twice`);
      else observed.set(directory.fileid, entries);
      for (const entry of await client.list(directory.handle, 32768)) {
        if (entries.has(entry.name)) findings.add(`name ${entry.name} twice in directory ${directory.fileid}`);
        entries.set(entry.name, entry);
        if (entry.handle === null || entry.attributes === null) {
          findings.add(`${entry.name} listed without handle or attributes`);
        } else if (entry.attributes.type === Type.directory) {
          next.push({ fileid: entry.fileid, handle: entry.handle });
        }
      }
    }
    level = next;
  }
  return observed;
}

/** Decides of every unanswered change of names whether it happened, and makes the model so. */
function settleNames(workload: Workload, observed: Observed, findings: Findings): void {
  const seen = (directory: ModelNode): Seen | undefined => {
    const entries = observed.get(directory.fileid);
    return entries === undefined ? undefined : new Map([...entries].map(([name, entry]) => [name, entry.fileid]));
  };
  for (const op of workload.underWay) {
    if (op.kind === "attributes") continue;
    const verdict = judge(op, seen);
    workload.note(`crash: ${op.kind} of #${op.node.serial} ${verdict === true ? "happened" : verdict === false ? "did not happen" : verdict}`);
    if (typeof verdict === "string") findings.add(verdict);
    if (verdict !== true) continue;
    if (op.kind === "make") {
      const entry = observed.get(op.directory.fileid)?.get(op.name);
      if (entry?.handle == null) continue;
      op.node.fileid = entry.fileid;
      op.node.handle = entry.handle;
    }
    workload.model.apply(op);
  }
}

function compareNames(model: TreeModel, observed: Observed, findings: Findings): void {
  let directories = 0;
  for (const node of model.all()) {
    if (node.kind !== "directory") continue;
    directories++;
    const entries = observed.get(node.fileid) ?? new Map<string, DirectoryEntry>();
    for (const [name, child] of node.entries) {
      const entry = entries.get(name);
      if (entry === undefined) findings.add(`${child.kind} #${child.serial} lost: no ${name} in #${node.serial}`);
      else if (entry.fileid !== child.fileid) findings.add(`${name} in #${node.serial} is ${entry.fileid}, not #${child.serial} (${child.fileid})`);
    }
    for (const name of entries.keys()) if (!node.entries.has(name)) findings.add(`${name} in #${node.serial} came back or was never made`);
  }
  if (observed.size > directories) findings.add(`${observed.size} directories found, ${directories} expected`);
}

/** Attributes by the handle the client kept, under the assumption that an unanswered change did or did not happen. */
async function checkAttributes(client: NfsClient, node: ModelNode, underWay: AttributeOperation | undefined, findings: Findings): Promise<void> {
  const found = await client.getattr(node.handle);
  const known = { mode: node.mode, mtime: node.mtime };
  const wrong = wrongAttributes(node, found, null);
  if (underWay !== undefined) {
    if (underWay.mode !== null) node.mode = underWay.mode;
    if (underWay.mtime !== null) node.mtime = underWay.mtime;
    if (underWay.size !== null) node.mtime = null;
    if (wrongAttributes(node, found, null) !== null) Object.assign(node, known);
    else return;
  }
  if (wrong !== null) findings.add(`#${node.serial} (${node.kind}): ${wrong}${underWay === undefined ? "" : " nor as the unanswered SETATTR made it"}`);
}

/** Content by the handle the client kept. Returns it. */
async function checkContent(client: NfsClient, node: ModelNode, underWay: AttributeOperation | undefined, findings: Findings): Promise<Buffer> {
  const actual = await client.readAll(node.handle);
  const { size } = await client.getattr(node.handle);
  if (size !== actual.length) findings.add(`#${node.serial}: size ${size}, but ${actual.length} bytes can be read`);
  let why = node.content.violation(actual);
  if (why !== null && underWay !== undefined && underWay.size !== null) {
    const truncated = node.content.copy();
    truncated.truncated(underWay.size);
    const whyThen = truncated.violation(actual);
    if (whyThen === null) {
      node.content.truncated(underWay.size);
      why = null;
    } else why += `; had the unanswered truncate to ${underWay.size} happened: ${whyThen}`;
  }
  if (why !== null) findings.add(`#${node.serial}: ${why}`);
  return actual;
}

/** Compares the server's state with the model and makes the model what was found. Throws `Violation` with all that is wrong. */
export async function check(workload: Workload, client: NfsClient): Promise<Map<ModelNode, Buffer>> {
  const { model } = workload;
  const findings = new Findings();
  const observed = await walk(client, model, findings);
  settleNames(workload, observed, findings);
  compareNames(model, observed, findings);
  const contents = new Map<ModelNode, Buffer>();
  const attributeChanges = new Map<ModelNode, AttributeOperation>();
  for (const op of workload.underWay) if (op.kind === "attributes") attributeChanges.set(op.node, op);
  for (const node of model.all()) {
    if (node === model.root) continue;
    try {
      if (node.content.pending.length > 0) node.mtime = explicitMtime(node);
      const underWay = attributeChanges.get(node);
      await checkAttributes(client, node, underWay, findings);
      if (node.kind === "file") contents.set(node, await checkContent(client, node, underWay, findings));
      if (node.kind === "symlink" && (await client.readlink(node.handle)).toString() !== node.target) findings.add(`#${node.serial}: another link target`);
    } catch (error) {
      findings.add(`#${node.serial} (${node.kind}) by its handle: ${(error as Error).message}`);
    }
  }
  for (const handle of model.dead) {
    await failsWith(Status.stale, client.getattr(handle)).catch((error: Error) => findings.add(`a deleted file's handle: ${error.message}`));
  }
  if (findings.lines.length > 0) {
    const about = findings.lines.flatMap((line) => line.match(/#\d+/)?.[0] ?? []);
    const history = [...new Set(about)].slice(0, 3).flatMap((serial) => workload.history(`${serial} `).slice(-40));
    throw new Violation(`${findings.lines.join("\n")}\nhistory:\n${history.join("\n")}`);
  }
  workload.underWay.clear();
  return contents;
}

/** An explicit mtime holds also while earlier UNSTABLE writes are pending; `null` when a later write has made it the server's. */
function explicitMtime(node: ModelNode): ModelNode["mtime"] {
  return node.serverMtime === null ? node.mtime : null;
}

/**
 * What a client does when the write verifier has changed: sends again, in order, what was not committed, then commits. With
 * `forget` the client has lost its memory too: what was found is what there is.
 */
export async function replay(workload: Workload, client: NfsClient, contents: ReadonlyMap<ModelNode, Buffer>, forget: boolean): Promise<void> {
  for (const [node, actual] of contents) {
    const lost = node.content.collapse(actual);
    if (lost.length === 0) continue;
    node.mtime = null;
    // What was told of writes that are lost went with them.
    node.serverMtime = null;
    if (!forget) {
      for (const write of lost) {
        for (const part of write.parts) {
          const pending = node.content.begin(part.offset, part.data);
          const result = await client.write(node.handle, part.offset, part.data);
          workload.seeVerifier(result.verifier);
          node.content.acknowledge(pending, result.committed !== 0);
        }
      }
    }
    await workload.commitNow(client, node);
  }
}
