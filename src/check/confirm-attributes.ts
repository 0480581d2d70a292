import { foldColumn } from "#model/fold-key.ts";
import type { FileId } from "#model/ids.ts";
import { InodeFlag, streamsOf, xattrFlag } from "#model/inode-flags.ts";
import { type Damage, damage } from "./damage.ts";
import { FindingKind } from "./finding.ts";
import { tablesOf } from "./scan.ts";
import { flagsFit, type Survey } from "./survey.ts";
import { type CheckTarget, goOn, type Watch } from "./target.ts";

type Sink = (damage: Damage, at?: { readonly parent: number; readonly name: string }) => void;

/** What an inode's streams and attributes ask of its flags, or null: there is no such inode, or it changed meanwhile. */
export async function flagsOf(target: CheckTarget, id: number): Promise<{ readonly flags: number; readonly wanted: number; readonly version: number } | null> {
  const { store } = target;
  const before = await store.inode(id as FileId);
  const wanted = await wantedFlags(target, id);
  const now = await store.inode(id as FileId);
  if (now === null || before?.attributeVersion !== now.attributeVersion) return null;
  return { flags: now.flags, wanted, version: now.attributeVersion };
}

/** The flags of an inode that has the streams and attributes there are under this id. */
export async function wantedFlags({ store }: CheckTarget, id: number): Promise<number> {
  const streams = await store.directory(streamsOf(id as FileId), 0, 1);
  let wanted: number = streams.length > 0 ? InodeFlag.hasStreams : 0;
  for (const { name } of await store.xattrs(id as FileId)) wanted |= xattrFlag(name);
  return wanted;
}

/** Looks again at names that are not found by their key, and at what inodes say of their streams and attributes. */
export async function confirmAttributes(target: CheckTarget, survey: Survey, watch: Watch, sink: Sink): Promise<void> {
  const { store } = target;
  for (const { parent, name, child, cookie } of survey.badFolds) {
    goOn(watch);
    const [row] = await tablesOf(store).scanDirents(parent, cookie - 1, 1);
    if (row === undefined || row.parent !== parent || row.name !== name || row.folded === foldColumn(name)) continue;
    sink(damage(FindingKind.wrongFold, `The name ${JSON.stringify(name)} is not found as it should be by clients that ignore case.`, { file: child }, { by: "cookie", parent, name, child }), { parent, name });
  }
  for (const id of survey.badFlags) {
    goOn(watch);
    const now = await flagsOf(target, id);
    if (now === null || flagsFit(now.flags, now.wanted)) continue;
    sink(damage(FindingKind.wrongFlags, `What the inode says of its streams and extended attributes (${now.flags.toString(16)}) is not what there is (${now.wanted.toString(16)}): some are not seen.`, { file: id }, { by: "flags", id }));
  }
  for (const id of survey.bareXattrs) {
    goOn(watch);
    // In this order: an inode's attributes go with it.
    if ((await store.inode(id as FileId)) !== null || (await store.xattrs(id as FileId)).length === 0) continue;
    sink(damage(FindingKind.attributeWithoutFile, `There are extended attributes of file ${id}, which is not there.`, { file: id }, { by: "rebuild", id }));
  }
}
