import { StoreUnavailableError } from "#model/block-store.ts";
import type { PackId } from "#model/ids.ts";
import { confirm } from "./confirm.ts";
import { type Damage, damage } from "./damage.ts";
import { type Finding, finding, FindingKind, identityOf } from "./finding.ts";
import { checkContent, isRead, unpaced } from "./frames.ts";
import { checkObjects, locate } from "./objects.ts";
import { mend } from "./repair.ts";
import { eachPack, NotScannable } from "./scan.ts";
import { Survey } from "./survey.ts";
import { Cancelled, type CheckTarget, type Watch } from "./target.ts";

/** Rounds of repairs: what is repaired can bring to light what lay behind it. */
const roundsMax = 4;

export interface FsckOptions {
  /** Read all content; else objects only have to be there, with their size. */
  readonly data: boolean;
  readonly repair: boolean;
}

export interface FsckResult {
  readonly inodes: number;
  readonly packs: number;
  readonly bytes: number;
  /** Damages that were found, those repaired among them. */
  readonly damaged: number;
  readonly repaired: number;
  readonly notices: number;
  /** There was more of one kind than is looked into at once: check again. */
  readonly more: boolean;
}

/** One look at everything. */
interface Look {
  readonly damages: readonly Damage[];
  readonly notices: readonly Finding[];
  readonly survey: Survey;
  readonly packs: number;
}

/**
 * Checks a share while it is served, and repairs what can be repaired without doubt. A repair counts once another look no longer finds the
 * damage.
 */
export async function fsck(target: CheckTarget, options: FsckOptions, watch: Watch): Promise<FsckResult> {
  const repaired = new Map<string, Finding>();
  let look = await inspect(target, options, watch);
  const { inodes, bytes } = look.survey;
  for (let round = 0; options.repair && round < roundsMax; round++) {
    const mended = await mendAll(target, look.damages, watch);
    if (mended === 0) break;
    const before = look;
    look = await inspect(target, options, watch);
    const left = new Set(look.damages.map(({ finding }) => identityOf(finding)));
    for (const { finding } of before.damages) if (!left.has(identityOf(finding))) repaired.set(`${identityOf(finding)} ${finding.path}`, { ...finding, repaired: true });
  }
  for (const one of repaired.values()) watch.found(one);
  for (const { finding } of look.damages) watch.found(finding);
  for (const notice of look.notices) watch.found(notice);
  return { inodes, bytes, packs: look.packs, damaged: repaired.size + look.damages.length, repaired: repaired.size, notices: look.notices.length, more: look.survey.overflowed };
}

/** Metadata that can't be read is damage that nothing else can be looked at for; what may pass by itself is not. */
async function surveyed(target: CheckTarget, watch: Watch): Promise<Survey | Finding> {
  const survey = new Survey(target);
  try {
    await survey.run(watch);
    return survey;
  } catch (error) {
    if (error instanceof Cancelled || error instanceof NotScannable || error instanceof StoreUnavailableError) throw error;
    const why = (error as Error).message;
    return finding({ kind: FindingKind.unreadableMetadata, message: `The share's metadata can't be read (${why}): nothing else was looked at. Bring its database back from a backup.` });
  }
}

async function inspect(target: CheckTarget, options: FsckOptions, watch: Watch): Promise<Look> {
  const survey = await surveyed(target, watch);
  if (!(survey instanceof Survey)) return { damages: [{ finding: survey, mend: null }], notices: [], survey: new Survey(target), packs: 0 };
  const damages = [...(await confirm(target, survey, watch))];
  const prefix = `${Buffer.from(target.store.identity.instance).toString("hex")}/`;
  const objects = await checkObjects(target, prefix, watch);
  damages.push(...objects.damages, ...inLog(target.content.damagedLog()));
  const packs: PackId[] = [];
  let bytes = 0;
  await eachPack(target, watch, (pack) => {
    packs.push(pack.id);
    if (isRead(target, pack)) bytes += pack.size;
  });
  if (options.data) {
    watch.step("content", bytes, "bytes");
    for (const id of packs) damages.push(...(await checkContent(target, watch, id, unpaced)));
  }
  return { damages: unique(await locate(target, watch, damages)), notices: objects.notices, survey, packs: packs.length };
}

/** The log of a share may have lost what no other check misses. */
function inLog(segments: readonly string[]): readonly Damage[] {
  if (segments.length === 0) return [];
  const message = `The disk damaged acknowledged changes in the share's log; ${segments.join(", ")} kept of it. Put back from a backup what is named as content that can't be read, and what else may have been changed at that time (what the server wrote to its own log at the start that found it says what is known). Then delete what is kept.`;
  return [damage(FindingKind.damagedLog, message, {})];
}

function unique(damages: readonly Damage[]): readonly Damage[] {
  const seen = new Set<string>();
  return damages.filter(({ finding }) => {
    const identity = `${identityOf(finding)} ${finding.path}`;
    return !seen.has(identity) && seen.add(identity);
  });
}

/** How many repairs were made. */
async function mendAll(target: CheckTarget, damages: readonly Damage[], watch: Watch): Promise<number> {
  const work = damages.flatMap(({ mend: how }) => (how === null ? [] : [how]));
  watch.step("repairs", work.length, "repairs");
  let mended = 0;
  for (const how of work) {
    if (await mend(target, how, watch)) mended++;
    watch.advance(1);
  }
  return mended;
}
