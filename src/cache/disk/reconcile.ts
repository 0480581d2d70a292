import { join } from "node:path";
import { Entry } from "./entry.ts";
import type { CacheFiles } from "./cache-files.ts";

/** Files lie in so many directories. */
const directories = 16;
/** A name holds the whole key: longer ones are not cached. */
const keyLengthMax = 200;

export function isCacheable(key: string): boolean {
  return key.length <= keyLengthMax;
}

/** No key has a "+". */
export function filePath(directory: string, { id, key }: Pick<Entry, "id" | "key">): string {
  return join(directory, "files", folder(id), `${key.replaceAll("/", "+")}+${id.toString(16)}`);
}

function folder(id: number): string {
  return (id % directories).toString(16);
}

/** Makes the directories a cache is made of. */
export async function makeDirectories(files: CacheFiles, directory: string): Promise<void> {
  await files.makeDirectory(join(directory, "incoming"));
  for (let id = 0; id < directories; id++) await files.makeDirectory(join(directory, "files", folder(id)));
}

function identityOf(name: string): { readonly id: number; readonly key: string } | null {
  const match = /^([a-zA-Z0-9._+-]+)\+([0-9a-f]+)$/.exec(name);
  return match === null ? null : { id: Number.parseInt(match[2] as string, 16), key: (match[1] as string).replaceAll("+", "/") };
}

export interface Findings {
  adopt(entry: Entry): void;
  forget(entry: Entry): void;
  idAbove(id: number): void;
  /** So many bytes more of its file are allocated than are known to be content. */
  slack(entry: Entry, bytes: number): void;
  nextUse(): number;
}

/**
 * Brings what the index says and the files that are there together. A file without a row, of which a crash or a lost index knew
 * nothing, is kept where it has no holes, so that all of it is content; any other goes. A row whose file is missing or short goes.
 */
export async function reconcile(
  { directory, keyPrefix, files }: { readonly directory: string; readonly keyPrefix: string; readonly files: CacheFiles },
  entries: ReadonlyMap<string, Entry>,
  findings: Findings,
): Promise<void> {
  for (const name of await files.names(join(directory, "incoming"))) await files.unlink(join(directory, "incoming", name));
  const missing = new Set(entries.values());
  const strays: { readonly entry: Entry; readonly changedMs: number }[] = [];
  for (let each = 0; each < directories; each++) {
    const path = join(directory, "files", folder(each));
    for (const name of await files.names(path)) {
      const identity = identityOf(name);
      if (identity !== null) findings.idAbove(identity.id);
      const stat = await files.stat(join(path, name));
      if (stat === null) continue;
      const known = identity === null ? undefined : entries.get(identity.key);
      if (known !== undefined && known.id === identity?.id && known.end <= stat.size) {
        missing.delete(known);
        findings.slack(known, Math.max(0, stat.allocated - known.charge));
        continue;
      }
      const whole = identity !== null && stat.size > 0 && stat.allocated >= stat.size && identity.id % directories === each;
      // The row of a copy that was removed just before a crash says nothing against the copy that took its place.
      if (!whole || known?.id === identity.id || !identity.key.startsWith(keyPrefix)) {
        await files.unlink(join(path, name));
        continue;
      }
      const entry = new Entry(identity.id, identity.key);
      entry.add(0, stat.size);
      strays.push({ entry, changedMs: stat.changedMs });
    }
  }
  for (const entry of missing) findings.forget(entry);
  strays.sort((a, b) => a.changedMs - b.changedMs);
  const adopted = new Set<string>();
  for (const { entry } of strays) {
    entry.used = findings.nextUse();
    if (entries.has(entry.key) || adopted.has(entry.key)) await files.unlink(filePath(directory, entry));
    else {
      adopted.add(entry.key);
      findings.adopt(entry);
    }
  }
}
