import { join } from "node:path";
import { Admin } from "../support/admin.ts";
import { projectRoot, Server, temporaryDirectory } from "../support/server.ts";

/** A server as the suites want it: one share, and a user who may do everything in it that its files' own permissions allow. */

export const targetShare = "share";
export const targetUser = "alice";
export const targetPassword = "secret12";

export interface TargetOptions {
  /** 0: any free one. */
  readonly port?: number;
  /** From the sources instead of the compiled program. */
  readonly fromSource?: boolean;
  readonly share?: string;
  readonly password?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly echo?: (piece: string) => void;
  /** More fields of the share, as the REST interface has them. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

export interface Target {
  readonly server: Server;
  readonly admin: Admin;
  readonly dataDir: string;
  readonly port: number;
  stop(): Promise<void>;
}

export async function startTarget(options: TargetOptions = {}): Promise<Target> {
  const { port = 0, share = targetShare, password = targetPassword, fields = {} } = options;
  const directory = temporaryDirectory("conformance");
  const program = options.fromSource === true ? { program: [process.execPath, join(projectRoot, "src/main.ts")] } : {};
  const server = await Server.start({ dataDir: directory.path, port: 0, args: ["--smb-port", String(port), "--smb-test-controls", ...(options.args ?? [])], ...program, ...(options.env === undefined ? {} : { env: options.env }), ...(options.echo === undefined ? {} : { echo: options.echo }) });
  try {
    await server.printed(/^ready$/m);
    const admin = await Admin.at(server);
    await admin.do("POST", "/api/v1/users", { username: targetUser, password, uid: 1000, gid: 1000 });
    await admin.do("POST", "/api/v1/shares", { name: `/${share}`, default_permission: "read-write", root_mode: 0o777, ...fields });
    const stop = async (): Promise<void> => {
      await server.stop();
      directory.remove();
    };
    return { server, admin, dataDir: directory.path, port: server.smbPort, stop };
  } catch (error) {
    await server.kill();
    directory.remove();
    throw error;
  }
}
