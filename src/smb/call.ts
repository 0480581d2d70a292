import { LeWriter } from "#wire/le.ts";
import { RequestHeader } from "#wire/smb2/header.ts";
import type { SmbConnection } from "./connection.ts";
import type { Open } from "./open/open.ts";
import type { Session } from "./session/session.ts";
import type { Tree } from "./tree/tree.ts";

/**
 * One message being answered: the request of its compound that is handled now, and the answers so far. A handler decodes from
 * `bytes`, writes the body of its answer to `w` and gives a status; it never waits between the first byte written and the last.
 */
export class Call {
  readonly connection: SmbConnection;
  readonly header: RequestHeader = new RequestHeader();
  readonly w: LeWriter = new LeWriter();
  readonly out: { bytes: Uint8Array; length: number } = { bytes: new Uint8Array(512), length: 0 };
  bytes: Uint8Array = new Uint8Array(0);
  /** The request's header and its end. */
  base = 0;
  end = 0;
  /** What of the last request's payload lies behind `end`. */
  tail: readonly Uint8Array[] = [];
  tailBytes = 0;
  /** Where the answer's header lies in `out`. */
  answerAt = 0;
  /** The answer has a body although its status is an error's. */
  hasBody = false;
  session: Session | null = null;
  tree: Tree | null = null;
  /** The file a related request means (MS-SMB2 3.3.5.2.7.2), and the status of the request that was to give it. */
  related: Open | null = null;
  relatedStatus = 0;
  isRelated = false;
  encrypted = false;
  /** The session an encrypted message was sealed in: it speaks for no other. */
  sealedBy: Session | null = null;
  /** Done once the answer is on its way. */
  afterSend: (() => void) | null = null;

  constructor(connection: SmbConnection) {
    this.connection = connection;
  }
}
