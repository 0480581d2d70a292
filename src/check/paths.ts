import { type FileId, rootId } from "#model/ids.ts";
import { ownerOfStreams } from "#model/inode-flags.ts";
import { eachDirent } from "./scan.ts";
import { type CheckTarget, quiet, type Watch } from "./target.ts";

/** A name that refers to a file. */
export interface Name {
  readonly parent: number;
  readonly name: string;
}

/** Between the path of a file and the name of a stream of it, as Windows writes it. */
export const streamMark = ":";
/** Names of one file that are shown, at most. */
const namesMax = 16;
const depthMax = 4096;

/** Every name of these inodes, in one walk through all names. */
export async function namesOf(target: CheckTarget, watch: Watch, ids: ReadonlySet<number>): Promise<Map<number, Name[]>> {
  const names = new Map<number, Name[]>();
  if (ids.size === 0) return names;
  await eachDirent(target, quiet(watch), ({ child, parent, name }) => {
    if (!ids.has(child)) return;
    const list = names.get(child);
    if (list === undefined) names.set(child, [{ parent, name }]);
    else list.push({ parent, name });
  });
  return names;
}

/** The paths of files, by id; for what has no way to the root there is none. Two walks through all names, however many are asked for, and as many again where there are streams. */
export async function pathsOf(target: CheckTarget, watch: Watch, ids: ReadonlySet<number>): Promise<Map<number, string[]>> {
  const own = await namesOf(target, watch, ids);
  // A stream's path is its owner's and its name: two more walks where there are any.
  const owners = new Set([...own.values()].flatMap((names) => names.flatMap(({ parent }) => ownerOfStreams(parent) || [])));
  const ownersPaths = owners.size === 0 ? new Map<number, string[]>() : await pathsOf(target, watch, owners);
  const above = new Map<number, number>();
  for (const names of own.values()) for (const { parent } of names.slice(0, namesMax)) if (parent > 0) await climb(target, parent, above);
  const between = await namesOf(target, watch, new Set([...above.keys()].filter((id) => id !== rootId)));
  const directories = new Map<number, string | null>([[rootId, ""]]);
  const directory = (id: number, depth: number): string | null => {
    const known = directories.get(id);
    if (known !== undefined) return known;
    const name = between.get(id)?.[0];
    const before = name === undefined || depth > depthMax ? null : directory(name.parent, depth + 1);
    const path = before === null ? null : `${before}/${name?.name}`;
    directories.set(id, path);
    return path;
  };
  const paths = new Map<number, string[]>([[rootId, ["/"]]]);
  for (const [id, names] of own) {
    const found = names.slice(0, namesMax).flatMap(({ parent, name }) => {
      const owner = ownerOfStreams(parent);
      if (owner !== 0) return (ownersPaths.get(owner) ?? []).slice(0, 1).map((path) => `${path}${streamMark}${name}`);
      const before = directory(parent, 0);
      return before === null ? [] : [`${before}/${name}`];
    });
    paths.set(id, found);
  }
  return paths;
}

/** Adds a directory and all above it. */
async function climb(target: CheckTarget, from: number, above: Map<number, number>): Promise<void> {
  for (let id = from; !above.has(id); ) {
    const inode = await target.store.inode(id as FileId);
    if (inode === null) return;
    above.set(id, inode.parent);
    id = inode.parent;
  }
}
