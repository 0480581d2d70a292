import { FsError } from "#model/fs-error.ts";
import type { Inode } from "#model/inode.ts";
import { InodeFlag, XattrName } from "#model/inode-flags.ts";
import { decodeEas, eaListBytes } from "#wire/ea.ts";
import type { AppleFacts } from "#wire/fscc-directory.ts";
import { appleFacts, appleFactsWithStreams, needsStreams } from "../aapl/index.ts";
import type { Tree } from "../tree/tree.ts";

/** What a listing tells of an entry that its inode does not. */
export interface Extra {
  readonly eaBytes: number;
  readonly apple: AppleFacts | null;
}

/** That of each entry; null where its inode says that there is nothing, or all where none has any. */
export type Extras = readonly (Extra | null)[] | null;

/** Looks up what the entries' inodes don't tell; at once where there is nothing to look up. */
export function extrasOf(tree: Tree, directory: Inode, entries: readonly { readonly inode: Inode | null }[], apple: boolean): Extras | Promise<Extras> {
  let any = false;
  for (let i = 0; i < entries.length && !any; i++) {
    const inode = entries[i]!.inode;
    any = inode !== null && ((inode.flags & InodeFlag.hasEas) !== 0 || (apple && needsStreams(inode)));
  }
  if (any) return Promise.all(entries.map(({ inode }) => (inode === null ? null : extraOf(tree, directory, inode, apple))));
  return apple ? entries.map(({ inode }) => (inode === null ? null : { eaBytes: 0, apple: appleFacts(tree, directory, inode) })) : null;
}

async function extraOf(tree: Tree, directory: Inode, inode: Inode, apple: boolean): Promise<Extra | null> {
  const eaBytes = (inode.flags & InodeFlag.hasEas) === 0 ? 0 : await eaBytesOf(tree, inode);
  if (!apple) return eaBytes === 0 ? null : { eaBytes, apple: null };
  return { eaBytes, apple: needsStreams(inode) ? await appleFactsWithStreams(tree, directory, inode) : appleFacts(tree, directory, inode) };
}

async function eaBytesOf(tree: Tree, inode: Inode): Promise<number> {
  const stored = await tree.fs!.xattr(tree.credentials(), inode.id, XattrName.ea);
  if (stored === null || stored instanceof FsError) return 0;
  const chain = decodeEas(stored);
  return "eas" in chain ? eaListBytes(chain.eas) : 0;
}
