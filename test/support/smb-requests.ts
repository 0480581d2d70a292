import { Command } from "#wire/smb2/header.ts";
import type { SmbClient } from "./smb-client.ts";
import type { HeaderFields, Reply } from "./smb-wire.ts";

/** Bodies of file requests, and what their answers say. */
export interface CreateFields {
  readonly name: string;
  readonly access?: number;
  readonly share?: number;
  readonly disposition?: number;
  readonly options?: number;
  readonly oplock?: number;
  readonly contexts?: readonly (readonly [name: string, data: Uint8Array])[];
}

export function createBody(fields: CreateFields): Buffer {
  const name = Buffer.from(fields.name, "utf16le");
  const fixed = Buffer.alloc(56);
  fixed.writeUInt16LE(57, 0);
  fixed[3] = fields.oplock ?? 0;
  fixed.writeUInt32LE(2, 4);
  fixed.writeUInt32LE(fields.access ?? 0x1f01ff, 24);
  fixed.writeUInt32LE(fields.share ?? 7, 32);
  fixed.writeUInt32LE(fields.disposition ?? 3, 36);
  fixed.writeUInt32LE(fields.options ?? 0, 40);
  fixed.writeUInt16LE(120, 44);
  fixed.writeUInt16LE(name.length, 46);
  const padded = Buffer.concat([name, Buffer.alloc(name.length === 0 ? 8 : (8 - (name.length % 8)) % 8)]);
  const contexts = encodeContexts(fields.contexts ?? []);
  if (contexts.length > 0) {
    fixed.writeUInt32LE(120 + padded.length, 48);
    fixed.writeUInt32LE(contexts.length, 52);
  }
  return Buffer.concat([fixed, padded, contexts]);
}

function encodeContexts(contexts: readonly (readonly [string, Uint8Array])[]): Buffer {
  return Buffer.concat(
    contexts.map(([name, data], i) => {
      const tag = Buffer.from(name, "latin1");
      const dataAt = 16 + tag.length + ((8 - (tag.length % 8)) % 8);
      const end = dataAt + data.length;
      const one = Buffer.alloc(i === contexts.length - 1 ? end : end + ((8 - (end % 8)) % 8));
      if (i < contexts.length - 1) one.writeUInt32LE(one.length, 0);
      one.writeUInt16LE(16, 4);
      one.writeUInt16LE(tag.length, 6);
      one.writeUInt16LE(data.length === 0 ? 0 : dataAt, 10);
      one.writeUInt32LE(data.length, 12);
      one.set(tag, 16);
      one.set(data, dataAt);
      return one;
    }),
  );
}

export interface CreateAnswer {
  readonly status: number;
  readonly oplock: number;
  readonly action: number;
  readonly fileId: Buffer;
  readonly contexts: ReadonlyMap<string, Buffer>;
}

export function createAnswer(reply: Reply): CreateAnswer {
  const { status, body, bytes } = reply;
  if (status !== 0) return { status, oplock: 0, action: 0, fileId: Buffer.alloc(16), contexts: new Map() };
  const contexts = new Map<string, Buffer>();
  let at = body.readUInt32LE(80);
  while (at > 0) {
    const name = bytes.toString("latin1", at + 16, at + 16 + bytes.readUInt16LE(at + 6));
    const from = at + bytes.readUInt16LE(at + 10);
    contexts.set(name, Buffer.from(bytes.subarray(from, from + bytes.readUInt32LE(at + 12))));
    const next = bytes.readUInt32LE(at);
    at = next === 0 ? 0 : at + next;
  }
  return { status, oplock: body[2]!, action: body.readUInt32LE(4), fileId: Buffer.from(body.subarray(64, 80)), contexts };
}

export interface LockFields {
  readonly offset: bigint | number;
  readonly length: bigint | number;
  readonly flags: number;
}

export const LockFlags = { shared: 1, exclusive: 2, unlock: 4, now: 0x10 } as const;

export function lockBody(fileId: Uint8Array, locks: readonly LockFields[], sequence = 0): Buffer {
  const body = Buffer.alloc(24 + locks.length * 24);
  body.writeUInt16LE(48, 0);
  body.writeUInt16LE(locks.length, 2);
  body.writeUInt32LE(sequence, 4);
  body.set(fileId, 8);
  for (const [i, { offset, length, flags }] of locks.entries()) {
    body.writeBigUInt64LE(BigInt(offset), 24 + i * 24);
    body.writeBigUInt64LE(BigInt(length), 32 + i * 24);
    body.writeUInt32LE(flags, 40 + i * 24);
  }
  return body;
}

export function readBody(fileId: Uint8Array, offset: bigint | number, length: number, minimum = 0): Buffer {
  const body = Buffer.alloc(49);
  body.writeUInt16LE(49, 0);
  body.writeUInt32LE(length, 4);
  body.writeBigUInt64LE(BigInt(offset), 8);
  body.set(fileId, 16);
  body.writeUInt32LE(minimum, 32);
  return body;
}

export function writeBody(fileId: Uint8Array, offset: bigint | number, data: Uint8Array): Buffer {
  const body = Buffer.alloc(48 + Math.max(1, data.length));
  body.writeUInt16LE(49, 0);
  body.writeUInt16LE(112, 2);
  body.writeUInt32LE(data.length, 4);
  body.writeBigUInt64LE(BigInt(offset), 8);
  body.set(fileId, 16);
  body.set(data, 48);
  return body;
}

export function closeBody(fileId: Uint8Array): Buffer {
  const body = Buffer.alloc(24);
  body.writeUInt16LE(24, 0);
  body.set(fileId, 8);
  return body;
}

export function ioctlBody(code: number, fileId: Uint8Array, input: Uint8Array = new Uint8Array(0), outputMax = 4096, flags = 1): Buffer {
  const body = Buffer.alloc(56 + Math.max(1, input.length));
  body.writeUInt16LE(57, 0);
  body.writeUInt32LE(code, 4);
  body.set(fileId, 8);
  body.writeUInt32LE(input.length === 0 ? 0 : 120, 24);
  body.writeUInt32LE(input.length, 28);
  body.writeUInt32LE(outputMax, 44);
  body.writeUInt32LE(flags, 48);
  body.set(input, 56);
  return body;
}

/** Chunks of a server-side copy, each from, to and length. */
export function copyChunks(key: Uint8Array, chunks: readonly (readonly [number, number, number])[], count = chunks.length): Buffer {
  const head = Buffer.alloc(32);
  head.set(key, 0);
  head.writeUInt32LE(count, 24);
  const each = chunks.map(([from, to, length]) => {
    const chunk = Buffer.alloc(24);
    chunk.writeBigUInt64LE(BigInt(from), 0);
    chunk.writeBigUInt64LE(BigInt(to), 8);
    chunk.writeUInt32LE(length, 16);
    return chunk;
  });
  return Buffer.concat([head, ...each]);
}

/** A client's requests on one share. */
export class SmbFiles {
  readonly client: SmbClient;
  readonly treeId: number;

  constructor(client: SmbClient, treeId: number) {
    this.client = client;
    this.treeId = treeId;
  }

  static async of(client: SmbClient, share = "export"): Promise<SmbFiles> {
    const reply = await client.treeConnect(share);
    if (reply.status !== 0) throw new Error(`TREE_CONNECT: ${reply.status.toString(16)}`);
    return new SmbFiles(client, reply.treeId);
  }

  call(command: number, body: Uint8Array, fields: Partial<HeaderFields> = {}): Promise<Reply> {
    return this.client.call(command, body, { treeId: this.treeId, ...fields });
  }

  send(command: number, body: Uint8Array, fields: Partial<HeaderFields> = {}): void {
    this.client.send(command, body, { treeId: this.treeId, ...fields });
  }

  async create(fields: CreateFields, header: Partial<HeaderFields> = {}): Promise<CreateAnswer> {
    return createAnswer(await this.call(Command.CREATE, createBody(fields), header));
  }

  async lock(fileId: Uint8Array, locks: readonly LockFields[], sequence = 0): Promise<number> {
    return (await this.call(Command.LOCK, lockBody(fileId, locks, sequence))).status;
  }

  async read(fileId: Uint8Array, offset: bigint | number, length: number, minimum = 0): Promise<number> {
    return (await this.call(Command.READ, readBody(fileId, offset, length, minimum))).status;
  }

  async write(fileId: Uint8Array, offset: bigint | number, data: Uint8Array, header: Partial<HeaderFields> = {}): Promise<number> {
    return (await this.call(Command.WRITE, writeBody(fileId, offset, data), header)).status;
  }

  async ioctl(code: number, fileId: Uint8Array, input?: Uint8Array, outputMax?: number, flags?: number): Promise<{ readonly status: number; readonly output: Buffer }> {
    const { status, body } = await this.call(Command.IOCTL, ioctlBody(code, fileId, input, outputMax, flags));
    const answers = body.length >= 48 && body.readUInt16LE(0) === 49;
    return { status, output: answers ? Buffer.from(body.subarray(48, 48 + body.readUInt32LE(36))) : Buffer.alloc(0) };
  }

  /** What a READ gives; fails where it fails. */
  async bytes(fileId: Uint8Array, offset: number, length: number): Promise<Buffer> {
    const { status, body } = await this.call(Command.READ, readBody(fileId, offset, length), { charge: Math.max(1, Math.ceil(length / 65_536)) });
    if (status !== 0) throw new Error(`READ: ${status.toString(16)}`);
    return Buffer.from(body.subarray(body[2]! - 64, body[2]! - 64 + body.readUInt32LE(4)));
  }

  async close(fileId: Uint8Array): Promise<number> {
    return (await this.call(Command.CLOSE, closeBody(fileId))).status;
  }
}

/** Contexts of CREATE for durable opens (MS-SMB2 2.2.13.2). */
export const durable = {
  v1: ["DHnQ", Buffer.alloc(16)] as const,
  reconnectV1: (fileId: Uint8Array) => ["DHnC", Buffer.from(fileId)] as const,
  v2(guid: Uint8Array, timeoutMs = 0, persistent = false) {
    const data = Buffer.alloc(32);
    data.writeUInt32LE(timeoutMs, 0);
    data.writeUInt32LE(persistent ? 2 : 0, 4);
    data.set(guid, 16);
    return ["DH2Q", data] as const;
  },
  reconnectV2(fileId: Uint8Array, guid: Uint8Array, persistent = false) {
    const data = Buffer.alloc(36);
    data.set(fileId, 0);
    data.set(guid, 16);
    data.writeUInt32LE(persistent ? 2 : 0, 32);
    return ["DH2C", data] as const;
  },
  instance(id: Uint8Array) {
    const data = Buffer.alloc(20);
    data.writeUInt16LE(20, 0);
    data.set(id, 4);
    return ["\x45\xbc\xa6\x6a\xef\xa7\xf7\x4a\x90\x08\xfa\x46\x2e\x14\x4d\x74", data] as const;
  },
  instanceVersion(high: bigint, low: bigint) {
    const data = Buffer.alloc(24);
    data.writeUInt16LE(24, 0);
    data.writeBigUInt64LE(high, 8);
    data.writeBigUInt64LE(low, 16);
    return ["\xb9\x82\xd0\xb7\x3b\x56\x07\x4f\xa0\x7b\x52\x4a\x81\x16\xa0\x10", data] as const;
  },
  lease(key: Uint8Array, state: number) {
    const data = Buffer.alloc(32);
    data.set(key, 0);
    data.writeUInt32LE(state, 16);
    return ["RqLs", data] as const;
  },
};
