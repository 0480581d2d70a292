import type { StoreFailedError } from "#model/block-store.ts";
import type { ContentRead } from "#model/file-content.ts";
import type { ShareRequests, WatchedRequest } from "#telemetry/requests/index.ts";
import type { Span } from "#telemetry/tracing/index.ts";
import { LeWriter } from "#wire/le.ts";
import { commandName, RequestHeader } from "#wire/smb2/header.ts";
import type { SmbConnection } from "./connection.ts";
import type { Signer } from "./crypto/signing.ts";
import type { Open } from "./open/open.ts";
import { joined, type Pending, pend } from "./pending.ts";
import type { Session } from "./session/session.ts";
import type { Tree } from "./tree/tree.ts";

const nothing = new Uint8Array(0);
const noSlices: readonly Uint8Array[] = [];

/** A payload from this size on is not copied: below, a copy costs less than a piece of its own. */
export const lentBytesMin = 16 * 1024;

/**
 * One message being answered: the request of its compound that is handled now, and the answers so far. A handler decodes from
 * `bytes`, writes the body of its answer to `w` and gives a status; it never waits between the first byte written and the last.
 */
export class Call implements WatchedRequest {
  readonly connection: SmbConnection;
  readonly header: RequestHeader = new RequestHeader();
  readonly w: LeWriter = new LeWriter();
  readonly out: { bytes: Uint8Array; length: number } = { bytes: new Uint8Array(512), length: 0 };
  bytes: Uint8Array = nothing;
  /** The request's header and its end. */
  base = 0;
  end = 0;
  /** What of the last request's payload lies behind `end`. */
  tail: readonly Uint8Array[] = noSlices;
  tailBytes = 0;
  /** Where the next request of the compound begins; 0: this is the last. */
  next = 0;
  /** Requests of the compound before this one. */
  index = 0;
  /** The end of the message in `bytes`, and what lies behind it. */
  messageEnd = 0;
  messageTail: readonly Uint8Array[] = noSlices;
  messageTailBytes = 0;
  /** Where the answer's header lies in `out`. */
  answerAt = 0;
  /** The last answer completed: where it begins and ends, and who signed it. */
  readonly last: { at: number; end: number; signer: Signer | null } = { at: -1, end: 0, signer: null };
  /** The answer has a body although its status is an error's. */
  hasBody = false;
  session: Session | null = null;
  /** Signs the answer where one is to be signed: what its connection signs with in this session. */
  signer: Signer | null = null;
  tree: Tree | null = null;
  /** The file a related request means (MS-SMB2 3.3.5.2.7.2), and the status of the request that was to give it. */
  related: Open | null = null;
  relatedStatus = 0;
  isRelated = false;
  /** The session an encrypted message was sealed in: it speaks for no other, and its answer is sealed in it. */
  sealedBy: Session | null = null;
  /** The request was answered by STATUS_PENDING, and waits. */
  pending: Pending | null = null;
  /** Bytes of the message the transport still counts as unfinished; 0: none. */
  unfinishedBytes = 0;
  /** What a store refused it with, until that is said. */
  refusal: StoreFailedError | null = null;
  /** The open whose requests under way this one is counted among. */
  counted: Open | null = null;
  /** Bytes of a file that end the last answer, sent as they lie; released once they are sent or never will be. */
  payload: ContentRead | null = null;
  /** Bytes of a file that the request reads or writes. */
  count = 0;
  beganMs = -1;
  waitsIn: ShareRequests | null = null;
  /** Of the request that is handled now, where it is followed. */
  span: Span | null = null;
  /** Done once the answer is on its way. */
  afterSend: (() => void) | null = null;

  constructor(connection: SmbConnection) {
    this.connection = connection;
  }

  /** Made ready for another message: whatever the one before left is forgotten. */
  clear(): void {
    this.out.length = 0;
    this.bytes = nothing;
    this.index = 0;
    this.tail = this.messageTail = noSlices;
    this.tailBytes = this.messageTailBytes = 0;
    this.last.at = -1;
    this.last.signer = null;
    this.session = null;
    this.signer = null;
    this.tree = null;
    this.related = null;
    this.relatedStatus = 0;
    this.sealedBy = null;
    this.payload = null;
    this.afterSend = null;
  }

  get encrypted(): boolean {
    return this.sealedBy !== null;
  }

  /**
   * The request will wait for another client, maybe for ever: sends STATUS_PENDING and has the connection read on. To be called
   * before anything is written to `w`; from then on `bytes`, `base` and `end` are those of a copy, and no payload behind `end` is
   * kept. Null where too many wait already: the request is to be answered by INSUFFICIENT_RESOURCES.
   *
   * `onCancel` is called at most once, when the client cancels the request or its session or connection ends; the handler then
   * gives CANCELLED. It may come when what was waited for is already at hand, and then changes nothing.
   */
  pend(onCancel: () => void): Pending | null {
    return pend(this, onCancel);
  }

  /** Ends the answer with bytes of a file, which this call releases. To be called last; the answer's status is SUCCESS. */
  attach(data: ContentRead): void {
    const { sealedBy } = this;
    if (this.next === 0 && this.index === 0 && (sealedBy === null || (data.length >= lentBytesMin && sealedBy.sealer?.inPieces === true))) {
      this.payload = data;
      return;
    }
    this.w.reserve(data.length);
    for (let i = 0; i < data.slices.length; i++) this.w.raw(data.slices[i]!);
    data.release();
  }

  /** The client's id as `dittofs client list` has it, and the message's as packet captures show it. */
  get requestId(): string {
    const { messageIdLow, messageIdHigh } = this.header;
    return `smb-${this.connection.transport.id}:${joined(messageIdLow, messageIdHigh)}`;
  }

  /** For a line of the log that is written on behalf of this request. */
  get logFields(): { readonly request: string; readonly client: string; readonly command: string; readonly user?: string; readonly share?: string; readonly trace?: string } {
    const { connection, header, session, tree, span } = this;
    return {
      request: this.requestId,
      client: connection.transport.address,
      command: commandName(header.command),
      ...(session?.user == null ? {} : { user: session.user.name }),
      ...(tree?.fs == null ? {} : { share: tree.fs.name }),
      ...(span === null ? {} : { trace: span.context.traceId }),
    };
  }

  /** The answer will take so much memory until it is sent: others wait meanwhile where there is too much of that. */
  charge(bytes: number): void {
    if (this.unfinishedBytes === 0) return;
    this.unfinishedBytes += bytes;
    this.connection.transport.charge(bytes);
  }

  /** The transport counts the message no longer, so that the connection is read on. */
  finished(): void {
    const length = this.unfinishedBytes;
    this.unfinishedBytes = 0;
    if (length > 0) this.connection.transport.requestDone(length);
  }
}
