import type { Credentials } from "#model/credentials.ts";
import { type Logger, silentLogger } from "#telemetry/logger.ts";
import { credentialsOf } from "#vfs/access/credentials.ts";
import type { SharePolicy } from "#vfs/access/policy.ts";
import type { FileSystem } from "#vfs/file-system.ts";
import { type AuthSys, decodeAuthSys } from "#wire/rpc.ts";
import { copyOf, XdrReader } from "#wire/xdr-reader.ts";
import type { GrowingBytes } from "#wire/byte-writer.ts";

/** Where calls come from and answers go: a TCP connection, or one datagram. */
export interface Transport {
  /** Tells it from every other connection of the adapter; 0: a datagram. */
  readonly id: number;
  /** The caller's address without port. */
  readonly address: string;
  /** The address of ours it reached. */
  readonly localAddress: string;
  /** When the messages now handed on were taken up, on the clock's monotonic scale. */
  readonly takenMs: number;
  beginMessage(): GrowingBytes;
  endMessage(): void;
  endMessageWithPayload(slices: readonly Uint8Array[], length: number, padding: number, lender: { release(): void }): void;
  charge(bytes: number): void;
  requestDone(bytes: number): void;
}

/** Counts AUTH_SYS credentials, each once for every connection that goes on with it. */
export interface CredentialStats {
  credentials: number;
}

/** A share as one client sees it under one policy: what is worked out once and asked by every call. */
export class ShareView {
  readonly fs: FileSystem;
  readonly policy: SharePolicy;
  readonly allowed: boolean;
  /** fsid of the share's attributes: a hash of its name, the same after a restart and on another machine. As int32 halves. */
  readonly fsidHigh: number;
  readonly fsidLow: number;
  private claim: AuthSys | null;
  private who: Credentials;

  constructor(fs: FileSystem, address: string) {
    this.fs = fs;
    this.policy = fs.policy;
    this.allowed = this.policy.admits("nfs", address);
    const hash = Bun.hash.xxHash64(fs.name).toString(16).padStart(16, "0");
    this.fsidHigh = Number.parseInt(hash.slice(0, 8), 16) | 0;
    this.fsidLow = Number.parseInt(hash.slice(8), 16) | 0;
    this.claim = null;
    this.who = credentialsOf(this.policy, null);
  }

  /** Whom the claim makes here. Claims are compared by identity: equal credentials of a connection share one. */
  credentials(claim: AuthSys | null): Credentials {
    if (claim !== this.claim) {
      this.claim = claim;
      this.who = credentialsOf(this.policy, claim);
    }
    return this.who;
  }
}

/** Shares a client is remembered to have used: past it the oldest is forgotten, and worked out anew when it is used again. */
const viewsMax = 64;

/** What is remembered of a client while its connection lasts. */
export class Client {
  readonly transport: Transport;
  readonly address: string;
  private claimBytes: Uint8Array = new Uint8Array(0);
  private claim: AuthSys | null = null;
  private last: ShareView | null = null;
  private readonly views: ShareView[] = [];

  private readonly stats: CredentialStats;

  /** For what goes wrong with its calls. */
  readonly logger: Logger;

  /** `stats`: where its credentials are counted. */
  constructor(transport: Transport, stats: CredentialStats = { credentials: 0 }, logger: Logger = silentLogger) {
    this.logger = logger;
    this.transport = transport;
    this.stats = stats;
    this.address = transport.address;
  }

  view(fs: FileSystem): ShareView {
    const last = this.last;
    if (last !== null && last.fs === fs && last.policy === fs.policy) return last;
    return (this.last = this.otherView(fs));
  }

  private otherView(fs: FileSystem): ShareView {
    const { views } = this;
    const at = views.findIndex((each) => each.fs === fs);
    const known = views[at];
    if (known !== undefined && known.policy === fs.policy) return known;
    const view = new ShareView(fs, this.address);
    if (known !== undefined) views[at] = view;
    else if (views.push(view) > viewsMax) views.shift();
    return view;
  }

  /** Who it last claimed to be, by name where the share it used last knows that uid; null: it claims nothing. */
  claimed(): string | null {
    if (this.claim === null) return null;
    const { uid } = this.claim;
    return this.last?.policy.identity.userByUid(uid)?.name ?? `uid ${uid}`;
  }

  /** Names of the shares it used and is let into. */
  sharesUsed(): readonly string[] {
    return this.views.filter((view) => view.allowed).map((view) => view.fs.name);
  }

  /** The AUTH_SYS credential in `bytes[at..at + length)`, decoded anew only where it differs from the last; null: malformed. */
  authSys(bytes: Uint8Array, at: number, length: number): AuthSys | null {
    const known = this.claimBytes;
    if (this.claim !== null && known.length === length) {
      let i = 0;
      while (i < length && known[i] === bytes[at + i]) i++;
      if (i === length) return this.claim;
    }
    this.stats.credentials++;
    authReader.attach(bytes, at, at + length);
    const claim = decodeAuthSys(authReader);
    if (claim !== null) {
      this.claim = claim;
      this.claimBytes = copyOf(bytes, at, length);
    }
    return claim;
  }
}

const authReader = new XdrReader();
