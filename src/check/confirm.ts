import type { FileId, PackId } from "#model/ids.ts";
import { rootId } from "#model/ids.ts";
import { type Dirent, FileType, type Inode, isStream } from "#model/inode.ts";
import { ownerOfStreams } from "#model/inode-flags.ts";
import { type Damage, damage } from "./damage.ts";
import { FindingKind } from "./finding.ts";
import { confirmAttributes } from "./confirm-attributes.ts";
import { confirmExtents } from "./confirm-extents.ts";
import { pathsOf, streamMark } from "./paths.ts";
import { entriesOf, type Named, settledNames } from "./reread.ts";
import { eachInode, extentsOfPack } from "./scan.ts";
import { isName, type Survey, whatIsWrongWith, whatIsWrongWithPack } from "./survey.ts";
import { type CheckTarget, goOn, quiet, type Watch } from "./target.ts";

/** Tries to count a share while nothing changes in it. */
const quietTries = 3;
/** Where damage shows at a name: path and file follow from it. */
type Sink = (damage: Damage, at?: { readonly parent: number; readonly name: string }) => void;

/**
 * Looks at every suspect again, with all that belongs to it read while it held still, and gives what is damage beyond doubt. What
 * changes all the while is left to the next check.
 */
export async function confirm(target: CheckTarget, survey: Survey, watch: Watch): Promise<readonly Damage[]> {
  const found: { readonly damage: Damage; readonly at: { readonly parent: number; readonly name: string } | null }[] = [];
  const sink: Sink = (one, at) => found.push({ damage: one, at: at ?? null });
  watch.step("suspects", null, "suspects");
  await confirmInodes(target, survey, watch, sink);
  await confirmDirents(target, survey, watch, sink);
  await confirmTangled(target, survey, watch, sink);
  await confirmAttributes(target, survey, watch, sink);
  await confirmOrphans(target, survey, watch, sink);
  if (survey.badExtents.length + survey.used.length + survey.fileless.length + survey.outOfPack.length + survey.rowless.length > 0) await target.content.settle();
  await confirmExtents(target, survey, watch, sink);
  await confirmPacks(target, survey, watch, sink);
  await confirmUsage(target, survey, watch, sink);
  const ids = new Set<number>();
  for (const { damage: { finding }, at } of found) {
    const id = at === null ? finding.file : ownerOfStreams(at.parent) || at.parent;
    if (finding.path === null && id !== null) ids.add(id);
  }
  const paths = ids.size === 0 ? new Map<number, string[]>() : await pathsOf(target, watch, ids);
  return found.map(({ damage: one, at }) => located(one, at, paths));
}

function located(one: Damage, at: { readonly parent: number; readonly name: string } | null, paths: ReadonlyMap<number, readonly string[]>): Damage {
  const { finding } = one;
  if (finding.path !== null) return one;
  if (at !== null) {
    const owner = ownerOfStreams(at.parent);
    const above = paths.get(owner || at.parent)?.[0];
    const path = owner !== 0 ? `${above}${streamMark}${at.name}` : `${above === "/" ? "" : above}/${at.name}`;
    return above === undefined ? one : { ...one, finding: { ...finding, path } };
  }
  const path = finding.file === null ? undefined : paths.get(finding.file)?.[0];
  return path === undefined ? one : { ...one, finding: { ...finding, path } };
}

async function confirmInodes({ store }: CheckTarget, survey: Survey, watch: Watch, sink: Sink): Promise<void> {
  const root = await store.inode(rootId);
  if (root === null || root.type !== FileType.directory) sink(damage(FindingKind.rootMissing, "The root directory is not there.", { file: rootId, path: "/" }, root === null ? { by: "rebuild", id: rootId } : null));
  for (const id of survey.badInodes) {
    goOn(watch);
    const inode = await store.inode(id as FileId);
    const wrong = inode === null ? null : whatIsWrongWith(inode);
    if (inode === null || wrong === null) continue;
    const badMode = inode.mode < 0 || inode.mode > 0o7777;
    sink(damage(FindingKind.badInode, `The inode can't be as it is: ${wrong}.`, { file: id }, badMode ? { by: "mode", id } : null));
  }
}

async function stillThere({ store }: CheckTarget, dirent: Dirent): Promise<boolean> {
  const now = await store.dirent(dirent.parent, dirent.name);
  return now !== null && now.child === dirent.child && now.cookie === dirent.cookie;
}

async function confirmDirents(target: CheckTarget, survey: Survey, watch: Watch, sink: Sink): Promise<void> {
  const { store } = target;
  const rebuilt = new Set<number>();
  for (const dirent of survey.dangling) {
    goOn(watch);
    // In this order: ids are never used again, so a name that is still there after its inode was gone is damage.
    if ((await store.inode(dirent.child)) !== null || !(await stillThere(target, dirent))) continue;
    const { parent, name, child } = dirent;
    sink(damage(FindingKind.nameWithoutFile, `The name refers to file ${child}, which is not there.`, { file: child }, rebuilt.has(child) ? null : { by: "rebuild", id: child }), { parent, name });
    rebuilt.add(child);
  }
  for (const dirent of survey.outside) {
    goOn(watch);
    const { parent, name, child } = dirent;
    const owner = ownerOfStreams(parent);
    const above = await store.inode(owner === 0 ? parent : owner);
    const fits = above !== null && (above.type === FileType.directory || (owner !== 0 && above.type === FileType.regular && !isStream(above)));
    if (fits || !(await stillThere(target, dirent))) continue;
    const what = above === null ? "is not there" : owner === 0 ? "is no directory" : "has no streams";
    const holder = owner === 0 ? parent : owner;
    const mend = above !== null ? ({ by: "move", parent, name, child } as const) : rebuilt.has(holder) ? null : ({ by: "rebuild", id: holder } as const);
    if (above === null) rebuilt.add(holder);
    const where = owner === 0 ? `lies in directory ${parent}` : `is that of a stream of file ${owner}`;
    sink(damage(FindingKind.nameWithoutDirectory, `The name ${JSON.stringify(name)} of file ${child} ${where}, which ${what}.`, { file: child, path: "" }, mend));
  }
  for (const dirent of survey.badNames) {
    if (isName(dirent.name) || !(await stillThere(target, dirent))) continue;
    const { parent, name, child } = dirent;
    sink(damage(FindingKind.badName, `File ${child} has the name ${JSON.stringify(name)}, which no client can ask for.`, { file: child }, { by: "move", parent, name, child }), { parent, name });
  }
  for (const dirent of survey.badCookies) {
    if (!(await stillThere(target, dirent))) continue;
    const { parent, name, child, cookie } = dirent;
    sink(damage(FindingKind.badCookie, `The entry has the place ${cookie} in its directory, which another has or none may have: listings may miss it.`, { file: child }, { by: "cookie", parent, name, child }), { parent, name });
  }
}

async function confirmTangled(target: CheckTarget, survey: Survey, watch: Watch, sink: Sink): Promise<void> {
  const ids = new Set([...survey.tangled, ...survey.loops]);
  if (ids.size === 0) return;
  const named = await settledNames(target, watch, ids);
  for (const one of named.values()) {
    goOn(watch);
    if (one.inode.type === FileType.directory) await judgeDirectory(target, watch, one, sink);
    else judgeFile(one, sink);
  }
  await confirmLoops(target, survey, watch, sink);
}

function links(inode: Inode, right: number): { readonly by: "links"; readonly id: number; readonly delta: number; readonly ctime: Inode["ctime"] } {
  return { by: "links", id: inode.id, delta: right - inode.links, ctime: inode.ctime };
}

function judgeFile({ inode, names }: Named, sink: Sink): void {
  const { id } = inode;
  const [name] = names;
  const owner = name === undefined ? inode.parent : ownerOfStreams(name.parent);
  if (name !== undefined && owner !== 0 && inode.type !== FileType.regular) {
    sink(damage(FindingKind.nameWithoutDirectory, `File ${id} has a name among the streams of file ${owner}, and can be no stream.`, { file: id, path: "" }, { by: "move", parent: name.parent, name: name.name, child: id }));
  } else if (owner !== inode.parent) {
    const taken = inode.parent === 0 ? "no stream" : `a stream of file ${inode.parent}`;
    sink(damage(FindingKind.wrongParent, `The file takes itself for ${taken}, and its name says ${owner === 0 ? "that it is none" : `that it is one of file ${owner}`}.`, { file: id }, { by: "parent", id, parent: owner }));
  }
  if (inode.links === names.length) return;
  if (names.length === 0) sink(damage(FindingKind.lostFile, `File ${id} (${inode.size} bytes) has no name any more.`, { file: id }, { by: "adopt", id }));
  else sink(damage(FindingKind.wrongLinks, `The link count is ${inode.links}; it has ${names.length} ${names.length === 1 ? "name" : "names"}.`, { file: id }, links(inode, names.length)));
}

async function judgeDirectory(target: CheckTarget, watch: Watch, { inode, names }: Named, sink: Sink): Promise<void> {
  const { id } = inode;
  const inside = await entriesOf(target, watch, id);
  if (inside === null) return;
  const [name] = names;
  if (id !== rootId && name === undefined && inode.links === 0 && inside.entries === 0) return;
  if (id !== rootId && name === undefined) sink(damage(FindingKind.lostFile, `Directory ${id} (${inside.entries} entries) has no name any more.`, { file: id }, { by: "adopt", id }));
  else if (names.length > (id === rootId ? 0 : 1)) sink(damage(FindingKind.manyNames, `Directory ${id} has ${names.length} names, and a directory has one.`, { file: id }));
  else if (name !== undefined && name.parent !== inode.parent) sink(damage(FindingKind.wrongParent, `The directory takes ${inode.parent} for its parent, and lies in ${name.parent}.`, { file: id }, { by: "parent", id, parent: name.parent }));
  const right = 2 + inside.subdirectories;
  if (inode.links !== right) sink(damage(FindingKind.wrongLinks, `The link count is ${inode.links}; with ${inside.subdirectories} directories in it, it is ${right}.`, { file: id }, links(inode, right)));
}

async function confirmLoops(target: CheckTarget, survey: Survey, watch: Watch, sink: Sink): Promise<void> {
  for (const start of survey.loops) {
    const ring = new Set<number>();
    const version = await target.store.treeVersion();
    let id = start;
    for (; !ring.has(id) && id !== rootId; ) {
      ring.add(id);
      const above = (await settledNames(target, watch, new Set([id]))).get(id)?.names[0]?.parent;
      if (above === undefined) break;
      id = above;
    }
    if (id !== start || ring.size === 0 || start === rootId || (await target.store.treeVersion()) !== version) continue;
    sink(damage(FindingKind.directoryLoop, `Directory ${start} lies within itself (${[...ring].slice(0, 8).join(" in ")} in ${start}): no path leads there.`, { file: start, path: "" }, { by: "adopt", id: start }));
  }
}

async function confirmOrphans({ store }: CheckTarget, survey: Survey, watch: Watch, sink: Sink): Promise<void> {
  for (const id of survey.orphans) {
    goOn(watch);
    const inode = await store.inode(id as FileId);
    const listed = (await store.orphans(id - 1, 1))[0] === id;
    const now = await store.inode(id as FileId);
    if (now?.change !== inode?.change) continue;
    if (listed && (now === null || now.links > 0)) {
      sink(damage(FindingKind.wrongOrphan, `${now === null ? `File ${id}, which is not there,` : `File ${id}`} is listed as one that lost its last name${now === null ? "" : ", and has one"}.`, { file: id }, { by: "recount", what: "inode", id }));
    } else if (!listed && now !== null && now.links === 0) {
      sink(damage(FindingKind.lostFile, `File ${id} (${now.size} bytes) has no link, and is not listed among those that go.`, { file: id }, { by: "adopt", id }));
    }
  }
}

async function confirmPacks(target: CheckTarget, survey: Survey, watch: Watch, sink: Sink): Promise<void> {
  const { store } = target;
  for (const id of survey.badPacks) {
    const row = await store.pack(id as PackId);
    const wrong = row === null ? null : whatIsWrongWithPack(row, target);
    if (row === null || wrong === null) continue;
    sink(damage(FindingKind.badPack, `The row of pack ${id} can't be as it is: ${wrong}.`, { pack: id, key: row.key }, { by: "packRow", id }));
  }
  for (const id of survey.live) {
    goOn(watch);
    const before = await store.pack(id as PackId);
    const extents = await extentsOfPack(target, id);
    const row = await store.pack(id as PackId);
    const live = extents.reduce((sum, { extent }) => sum + extent.length, 0);
    if (row === null || before?.live !== row.live || row.live === live) continue;
    sink(damage(FindingKind.wrongLive, `Pack ${id} counts ${row.live} live bytes; files refer to ${live}.`, { pack: id, key: row.key }, { by: "recount", what: "pack", id }));
  }
}

async function confirmUsage(target: CheckTarget, survey: Survey, watch: Watch, sink: Sink): Promise<void> {
  const { store } = target;
  const drawn = store.draw();
  if (survey.highest > drawn) {
    sink(damage(FindingKind.wrongSequence, `Numbers up to ${survey.highest} are in use, and the next one given would have been ${drawn}: new files would have taken the place of others.`, {}, { by: "skipAhead", to: survey.highest }));
  }
  const said = await store.usage();
  if (said.inodes === survey.inodes && said.bytes === survey.bytes) return;
  for (let i = 0; i < quietTries; i++) {
    const first = store.draw();
    const before = await store.usage();
    let inodes = 0;
    let bytes = 0;
    await eachInode(target, quiet(watch), (inode) => {
      if (inode.links <= 0) return;
      inodes++;
      if (inode.type === FileType.regular) bytes += inode.used;
    });
    const now = await store.usage();
    // Whatever changes the figures draws a number, or changes them.
    if (store.draw() !== first + 1 || now.inodes !== before.inodes || now.bytes !== before.bytes) continue;
    if (now.inodes !== inodes || now.bytes !== bytes) {
      sink(damage(FindingKind.wrongUsage, `The share counts ${now.inodes} files with ${now.bytes} bytes; there are ${inodes} with ${bytes}.`, {}, { by: "recountUsage" }));
    }
    return;
  }
}
