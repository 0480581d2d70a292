import type { BlockStore } from "#model/block-store.ts";
import { DamagedObjectError, StoreRefusedError, StoreUnavailableError } from "#model/block-store.ts";
import { decodeSegmentHead, headBytesMax, hexOf, HistoryError, type Place, type SegmentHead, segmentKey } from "./format.ts";

/** Whether an error says that the store can't be asked just now, and nothing of what was asked. */
export function isPassing(error: unknown): boolean {
  return error instanceof StoreUnavailableError || error instanceof StoreRefusedError;
}

/** The head of the segment at a place; null where there is none. Throws a HistoryError where what is there is no segment that can be read here. */
export async function readHead(blocks: BlockStore, instance: string, place: Place): Promise<SegmentHead | null> {
  const key = segmentKey(instance, place);
  let found: Uint8Array;
  try {
    const bytes = await blocks.size(key);
    if (bytes === null) return null;
    found = await blocks.get(key, 0, Math.min(bytes, headBytesMax));
  } catch (error) {
    throw error instanceof DamagedObjectError ? new HistoryError(error.message) : error;
  }
  const head = decodeSegmentHead(found, key);
  if (head.instance !== instance || head.place.epoch !== place.epoch || head.place.number !== place.number) {
    throw new HistoryError(`object ${key} of the share's history is damaged (it says that it is another)`);
  }
  return head;
}

/** Where the segment after this one stands: an owner's segment begins its own epoch. */
export function placeAfter(head: SegmentHead): Place {
  const { epoch, number } = head.place;
  return { epoch: head.kind === "owner" ? number : epoch, number: number + 1 };
}

export function sameToken(one: Uint8Array, other: Uint8Array): boolean {
  return hexOf(one) === hexOf(other);
}

/** In words: who took a share, and when. */
export function describeOwner({ owner }: SegmentHead): string {
  return `the server on ${owner.host}, which took it as ${owner.share} at ${new Date(owner.since.sec * 1000).toISOString()}`;
}

/** Another machine has the share now; the message says which. */
export class ShareTaken extends HistoryError {
  readonly head: SegmentHead;
  constructor(head: SegmentHead) {
    super(
      `this share was taken over by ${describeOwner(head)}. It is served there, and what is here is older. ` +
        "Delete the share here; or, if this machine is to have it, stop that server and recover the share from its block store (dittofs recover)",
    );
    this.head = head;
  }
}

/** The block store can't keep two servers from taking the same share; the message says why and what to do. */
export class UnfencedStore extends HistoryError {}

/** Where the share would go on there is what can't be read here: nobody but another server put it there. */
export class ShareTakenUnread extends HistoryError {
  constructor(why: string) {
    super(
      `this share was taken over by a server that does otherwise with its objects than this one, above all one that encrypts them, or doesn't (${why}). It is served there, and what is here is older. ` +
        "Delete the share here; or, if this machine is to have it, stop that server and recover the share from its block store with that server's flags (dittofs recover)",
    );
  }
}

/** What an error of `readHead` says at a place that should be free. */
export function unread(error: unknown): ShareTakenUnread {
  if (error instanceof HistoryError) return new ShareTakenUnread(error.message);
  throw error;
}
