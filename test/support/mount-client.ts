import { type Handle, NfsError } from "./nfs-types.ts";
import { type RpcCredentials, RpcConnection } from "./rpc-client.ts";
import { type XdrReader, XdrWriter } from "./xdr.ts";

const mountProgram = 100005;

/** A MOUNT v3 client (RFC 1813 §5); each call on a connection of its own. */
export class MountClient {
  private readonly port: number;
  private readonly credentials: RpcCredentials;
  private readonly host: string | undefined;

  constructor(port: number, credentials: RpcCredentials, host?: string) {
    this.port = port;
    this.host = host;
    this.credentials = credentials;
  }

  private async call(procedure: number, ...args: Uint8Array[]): Promise<XdrReader> {
    const connection = await RpcConnection.open(this.port, this.host);
    try {
      return await connection.call(mountProgram, 3, procedure, this.credentials, args);
    } finally {
      connection.close();
    }
  }

  async null(): Promise<void> {
    (await this.call(0)).end();
  }

  /** The root handle of a share. */
  async mount(path: string): Promise<Handle> {
    const reply = await this.call(1, new XdrWriter().string(path).bytes());
    const status = reply.uint32();
    if (status !== 0) throw new NfsError("MNT", status);
    const handle = Buffer.from(reply.opaque(64));
    for (let flavors = reply.uint32(); flavors > 0; flavors--) reply.uint32();
    reply.end();
    return handle;
  }

  async dump(): Promise<{ host: string; directory: string }[]> {
    const reply = await this.call(2);
    const mounts = [];
    while (reply.bool()) mounts.push({ host: reply.string(255), directory: reply.string(1024) });
    reply.end();
    return mounts;
  }

  async unmount(path: string): Promise<void> {
    (await this.call(3, new XdrWriter().string(path).bytes())).end();
  }

  async exports(): Promise<{ directory: string; groups: string[] }[]> {
    const reply = await this.call(5);
    const found = [];
    while (reply.bool()) {
      const directory = reply.string(1024);
      const groups = [];
      while (reply.bool()) groups.push(reply.string(255));
      found.push({ directory, groups });
    }
    reply.end();
    return found;
  }
}
