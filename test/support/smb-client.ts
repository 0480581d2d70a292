import { createHash } from "node:crypto";
import { Sealer } from "#smb/crypto/sealing.ts";
import { KeyUse, sessionKey30, sessionKey311 } from "#smb/crypto/kdf.ts";
import { RawConnection } from "./raw-connection.ts";
import { ntlmAuthenticate, ntlmNegotiate, type NtlmOptions } from "./smb-ntlm.ts";
import { type Algorithm, type HeaderFields, packet, repliesOf, type Reply, signatureOf } from "./smb-wire.ts";

const waitMs = 10_000;
const noKey = new Uint8Array(16);

export interface NegotiateOptions {
  readonly dialects?: readonly number[];
  readonly signing?: readonly number[];
  readonly ciphers?: readonly number[];
  readonly capabilities?: number;
  readonly securityMode?: number;
  readonly clientGuid?: Uint8Array;
}

/** The keys of one session on one connection. */
export interface Keys {
  readonly sessionKey: Buffer;
  readonly signing: Uint8Array;
  readonly serverIn: Uint8Array;
  readonly serverOut: Uint8Array;
}

/** An SMB2 client for tests: says what it is told, signs and encrypts where told, and hands out each answer as it came. */
export class SmbClient {
  readonly raw: RawConnection;
  messageId = 0;
  dialect = 0;
  algorithm: Algorithm = "hmac";
  cipher = 0;
  preauth: Buffer = Buffer.alloc(64);
  sessionId = 0n;
  treeId = 0;
  keys: Keys | null = null;
  /** Signs what it sends. */
  signs = false;
  /** Encrypts what it sends, and opens what it gets. */
  sealer: Sealer | null = null;
  private readonly waiting: Reply[] = [];
  /** The last message as it came, opened where it was encrypted. */
  lastMessage: Buffer = Buffer.alloc(0);
  /** The last message was encrypted. */
  lastSealed = false;
  private consumed = 0;

  private constructor(raw: RawConnection) {
    this.raw = raw;
  }

  static async open(port: number): Promise<SmbClient> {
    return new SmbClient(await RawConnection.open(port));
  }

  close(): void {
    this.raw.close();
  }

  /** One message in its frame, as it is. */
  sendRaw(message: Uint8Array): void {
    const frame = Buffer.alloc(4);
    frame.writeUInt32BE(message.length);
    this.raw.send(Buffer.concat([frame, message]));
  }

  /** A request, signed where this client signs; its message id is the next unless given. */
  request(command: number, body: Uint8Array, fields: Partial<HeaderFields> = {}): Buffer {
    const messageId = fields.messageId ?? this.messageId;
    if (fields.messageId === undefined) this.messageId += fields.charge ?? 1;
    return packet({ sessionId: this.sessionId, credits: 64, ...fields, command, messageId }, body);
  }

  signed(message: Buffer): Buffer {
    message.writeUInt32LE((message.readUInt32LE(16) | 8) >>> 0, 16);
    signatureOf(this.algorithm, this.keys?.signing ?? noKey, message, false).copy(message, 48);
    return message;
  }

  send(command: number, body: Uint8Array, fields: Partial<HeaderFields> = {}): void {
    const message = this.request(command, body, fields);
    if (this.sealer !== null) return this.sendRaw(this.sealer.seal(message, Number(this.sessionId)));
    this.sendRaw(this.signs ? this.signed(message) : message);
  }

  async call(command: number, body: Uint8Array, fields: Partial<HeaderFields> = {}): Promise<Reply> {
    this.send(command, body, fields);
    return this.next();
  }

  /** The next answer; those of one message one after the other. */
  async next(): Promise<Reply> {
    while (this.waiting.length === 0) this.waiting.push(...repliesOf(await this.message()));
    return this.waiting.shift()!;
  }

  private async message(): Promise<Buffer> {
    const whole = (): boolean => {
      const all = this.raw.bytes();
      return all.length >= this.consumed + 4 && all.length >= this.consumed + 4 + all.readUInt32BE(this.consumed);
    };
    await this.raw.wait("an answer", waitMs, whole);
    if (!whole()) throw new Error("the server closed the connection");
    const all = this.raw.bytes();
    const from = this.consumed + 4;
    this.consumed = from + all.readUInt32BE(this.consumed);
    let message = Buffer.from(all.subarray(from, this.consumed));
    this.lastSealed = message.readUInt32LE(0) === 0x424d53fd;
    if (this.lastSealed) message = Buffer.from(this.sealer!.open(message)!);
    this.lastMessage = message;
    return message;
  }

  /** Resolves once the server has closed the connection. */
  async closedByServer(): Promise<void> {
    await this.raw.wait("the end of the connection", waitMs, () => false);
  }

  async negotiate(options: NegotiateOptions = {}): Promise<Reply> {
    const request = this.request(0, negotiateBody(options), { sessionId: 0n });
    this.sendRaw(request);
    const reply = await this.next();
    if (reply.status !== 0) return reply;
    this.dialect = reply.body.readUInt16LE(4);
    if (this.dialect === 0x311) {
      this.preauth = chain(chain(this.preauth, request), this.lastMessage);
      this.algorithm = "cmac";
      for (const [type, value] of contextsOf(reply)) {
        if (type === 8) this.algorithm = (["hmac", "cmac", "gmac"] as const)[value]!;
        if (type === 2) this.cipher = value;
      }
    } else if (this.dialect >= 0x300) {
      this.algorithm = "cmac";
      this.cipher = (reply.body.readUInt32LE(24) & 0x40) === 0 ? 0 : 1;
    }
    return reply;
  }

  /** Two rounds of NTLM; the last answer. The session and its keys are this client's where it succeeded. */
  async login(user: string, password: string, options: LoginOptions = {}): Promise<Reply> {
    const first = ntlmNegotiate(options.ntlm?.flags);
    let preauth = this.preauth;
    const ask = async (token: Uint8Array, sessionId: bigint): Promise<Reply> => {
      let message = this.request(1, sessionSetupBody(token, options), { sessionId });
      if (options.signWith !== undefined) message = this.signedWith(message, options.signWith);
      preauth = chain(preauth, message);
      this.sendRaw(message);
      return this.next();
    };
    const challenged = await ask(first, options.sessionId ?? 0n);
    if (challenged.status !== 0xc0000016) return challenged;
    preauth = chain(preauth, this.lastMessage);
    const { message, sessionKey } = ntlmAuthenticate(first, tokenOf(challenged), user, password, options.ntlm);
    const reply = await ask(message, challenged.sessionId);
    if (reply.status !== 0) return reply;
    this.sessionId = reply.sessionId;
    // A guest or nobody has none.
    this.keys = (reply.body.readUInt16LE(2) & 3) !== 0 ? null : this.keysOf(sessionKey, preauth);
    return reply;
  }

  private signedWith(message: Buffer, key: Uint8Array): Buffer {
    message.writeUInt32LE((message.readUInt32LE(16) | 8) >>> 0, 16);
    signatureOf(this.algorithm, key, message, false).copy(message, 48);
    return message;
  }

  private keysOf(sessionKey: Buffer, preauth: Buffer): Keys {
    const of = (use: KeyUse, bytes: 16 | 32): Uint8Array => {
      if (this.dialect === 0x311) return sessionKey311(sessionKey, use, preauth, bytes);
      return this.dialect >= 0x300 ? sessionKey30(sessionKey, use) : sessionKey;
    };
    const bytes = this.cipher > 2 ? 32 : 16;
    return { sessionKey, signing: of(KeyUse.signing, 16), serverIn: of(KeyUse.serverIn, bytes), serverOut: of(KeyUse.serverOut, bytes) };
  }

  /** From now on everything is encrypted. */
  seal(): void {
    this.sealer = new Sealer(this.cipher as 1, this.keys!.serverIn, this.keys!.serverOut);
  }

  /** Whether an answer carries the signature it should. */
  verifies(reply: Reply): boolean {
    return reply.signed && signatureOf(this.algorithm, this.keys!.signing, reply.bytes, true).equals(reply.bytes.subarray(48, 64));
  }

  /** Opens or makes a file; its id. Throws where that fails. */
  async create(name: string, options: CreateOptions = {}): Promise<Buffer> {
    const reply = await this.call(5, createBody(name, options), { treeId: this.treeId });
    if (reply.status !== 0) throw new Error(`CREATE ${name}: ${reply.status.toString(16)}`);
    return Buffer.from(reply.body.subarray(64, 80));
  }

  /** Connects to a share; its tree is used from here on. */
  async treeConnect(share: string): Promise<Reply> {
    const path = Buffer.from(`\\\\server\\${share}`, "utf16le");
    const body = Buffer.alloc(8 + path.length);
    body.writeUInt16LE(9, 0);
    body.writeUInt16LE(72, 4);
    body.writeUInt16LE(path.length, 6);
    body.set(path, 8);
    const signs = this.signs;
    this.signs = this.keys !== null;
    const reply = await this.call(3, body);
    this.signs = signs;
    if (reply.status === 0) this.treeId = reply.treeId;
    return reply;
  }
}

export interface LoginOptions {
  readonly sessionId?: bigint;
  readonly flags?: number;
  readonly securityMode?: number;
  readonly previous?: bigint;
  readonly ntlm?: NtlmOptions;
  /** Signs the SESSION_SETUPs with this key: a binding. */
  readonly signWith?: Uint8Array;
}

const chain = (hash: Buffer, message: Uint8Array): Buffer => createHash("sha512").update(hash).update(message).digest();

export function negotiateBody(options: NegotiateOptions = {}): Buffer {
  const dialects = options.dialects ?? [0x202, 0x210, 0x300, 0x302, 0x311];
  const fixed = Buffer.alloc(36 + dialects.length * 2);
  fixed.writeUInt16LE(36, 0);
  fixed.writeUInt16LE(dialects.length, 2);
  fixed.writeUInt16LE(options.securityMode ?? 1, 4);
  fixed.writeUInt32LE(options.capabilities ?? 0x7f, 8);
  fixed.set(options.clientGuid ?? new Uint8Array(16).fill(7), 12);
  for (const [i, dialect] of dialects.entries()) fixed.writeUInt16LE(dialect, 36 + i * 2);
  if (!dialects.includes(0x311)) return fixed;
  const choices = (values: readonly number[]): Buffer => Buffer.from([values.length, 0, ...values.flatMap((value) => [value, 0])]);
  const contexts: [number, Buffer][] = [[1, Buffer.concat([Buffer.from([1, 0, 32, 0, 1, 0]), Buffer.alloc(32, 9)])]];
  const ciphers = options.ciphers ?? [2, 1, 4, 3];
  if (ciphers.length > 0) contexts.push([2, choices(ciphers)]);
  const signing = options.signing ?? [2, 1, 0];
  if (signing.length > 0) contexts.push([8, choices(signing)]);
  const pad = Buffer.alloc((8 - ((64 + fixed.length) % 8)) % 8);
  fixed.writeUInt32LE(64 + fixed.length + pad.length, 28);
  fixed.writeUInt16LE(contexts.length, 32);
  return Buffer.concat([
    fixed,
    pad,
    ...contexts.flatMap(([type, data], i) => {
      const head = Buffer.alloc(8);
      head.writeUInt16LE(type, 0);
      head.writeUInt16LE(data.length, 2);
      return [head, data, Buffer.alloc(i === contexts.length - 1 ? 0 : (8 - (data.length % 8)) % 8)];
    }),
  ]);
}

/** Type and first chosen value of each negotiate context of an answer. */
function contextsOf(reply: Reply): [type: number, value: number][] {
  const found: [number, number][] = [];
  let at = reply.body.readUInt32LE(60);
  for (let i = reply.body.readUInt16LE(6); i > 0; i--) {
    const length = reply.bytes.readUInt16LE(at + 2);
    found.push([reply.bytes.readUInt16LE(at), reply.bytes.readUInt16LE(at + 10)]);
    at += 8 + length;
    at += (8 - (at % 8)) % 8;
  }
  return found;
}

export function sessionSetupBody(token: Uint8Array, options: { flags?: number; securityMode?: number; previous?: bigint } = {}): Buffer {
  const body = Buffer.alloc(24 + token.length);
  body.writeUInt16LE(25, 0);
  body[2] = options.flags ?? 0;
  body[3] = options.securityMode ?? 1;
  body.writeUInt16LE(88, 12);
  body.writeUInt16LE(token.length, 14);
  body.writeBigUInt64LE(options.previous ?? 0n, 16);
  body.set(token, 24);
  return body;
}

/** The security token of a SESSION_SETUP's answer. */
export function tokenOf(reply: Reply): Buffer {
  const at = reply.body.readUInt16LE(4);
  return reply.bytes.subarray(at, at + reply.body.readUInt16LE(6));
}

/** The body of an ECHO, LOGOFF, TREE_DISCONNECT or CANCEL. */
export const emptyBody = Buffer.from([4, 0, 0, 0]);

export interface CreateOptions {
  readonly access?: number;
  readonly disposition?: number;
  readonly options?: number;
  readonly share?: number;
}

/** A CREATE; makes the file where there is none unless told. */
export function createBody(name: string, { access = 0x12019f, disposition = 3, options = 0, share = 7 }: CreateOptions = {}): Buffer {
  const text = Buffer.from(name, "utf16le");
  const body = Buffer.alloc(56 + Math.max(1, text.length));
  body.writeUInt16LE(57, 0);
  body.writeUInt32LE(2, 4);
  body.writeUInt32LE(access, 24);
  body.writeUInt32LE(share, 32);
  body.writeUInt32LE(disposition, 36);
  body.writeUInt32LE(options, 40);
  body.writeUInt16LE(120, 44);
  body.writeUInt16LE(text.length, 46);
  body.set(text, 56);
  return body;
}

/** QUERY_INFO of FileStandardInformation: what anybody may ask of a file he has open. */
export function queryInfoBody(fileId: Uint8Array): Buffer {
  const body = Buffer.alloc(41);
  body.writeUInt16LE(41, 0);
  body[2] = 1;
  body[3] = 5;
  body.writeUInt32LE(1024, 4);
  body.set(fileId, 24);
  return body;
}

export function closeBody(fileId: Uint8Array): Buffer {
  const body = Buffer.alloc(24);
  body.writeUInt16LE(24, 0);
  body.set(fileId, 8);
  return body;
}
