import type { Timer } from "#base/clock.ts";

/** What makes an open outlive its connection (MS-SMB2 3.3.1.10, Open.IsDurable and IsPersistent). */
export class Durable {
  readonly version: 1 | 2;
  /** In hex; zeros in version 1. */
  readonly createGuid: string;
  /** The client it was opened by, in hex: a lease is come back to by no other. */
  readonly clientGuid: string;
  /** Who may come back to it. */
  readonly owner: string;
  /** How long it waits for its client. */
  readonly timeoutMs: number;
  /** It outlives the server too, and goes for nobody who wants the file. */
  readonly persistent: boolean;
  /** Runs while it has no client. */
  timer: Timer | null = null;

  constructor(fields: Pick<Durable, "version" | "createGuid" | "clientGuid" | "owner" | "timeoutMs" | "persistent">) {
    this.version = fields.version;
    this.createGuid = fields.createGuid;
    this.clientGuid = fields.clientGuid;
    this.owner = fields.owner;
    this.timeoutMs = fields.timeoutMs;
    this.persistent = fields.persistent;
  }
}
