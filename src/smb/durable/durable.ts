import type { Timer } from "#base/clock.ts";
import type { FileSystem } from "#vfs/file-system.ts";
import { Cached } from "#vfs/opens/index.ts";
import type { DurableAsk } from "#wire/smb2/durable.ts";
import type { Call } from "../call.ts";
import type { Open } from "../open/open.ts";
import { type Session, SessionKind } from "../session/session.ts";

/** How long an open waits for its client where the client does not say, and the longest it may ask for (MS-SMB2 3.3.5.9.10). */
const durableMs = 60_000;
const durableMsMax = 300_000;
/** The same of a resilient open: what Windows has it wait. More than the most is refused (MS-SMB2 3.3.5.15.9). */
const resilientMs = 120_000;
export const resilientMsMax = 300_000;
/** The GUID of an open that was made durable without one. */
const noGuid = "0".repeat(32);

type DurableFields = Pick<Durable, "version" | "createGuid" | "clientGuid" | "owner" | "timeoutMs" | "persistent"> & { readonly resilient?: boolean };

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
  /** It waits for its client whatever that caches, and whoever wants the file (MS-SMB2 3.3.1.10, Open.IsResilient). */
  readonly resilient: boolean;
  /** Runs while it has no client. */
  timer: Timer | null = null;

  constructor(fields: DurableFields) {
    this.version = fields.version;
    this.createGuid = fields.createGuid;
    this.clientGuid = fields.clientGuid;
    this.owner = fields.owner;
    this.timeoutMs = fields.timeoutMs;
    this.persistent = fields.persistent;
    this.resilient = fields.resilient ?? false;
  }
}

/** Whom a session is for, as durable opens are told apart by. */
export function ownerOf({ user, kind }: Session): string {
  return `${kind}:${user?.uid ?? -1}:${user?.name.toLowerCase() ?? ""}`;
}

/** The client keeps its handle for itself: others who want the file have to ask it first. */
export function keepsHandle(open: Open): boolean {
  const lease = open.file?.lease ?? null;
  return lease !== null && (lease.target & Cached.handle) !== 0;
}

/** Whether an open outlives its connection at this moment: if it is not resilient, whoever wants the file must be able to have it end. */
export function outlives(open: Open): boolean {
  return open.durable !== null && open.file !== null && !open.file.closed && (open.durable.persistent || open.durable.resilient || keepsHandle(open));
}

/** Makes an open durable where it asks for that and may be (MS-SMB2 3.3.5.9.6, 3.3.5.9.10): a file whose handle its client keeps. */
export function makeDurable(call: Call, open: Open, ask: DurableAsk): void {
  const session = call.session!;
  if (open.directory || session.kind !== SessionKind.user) return;
  const persistent = ask.version === 2 && ask.persistent && open.keeper === null && isContinuous(open.tree.fs!);
  if (!persistent && !keepsHandle(open)) return;
  open.durable = new Durable({
    version: ask.version,
    createGuid: ask.createGuid,
    clientGuid: clientOf(call),
    owner: ownerOf(session),
    timeoutMs: ask.timeoutMs === 0 ? durableMs : Math.min(ask.timeoutMs, durableMsMax),
    persistent,
  });
}

/** Makes an open resilient (MS-SMB2 3.3.5.15.9); a persistent one is already more than that. */
export function makeResilient(call: Call, open: Open, timeoutMs: number): void {
  const before = open.durable;
  if (before?.persistent === true) return;
  open.durable = new Durable({
    version: before?.version ?? 1,
    createGuid: before?.createGuid ?? noGuid,
    clientGuid: clientOf(call),
    owner: ownerOf(call.session!),
    timeoutMs: timeoutMs === 0 ? resilientMs : timeoutMs,
    persistent: false,
    resilient: true,
  });
}

/** Whether opens of a share may outlive the server. */
export function isContinuous(fs: FileSystem): boolean {
  return fs.policy.smb.continuouslyAvailable && fs.persistent !== null;
}

export function clientOf(call: Call): string {
  return Buffer.from(call.connection.clientGuid).toString("hex");
}
