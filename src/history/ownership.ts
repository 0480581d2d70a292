import type { Clock } from "#base/clock.ts";
import type { BlockStore } from "#model/block-store.ts";
import type { HistoryMark, Journal } from "#model/history.ts";
import { describeOwner, isPassing, placeAfter, readHead, sameToken, ShareTaken, unread } from "./chain.ts";
import { encodeSegmentHead, encodeShare, HistoryError, historyPrefix, type Owner, parseSegmentKey, parseSnapshotKey, type Place, type SegmentHead, segmentKey, shareKey, snapshotPrefix } from "./format.ts";
import { type Ended, endedKey, leavingKey, markEnded } from "./leaving.ts";
import type { HistoryOptions } from "./options.ts";
import { crcOf } from "./segment.ts";

/** Tokens of this database's own servers that are remembered once the share is taken: requests of the last few may still be on their way. */
const tokensKept = 8;
export const noPart = { bytes: 0, crc: 0 } as const;

export interface OwnershipParts {
  readonly blocks: BlockStore;
  /** In hexadecimal. */
  readonly instance: string;
  readonly share: string;
  readonly host: string;
  readonly clock: Clock;
  /** 16 random bytes, new with every start. */
  readonly token: Uint8Array;
  readonly journal: Pick<Journal, "mark" | "turn" | "after" | "setMark" | "keepMark">;
}

/** The share is ours from the next segment on. */
export interface Taken {
  readonly owner: Owner;
  /** Of the first segment to be written. */
  readonly next: Place;
  /** What the history has already. */
  readonly turn: number;
  readonly sequence: number;
  /** The first segment that what it has needs for a recovery. */
  readonly from: Place;
  /** What came before is not gone on with: there must be a snapshot. */
  readonly anew: boolean;
}

const start: Place = { epoch: 0, number: 1 };

/**
 * Takes the share: follows the history from where this database left it, all of it our own, and puts the segment that says so at its end.
 * Of several who do, the store lets one. Throws ShareTaken where the share is another machine's, and what the store throws.
 */
export async function takeOver(parts: OwnershipParts): Promise<Taken> {
  const { blocks, instance, journal, token, clock, host, share } = parts;
  const owner: Owner = { token, host, share, since: clock.now() };
  const known = journal.mark;
  let mark: HistoryMark = known ?? { epoch: 0, number: 0, turn: journal.turn, sequence: 0, oldestNeeded: 0, fromEpoch: 0, fromNumber: 1, continues: false, tokens: [] };
  let next: Place = known === null ? start : { epoch: mark.epoch, number: mark.number + 1 };
  let last: SegmentHead | null = null;
  // A request that was never answered may yet take effect: whatever comes of it must be known for ours.
  if (!mark.tokens.some((known) => sameToken(known, token))) {
    mark = { ...mark, tokens: [...mark.tokens, token] };
    journal.setMark(mark);
    await journal.keepMark();
  }
  for (;;) {
    const head = await readHead(blocks, instance, next).catch((error: unknown) => {
      throw known === null ? error : unread(error);
    });
    if (head !== null) {
      if (!mark.tokens.some((known) => sameToken(known, head.owner.token))) throw known === null ? unknownHistory(parts, head) : new ShareTaken(head);
      if (known?.continues === true && differs(journal, known, head)) throw olderCopy(`has other transactions from ${head.firstTurn} on`, `has those of a newer copy up to ${head.lastTurn}`);
      last = head;
      next = placeAfter(head);
      mark = marked(mark, head, next.epoch);
      if (sameToken(head.owner.token, token)) break;
      continue;
    }
    // A store without any snapshot, or without what was published last, is another one than this was published to, or is as it once was.
    const any = await hasSnapshot(parts, next.number);
    if (mark.continues && !(any && (last !== null || (await hasPublished(parts, mark))))) mark = { ...mark, continues: false };
    // Before the share is taken from whoever has it, who could not have it back: not the server beside which a copy of its disk was started, nor the newest copy.
    if (mark.continues && mark.turn > journal.turn) throw olderCopy(`ends with transaction ${journal.turn}`, `goes on to ${mark.turn}`);
    const segment: SegmentHead = {
      kind: "owner", anew: !mark.continues, instance, place: next, owner,
      firstTurn: mark.turn + 1, lastTurn: mark.turn, lastSequence: mark.sequence,
      oldestNeeded: mark.continues ? mark.oldestNeeded : mark.sequence + 1,
      from: mark.continues ? { epoch: mark.fromEpoch, number: mark.fromNumber } : next,
      confirms: 0, turns: noPart, content: noPart,
    };
    await tryPut(blocks, segmentKey(instance, next), encodeSegmentHead(segment));
  }
  journal.setMark({ ...mark, tokens: mark.tokens.slice(-tokensKept) });
  return { owner, next, turn: mark.turn, sequence: mark.sequence, from: (last as SegmentHead).from, anew: (last as SegmentHead).anew };
}

/** Why a store's objects of a share are not for whoever has this mark to delete: somebody else has the share by now. Null: nobody is known to. */
export async function takenElsewhere(blocks: BlockStore, instance: string, { epoch, number, tokens }: HistoryMark): Promise<HistoryError | null> {
  let next: Place = { epoch, number: number + 1 };
  for (let head = await readHead(blocks, instance, next); head !== null; head = await readHead(blocks, instance, next)) {
    const { token } = head.owner;
    if (!tokens.some((known) => sameToken(known, token))) return new ShareTaken(head);
    next = placeAfter(head);
  }
  for await (const { key } of blocks.list(snapshotPrefix(instance))) {
    const found = parseSnapshotKey(key);
    if (found?.manifest === true && found.cut.number >= next.number) return olderCopy(`knows of ${next.number - 1} segments`, `has a snapshot at segment ${found.cut.number}`);
  }
  return null;
}

/**
 * Ends a share's history in a store that the share has left: nothing can be recovered from it any more, and nothing goes on with it. Segments
 * stay, which bar the way of whoever had the share once, and a word of why. Can be cut off and done again: until the word is there, that the share is
 * leaving is. `blocks`: not encrypted.
 */
export async function endHistory(blocks: BlockStore, instance: string, why: Ended): Promise<void> {
  const manifests: string[] = [];
  const pieces: string[] = [];
  for await (const { key } of blocks.list(snapshotPrefix(instance))) (parseSnapshotKey(key)?.manifest === true ? manifests : pieces).push(key);
  await blocks.delete([...manifests, shareKey(instance)]);
  await markEnded(blocks, instance, why);
  await blocks.delete([...pieces, leavingKey(instance)]);
}

/**
 * For metadata that comes, under a history, from a store which kept none: a mark behind the last segment that the share has in `blocks`, from which
 * nothing is gone on with. Whoever asks has the share. Null: there is no segment.
 */
export async function markBehind(blocks: BlockStore, instance: string): Promise<HistoryMark | null> {
  let last: Place | null = null;
  for await (const { key } of blocks.list(historyPrefix(instance))) {
    const place = parseSegmentKey(key);
    if (place !== null && (last === null || place.number > last.number || (place.number === last.number && place.epoch > last.epoch))) last = place;
  }
  const head = last === null ? null : await readHead(blocks, instance, last);
  if (head === null) return null;
  const { epoch, number } = placeAfter(head);
  return { epoch, number: number - 1, turn: head.lastTurn, sequence: head.lastSequence, oldestNeeded: head.oldestNeeded, fromEpoch: head.from.epoch, fromNumber: head.from.number, continues: false, tokens: [head.owner.token] };
}

/**
 * Whether the transactions of a segment behind the mark are others than those here: a copy of the database that went on by itself, while its store
 * could not be asked, has as many as the other, or more. Transactions that the mark covers are not kept here.
 */
function differs(journal: OwnershipParts["journal"], known: HistoryMark, { firstTurn, lastTurn, turns }: SegmentHead): boolean {
  if (firstTurn > lastTurn || firstTurn <= known.turn) return false;
  const rows = journal.after(firstTurn - 1, lastTurn - firstTurn + 1);
  // Of a copy that has not so many, that says enough.
  return rows[0]?.turn === firstTurn && rows[rows.length - 1]?.turn === lastTurn && crcOf(rows.map(({ bytes }) => bytes)) !== turns.crc;
}

function unknownHistory({ instance }: OwnershipParts, head: SegmentHead): HistoryError {
  return new HistoryError(
    `the block store has a history of this share (instance ${instance}), by ${describeOwner(head)}, of which the metadata here knows nothing. ` +
      `If the share is to be as it is in the block store, recover it (dittofs recover); if this metadata is right and no other server has the share, delete the objects whose names begin with ${historyPrefix(instance)} and enable the share again`,
  );
}

function olderCopy(here: string, there: string): HistoryError {
  return new HistoryError(
    `the share's metadata here ${here}, but its history in the block store ${there}: an older copy of it was put in place. ` +
      "Put back the newest one, or recover the share from its block store (dittofs recover)",
  );
}

/**
 * Whether there is a snapshot, which segments can go on from. Throws for one of segment `number` or later: that there is no such segment then
 * means that it went long ago, covered by that snapshot.
 */
async function hasSnapshot({ blocks, instance }: OwnershipParts, number: number): Promise<boolean> {
  let any = false;
  for await (const { key } of blocks.list(snapshotPrefix(instance))) {
    const found = parseSnapshotKey(key);
    if (found?.manifest !== true) continue;
    any = true;
    if (found.cut.number >= number) throw olderCopy(`knows of ${number - 1} segments`, `has a snapshot at segment ${found.cut.number}`);
  }
  return any;
}

/**
 * Whether the segments that a mark speaks of are there, as one who recovers the share would read them. Where it ends with an owner's, that one's
 * epoch is not known any more.
 */
async function hasPublished({ blocks, instance }: OwnershipParts, { epoch, number, fromEpoch, fromNumber }: HistoryMark): Promise<boolean> {
  try {
    if ((await readHead(blocks, instance, { epoch: fromEpoch, number: fromNumber })) === null) return false;
    return epoch === number || (await readHead(blocks, instance, { epoch, number })) !== null;
  } catch (error) {
    if (isPassing(error)) throw error;
    return false;
  }
}

function marked(mark: HistoryMark, { place, lastTurn, lastSequence, oldestNeeded, from }: SegmentHead, epoch: number): HistoryMark {
  return {
    ...mark, epoch, number: place.number, turn: Math.max(mark.turn, lastTurn), sequence: Math.max(mark.sequence, lastSequence),
    oldestNeeded, fromEpoch: from.epoch, fromNumber: from.number,
  };
}

/** Puts the segment, or finds out with the next look who else did. */
async function tryPut(blocks: BlockStore, key: string, bytes: Uint8Array): Promise<void> {
  try {
    await blocks.put(key, { from: "slices", slices: [bytes] });
  } catch (error) {
    if (isPassing(error)) throw error;
    if ((await blocks.size(key)) === null) throw error;
  }
}

/** Puts the object by which the shares of a store are found; a move of this share that was begun has not come to be, and of one that was made it is back. */
export async function introduce({ unwrapped, instance, share, logger }: HistoryOptions): Promise<void> {
  const key = shareKey(instance);
  try {
    if ((await unwrapped.size(key)) === null) await unwrapped.put(key, { from: "slices", slices: [encodeShare(instance, share)] });
    await unwrapped.delete([leavingKey(instance), endedKey(instance)]);
  } catch (error) {
    logger.warn({ error: (error as Error).message }, "the share could not be entered into the list of its block store; the next start does it");
  }
}
