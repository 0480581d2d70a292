import { MountClient } from "./mount-client.ts";
import {
  type Attributes, type Created, type DirectoryEntry, type DirectoryPage, type Handle, type Name, NfsError, readAttributes, readPage,
  readPostOp, readTime, readWcc, type SetAttributes, Stable, Status, type Timestamp, Type, type Wcc, writeSetAttributes,
} from "./nfs-types.ts"; // prettier-ignore
import { type RpcCredentials, RpcConnection } from "./rpc-client.ts";
import { type XdrReader, XdrWriter } from "./xdr.ts";

export * from "./nfs-types.ts";

const nfsProgram = 100003;

export interface ClientOptions {
  readonly port: number;
  /** 127.0.0.1 unless given. */
  readonly host?: string;
  /** Where MOUNT answers; the NFS port unless given. */
  readonly mountPort?: number;
  readonly credentials?: RpcCredentials;
}

/** An NFSv3 client of the tests' own (RFC 1813): all 22 procedures, any number of calls under way at once. */
export class NfsClient {
  private connection: RpcConnection;
  private readonly port: number;
  private readonly host: string | undefined;
  /** MOUNT, as the same caller. */
  readonly mounts: MountClient;
  credentials: RpcCredentials;

  private constructor(connection: RpcConnection, options: ClientOptions) {
    this.connection = connection;
    this.port = options.port;
    this.host = options.host;
    this.credentials = options.credentials === undefined ? { uid: 0, gid: 0 } : options.credentials;
    this.mounts = new MountClient(options.mountPort ?? options.port, this.credentials, options.host);
  }

  static async connect(options: ClientOptions): Promise<NfsClient> {
    return new NfsClient(await RpcConnection.open(options.port, options.host), options);
  }

  /** A new connection; handles stay good. */
  async reconnect(): Promise<void> {
    this.connection.close();
    this.connection = await RpcConnection.open(this.port, this.host);
  }

  close(): void {
    this.connection.close();
  }

  /** The root handle of a share. */
  mount(path: string): Promise<Handle> {
    return this.mounts.mount(path);
  }

  /** A call with hand-made arguments, for tests that send what this client would not. */
  raw(procedure: number, ...args: Uint8Array[]): Promise<XdrReader> {
    return this.connection.call(nfsProgram, 3, procedure, this.credentials, args);
  }

  private async call(name: string, procedure: number, ...args: Uint8Array[]): Promise<XdrReader> {
    const reply = await this.connection.call(nfsProgram, 3, procedure, this.credentials, args);
    const status = reply.uint32();
    if (status !== Status.ok) throw new NfsError(name, status);
    return reply;
  }

  // In the order of the procedures' numbers (RFC 1813 §3.3)
  async null(): Promise<void> {
    (await this.raw(0)).end();
  }

  async getattr(handle: Handle): Promise<Attributes> {
    const reply = await this.call("GETATTR", 1, new XdrWriter().opaque(handle).bytes());
    const attributes = readAttributes(reply);
    reply.end();
    return attributes;
  }

  async setattr(handle: Handle, wanted: SetAttributes, guard: Timestamp | null = null): Promise<Wcc> {
    const args = new XdrWriter().opaque(handle);
    writeSetAttributes(args, wanted);
    guard === null ? args.bool(false) : args.bool(true).uint32(guard.sec).uint32(guard.nsec);
    const reply = await this.call("SETATTR", 2, args.bytes());
    const wcc = readWcc(reply);
    reply.end();
    return wcc;
  }

  async lookup(directory: Handle, name: Name): Promise<{ handle: Handle; attributes: Attributes | null; directory: Attributes | null }> {
    const reply = await this.call("LOOKUP", 3, new XdrWriter().opaque(directory).string(name).bytes());
    const found = { handle: Buffer.from(reply.opaque(64)), attributes: readPostOp(reply), directory: readPostOp(reply) };
    reply.end();
    return found;
  }

  async access(handle: Handle, wanted: number): Promise<number> {
    const reply = await this.call("ACCESS", 4, new XdrWriter().opaque(handle).uint32(wanted).bytes());
    readPostOp(reply);
    const granted = reply.uint32();
    reply.end();
    return granted;
  }

  async readlink(handle: Handle): Promise<Buffer> {
    const reply = await this.call("READLINK", 5, new XdrWriter().opaque(handle).bytes());
    readPostOp(reply);
    const target = reply.opaque();
    reply.end();
    return target;
  }

  async read(handle: Handle, offset: number | bigint, count: number): Promise<{ data: Buffer; eof: boolean; attributes: Attributes | null }> {
    const reply = await this.call("READ", 6, new XdrWriter().opaque(handle).uint64(offset).uint32(count).bytes());
    const attributes = readPostOp(reply);
    const length = reply.uint32();
    const eof = reply.bool();
    const data = reply.opaque();
    if (data.length !== length || length > count) throw new Error(`READ: ${length} bytes announced, ${data.length} sent, ${count} wanted`);
    reply.end();
    return { data, eof, attributes };
  }

  /** Sends all of `data` in one WRITE; `written` may be less. */
  async write(
    handle: Handle,
    offset: number | bigint,
    data: Uint8Array,
    stable: number = Stable.unstable,
  ): Promise<{ written: number; committed: number; verifier: string; wcc: Wcc }> {
    const head = new XdrWriter().opaque(handle).uint64(offset).uint32(data.length).uint32(stable).uint32(data.length).bytes();
    const padding = Buffer.alloc(-data.length & 3);
    const reply = await this.call("WRITE", 7, head, data, padding);
    const wcc = readWcc(reply);
    const result = { written: reply.uint32(), committed: reply.uint32(), verifier: reply.fixed(8).toString("hex"), wcc };
    reply.end();
    if (result.written > data.length) throw new Error(`WRITE: ${result.written} bytes written of ${data.length}`);
    if (result.committed < stable) throw new Error(`WRITE: asked for stability ${stable}, got ${result.committed}`);
    return result;
  }

  async create(directory: Handle, name: Name, attributes: SetAttributes = {}, guarded = false): Promise<Created> {
    const args = new XdrWriter().opaque(directory).string(name).uint32(guarded ? 1 : 0);
    writeSetAttributes(args, attributes);
    return this.created("CREATE", 8, args);
  }

  async createExclusive(directory: Handle, name: Name, verifier: Uint8Array): Promise<Created> {
    return this.created("CREATE", 8, new XdrWriter().opaque(directory).string(name).uint32(2).fixed(verifier));
  }

  async mkdir(directory: Handle, name: Name, attributes: SetAttributes = {}): Promise<Created> {
    const args = new XdrWriter().opaque(directory).string(name);
    writeSetAttributes(args, attributes);
    return this.created("MKDIR", 9, args);
  }

  async symlink(directory: Handle, name: Name, target: Name, attributes: SetAttributes = {}): Promise<Created> {
    const args = new XdrWriter().opaque(directory).string(name);
    writeSetAttributes(args, attributes);
    return this.created("SYMLINK", 10, args.string(target));
  }

  async mknod(directory: Handle, name: Name, type: number, attributes: SetAttributes = {}, rdev = { major: 0, minor: 0 }): Promise<Created> {
    const args = new XdrWriter().opaque(directory).string(name).uint32(type);
    if (type === Type.block || type === Type.character || type === Type.socket || type === Type.fifo) writeSetAttributes(args, attributes);
    if (type === Type.block || type === Type.character) args.uint32(rdev.major).uint32(rdev.minor);
    return this.created("MKNOD", 11, args);
  }

  /** Results of the four that make objects; a server may leave handle or attributes out, then they are asked for. */
  private async created(procedure: string, number: number, args: XdrWriter): Promise<Created> {
    const reply = await this.call(procedure, number, args.bytes());
    const handle = reply.bool() ? Buffer.from(reply.opaque(64)) : null;
    const attributes = readPostOp(reply);
    const directory = readWcc(reply);
    reply.end();
    if (handle === null) throw new Error(`${procedure}: no handle in the reply`);
    return { handle, attributes: attributes ?? (await this.getattr(handle)), directory };
  }

  async remove(directory: Handle, name: Name): Promise<Wcc> {
    return this.wccOnly("REMOVE", 12, new XdrWriter().opaque(directory).string(name));
  }

  async rmdir(directory: Handle, name: Name): Promise<Wcc> {
    return this.wccOnly("RMDIR", 13, new XdrWriter().opaque(directory).string(name));
  }

  private async wccOnly(procedure: string, number: number, args: XdrWriter): Promise<Wcc> {
    const reply = await this.call(procedure, number, args.bytes());
    const wcc = readWcc(reply);
    reply.end();
    return wcc;
  }

  async rename(from: Handle, fromName: Name, to: Handle, toName: Name): Promise<{ from: Wcc; to: Wcc }> {
    const args = new XdrWriter().opaque(from).string(fromName).opaque(to).string(toName);
    const reply = await this.call("RENAME", 14, args.bytes());
    const result = { from: readWcc(reply), to: readWcc(reply) };
    reply.end();
    return result;
  }

  async link(handle: Handle, directory: Handle, name: Name): Promise<{ attributes: Attributes | null; directory: Wcc }> {
    const reply = await this.call("LINK", 15, new XdrWriter().opaque(handle).opaque(directory).string(name).bytes());
    const result = { attributes: readPostOp(reply), directory: readWcc(reply) };
    reply.end();
    return result;
  }

  async readdir(directory: Handle, cookie: bigint, verifier: Uint8Array, count: number): Promise<DirectoryPage> {
    const reply = await this.call("READDIR", 16, new XdrWriter().opaque(directory).uint64(cookie).fixed(verifier).uint32(count).bytes());
    return readPage(reply, false);
  }

  async readdirplus(directory: Handle, cookie: bigint, verifier: Uint8Array, dircount: number, maxcount: number): Promise<DirectoryPage> {
    const args = new XdrWriter().opaque(directory).uint64(cookie).fixed(verifier).uint32(dircount).uint32(maxcount);
    return readPage(await this.call("READDIRPLUS", 17, args.bytes()), true);
  }

  /** A whole directory without "." and "..", page by page; throws when a cookie comes twice. */
  async list(directory: Handle, pageBytes = 65536): Promise<DirectoryEntry[]> {
    const found: DirectoryEntry[] = [];
    const seen = new Set<bigint>();
    let cookie = 0n;
    let verifier: Uint8Array = new Uint8Array(8);
    for (;;) {
      const page = await this.readdirplus(directory, cookie, verifier, pageBytes, pageBytes);
      for (const entry of page.entries) {
        if (seen.has(entry.cookie)) throw new Error(`READDIRPLUS: cookie ${entry.cookie} came twice`);
        seen.add(entry.cookie);
        cookie = entry.cookie;
        if (entry.name !== "." && entry.name !== "..") found.push(entry);
      }
      verifier = page.verifier;
      if (page.end) return found;
      if (page.entries.length === 0) throw new Error("READDIRPLUS: an empty page that is not the last");
    }
  }

  async fsstat(handle: Handle): Promise<{ totalBytes: number; freeBytes: number; availableBytes: number; totalFiles: number; freeFiles: number }> {
    const reply = await this.call("FSSTAT", 18, new XdrWriter().opaque(handle).bytes());
    readPostOp(reply);
    const result = { totalBytes: Number(reply.uint64()), freeBytes: Number(reply.uint64()), availableBytes: Number(reply.uint64()), totalFiles: Number(reply.uint64()), freeFiles: Number(reply.uint64()) };
    reply.uint64();
    reply.uint32();
    reply.end();
    return result;
  }

  async fsinfo(handle: Handle): Promise<{ readMax: number; writeMax: number; writePreferred: number; fileSizeMax: bigint; properties: number }> {
    const reply = await this.call("FSINFO", 19, new XdrWriter().opaque(handle).bytes());
    readPostOp(reply);
    const [readMax = 0, , , writeMax = 0, writePreferred = 0] = Array.from({ length: 7 }, () => reply.uint32());
    const fileSizeMax = reply.uint64();
    readTime(reply);
    const properties = reply.uint32();
    reply.end();
    return { readMax, writeMax, writePreferred, fileSizeMax, properties };
  }

  async pathconf(handle: Handle): Promise<{ linksMax: number; nameMax: number; noTrunc: boolean; chownRestricted: boolean; caseInsensitive: boolean; casePreserving: boolean }> {
    const reply = await this.call("PATHCONF", 20, new XdrWriter().opaque(handle).bytes());
    readPostOp(reply);
    const result = { linksMax: reply.uint32(), nameMax: reply.uint32(), noTrunc: reply.bool(), chownRestricted: reply.bool(), caseInsensitive: reply.bool(), casePreserving: reply.bool() };
    reply.end();
    return result;
  }

  async commit(handle: Handle, offset: number | bigint = 0, count = 0): Promise<{ verifier: string; wcc: Wcc }> {
    const reply = await this.call("COMMIT", 21, new XdrWriter().opaque(handle).uint64(offset).uint32(count).bytes());
    const wcc = readWcc(reply);
    const verifier = reply.fixed(8).toString("hex");
    reply.end();
    return { verifier, wcc };
  }

  /** Reads a whole file, or `length` bytes from `offset`; short only at the end of the file. */
  async readAll(handle: Handle, offset = 0, length = Number.MAX_SAFE_INTEGER, chunk = 1 << 20): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let at = offset; at < offset + length; ) {
      const { data, eof } = await this.read(handle, at, Math.min(chunk, offset + length - at));
      parts.push(data);
      at += data.length;
      if (eof || data.length === 0) break;
    }
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
  }

  /** Writes all of `data`, in pieces when the server takes less at once. */
  async writeAll(handle: Handle, offset: number, data: Uint8Array, stable: number = Stable.unstable, chunk = 1 << 20): Promise<string> {
    let verifier = "";
    for (let at = 0; at < data.length; ) {
      const result = await this.write(handle, offset + at, data.subarray(at, Math.min(data.length, at + chunk)), stable);
      if (result.written === 0) throw new Error("WRITE: nothing written");
      at += result.written;
      verifier = result.verifier;
    }
    return verifier;
  }

  /** Makes a file with this content, committed. */
  async writeFile(directory: Handle, name: Name, data: Uint8Array): Promise<void> {
    const handle = (await this.create(directory, name, { mode: 0o644 })).handle as Handle;
    await this.writeAll(handle, 0, data);
    await this.commit(handle);
  }
}
